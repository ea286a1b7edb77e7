"""Carries messages between a `FimdServer` and its editor: standard streams, or TCP with one server per connection."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import psutil
from pygls.io_ import StdinAsyncReader, StdoutWriter, run_async

from lsp_server.server import FimdServer

log = logging.getLogger(__name__)

_PARENT_CHECK_S = 2.0


async def serve_stdio(server: FimdServer, stdin: BinaryIO, stdout: BinaryIO) -> int:
    """Serve one editor until it closes `stdin`, sends `exit` or is gone; returns the exit code."""
    server.protocol.set_writer(StdoutWriter(stdout))
    reading = asyncio.ensure_future(_run(server, StdinAsyncReader(stdin)))
    watching = asyncio.ensure_future(_parent_gone(server))
    await asyncio.wait({reading, watching}, return_when=asyncio.FIRST_COMPLETED)
    _cancel(server, watching)
    return server.exit_code


async def serve_tcp(
    host: str, port: int, make_server: Callable[[], FimdServer], on_listening: Callable[[str], None]
) -> None:
    """Serve any number of editors until cancelled, all with the model of the servers that `make_server` returns.

    `on_listening` hears the address once connections are accepted; port 0 picks a free one.

    Raises:
        OSError: the address can't be listened on.
    """

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = make_server()
        server.protocol.set_writer(cast(Any, writer))
        try:
            await _run(server, reader)
        except ConnectionError as error:
            log.info("connection lost: %s", error)
        finally:
            _cancel(server)
            writer.close()

    listener = await asyncio.start_server(connected, host, port)
    address = listener.sockets[0].getsockname()
    on_listening(f"{address[0]}:{address[1]}")
    async with listener:
        await listener.serve_forever()


async def _run(server: FimdServer, reader: Any) -> None:
    try:
        await run_async(server.stop_event, reader, server.protocol, log, server.report_server_error)
    except (BrokenPipeError, asyncio.IncompleteReadError):
        log.info("the editor closed the connection")


async def _parent_gone(server: FimdServer) -> None:
    """Return when the process that the client named in `initialize` no longer exists."""
    while server.process_id is None or psutil.pid_exists(server.process_id):  # noqa: ASYNC110  # nothing tells us
        await asyncio.sleep(_PARENT_CHECK_S)
    log.warning("the editor (process %s) is gone", server.process_id)


def _cancel(server: FimdServer, *tasks: asyncio.Future[Any]) -> None:
    for task in (*tasks, *server.background):
        task.cancel()
    server.completer.forget_all()


def protect_stdout() -> BinaryIO:
    """Return the real standard output and point `sys.stdout` at standard error.

    Whatever a library prints must not end up in the protocol.
    """
    stdout = sys.stdout.buffer
    sys.stdout = sys.stderr
    return stdout
