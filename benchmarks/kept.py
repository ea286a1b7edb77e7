"""What a long measurement has found so far, so that one that was stopped goes on: `run.py --resume`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Kept:
    """Figures as JSON, a file each, in a folder that is emptied unless it is to `resume`."""

    def __init__(self, folder: Path, *, resume: bool) -> None:
        self._folder = folder
        if not resume:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What is there by that name, or else what `measure` finds."""
        file = self._folder / f"{re.sub(r'[^A-Za-z0-9.]+', '-', name)}.json"
        if not file.is_file():
            part = file.with_suffix(".part")
            part.write_text(json.dumps(measure()), encoding="utf-8")
            part.rename(file)
        return json.loads(file.read_text(encoding="utf-8"))
