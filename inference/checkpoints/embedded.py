"""Reads the model that ships in the package: int8 rows in safetensors, turned into float32 at load.

Layout of `inference/embedded/`: `config.json` and `tokenizer.json` as transformers writes them, and `model.safetensors`
in which each matrix `NAME` [rows, columns] is int8 with `NAME.scale` [rows, 1] in float32 beside it (row times scale is
the weight), and vectors are float32.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from inference.checkpoints import lean
from inference.checkpoints.checkpoint import Checkpoint
from inference.checkpoints.files import read_json
from inference.checkpoints.weights import SCALE_SUFFIX, RowsWeights
from inference.errors import ModelInvalidError, reason
from inference.models.int8 import quantise_rows

FOLDER = Path(__file__).parent.parent / "embedded"
TIED = "lm_head.weight"
"""Shares its tensor with the token embedding, so it is not stored."""


def pack_rows(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each matrix [rows, columns] as symmetric int8 rows with a float32 scale a row; vectors as float32."""
    packed: dict[str, Tensor] = {}
    for name, weight in weights.items():
        if weight.ndim == 2:
            packed[name], packed[name + SCALE_SUFFIX] = quantise_rows(weight)
        else:
            packed[name] = weight.float()
    return packed


def unpack_rows(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    """The float32 weights that `pack_rows` packed."""
    return {
        name: tensor.float() * packed[name + SCALE_SUFFIX] if tensor.dtype == torch.int8 else tensor
        for name, tensor in packed.items()
        if not name.endswith(SCALE_SUFFIX)
    }


def open_embedded(folder: Path = FOLDER) -> Checkpoint:
    """The model and its tokenizer.

    Raises:
        ModelInvalidError: a file is missing, truncated or inconsistent with the others.
    """
    try:
        weights = RowsWeights([folder / "model.safetensors"])
        outline = lean.outline(read_json(folder / "config.json"), weights)
        if outline is None:
            raise ValueError("model.safetensors does not fit config.json")  # noqa: TRY301  # one sentence for all
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    except Exception as error:  # tokenizers raises nothing more precise
        raise ModelInvalidError(
            f"the embedded model in {folder} is damaged ({reason(error)}): reinstall fimd"
        ) from error
    return Checkpoint(outline, tokenizer, weights)
