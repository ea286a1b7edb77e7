"""Int8 rows of a model, quantised once and kept in the cache, so that the next start maps them.

Quantising a billion parameters takes ten seconds, packing the rows for the processor's kernels two to five. The rows
are the same either way, and so is what the model computes.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor

from inference.checkpoints import converted
from inference.checkpoints.files import weight_files
from inference.checkpoints.weights import SCALE_SUFFIX, RowsWeights, WeightSource, read_finite, read_rows
from inference.engines.base import Report
from inference.errors import ModelError, ModelInvalidError
from inference.models.decoder import Shape

log = logging.getLogger(__name__)

_WORTH_KEEPING = 100_000_000
"""Parameters. Quantising a smaller model takes no time to speak of."""

_UNUSED_S = 60 * 86_400
_SPARE_SHARE = 1.5
"""The cache is not used to fill a disk up."""


def rows_of(origin: Path, shape: Shape, source: WeightSource, report: Report) -> WeightSource:
    """The weights of `shape` with its matrices as int8 rows, from the cache or written there now; else `source` itself.

    Args:
        origin: the folder or file that `source` reads, whose state decides whether the cache still fits.
        shape: the model's sizes.
        source: the weights as published.
        report: hears that something takes long.

    Raises:
        ModelInvalidError: a weight holds NaN or infinity, or is packed in a way we can't read.
    """
    count = sum(_count(size) for size in shape.tensors().values())
    if count < _WORTH_KEEPING:
        return source
    out = converted.target(origin, "int8")
    if cached := _opened(out, shape):
        return cached
    if not _has_room(out, count):
        log.info("no room in %s to keep the quantised weights: they are quantised at each start", out.parent)
        return source
    report("quantising the weights, once")
    _remove_unused(out.parent)
    try:
        converted.write(origin, out, {}, _rows(shape, source))
    except ModelInvalidError as error:
        if not isinstance(error.__cause__, OSError | SafetensorError):
            raise
        log.info("the quantised weights can't be kept (%s): they are quantised at each start", error)
        return source
    return _opened(out, shape) or source


def _opened(folder: Path, shape: Shape) -> RowsWeights | None:
    """What is in the cache, if it is whole."""
    if not folder.is_dir():
        return None
    try:
        weights = RowsWeights(weight_files(folder))
    except ModelError as error:
        log.info("the quantised weights in the cache are damaged and made anew: %s", error)
        weights = None
    if weights is None or not all(_is_whole(weights, shape, name) for name in shape.tensors()):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    os.utime(folder)  # for `_remove_unused`
    return weights


def _is_whole(weights: RowsWeights, shape: Shape, name: str) -> bool:
    """Whether a weight is there as it was written; of its rows only the scales are looked at."""
    size = shape.tensors()[name]
    if name not in weights.names or weights.shape(name) != size:
        return False
    if not _is_matrix(shape, name):
        return bool(torch.isfinite(weights.read(name)).all())
    if not weights.has_rows(name):
        return False
    scale = weights.rows(name)[1]
    return scale.shape == (size[0], 1) and bool((torch.isfinite(scale) & (scale > 0)).all())


def _is_matrix(shape: Shape, name: str) -> bool:
    return shape.is_layer(name) or name == shape.table


def _remove_unused(folder: Path) -> None:
    """Remove rows that no start has asked for in a long time: those of models that were deleted or updated."""
    for old in folder.glob("int8-*"):
        if converted.age_s(old) > _UNUSED_S:
            shutil.rmtree(old, ignore_errors=True)


def _rows(shape: Shape, source: WeightSource) -> Iterator[tuple[str, Tensor]]:
    for name in shape.tensors():
        if _is_matrix(shape, name):
            rows, scale = read_rows(source, name)
            yield name, rows
            yield name + SCALE_SUFFIX, scale
        else:
            yield name, read_finite(source, name).float()


def _has_room(out: Path, needed: int) -> bool:
    place = next(path for path in out.parents if path.exists())
    return shutil.disk_usage(place).free > _SPARE_SHARE * needed


def _count(size: tuple[int, ...]) -> int:
    count = 1
    for one in size:
        count *= one
    return count
