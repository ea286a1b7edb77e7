"""Lets the tests here find the editors that `tests.editors.install` has brought, under `make test-editors`."""

from __future__ import annotations

import os

from tests.editors.install import FOLDER, environment, is_whole

if "FIMD_TEST_EDITORS" in os.environ and is_whole(FOLDER):
    os.environ.update(environment(FOLDER / "root"))
