"""Lets the tests here find the editors that `tests.editors.install` has brought, if it has."""

from __future__ import annotations

import os

from tests.editors.install import FOLDER, environment, is_whole

if is_whole(FOLDER) and "FIMD_NVIM" not in os.environ:
    for name, value in environment(FOLDER / "root").items():
        os.environ.setdefault(name, value)
