"""Checkpoints in another layout, converted once and kept as ordinary safetensors folders in the cache.

A converted folder is complete or not there: it is written under another name and then renamed. It belongs to exactly
the files it was made from, whose names, sizes and times are in its own name.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import platformdirs
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor

from inference.checkpoints.files import SAFETENSORS_INDEX
from inference.errors import ModelInvalidError, reason

_LAYOUT_VERSION = 1
"""Counted up when a conversion changes: older results are then made anew."""

_SHARD_BYTES = 64 * 1024**2
"""Tensors are written when so many bytes are together, so a conversion needs no memory to speak of."""

_SCRATCH = ".converting-"
_DAY_S = 86_400
_SEALED = {".json", ".txt", ".model", ".tiktoken", ".bin", ".safetensors"}
_COPIED = ("*.json", "*.txt", "*.model", "*.tiktoken", "README.md")


def target(folder: Path, kind: str) -> Path:
    """Where the conversion of `folder` (or of one file) as it is now belongs; `kind` names the converter."""
    place = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:8]
    seal = hashlib.sha256(f"{_LAYOUT_VERSION} {kind}".encode())
    for file in sorted(folder.iterdir()) if folder.is_dir() else [folder]:
        if file == folder or (file.is_file() and file.suffix in _SEALED):
            status = file.stat()
            seal.update(f"{file.name} {status.st_size} {status.st_mtime_ns}".encode())
    return platformdirs.user_cache_path("fimd") / "converted" / f"{kind}-{place}-{seal.hexdigest()[:16]}"


def write(folder: Path, out: Path, config: Mapping[str, Any], tensors: Iterable[tuple[str, Tensor]]) -> Path:
    """Write `config` and `tensors`, with the tokenizer files of `folder`, as the checkpoint folder `out`.

    Raises:
        ModelInvalidError: the cache can't be written.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _remove_remains(out)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=_SCRATCH) as scratch:
            new = Path(scratch) / out.name
            new.mkdir()
            for pattern in _COPIED:
                for file in folder.glob(pattern):
                    if not file.name.endswith(".index.json"):
                        shutil.copyfile(file, new / file.name)
            (new / "config.json").write_text(json.dumps(dict(config), indent=2), encoding="utf-8")
            _write_shards(new, tensors)
            for file in new.iterdir():  # before the new name makes them count
                with file.open("r+b") as stream:  # Windows flushes only what may be written
                    os.fsync(stream.fileno())
            try:
                new.replace(out)
            except OSError:
                if not out.is_dir():  # else another process was faster
                    raise
    except (OSError, SafetensorError) as error:
        raise ModelInvalidError(
            f"{folder} has to be converted once, but {out.parent} can't be written ({reason(error)}): "
            "free some space there, or make it writable"
        ) from error
    return out


def age_s(path: Path) -> float:
    """Seconds since a file or folder was changed; 0 where another process has just removed it."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _remove_remains(out: Path) -> None:
    """Remove earlier conversions of the same folder, and what a process that was killed has left a day ago."""
    prefix = out.name.rpartition("-")[0]
    for old in out.parent.iterdir():
        is_remains = old.name.startswith(_SCRATCH) and age_s(old) > _DAY_S
        # The same name means that another process has just finished the same conversion, and may be reading it.
        if is_remains or (old.name.startswith(f"{prefix}-") and old != out):
            shutil.rmtree(old, ignore_errors=True)


def _write_shards(folder: Path, tensors: Iterable[tuple[str, Tensor]]) -> None:
    where: dict[str, str] = {}
    waiting: dict[str, Tensor] = {}
    total = 0

    def flush() -> None:
        name = f"model-{len(set(where.values())) + 1:05}.safetensors"
        save_file(waiting, folder / name, metadata={"format": "pt"})
        where.update(dict.fromkeys(waiting, name))
        waiting.clear()

    for name, tensor in tensors:
        waiting[name] = tensor.clone(memory_format=torch.contiguous_format)  # tied tensors may not share memory here
        total += tensor.nbytes
        if sum(one.nbytes for one in waiting.values()) >= _SHARD_BYTES:
            flush()
    if waiting:
        flush()
    index = {"metadata": {"total_size": total}, "weight_map": where}
    (folder / SAFETENSORS_INDEX).write_text(json.dumps(index), encoding="utf-8")
