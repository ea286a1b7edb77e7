"""Which files of a checkpoint folder hold what. Imports nothing heavy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from inference.errors import ModelInvalidError

SAFETENSORS_INDEX = "model.safetensors.index.json"
PICKLE_INDEX = "pytorch_model.bin.index.json"


def weight_files(folder: Path) -> list[Path]:
    """The weights of a checkpoint folder: its safetensors if there are any, else its pickles.

    Raises:
        ModelInvalidError: there are none, or some are missing.
    """
    paths = _listed(folder, SAFETENSORS_INDEX, "*.safetensors")
    paths = paths or _listed(folder, PICKLE_INDEX, "pytorch_model*.bin")
    if not paths:
        raise ModelInvalidError(
            f"{folder} holds no weights: name the folder that holds config.json and *.safetensors or pytorch_model*.bin"
        )
    return paths


def _listed(folder: Path, index: str, pattern: str) -> list[Path]:
    """The files that an index names, each of which must be there, or those that match a pattern."""
    kind = pattern.rsplit(".", 1)[-1]
    table = read_json(folder / index).get("weight_map") if (folder / index).is_file() else None
    if not isinstance(table, dict):
        whole = folder / pattern.replace("*", "" if kind == "bin" else "model")
        return [whole] if whole.is_file() else sorted(folder.glob(pattern))
    names = sorted({str(name) for name in cast(dict[str, Any], table).values()})
    for name in names:
        if Path(name).name != name or not name.endswith(f".{kind}"):
            raise ModelInvalidError(
                f"{folder / index} names {name!r}, which is no *.{kind} file beside it: it is damaged"
            )
        if not (folder / name).is_file():
            raise ModelInvalidError(
                f"{folder} lacks {name}, one of {len(names)} weight files: download the model again"
            )
    return [folder / name for name in names]


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ModelInvalidError: it is missing, not JSON, or holds something else.
    """
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelInvalidError(f"{path} can't be read ({error.strerror}): download the model again") from error
    except (ValueError, RecursionError) as error:
        raise ModelInvalidError(f"{path} is not valid JSON ({error}): download the model again") from error
    if not isinstance(content, dict):
        raise ModelInvalidError(f"{path} holds no JSON object: download the model again")
    return cast(dict[str, Any], content)
