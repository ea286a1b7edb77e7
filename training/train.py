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
from typing import Any, cast

import torch
from tokenizers import Tokenizer
from torch.nn import functional
from tqdm import tqdm
from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM

from training.samples import Samples


@dataclass(frozen=True)
class Recipe:
    """Everything a run depends on besides the corpus. Sizes are in tokens unless said otherwise."""

    steps: int = 6500
    batch: int = 8
    length: int = 512
    width: int = 256
    layers: int = 6
    heads: int = 4
    muon_rate: float = 0.02
    adamw_rate: float = 3e-3
    warmup_steps: int = 100
    decay_share: float = 0.25
    seed: int = 1
    validate_every: int = 250
    save_every: int = 250


def train(corpus: Path, tokenizer_file: Path, out: Path, recipe: Recipe) -> None:
    """Train, or go on from `out/state.pt`, until `recipe.steps`.

    The model lands in `out/model`, figures in `out/log.jsonl`.

    Raises:
        OSError: an input is missing or `out` cannot be written.
        ValueError: `out` holds a run that `recipe` can't go on with.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    torch.manual_seed(recipe.seed)
    model = GPTBigCodeForCausalLM(_config(recipe, tokenizer))
    cast(Any, model).to(device)
    optimizers = _optimizers(model, recipe)
    samples = Samples(corpus / "train.jsonl", tokenizer, recipe.length, recipe.seed)
    held_out = Samples(corpus / "heldout.jsonl", tokenizer, recipe.length, recipe.seed)
    out.mkdir(parents=True, exist_ok=True)
    first = _resume(out / "state.pt", recipe, model, optimizers, device)
    _cut_log(out / "log.jsonl", first)
    started = time.monotonic()
    for step in tqdm(range(first, recipe.steps), initial=first, total=recipe.steps, mininterval=10):
        _set_rate(optimizers, _rate(step, recipe))
        loss = _loss(model, samples.batch(step, recipe.batch), samples.prompt_ids, device)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        row: dict[str, float] = {"step": step, "loss": loss.item(), "seconds": round(time.monotonic() - started, 1)}
        if step % recipe.validate_every == 0 or step == recipe.steps - 1:
            row["held_out_loss"] = validate(model, held_out, recipe.batch, device)
        with (out / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        if (step + 1) % recipe.save_every == 0 or step == recipe.steps - 1:
            _save(out / "state.pt", step + 1, recipe, model, optimizers)
    model.save_pretrained(out / "model")
    (out / "recipe.json").write_text(json.dumps(asdict(recipe), indent=1) + "\n", encoding="utf-8")


def validate(model: GPTBigCodeForCausalLM, held_out: Samples, batch: int, device: torch.device) -> float:
    """Mean loss in nats per token over 64 fixed samples of the held-out packages."""
    model.eval()
    with torch.no_grad():
        losses = [
            _loss(model, held_out.batch(step, batch), held_out.prompt_ids, device).item()
            for step in range(max(1, 64 // batch))
        ]
    model.train()
    return sum(losses) / len(losses)


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


def _optimizers(model: GPTBigCodeForCausalLM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "wte" not in name and "wpe" not in name]
    chosen = set(map(id, matrices))
    rest = [p for p in model.parameters() if id(p) not in chosen]
    return [
        torch.optim.Muon(matrices, lr=recipe.muon_rate, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(rest, lr=recipe.adamw_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def _rate(step: int, recipe: Recipe) -> float:
    """Multiplier of both rates: linear warm-up, constant, linear decay over the last `decay_share` of the steps."""
    decay_steps = max(1, math.ceil(recipe.steps * recipe.decay_share))
    return min(1.0, (step + 1) / recipe.warmup_steps, (recipe.steps - step) / decay_steps)


def _set_rate(optimizers: list[torch.optim.Optimizer], multiplier: float) -> None:
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("peak_rate", group["lr"]) * multiplier


def _loss(
    model: GPTBigCodeForCausalLM, rows: list[list[int]], prompt_ids: frozenset[int], device: torch.device
) -> torch.Tensor:
    """Mean cross-entropy over the tokens of `rows`, except those that only a prompt holds: it need not write prompts.

    Shorter rows are padded on the right, which a causal model never sees.
    """
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows], device=device)
    wanted = [[-100 if token in prompt_ids else token for token in row[1:]] for row in rows]
    target = torch.tensor([row + [-100] * (longest - 1 - len(row)) for row in wanted], device=device)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=_bf16_is_fast(device)):
        hidden = model.transformer(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        logits = cast(torch.Tensor, model.lm_head(hidden))
        return functional.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=-100)


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
    before = Recipe(**state["recipe"])
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
