"""Packs a trained model into the shipped form: int8 rows, tokenizer, config, and a check that packing did no harm."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from tokenizers import Tokenizer
from transformers import GPTBigCodeForCausalLM

from inference.checkpoints.embedded import TIED, pack_rows, unpack_rows, write_checksums
from training.samples import Samples
from training.train import Recipe, validate


def export(corpus: Path, tokenizer_file: Path, run: Path, out: Path) -> tuple[float, float]:
    """Write `config.json`, `model.safetensors`, `tokenizer.json` and their checksums to `out`.

    Returns the held-out loss in nats per token before and after quantisation.

    Raises:
        OSError: an input is missing or `out` cannot be written.
    """
    model = GPTBigCodeForCausalLM.from_pretrained(run / "model", dtype=torch.float32)
    recipe = Recipe(**json.loads((run / "recipe.json").read_text(encoding="utf-8")))
    held_out = Samples(corpus / "heldout.jsonl", Tokenizer.from_file(str(tokenizer_file)), recipe.length, recipe.seed)
    device = torch.device("cpu")
    before = validate(model, held_out, recipe, device)["held_out_loss"]
    packed = pack_rows({name: tensor for name, tensor in model.state_dict().items() if name != TIED})
    model.load_state_dict(unpack_rows(packed), strict=False)
    after = validate(model, held_out, recipe, device)["held_out_loss"]
    out.mkdir(parents=True, exist_ok=True)
    save_file(packed, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)  # made private, but it is to be shipped
    model.config.to_json_file(out / "config.json")
    shutil.copyfile(tokenizer_file, out / "tokenizer.json")
    write_checksums(out)
    return before, after
