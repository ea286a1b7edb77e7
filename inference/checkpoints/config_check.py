"""Refuses configs that would cost memory or be misread, before anything is made of them. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from inference.checkpoints.files import read_json
from inference.errors import ModelInvalidError, reason

_MOST_LAYERS = 1024
"""More is damage: their modules alone would fill the memory."""

_MOST_LABELS = 10_000


def read_config(folder: Path) -> dict[str, Any]:
    """The config.json of a checkpoint folder.

    Raises:
        ModelInvalidError: it is damaged, or the weights are packed in a way we can't read.
    """
    raw = read_json(folder / "config.json")
    for key in ("n_layer", "num_hidden_layers", "num_layers"):
        check_layers(raw.get(key) or 1)
    if isinstance(labels := raw.get("num_labels"), int) and labels > _MOST_LABELS:
        raise ModelInvalidError(f"{folder / 'config.json'} claims {labels} labels: it is damaged, download it again")
    if isinstance(quantised := raw.get("quantization_config"), dict):
        method = cast(dict[str, Any], quantised).get("quant_method", "an unknown method")
        raise ModelInvalidError(
            f"{folder} was quantised by its publisher ({method}), which fimd can't unpack: "
            "choose the unquantised model, or a GGUF file"
        )
    return raw


def check_layers(count: object) -> None:
    """Refuse a number of layers that no model has, before anything of that size is made.

    Raises:
        ModelInvalidError: it is none of 1 to 1,024.
    """
    if not isinstance(count, int) or not 1 <= count <= _MOST_LAYERS:
        raise ModelInvalidError(f"a model of {reason(ValueError(count))} layers can't be: its config is damaged")
