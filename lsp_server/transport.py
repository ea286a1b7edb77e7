"""Carries messages between a `FimdServer` and its editor: standard streams, or TCP with one server per connection."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import psutil
from pygls.io_ import StdinAsyncReader, StdoutWriter

from lsp_server.server import FimdServer

if TYPE_CHECKING:  # pygls defines it for type checkers only
    from pygls.io_ import AsyncReader

log = logging.getLogger(__name__)

_PARENT_CHECK_S = 2.0
_MAX_MESSAGE_BYTES = 256 * 1024 * 1024


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
        finally:
            _cancel(server)
            writer.close()

    listener = await asyncio.start_server(connected, host, port)
    address = listener.sockets[0].getsockname()
    on_listening(f"{address[0]}:{address[1]}")
    async with listener:
        await listener.serve_forever()


async def _run(server: FimdServer, reader: AsyncReader) -> None:
    """Read messages (LSP 3.17, "Base Protocol") until the stream ends, is unreadable, or the client has sent `exit`."""
    try:
        while not server.stop_event.is_set():
            length = await _content_length(reader)
            if length is None:
                return
            if length > _MAX_MESSAGE_BYTES:
                log.error("a message of %d bytes is more than fimd reads: the connection is closed", length)
                return
            server.protocol.receive(await reader.readexactly(length))
            # Handlers that were just started run up to their first wait, and so take their snapshot, before the next
            # message can change the document; reading what has arrived already would not give them the chance.
            await asyncio.sleep(0)
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        log.info("the editor closed the connection: %s", error)
    except ValueError as error:  # from StreamReader, for a header line of more than 64 KiB
        log.error("what arrives is not LSP, so the connection is closed: %s", error)  # noqa: TRY400


async def _content_length(reader: AsyncReader) -> int | None:
    """Read one message's headers, names in any case; None at the end of the stream. Without a usable length it is 0."""
    length = 0
    while header := await reader.readline():
        if not header.strip():
            return length
        name, _, value = header.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            length = int(value[:20])  # enough for any size, and Python refuses numbers of thousands of digits
    return None


async def _parent_gone(server: FimdServer) -> None:
    """Return when the process that the client named in `initialize` no longer exists."""
    while server.process_id is None or psutil.pid_exists(server.process_id):  # noqa: ASYNC110  # nothing tells us
        await asyncio.sleep(_PARENT_CHECK_S)
    log.warning("the editor (process %s) is gone", server.process_id)


def _cancel(server: FimdServer, *tasks: asyncio.Future[Any]) -> None:
    for task in (*tasks, *server.background):
        task.cancel()
    server.forget_all()


def protect_stdout() -> BinaryIO:
    """Return the real standard output and let everything else that is printed go to standard error.

    Whatever a library prints, native ones and child processes included, must not end up in the protocol.
    """
    protocol = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return protocol
