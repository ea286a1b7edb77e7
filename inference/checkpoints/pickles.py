"""Checkpoints that are published as PyTorch pickles only, converted to safetensors once.

They are unpickled with `weights_only=True`; see `weights.PickledWeights`.
"""

from __future__ import annotations

from pathlib import Path

from inference.checkpoints import converted
from inference.checkpoints.files import read_json, weight_files
from inference.checkpoints.weights import PickledWeights


def convert(folder: Path) -> Path:
    """`folder` itself, or its conversion where its weights are pickles.

    Raises:
        ModelInvalidError: a pickle is damaged or holds more than tensors.
    """
    paths = weight_files(folder)
    if paths[0].suffix != ".bin":
        return folder
    out = converted.target(folder, "pickles")
    if out.is_dir():
        return out
    source = PickledWeights(paths)
    config = read_json(folder / "config.json")
    return converted.write(folder, out, config, ((name, source.read(name)) for name in sorted(source.names)))
