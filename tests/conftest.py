"""Common to all tests: no network, no settings of the person who runs them."""

from __future__ import annotations

import os
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# The daemons that tests start must not read a settings file that happens to lie on this machine.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="fimd-tests-")
