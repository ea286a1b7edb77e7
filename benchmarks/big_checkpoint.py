"""Writes a checkpoint of SantaCoder's size that writes what the embedded model does: `big_checkpoint.py FOLDER`.

1.12 billion parameters in bfloat16, 2.3 GB, in the layout of `bigcode/gpt_bigcode-santacoder`. No weights of a billion
parameters can be had without a network, and random ones write noise, for which drafts, stops and caches behave in no
natural way. So each activation of the embedded model is held eight times over, each of its matrices is spread over the
copies, what is left of the larger matrices is zero, and the layers that it lacks add nothing. Layer norms see the same
mean and variance, and the logits are eight times the embedded model's: greedy decoding writes the same text (where
bfloat16 rounds no choice away), with the work of the large model.
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
from inference.checkpoints.weights import RowsWeights
from inference.models.gpt_bigcode import GptBigCodeShape

CONFIG: Mapping[str, Any] = {
    "architectures": ["GPTBigCodeForCausalLM"], "model_type": "gpt_bigcode", "vocab_size": 49_280, "n_positions": 2048,
    "n_embd": 2048, "n_layer": 24, "n_head": 16, "n_inner": 8192, "multi_query": True, "tie_word_embeddings": True,
    "activation_function": "gelu_pytorch_tanh", "layer_norm_epsilon": 1e-5, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip
_SHARD_TENSORS = 60


def shape_of(config: Mapping[str, Any]) -> GptBigCodeShape:
    """The sizes that a config.json gives."""
    if (shape := GptBigCodeShape.from_config(config)) is None:
        raise AssertionError("it is one of ours")
    return shape


class Enlarged:
    """The embedded model's weights in a larger shape; a `WeightSource`."""

    def __init__(self, config: Mapping[str, Any] = CONFIG) -> None:
        self.shape_of_all = shape_of(config)
        self._small = shape_of(json.loads((FOLDER / "config.json").read_text(encoding="utf-8")))
        self._weights = RowsWeights([FOLDER / "model.safetensors"])
        self._sizes = self.shape_of_all.tensors()
        self._copies = self.shape_of_all.width // self._small.width

    @property
    def names(self) -> frozenset[str]:
        """Names of all tensors."""
        return frozenset(self._sizes)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor."""
        return self._sizes[name]

    def read(self, name: str) -> Tensor:
        """One tensor, in bfloat16."""
        return self._wide(name).to(torch.bfloat16)

    def _wide(self, name: str) -> Tensor:
        wide = torch.zeros(self._sizes[name])
        if name not in self._weights.names:  # a layer beyond the small model's: nothing, added to what is there
            return wide
        small = self._weights.read(name).float()
        if name.endswith(("c_attn.weight", "c_attn.bias")):
            return self._attention(small, wide)
        if name.endswith("attn.c_proj.weight"):
            return self._projection(small, wide)
        if name.endswith(("c_fc.weight", "c_fc.bias")):
            wide[: len(small)] = self._spread(small)
        elif name.endswith("mlp.c_proj.weight"):
            wide[:, : small.shape[1]] = small.repeat(self._copies, 1)
        elif name.endswith("wte.weight"):
            wide[: len(small)] = small.repeat(1, self._copies)
            wide[len(small) :] = wide[0]  # ids that no text has: as likely as the first, which comes before them
        elif name.endswith("wpe.weight"):
            rows = torch.arange(len(wide)) % len(small)
            wide = small[rows].repeat(1, self._copies)
        else:
            wide = small.repeat(self._copies)
        return wide

    def _spread(self, small: Tensor) -> Tensor:
        """A matrix that takes the copies' mean; a bias as it is."""
        return small.repeat(1, self._copies) / self._copies if small.ndim == 2 else small

    def _attention(self, small: Tensor, wide: Tensor) -> Tensor:
        """Queries, key and value: the first heads, in the first part of each head's width."""
        narrow, width = self._small.width // self._small.heads, self.shape_of_all.width // self.shape_of_all.heads
        rows = self._spread(small)
        for head in range(self._small.heads):
            # Scores are divided by the root of the wider head.
            part = rows[head * narrow : (head + 1) * narrow] * (width / narrow) ** 0.5
            wide[head * width : head * width + narrow] = part
        for place in range(2):
            start = self._small.width + place * narrow
            to = self.shape_of_all.width + place * width
            wide[to : to + narrow] = rows[start : start + narrow]
        return wide

    def _projection(self, small: Tensor, wide: Tensor) -> Tensor:
        narrow, width = self._small.width // self._small.heads, self.shape_of_all.width // self.shape_of_all.heads
        for head in range(self._small.heads):
            part = small[:, head * narrow : (head + 1) * narrow]
            wide[:, head * width : head * width + narrow] = part.repeat(self._copies, 1)
        return wide

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """All tensors by name."""
        for name in self._sizes:
            yield name, self.read(name)


def write(folder: Path, config: Mapping[str, Any] = CONFIG) -> Path:
    """Write the checkpoint, unless it is there."""
    if (folder / SAFETENSORS_INDEX).is_file():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    where: dict[str, str] = {}
    shard: dict[str, Tensor] = {}
    for name, tensor in Enlarged(config).tensors():
        shard[name] = tensor
        where[name] = f"model-{len(where) // _SHARD_TENSORS + 1:05}.safetensors"
        if len(where) % _SHARD_TENSORS == 0:
            save_file(shard, folder / where[name], metadata={"format": "pt"})
            shard = {}
    if shard:
        save_file(shard, folder / next(reversed(where.values())), metadata={"format": "pt"})
    for name in ("tokenizer.json",):
        (folder / name).write_text((FOLDER / name).read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(dict(config)), encoding="utf-8")
    # Last, because it says that everything is there.
    (folder / SAFETENSORS_INDEX).write_text(json.dumps({"metadata": {}, "weight_map": where}), encoding="utf-8")
    return folder


if __name__ == "__main__":
    print(write(Path(sys.argv[1])))
