"""Trains the embedded model: a small GPTBigCode with multi-query attention on infilling samples.

Muon (Jordan et al. 2024) on the matrices and AdamW on embeddings, biases and norms: at equal tokens it was clearly
ahead of AdamW alone in our trial. The rate warms up, stays constant and decays linearly to zero at the end (WSD, Hu et
al. 2024), so that a run can be prolonged by resuming it with a larger `steps`, as long as it has not begun to decay.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
from tokenizers import Tokenizer
from torch.nn import functional
from tqdm import tqdm
from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM

from inference.checkpoints.embedded import TIED, unpack_rows
from training.samples import Sample, Samples
from training.tokenizer import taken

_POSITIONS = "transformer.wpe.weight"


@dataclass(frozen=True)
class Recipe:
    """Everything a run depends on besides the corpus. Sizes are in tokens unless said otherwise."""

    steps: int = 12_000
    batch: int = 8
    """Rows of half the length a step; every fourth step has half as many of the whole length."""

    length: int = 1024
    width: int = 256
    layers: int = 6
    heads: int = 4
    middle_weight: float = 4.0
    """Weight in the loss of a middle's tokens. They are one in fifty, and all that the model is there for."""

    new_file_rate: float = 0.08
    """Share of samples of a file that has just been begun; 0 for versions 1 and 2. A run may go on with another."""

    muon_rate: float = 0.02
    adamw_rate: float = 3e-3
    has_muon: bool = True
    """Whether Muon learns the matrices; else AdamW learns everything."""

    rate: float = 1.0
    """Factor on both rates: less for a model that goes on from another."""

    warmup_steps: int = 100
    decay_share: float = 0.25
    start: str = ""
    """Folder of a packed model to start from, as `training.export` writes it; empty for random weights."""

    seed: int = 1
    validate_every: int = 250
    save_every: int = 250


def train(corpus: Path, tokenizer_file: Path, out: Path, recipe: Recipe) -> None:
    """Train, or go on from `out/state.pt`, until `recipe.steps`.

    The model lands in `out/model`, figures in `out/log.jsonl`.

    Raises:
        OSError: an input is missing or `out` cannot be written.
        ValueError: `out` holds a run that `recipe` can't go on with, or the packed model is of another size.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    torch.manual_seed(recipe.seed)
    model = GPTBigCodeForCausalLM(_config(recipe, tokenizer))
    if recipe.start:
        if tokenizer.get_vocab() != taken(Path(recipe.start)).get_vocab():
            raise ValueError(f"{tokenizer_file} is not the tokenizer of {recipe.start}: take it from there")
        _load_packed(model, Path(recipe.start))
    cast(Any, model).to(device)
    optimizers = _optimizers(model, recipe)
    samples = Samples(corpus / "train.jsonl", tokenizer, recipe.length, recipe.seed, recipe.new_file_rate)
    held_out = Samples(corpus / "heldout.jsonl", tokenizer, recipe.length, recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    first = _resume(out / "state.pt", recipe, model, optimizers, device)
    _cut_log(out / "log.jsonl", first)
    started = time.monotonic()
    for step in tqdm(range(first, recipe.steps), initial=first, total=recipe.steps, mininterval=10):
        _set_rate(optimizers, _rate(step, recipe) * recipe.rate)
        loss = _loss(model, _rows(samples, step, recipe, device), recipe.middle_weight)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        row: dict[str, float] = {"step": step, "loss": loss.item(), "seconds": round(time.monotonic() - started, 3)}
        if step % recipe.validate_every == 0 or step == recipe.steps - 1:
            row |= validate(model, held_out, recipe, device)
        with (out / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        if (step + 1) % recipe.save_every == 0 or step == recipe.steps - 1:
            _save(out / "state.pt", step + 1, recipe, model, optimizers)
    model.save_pretrained(out / "model")
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1) + "\n", encoding="utf-8")


def validate(model: GPTBigCodeForCausalLM, held_out: Samples, recipe: Recipe, device: torch.device) -> dict[str, float]:
    """Figures over 64 fixed samples of the held-out packages.

    `held_out_loss` is in nats a token; `bits` and `middle_bits` are in bits a character, of all text and of middles;
    `end_loss` is in nats, of the tokens that end middles: whether the model sees where the suffix takes over.
    """
    model.eval()
    nats = middle_nats = end_nats = 0.0
    tokens = characters = middle_characters = ends = 0
    with torch.no_grad():
        for step in range(max(1, 64 // recipe.batch)):
            samples = held_out.batch(step, recipe.batch, recipe.length // 2)
            rows = _tensors(samples, held_out, device)
            losses = _losses(model, rows)
            nats += float((losses * rows.weights).sum())
            middle_nats += float((losses * rows.is_middle).sum())
            is_end = rows.is_middle * (rows.targets == held_out.end_id)
            end_nats += float((losses * is_end).sum())
            ends += int(is_end.sum())
            tokens += int(rows.weights.sum())
            characters += sum(held_out.characters(sample.ids) for sample in samples)
            middle_characters += sum(held_out.characters(sample.ids[sample.middle :]) for sample in samples)
    model.train()
    return {
        "held_out_loss": nats / max(1, tokens),
        "bits": nats / math.log(2) / max(1, characters),
        "middle_bits": middle_nats / math.log(2) / max(1, middle_characters),
        "end_loss": end_nats / max(1, ends),
    }


def _config(recipe: Recipe, tokenizer: Tokenizer) -> GPTBigCodeConfig:
    end = tokenizer.token_to_id("<|endoftext|>")
    return GPTBigCodeConfig(
        vocab_size=tokenizer.get_vocab_size(),
        n_positions=recipe.length,
        n_embd=recipe.width,
        n_layer=recipe.layers,
        n_head=recipe.heads,
        n_inner=4 * recipe.width,
        multi_query=True,
        attn_pdrop=0.0,
        embd_pdrop=0.0,
        resid_pdrop=0.0,
        bos_token_id=end,
        eos_token_id=end,
    )


def _load_packed(model: GPTBigCodeForCausalLM, folder: Path) -> None:
    """Start from a packed model; positions beyond its context begin as copies of its own.

    Raises:
        ValueError: it has another size.
        OSError: there is none.
    """
    weights = unpack_rows(load_file(folder / "model.safetensors"))
    known = weights[_POSITIONS]
    count = model.config.n_positions
    weights[_POSITIONS] = known.repeat(-(-count // len(known)), 1)[:count]
    try:
        left_out = model.load_state_dict(weights, strict=False)
    except RuntimeError as error:
        raise ValueError(f"the model in {folder} is of another size: {error}") from error
    if left_out.unexpected_keys or set(cast(list[str], left_out.missing_keys)) - {TIED}:
        raise ValueError(f"the model in {folder} is of another kind or size")


def _optimizers(model: GPTBigCodeForCausalLM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "wte" not in name and "wpe" not in name]
    chosen = set(map(id, matrices)) if recipe.has_muon else set[int]()
    rest = [p for p in model.parameters() if id(p) not in chosen]
    adamw = torch.optim.AdamW(rest, lr=recipe.adamw_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    if not recipe.has_muon:
        return [adamw]
    return [torch.optim.Muon(matrices, lr=recipe.muon_rate, weight_decay=0.01, momentum=0.95), adamw]


def _rate(step: int, recipe: Recipe) -> float:
    """Multiplier of both rates: linear warm-up, constant, linear decay over the last `decay_share` of the steps."""
    decay_steps = max(1, math.ceil(recipe.steps * recipe.decay_share))
    return min(1.0, (step + 1) / recipe.warmup_steps, (recipe.steps - step) / decay_steps)


def _set_rate(optimizers: list[torch.optim.Optimizer], multiplier: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("peak_rate", group["lr"]) * multiplier


class _Rows(NamedTuple):
    """Samples as tensors [rows, n]."""

    ids: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    """1 for what counts, 0 for padding and for control tokens that only a prompt holds: it need not write prompts."""

    is_middle: torch.Tensor


def _rows(samples: Samples, step: int, recipe: Recipe, device: torch.device) -> _Rows:
    """What step `step` learns from.

    All rows begin at position 0. With short rows put anywhere in the context, so that all positions are learnt at
    their price, the model lost where the suffix begins, and with it where to end: 5.6 nats for the end token instead
    of 1.3 after 2,000 steps.
    """
    if step % 4 == 3:
        return _tensors(samples.batch(step, max(1, recipe.batch // 2), recipe.length), samples, device)
    return _tensors(samples.batch(step, recipe.batch, recipe.length // 2), samples, device)


def _tensors(batch: list[Sample], samples: Samples, device: torch.device) -> _Rows:
    """Shorter samples are padded on the right, which a causal model never sees."""
    longest = max(len(sample.ids) for sample in batch)
    ids = torch.tensor([sample.ids + [0] * (longest - len(sample.ids)) for sample in batch], device=device)
    counts = [[float(one not in samples.prompt_ids) for one in sample.ids[1:]] for sample in batch]
    weights = torch.tensor([row + [0.0] * (longest - 1 - len(row)) for row in counts], device=device)
    places = torch.arange(1, longest, device=device)
    starts = torch.tensor([sample.middle for sample in batch], device=device)
    return _Rows(ids[:, :-1], ids[:, 1:], weights, (places >= starts[:, None]) * weights)


def _loss(model: GPTBigCodeForCausalLM, rows: _Rows, middle_weight: float) -> torch.Tensor:
    """Weighted mean cross-entropy."""
    weights = rows.weights + (middle_weight - 1) * rows.is_middle
    return (_losses(model, rows) * weights).sum() / weights.sum()


def _losses(model: GPTBigCodeForCausalLM, rows: _Rows) -> torch.Tensor:
    """Cross-entropy of each token [rows, n], in nats."""
    device = rows.ids.device
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=_bf16_is_fast(device)):
        hidden = model.transformer(input_ids=rows.ids, use_cache=False).last_hidden_state
        logits = cast(torch.Tensor, model.lm_head(hidden))
        losses = functional.cross_entropy(logits.flatten(0, 1), rows.targets.flatten(), reduction="none")
    return losses.float().view_as(rows.weights)


def _bf16_is_fast(device: torch.device) -> bool:
    """On a CPU without AVX512-BF16 or AMX, bfloat16 is several times slower than float32."""
    return device.type == "cuda" or bool(torch.cpu._is_avx512_bf16_supported())  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]  # no public name


def _save(
    path: Path, step: int, recipe: Recipe, model: GPTBigCodeForCausalLM, optimizers: list[torch.optim.Optimizer]
) -> None:
    state = {
        "step": step,
        "recipe": asdict(recipe),
        "model": model.state_dict(),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
    }
    torch.save(state, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


def _resume(
    path: Path,
    recipe: Recipe,
    model: GPTBigCodeForCausalLM,
    optimizers: list[torch.optim.Optimizer],
    device: torch.device,
) -> int:
    """Load the state at `path`, if there is one; returns the step to go on with.

    Raises:
        ValueError: the state belongs to another recipe, or to a run that this one can't prolong.
    """
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location=device)
    before = replace(Recipe(**state["recipe"]), new_file_rate=recipe.new_file_rate)
    step = int(state["step"])
    if replace(before, steps=recipe.steps, decay_share=recipe.decay_share) != recipe:
        raise ValueError(f"{path} is of another recipe ({before}): move it away to start anew")
    if step > recipe.steps or (before != recipe and _rate(step - 1, before) < 1.0 and step > before.warmup_steps):
        raise ValueError(
            f"{path} is at step {step} and its rate has begun to decay: it can't be prolonged or shortened"
        )
    model.load_state_dict(state["model"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return step


def _cut_log(path: Path, first: int) -> None:
    """Drop the lines of steps that a stopped run did but did not save; they are done again."""
    if path.exists():
        kept = [line for line in path.read_text(encoding="utf-8").splitlines() if json.loads(line)["step"] < first]
        path.write_text("".join(line + "\n" for line in kept), encoding="utf-8")
