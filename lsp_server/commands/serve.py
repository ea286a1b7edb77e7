"""`fimd serve`: the daemon."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NoReturn

from lsp_server.commands.options import fail, file_layer
from lsp_server.model_host import ModelHost
from lsp_server.server import FimdServer
from lsp_server.settings import Layer
from lsp_server.transport import protect_stdout, serve_stdio, serve_tcp

ServerFactory = Callable[[ModelHost], FimdServer]


def serve(tcp: str | None, overrides: Layer, config: Path | None, log_file: Path | None) -> NoReturn:
    """Run until the editor (or, over TCP, an interrupt) ends it, then end the process."""
    _start_log(log_file)
    run(ModelHost(), tcp, lambda host: FimdServer(host, (file_layer(config),), overrides))


def run(host: ModelHost, tcp: str | None, make_server: ServerFactory) -> NoReturn:
    """Serve with `host` as the model, over standard streams or, where `tcp` is HOST:PORT, over TCP.

    Then end the process.
    """
    stdout = protect_stdout()
    signal.signal(signal.SIGINT, _interrupted)
    if tcp is None:
        asyncio.run(_stdio(make_server(host), stdout))
    else:
        address, port = _address(tcp)
        try:
            asyncio.run(serve_tcp(address, port, lambda: make_server(host), _say_listening))
        except OSError as error:
            fail(f"can't listen on {tcp}: {error.strerror or error}")
    _end(0)


async def _stdio(server: FimdServer, stdout: BinaryIO) -> NoReturn:
    # From inside the loop, for the same reason: the pipe may stay open when the editor is gone.
    _end(await serve_stdio(server, sys.stdin.buffer, stdout))


def _say_listening(where: str) -> None:
    print(f"fimd: listening on {where}", file=sys.stderr)


def _interrupted(number: int, frame: object) -> NoReturn:
    """End at once: asyncio would wait for the thread that reads standard input, or for every editor to leave."""
    del number, frame
    _end(130)


def _end(code: int) -> NoReturn:
    """End the process without waiting for the inference thread, which may be in the middle of loading."""
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


def _address(tcp: str) -> tuple[str, int]:
    host, colon, port = tcp.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        fail(f"--tcp {tcp} is not HOST:PORT: give for example 127.0.0.1:9257")
    return host.strip("[]") or "127.0.0.1", int(port)


def _start_log(log_file: Path | None) -> None:
    """Warnings of libraries, everything of ours from INFO up; buffers' texts are never logged."""
    try:
        handler = logging.FileHandler(log_file, encoding="utf-8") if log_file else logging.StreamHandler()
    except OSError as error:
        fail(f"can't write the log to {log_file}: {error.strerror}")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for ours in ("lsp_server", "inference"):
        logging.getLogger(ours).setLevel(logging.INFO)
    # At INFO pygls logs every message it sends, suggestions included.
    logging.getLogger("pygls").setLevel(logging.ERROR)
