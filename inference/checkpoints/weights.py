"""Weights as named tensors that are read as they are needed, so that no second copy of a model is ever in memory.

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
from inference.models.int8 import quantise_rows

_FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
SCALE_SUFFIX = ".scale"


class WeightSource(Protocol):
    """Named tensors somewhere on disk; may be read by several threads at once."""

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
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._paths: dict[str, Path] = {}
        for path in paths:
            try:
                file: Any = safe_open(path, framework="pt")
            except (SafetensorError, OSError) as error:
                raise ModelInvalidError(
                    f"{path} is damaged or truncated ({reason(error)}): download it again"
                ) from error
            names: list[str] = file.keys()
            self._shapes.update((name, tuple(file.get_slice(name).get_shape())) for name in names)
            self._paths.update(dict.fromkeys(names, path))

    @property
    def names(self) -> frozenset[str]:
        """Names of all tensors."""
        return frozenset(self._paths)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor."""
        return self._shapes[name]

    def read(self, name: str) -> Tensor:
        """One tensor, as stored.

        The mapping is its own, so that what was read does not stay in memory when the tensor is gone.
        """
        file: Any = safe_open(self._paths[name], framework="pt")
        return file.get_tensor(name)


class RowsWeights(SafetensorsWeights):
    """Matrices as int8 rows: `NAME` [rows, columns] with `NAME.scale` [rows, 1] in float32 beside it; vectors plain.

    The layout of the embedded model and of the cache of quantised models. Row times scale is the weight.
    """

    @property
    def names(self) -> frozenset[str]:
        """Names of the weights, without those of their scales."""
        return frozenset(name for name in super().names if not name.endswith(SCALE_SUFFIX))

    def read(self, name: str) -> Tensor:
        """One weight; a matrix in float32."""
        stored = super().read(name)
        return stored.float() * super().read(name + SCALE_SUFFIX) if stored.dtype == torch.int8 else stored

    def rows(self, name: str) -> tuple[Tensor, Tensor]:
        """One matrix as int8 rows, mapped from the file, and their scales."""
        return super().read(name), super().read(name + SCALE_SUFFIX)

    def has_rows(self, name: str) -> bool:
        """Whether a weight is stored as int8 rows."""
        return name + SCALE_SUFFIX in super().names


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


def read_finite(source: WeightSource, name: str) -> Tensor:
    """One tensor, after a look at what is in it.

    Raises:
        ModelInvalidError: it holds NaN or infinity, or is packed in a way we can't read.
    """
    tensor = source.read(name)
    if tensor.dtype not in _FLOATS:
        raise ModelInvalidError(
            f"the weights hold {name} as {tensor.dtype}, which is quantised in a way fimd can't unpack: "
            "choose the unquantised model, or a GGUF file"
        )
    if not bool(torch.isfinite(tensor.sum(dtype=torch.float32))):
        raise ModelInvalidError(f"the weights hold NaN or infinity in {name}: download the model again")
    return tensor


def read_rows(source: WeightSource, name: str) -> tuple[Tensor, Tensor]:
    """One matrix as int8 rows and their scales: as stored, or quantised now.

    Raises:
        ModelInvalidError: see `read_finite`.
    """
    if isinstance(source, RowsWeights) and source.has_rows(name):
        return source.rows(name)
    return quantise_rows(read_finite(source, name))
