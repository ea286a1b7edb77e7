"""The custom GPT-2 class of `bigcode/santacoder`, mapped onto transformers' own GPTBigCode.

The repository's class can't be imported by today's transformers, and we never run a repository's code. Its layout (from
the tensor names and shapes of its checkpoints, and text-generation-inference's loader of them):

- multi-query: `attn.q_attn` [width → width] and `attn.kv_attn` [width → 2 · head width], key before value; in
  GPTBigCode the two are joined as `attn.c_attn`.
- multi-head (branch `mha`): `attn.c_attn` holds all queries, all keys, all values; GPTBigCode wants query, key and
  value of the first head, then of the second, and so on.
- matrices are [in, out] as in GPT-2's Conv1D, or [out, in] as in a linear layer, which is what GPTBigCode has.
- `attn.bias` and `attn.masked_bias` are masks, not weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inference.checkpoints import converted
from inference.checkpoints.files import read_json
from inference.checkpoints.weights import WeightSource, open_folder
from inference.errors import ModelInvalidError, reason

_MASK = re.compile(r"(^|\.)attn\.(masked_)?bias$")
_SAME_FUNCTION = {"gelu_fast": "gelu_pytorch_tanh", "gelu_new": "gelu_pytorch_tanh"}
"""The tanh approximation of GELU has three names; GPTBigCode uses the last."""


def is_custom(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is that of the custom class."""
    architectures = config.get("architectures") or [""]
    return config.get("model_type") == "gpt2" and (
        "attention_head_type" in config or str(architectures[0]).startswith("GPT2LMHeadCustom")
    )


def convert(folder: Path) -> Path:
    """The same checkpoint in GPTBigCode's layout; converted at the first call, from the cache afterwards.

    Raises:
        ModelInvalidError: a tensor is missing or has a shape that fits neither layout.
    """
    out = converted.target(folder, "santacoder")
    if out.is_dir():
        return out
    old = read_json(folder / "config.json")
    source = open_folder(folder)
    try:
        mapping = _Mapping(old, source)
        return converted.write(folder, out, mapping.config, mapping.tensors())
    except (KeyError, TypeError, ValueError, ZeroDivisionError, RuntimeError) as error:
        raise ModelInvalidError(
            f"{folder} is not a whole SantaCoder checkpoint ({reason(error)} is missing or wrong): download it again"
        ) from error


class _Mapping:
    """From the old names, layouts and config to the new.

    Raises:
        KeyError: the config or the weights lack something.
    """

    def __init__(self, config: Mapping[str, Any], source: WeightSource) -> None:
        self._source = source
        self._prefix = "transformer." if "transformer.wte.weight" in source.names else ""
        self._width = int(config["n_embd"])
        self._heads = int(config["n_head"])
        self._inner = int(config.get("n_inner") or 4 * self._width)
        self._multi_query = f"{self._prefix}h.0.attn.q_attn.weight" in source.names
        self._transposed = self._is_transposed()
        self.config = self._new_config(config)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """All tensors under their new names."""
        for name in sorted(self._source.names):
            short = name.removeprefix(self._prefix)
            if _MASK.search(short):
                continue
            if short == "lm_head.weight":  # usually the embedding table once more, which `folder` finds out
                yield short, self._source.read(name)
                continue
            if short.endswith(("attn.q_attn.weight", "attn.q_attn.bias")):
                other = name.replace("q_attn", "kv_attn")
                joined = torch.cat([self._oriented(name), self._oriented(other)])
                yield f"transformer.{short.replace('q_attn', 'c_attn')}", joined
            elif short.endswith(("attn.c_attn.weight", "attn.c_attn.bias")):
                yield f"transformer.{short}", self._by_head(self._oriented(name))
            elif "attn.kv_attn" not in short:
                yield f"transformer.{short}", self._oriented(name)

    def _oriented(self, name: str) -> Tensor:
        """A tensor, with its rows as outputs where it is a layer's matrix."""
        tensor = self._source.read(name)
        is_layer = ".attn." in name or ".mlp." in name
        return tensor.T.contiguous() if is_layer and tensor.ndim == 2 and self._transposed else tensor

    def _by_head(self, joined: Tensor) -> Tensor:
        """From [all queries; all keys; all values] to (query, key, value) head by head, along the first dimension."""
        shape = joined.shape
        return joined.view(3, self._heads, self._width // self._heads, *shape[1:]).transpose(0, 1).reshape(shape)

    def _is_transposed(self) -> bool:
        """Whether matrices are [in, out]. Told by one that is not square: the queries' always is."""
        names = [f"{self._prefix}h.0.mlp.c_fc.weight", f"{self._prefix}h.0.attn.kv_attn.weight"]
        outputs = (self._inner, 2 * self._width // self._heads)
        for name, output in zip(names, outputs, strict=True):
            if name not in self._source.names or output == self._width:
                continue
            shape = self._source.shape(name)
            if shape == (self._width, output):
                return True
            if shape == (output, self._width):
                return False
            raise KeyError(f"{name} {list(shape)}")
        raise KeyError(names[0])

    def _new_config(self, old: Mapping[str, Any]) -> dict[str, Any]:
        if old.get("scale_attn_by_inverse_layer_idx"):
            raise KeyError("scale_attn_by_inverse_layer_idx")
        activation = str(old.get("activation_function", "gelu_new"))
        same = ("n_positions", "n_embd", "n_layer", "n_head", "layer_norm_epsilon", "bos_token_id", "eos_token_id")
        table = f"{self._prefix}wte.weight"
        return {
            "architectures": ["GPTBigCodeForCausalLM"],
            "model_type": "gpt_bigcode",
            "multi_query": self._multi_query,
            "n_inner": self._inner,
            "activation_function": _SAME_FUNCTION.get(activation, activation),
            "scale_attn_weights": old.get("scale_attn_weights", True),
            "vocab_size": self._source.shape(table)[0],
            "tie_word_embeddings": True,
            **{key: old[key] for key in same if key in old},
        }
