"""The container of GGUF files, versions 2 and 3 (docs/gguf.md in ggml): metadata, and tensors unpacked one by one.

The `gguf` package knows the types and unpacks their blocks. The header is read here, because that package's own reader
trusts every count in it (a hostile one fills the memory) and takes seconds for a vocabulary. Here each count is checked
against the bytes that are left before anything of that size is made.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, cast

import gguf
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.errors import ModelInvalidError

_MAGIC = b"GGUF"
_OLDER_MAGICS = {b"lmgg", b"tjgg", b"fmgg", b"algg"}
_VERSIONS = (2, 3)
_SCALARS: Mapping[int, str] = {
    0: "<u1", 1: "<i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 7: "?", 10: "<u8", 11: "<i8", 12: "<f8",
}  # fmt: skip
_STRING, _ARRAY = 8, 9
_MAX_ENTRIES = 65_536
_MAX_ELEMENTS = 1 << 22
"""Of one metadata array: several times the largest vocabulary."""

_UNPACKED_ELEMENTS = 1 << 18
_MAX_DIMENSIONS = 4
_MAX_ALIGNMENT = 1 << 20


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where one tensor is."""

    shape: tuple[int, ...]
    """Slowest dimension first, as torch has it."""

    kind: gguf.GGMLQuantizationType
    start: int
    size: int


class GgufFile:
    """One open GGUF file; a `WeightSource` whose names are GGUF's own.

    Raises:
        ModelInvalidError: no GGUF file, truncated, damaged, or of a kind that is not supported.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as stream:
                self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # ValueError: empty
            raise ModelInvalidError(f"{path} can't be read as a GGUF file ({error}): download it again") from error
        header = _Header(path, self._map)
        self.metadata = header.metadata
        self._entries = header.entries

    @property
    def names(self) -> frozenset[str]:
        """Names of all tensors."""
        return frozenset(self._entries)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor, slowest dimension first."""
        return self._entries[name].shape

    def read(self, name: str) -> Tensor:
        """One tensor: float16 and float32 as stored, packed types (bfloat16 too) as float32.

        Raises:
            ModelInvalidError: the `gguf` package can't unpack its type.
        """
        entry = self._entries[name]
        raw = np.frombuffer(self._map, np.uint8, entry.size, entry.start)
        if entry.kind == gguf.GGMLQuantizationType.F32:
            return torch.from_numpy(raw.view(np.float32).copy()).view(entry.shape)  # pyright: ignore[reportUnknownMemberType]
        if entry.kind == gguf.GGMLQuantizationType.F16:
            return torch.from_numpy(raw.view(np.float16).copy()).view(entry.shape)  # pyright: ignore[reportUnknownMemberType]
        # Unpacking makes several copies of what it is given, so it is given a few rows at a time.
        rows = raw.reshape(prod(entry.shape[:-1]), -1)
        values = torch.empty(len(rows), entry.shape[-1])
        step = max(1, _UNPACKED_ELEMENTS // entry.shape[-1])
        try:
            for start in range(0, len(rows), step):
                unpacked = gguf.quants.dequantize(rows[start : start + step], entry.kind)
                values[start : start + step] = torch.from_numpy(unpacked)  # pyright: ignore[reportUnknownMemberType]
        except NotImplementedError as error:
            raise ModelInvalidError(
                f"{self.path} holds {name} as {entry.kind.name}, which can't be unpacked: choose a file in another "
                "quantisation, such as Q4_K_M or Q8_0"
            ) from error
        return values.view(entry.shape)

    def text(self, key: str, default: str = "") -> str:
        """A string of the metadata."""
        value = self.metadata.get(key)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else default

    def number(self, key: str) -> float | None:
        """A single number of the metadata, or None."""
        value = self.metadata.get(key)
        return value if isinstance(value, int | float) else None


class _Header:
    """Reads a header with a cursor that never leaves the file."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self._path, self._data, self._at = path, data, 0
        self.metadata: dict[str, Any] = {}
        self.entries: dict[str, _Entry] = {}
        if data[:4] in _OLDER_MAGICS:
            raise ModelInvalidError(
                f"{path} is in a ggml format from before GGUF, without merges: get the model as GGUF or safetensors"
            )
        if data[:4] != _MAGIC:
            raise ModelInvalidError(f"{path} is no GGUF file (it begins with {data[:4]!r}): choose another")
        self._at = 4
        version = self._integer("<I")
        if version not in _VERSIONS:
            known = "is big-endian" if version & 0xFFFF == 0 else f"has GGUF version {version}"
            raise ModelInvalidError(
                f"{path} {known}; fimd reads little-endian files of versions 2 and 3: convert it anew"
            )
        tensors, entries = self._integer("<Q"), self._integer("<Q")
        if max(tensors, entries) > _MAX_ENTRIES:
            raise self._damaged(f"claims {tensors} tensors and {entries} metadata entries")
        for _ in range(entries):
            self._read_entry()
        if isinstance(parts := self.metadata.get("split.count"), int) and parts > 1:
            raise ModelInvalidError(f"{path} is one of {parts} parts: join them with llama.cpp's gguf-split first")
        infos = [self._read_info() for _ in range(tensors)]
        self._place(infos)

    def _read_entry(self) -> None:
        key = self._string().decode("utf-8", "replace")
        if key in self.metadata:
            raise self._damaged(f"holds {key!r} twice")
        self.metadata[key] = self._value(self._integer("<I"))

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            return self._array(self._integer("<I"), self._integer("<Q"))
        return self._scalars(kind, 1)[0].item()

    def _array(self, kind: int, count: int) -> NDArray[Any] | list[bytes]:
        if count > _MAX_ELEMENTS:
            raise self._damaged(f"claims an array of {count} elements")
        return [self._string() for _ in range(count)] if kind == _STRING else self._scalars(kind, count)

    def _scalars(self, kind: int, count: int) -> NDArray[Any]:
        if kind not in _SCALARS:
            raise self._damaged(f"holds metadata of the unknown type {kind}")
        dtype = np.dtype(_SCALARS[kind])
        return np.frombuffer(self._take(count * dtype.itemsize), dtype)

    def _read_info(self) -> tuple[str, tuple[int, ...], int, int]:
        """Name, shape (slowest first), type and offset of one tensor."""
        name = self._string().decode("utf-8", "replace")
        dimensions = self._integer("<I")
        if not 1 <= dimensions <= _MAX_DIMENSIONS:
            raise self._damaged(f"gives {name!r} {dimensions} dimensions")
        shape = tuple(self._integer("<Q") for _ in range(dimensions))[::-1]
        return name, shape, self._integer("<I"), self._integer("<Q")

    def _place(self, infos: list[tuple[str, tuple[int, ...], int, int]]) -> None:
        alignment = self.metadata.get("general.alignment", gguf.GGUF_DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or not 0 < alignment <= _MAX_ALIGNMENT or alignment & (alignment - 1):
            raise self._damaged(f"has the alignment {alignment}")
        data_start = -(-self._at // alignment) * alignment
        for name, shape, number, offset in infos:
            try:
                kind = gguf.GGMLQuantizationType(number)
                block, block_bytes = gguf.GGML_QUANT_SIZES[kind]
            except (ValueError, KeyError) as error:
                raise self._damaged(f"holds {name!r} in the unknown type {number}") from error
            size = prod(shape) // block * block_bytes
            start = data_start + offset
            if not size or shape[-1] % block or name in self.entries:
                raise self._damaged(f"gives {name!r} the shape {list(shape)} in {kind.name}, or holds it twice")
            if start + size > len(self._data):
                raise ModelInvalidError(
                    f"{self._path} is truncated: {name} ends at byte {start + size:,}, but the file has "
                    f"{len(self._data):,}; download it again"
                )
            self.entries[name] = _Entry(shape, kind, start, size)

    def _string(self) -> bytes:
        return self._take(self._integer("<Q"))

    def _integer(self, form: str) -> int:
        return cast(int, struct.unpack(form, self._take(struct.calcsize(form)))[0])

    def _take(self, count: int) -> bytes:
        if count > len(self._data) - self._at:
            raise ModelInvalidError(f"{self._path} is truncated or damaged in its header: download it again")
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def _damaged(self, what: str) -> ModelInvalidError:
        return ModelInvalidError(f"{self._path} is damaged: its header {what}; download it again")
