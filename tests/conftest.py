"""Common to all tests: no network but loopback, no settings, caches and statistics of the person who runs them."""

from __future__ import annotations

import os
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
# The daemons that tests start must not read a settings file that happens to lie on this machine, nor leave converted
# checkpoints in its cache.
os.environ["XDG_CONFIG_HOME"] = tempfile.mkdtemp(prefix="fimd-tests-")
os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="fimd-tests-cache-")
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="fimd-tests-state-")
os.environ["HF_HOME"] = os.path.join(os.environ["XDG_CACHE_HOME"], "huggingface")  # noqa: PTH118  # an environment variable
