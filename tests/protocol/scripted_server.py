"""`fimd serve` with a scripted engine: `python scripted_server.py '{"text": "value", "step_s": 0.02}'`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from lsp_server.commands.serve import run
from lsp_server.model_host import ModelHost
from lsp_server.server import FimdServer
from tests.scripted_engine import ScriptedEngine

run(ModelHost(ScriptedEngine(**json.loads(sys.argv[1])).loader), None, FimdServer)
