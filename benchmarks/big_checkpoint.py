"""Writes a checkpoint of SantaCoder's shape with random weights: `python benchmarks/big_checkpoint.py FOLDER`.

1.12 billion parameters in bfloat16, 2.3 GB, in the layout of `bigcode/gpt_bigcode-santacoder`, with the embedded
model's tokenizer under SantaCoder's token names: for what depends on sizes only. What it writes is noise.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from inference.checkpoints.embedded import FOLDER
from inference.checkpoints.files import SAFETENSORS_INDEX
from inference.models.gpt_bigcode import GptBigCodeShape

CONFIG: Mapping[str, Any] = {
    "architectures": ["GPTBigCodeForCausalLM"], "model_type": "gpt_bigcode", "vocab_size": 49_280, "n_positions": 2048,
    "n_embd": 2048, "n_layer": 24, "n_head": 16, "n_inner": 8192, "multi_query": True, "tie_word_embeddings": True,
    "activation_function": "gelu_pytorch_tanh", "layer_norm_epsilon": 1e-5, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
_SHARD_TENSORS = 60


def random_weights(shape: GptBigCodeShape) -> Iterator[tuple[str, Tensor]]:
    """Tensors as an initialised model has them, the same at each call."""
    for name, size in shape.tensors().items():
        generator = torch.Generator().manual_seed(sum(map(ord, name)))
        weight = torch.randn(size, generator=generator) * 0.02
        is_norm = name.endswith(("ln_1.weight", "ln_2.weight", "ln_f.weight"))
        yield name, (weight + 1 if is_norm else weight).to(torch.bfloat16)


def write(folder: Path, config: Mapping[str, Any] = CONFIG) -> Path:
    """Write the checkpoint, unless it is there."""
    if (folder / SAFETENSORS_INDEX).is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    shape = GptBigCodeShape.from_config(config)
    if shape is None:
        raise AssertionError("SantaCoder's shape is one of ours")
    where: dict[str, str] = {}
    shard: dict[str, Tensor] = {}
    for name, tensor in random_weights(shape):
        shard[name] = tensor
        where[name] = f"model-{len(where) // _SHARD_TENSORS + 1:05}.safetensors"
        if len(where) % _SHARD_TENSORS == 0:
            save_file(shard, folder / where[name], metadata={"format": "pt"})
            shard = {}
    if shard:
        save_file(shard, folder / next(reversed(where.values())), metadata={"format": "pt"})
    text = (FOLDER / "tokenizer.json").read_text(encoding="utf-8")
    for part in ("prefix", "middle", "suffix"):
        text = text.replace(f"<fim_{part}>", f"<fim-{part}>")
    (folder / "tokenizer.json").write_text(text, encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(dict(config)), encoding="utf-8")
    (folder / SAFETENSORS_INDEX).write_text(json.dumps({"metadata": {}, "weight_map": where}), encoding="utf-8")
    return folder


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
