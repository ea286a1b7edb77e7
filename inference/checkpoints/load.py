"""From a model's name in the settings to an engine that has passed its checks.

Imports torch; `spec` and `deferred` are the light half.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer

from inference import formats
from inference.checkpoints import catalog, embedded, hub
from inference.checkpoints.spec import Device, ModelSpec
from inference.engines.base import Report
from inference.engines.local import LocalEngine
from inference.errors import ModelError, ModelInvalidError, ModelNotFoundError
from inference.formats import InfillFormat
from inference.kv_cache import KeyValueCache
from inference.models.transformers_model import TransformersModel
from inference.tokenizer import TextTokenizer


def _unheard(message: str) -> None:
    """Take progress reports that nobody asked for."""
    del message


def load_engine(spec: ModelSpec, report: Report = _unheard) -> LocalEngine:
    """Load `spec` and check that it can infill; `report` hears what is being done.

    Raises:
        ModelNotFoundError: no such name, folder, repository or device.
        ModelInvalidError: the files are there but can't be served.
    """
    device = _device(spec.device)
    report(f"reading {spec.name}")
    row = catalog.find(spec.name)
    try:
        if row is not None and not row.repository:
            model, backend = embedded.load()
            model = cast(Any, model).to(device)
        else:
            model, backend = hub.load(_source(spec.name, row), device)
        infill = _format(spec, row, TextTokenizer(backend))
        wrapped = TransformersModel(model)
        _try_out(wrapped, backend, spec.name)
    except ModelError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelInvalidError(
            f"{spec.name} can't be served ({type(error).__name__}: {reason}): choose another"
        ) from error
    notes: tuple[str, ...] = ()
    if infill is formats.LEFT_TO_RIGHT and spec.format == "auto":
        notes = (f"{spec.name} has no infilling tokens, so it only continues the text before the cursor",)
    return LocalEngine(spec.name, wrapped, TextTokenizer(backend, infill.control_tokens), infill, notes=notes)


def _device(name: Device) -> torch.device:
    if name == "cuda" and not torch.cuda.is_available():
        raise ModelNotFoundError("this machine has no CUDA device that torch can use: set model.device to auto or cpu")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _try_out(model: TransformersModel, backend: Tokenizer, name: str) -> None:
    """Run the model once, on the tokenizer's last id: what does not fit together shows here, not at the first key."""
    last = max(backend.get_vocab(with_added_tokens=True).values())
    try:
        model.forward([last], KeyValueCache())
    except IndexError as error:
        raise ModelInvalidError(
            f"the tokenizer of {name} has more tokens than its weights have rows: they don't belong together"
        ) from error


def _source(name: str, row: catalog.CatalogRow | None) -> hub.Source:
    """Where the checkpoint called `name` is."""
    if row is not None:
        return hub.Source(row.repository)
    # `expanduser` and `is_dir` raise for users that don't exist and for names that are too long.
    try:
        folder = Path(name).expanduser()
        kind = "folder" if folder.is_dir() else "file" if folder.is_file() else ""
    except (OSError, RuntimeError, ValueError):
        folder, kind = Path(), ""
    if kind == "folder":
        return hub.Source(str(folder))
    if kind == "file":
        raise ModelInvalidError(f"{folder} is a file: name the folder that holds config.json and *.safetensors")
    if repository := re.fullmatch(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", name):
        return hub.Source(repository[1], repository[2])
    guess = catalog.nearest(name)
    names = ", ".join(known.name for known in catalog.CATALOG)
    hint = f"did you mean {guess}?" if guess else f"give an existing folder, owner/repository, or one of {names}"
    raise ModelNotFoundError(f"there is no model {name!r}: {hint}")


def _format(spec: ModelSpec, row: catalog.CatalogRow | None, tokenizer: TextTokenizer) -> InfillFormat:
    """The infilling format, after checking that the tokenizer has every control token of it."""
    wanted = row.format if row is not None and spec.format == "auto" else spec.format
    if wanted == "auto":
        return formats.detect(tokenizer.token_id)
    known = {one.name: one for one in (*formats.FORMATS, formats.LEFT_TO_RIGHT)}
    if wanted not in known:
        raise ModelInvalidError(f"there is no infilling format {wanted!r}: use auto or one of {', '.join(known)}")
    missing = sorted(name for name in known[wanted].control_tokens if tokenizer.token_id(name) is None)
    if missing:
        raise ModelInvalidError(
            f"the tokenizer of {spec.name} lacks {', '.join(missing)}, which the {wanted} format needs: "
            "set model.format to auto"
        )
    return known[wanted]
