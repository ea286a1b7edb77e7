"""Reads the model that ships in the package: int8 rows in safetensors, turned into float32 at load.

Layout of `inference/embedded/`: `config.json` and `tokenizer.json` as transformers writes them, and `model.safetensors`
in which each matrix `NAME` [rows, columns] is int8 with `NAME.scale` [rows, 1] in float32 beside it (row times scale is
the weight), and vectors are float32.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file  # pyright: ignore[reportUnknownVariableType]
from tokenizers import Tokenizer
from torch import Tensor
from transformers import GPTBigCodeConfig, GPTBigCodeForCausalLM

from inference.errors import ModelInvalidError

FOLDER = Path(__file__).parent.parent / "embedded"
SCALE_SUFFIX = ".scale"
TIED = "lm_head.weight"
"""Shares its tensor with the token embedding, so it is not stored."""

_EMBEDDING = "transformer.wte.weight"


def quantise_rows(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each matrix [rows, columns] as symmetric int8 rows with a float32 scale a row; vectors as float32."""
    packed: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if weight.ndim == 2:
            scale = weight.float().abs().amax(dim=1, keepdim=True).clamp(min=1e-8) / 127
            packed[name] = (weight.float() / scale).round().to(torch.int8)
            packed[name + SCALE_SUFFIX] = scale
        else:
            packed[name] = weight.float()
    return packed


def dequantise_rows(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """The float32 weights that `quantise_rows` packed."""
    return {
        name: tensor.float() * packed[name + SCALE_SUFFIX] if tensor.dtype == torch.int8 else tensor
        for name, tensor in packed.items()
        if not name.endswith(SCALE_SUFFIX)
    }


def load(folder: Path = FOLDER) -> tuple[GPTBigCodeForCausalLM, Tokenizer]:
    """The model in float32 on the CPU, and its tokenizer.

    Raises:
        ModelInvalidError: a file is missing, truncated or inconsistent with the others.
    """
    try:
        weights = dequantise_rows(load_file(folder / "model.safetensors"))
        config = GPTBigCodeConfig.from_json_file(folder / "config.json")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        model = GPTBigCodeForCausalLM(config)
        model.load_state_dict({**weights, TIED: weights[_EMBEDDING]})
    except Exception as error:  # tokenizers raises nothing more precise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelInvalidError(f"the embedded model in {folder} is damaged ({reason}): reinstall fimd") from error
    return model, tokenizer
