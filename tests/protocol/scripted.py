"""The real server process with a scripted engine, started and ready."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.protocol.raw_client import RawClient, spawned

SERVER = str(Path(__file__).with_name("scripted_server.py"))
CANCELLED_CODES = {-32800, -32801, -32802}


@asynccontextmanager
async def connected(
    options: object = None, capabilities: dict[str, Any] | None = None, **script: Any
) -> AsyncGenerator[RawClient]:
    """A started client whose scripted model is ready, unless the script says otherwise."""
    async with spawned(SERVER, json.dumps(script)) as (client, _):
        await client.start(options, **(capabilities or {}))
        if not script.get("load_s") and not script.get("fails", "").startswith("load"):
            await client.ready()
        yield client
