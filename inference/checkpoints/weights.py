"""Weights as named tensors that are read one at a time, so that no second copy of a model is ever in memory.

Knows files and tensors; nothing of architectures, which are `assemble`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from inference.checkpoints.files import weight_files
from inference.errors import ModelInvalidError, reason


class WeightSource(Protocol):
    """Named tensors somewhere on disk."""

    @property
    def names(self) -> frozenset[str]:
        """Names of all tensors."""
        ...

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor, without reading it."""
        ...

    def read(self, name: str) -> Tensor:
        """One tensor on the CPU, in the type it was stored in (or float32, where that is a packed one)."""
        ...


class SafetensorsWeights:
    """Tensors of one or several safetensors files; reading maps the file.

    Raises:
        ModelInvalidError: a file is damaged, truncated or not there.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self._files: dict[str, Any] = {}
        for path in paths:
            try:
                file: Any = safe_open(path, framework="pt")
            except (SafetensorError, OSError) as error:
                raise ModelInvalidError(
                    f"{path} is damaged or truncated ({reason(error)}): download it again"
                ) from error
            self._files.update(dict.fromkeys(file.keys(), file))

    @property
    def names(self) -> frozenset[str]:
        """Names of all tensors."""
        return frozenset(self._files)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor."""
        return tuple(self._files[name].get_slice(name).get_shape())

    def read(self, name: str) -> Tensor:
        """One tensor, as stored."""
        return self._files[name].get_tensor(name)


class InMemoryWeights:
    """Tensors that are in memory already, or mapped."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors = tensors

    @property
    def names(self) -> frozenset[str]:
        """Names of all tensors."""
        return frozenset(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor."""
        return tuple(self._tensors[name].shape)

    def read(self, name: str) -> Tensor:
        """One tensor, as it is."""
        return self._tensors[name]


class PickledWeights(InMemoryWeights):
    """Tensors of PyTorch pickles, unpickled with `weights_only=True`: nothing in them can run.

    Their bytes come from the mapped files.

    Raises:
        ModelInvalidError: a file is damaged, or holds anything but tensors.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        tensors = {
            name: value for path in paths for name, value in _unpickled(path).items() if isinstance(value, Tensor)
        }
        if not tensors:
            raise ModelInvalidError(f"{paths[0]} holds no tensors: it is no checkpoint of a model")
        super().__init__(tensors)


def _unpickled(path: Path) -> Mapping[str, Any]:
    try:
        try:
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        except RuntimeError as error:
            if "mmap" not in str(error):
                raise
            # The format before PyTorch 1.6 is no zip file and can't be mapped.
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelInvalidError(
            f"{path} is damaged, or holds more than tensors, which fimd never unpickles: "
            "download it again from its publisher, in safetensors form if there is one"
        ) from error
    if not isinstance(content, dict):
        raise ModelInvalidError(f"{path} holds no table of tensors: it is no checkpoint of a model")
    return cast(Mapping[str, Any], content)


def open_folder(folder: Path) -> WeightSource:
    """The weights of a checkpoint folder: safetensors if there are any, else pickles.

    Raises:
        ModelInvalidError: there are none, some are missing, or they are damaged.
    """
    paths = weight_files(folder)
    return PickledWeights(paths) if paths[0].suffix == ".bin" else SafetensorsWeights(paths)
