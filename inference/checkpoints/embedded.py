"""Reads the model that ships in the package: int8 rows in safetensors, turned into float32 at load.

Layout of `inference/embedded/`: `config.json` and `tokenizer.json` as transformers writes them, and `model.safetensors`
in which each matrix `NAME` [rows, columns] is int8 with `NAME.scale` [rows, 1] in float32 beside it (row times scale is
the weight), and vectors are float32. `SHA256SUMS` has the files' checksums, in the form of coreutils' sha256sum.
"""

from __future__ import annotations

import hashlib
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
CHECKSUMS = "SHA256SUMS"
_CHECKED = ("config.json", "model.safetensors", "tokenizer.json")
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


def write_checksums(folder: Path) -> None:
    """Write those of a model's files in `folder` beside them.

    Raises:
        OSError: a file can't be read, or they can't be written.
    """
    lines = (f"{_digest(folder / name)}  {name}\n" for name in _CHECKED)
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def _check(folder: Path) -> None:
    known = (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines()
    for name in _CHECKED:
        if f"{_digest(folder / name)}  {name}" not in known:
            raise ValueError(f"{name} is not the file that was shipped")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def open_embedded(folder: Path = FOLDER) -> Checkpoint:
    """The model and its tokenizer.

    Raises:
        ModelInvalidError: a file is missing, or not as it was shipped.
    """
    try:
        _check(folder)
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
