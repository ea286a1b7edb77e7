"""Where a model runs and in which number type: what was asked for, or what suits this machine.

Sizes are bytes of weights. Serving needs a little more than its weights: keys, values and activations.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import psutil
import torch

from inference.checkpoints.spec import Device, Precision
from inference.errors import ModelInvalidError, ModelNotFoundError, ModelTooLargeError
from inference.models import int8

DTYPES: Mapping[Precision, torch.dtype] = {
    "fp32": torch.float32,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "int8": torch.float32,
}
"""Type of what is not quantised, and of activations."""

_BEST_FIRST: tuple[Precision, ...] = ("fp32", "bf16", "fp16", "int8")

_INT8_FROM_PARAMETERS = 300_000_000
"""On a CPU, a larger model waits for memory at each step: int8 decodes about three times as fast as float32 there.

`docs/precision.md` has the figures. A small model is fast anyway and keeps its exact weights.
"""

_OVERHEAD_BYTES = 256 * 1024**2
_OVERHEAD_SHARE = 0.1
_CGROUP = Path("/sys/fs/cgroup")


def choose_device(wanted: Device) -> torch.device:
    """The device for `wanted`; `auto` takes CUDA, else Apple's GPU, else the CPU.

    Raises:
        ModelNotFoundError: this machine has no such device.
    """
    has = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if wanted == "auto":
        return torch.device(next((name for name, is_there in has.items() if is_there()), "cpu"))
    if wanted in has and not has[wanted]():
        raise ModelNotFoundError(
            f"this machine has no {wanted.upper()} device that torch can use: set model.device to auto or cpu"
        )
    return torch.device(wanted)


def choose_precision(
    name: str, wanted: Precision, device: torch.device, parameters: int, sizes: Mapping[Precision, int]
) -> Precision:
    """The precision for `wanted`, which fits into the memory that is free now.

    `auto`: on a CUDA device bf16 (fp16 where it has none), on Apple's fp16; on a CPU fp32 for small models and int8 for
    large ones, or where fp32 doesn't fit.

    Args:
        name: the model's, for error messages.
        wanted: what the settings say.
        device: where it will run.
        parameters: how many the model has.
        sizes: bytes of the model's weights in each precision.

    Raises:
        ModelInvalidError: the device can't compute in the wanted precision.
        ModelTooLargeError: it does not fit.
    """
    possible = _possible(device)
    if wanted == "int8" and wanted not in possible:
        raise ModelInvalidError(
            f"int8 needs an x86 processor and runs on no {device.type.upper()}: set model.precision to auto"
            if device.type != "cpu"
            else "int8 needs an x86 processor: set model.precision to auto"
        )
    fitting = _fitting(sizes, possible, free_bytes(device))
    chosen = _suited(device, parameters, fitting or possible) if wanted == "auto" else wanted
    if chosen not in fitting:
        raise too_large(name, chosen, device, sizes)
    return chosen


def _possible(device: torch.device) -> list[Precision]:
    has_int8 = device.type == "cpu" and int8.is_available()
    return list(_BEST_FIRST if has_int8 else _BEST_FIRST[:-1])


def _fitting(sizes: Mapping[Precision, int], possible: list[Precision], free: int) -> list[Precision]:
    return [one for one in possible if serving_bytes(sizes[one]) <= free]


def _suited(device: torch.device, parameters: int, possible: list[Precision]) -> Precision:
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if device.type == "mps":
        return "fp16"
    is_large = parameters >= _INT8_FROM_PARAMETERS
    best: list[Precision] = ["int8", "fp32", "bf16"] if is_large else ["fp32", "int8", "bf16"]
    best = [one for one in best if one in possible] or best
    return best[0]


def too_large(
    name: str, precision: Precision, device: torch.device, sizes: Mapping[Precision, int]
) -> ModelTooLargeError:
    """The error for a model that does not fit, naming what would."""
    free = free_bytes(device)
    smaller = next(iter(_fitting(sizes, _possible(device), free)), None)
    advice = (
        f"set model.precision to {smaller}, which needs {in_gb(serving_bytes(sizes[smaller]))}"
        if smaller
        else "choose a smaller one with `fimd models`"
    )
    needed = in_gb(serving_bytes(sizes[precision]))
    return ModelTooLargeError(f"{name} needs {needed} in {precision}, but {device} has {in_gb(free)} free: {advice}")


def serving_bytes(weight_bytes: int) -> int:
    """What serving takes, all in all, for so many bytes of weights."""
    return int(weight_bytes * (1 + _OVERHEAD_SHARE)) + min(_OVERHEAD_BYTES, weight_bytes)


def free_bytes(device: torch.device) -> int:
    """Memory that is free on `device` now; on a CPU within the limit of a container."""
    if device.type == "cuda":
        return int(cast(Any, torch.cuda).mem_get_info(device)[0])
    free = psutil.virtual_memory().available
    try:
        limit, used = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        # Files that were read count as used, though they give way.
        entries = (line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())
        cached = sum(int(value) for name, value in entries if name in {"inactive_file", "active_file"})
    except (OSError, ValueError):  # no container, no limit, or another system
        return free
    return min(free, max(0, limit - max(0, used - cached)))


def in_gb(size: int) -> str:
    """A size for people, in 10⁹ bytes."""
    return f"{size / 1e9:.1f} GB"
