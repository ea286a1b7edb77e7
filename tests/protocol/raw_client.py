"""A client that shows the wire as it is: every message counted, nothing decoded for the test's comfort."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

TIMEOUT_S = 60
URI = "file:///project/example.py"
Message = dict[str, Any]


class RawClient:
    """One JSON-RPC connection over a pair of streams.

    Answers the server's own requests with what `responses` has for their method, else with null.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.replies: dict[object, list[Message]] = defaultdict(list)
        self.notifications: list[Message] = []
        self.asked: list[Message] = []
        self.responses: dict[str, Message | None] = {}
        self.delays_s: dict[str, float] = {}
        """How long those of a method are kept back."""

        self.version = 1
        self.closed = False
        self._reader, self._writer = reader, writer
        self._ids = itertools.count(1)
        self._arrived = asyncio.Condition()
        self._task = asyncio.ensure_future(self._read())

    def send_bytes(self, body: bytes) -> None:
        self._writer.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))

    def send_raw(self, frame: bytes) -> None:
        self._writer.write(frame)

    def send(self, message: Message) -> None:
        self.send_bytes(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def notify(self, method: str, params: object) -> None:
        self.send({"method": method, "params": params})

    def request(self, method: str, params: object) -> int:
        """Send a request and return its id; `reply` waits for the answer."""
        message_id = next(self._ids)
        self.send({"id": message_id, "method": method, "params": params})
        return message_id

    async def reply(self, message_id: object) -> Message:
        return (await self.wait_for(lambda: self.replies[message_id]))[0]

    async def result(self, method: str, params: object) -> Any:
        reply = await self.reply(self.request(method, params))
        assert "error" not in reply, reply
        return reply["result"]

    async def notification(self, method: str, containing: str = "") -> Message:
        """The first notification of `method` whose JSON contains a text."""

        def matching() -> list[Message]:
            return [n for n in self.notifications if n["method"] == method and containing in json.dumps(n)]

        return (await self.wait_for(matching))[0]

    async def wait_for(self, condition: Any) -> Any:
        """The first true value of `condition`, which is asked again after each message."""
        async with self._arrived:
            await asyncio.wait_for(self._arrived.wait_for(lambda: condition() or self.closed), TIMEOUT_S)
        if not (value := condition()):
            raise ConnectionError("the server closed the connection")
        return value

    async def start(self, options: object = None, **capabilities: Any) -> Message:
        """Initialize as an editor with ghost text; returns the server's capabilities."""
        window = {"workDoneProgress": True}
        capabilities = {"textDocument": {"inlineCompletion": {}}, "window": window, **capabilities}
        params = {"processId": None, "rootUri": None, "capabilities": capabilities, "initializationOptions": options}
        result = await self.result("initialize", params)
        self.notify("initialized", {})
        return result["capabilities"]

    async def ready(self) -> None:
        """Wait until the model has been loaded."""
        await self.notification("$/progress", '"end"')

    def open(self, text: str, uri: str = URI, language: str = "python") -> None:
        item = {"uri": uri, "languageId": language, "version": self.version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def insert(self, line: int, character: int, text: str, uri: str = URI) -> None:
        """One incremental edit that inserts `text`."""
        self.version += 1
        at = {"line": line, "character": character}
        change = {"range": {"start": at, "end": at}, "text": text}
        document = {"uri": uri, "version": self.version}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [change]})

    def ask(self, line: int, character: int, kind: object = 2, uri: str = URI, **context: Any) -> int:
        """Send an inline completion request; returns its id."""
        position = {"line": line, "character": character}
        context = {"triggerKind": kind, **context}
        params = {"textDocument": {"uri": uri}, "position": position, "context": context}
        return self.request("textDocument/inlineCompletion", params)

    async def items(self, line: int, character: int, kind: object = 2, **context: Any) -> list[Message]:
        """The items of an inline completion, whose reply must be an `InlineCompletionList`."""
        reply = await self.reply(self.ask(line, character, kind, **context))
        assert set(reply["result"]) == {"items"}, reply
        return reply["result"]["items"]

    async def _read(self) -> None:
        await self._read_messages()
        async with self._arrived:
            self.closed = True
            self._arrived.notify_all()

    async def _read_messages(self) -> None:
        while True:
            try:
                length = 0
                while (header := await self._reader.readline()).strip():
                    name, _, value = header.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                if not header:
                    return
                message: Message = json.loads(await self._reader.readexactly(length))
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if "method" in message and "id" in message:
                self.asked.append(message)
                answer: Message = {"id": message["id"], "result": self.responses.get(message["method"])}
                if delay_s := self.delays_s.get(message["method"]):
                    asyncio.get_running_loop().call_later(delay_s, self.send, answer)
                else:
                    self.send(answer)
            elif "method" in message:
                self.notifications.append(message)
            else:
                key = (
                    message["id"] if isinstance(message["id"], int | str | float | None) else json.dumps(message["id"])
                )
                self.replies[key].append(message)
            async with self._arrived:
                self._arrived.notify_all()


@asynccontextmanager
async def spawned(*command: str) -> AsyncGenerator[tuple[RawClient, asyncio.subprocess.Process]]:
    """A client of a server started as an editor starts it; what the test leaves running is ended."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**24
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        yield RawClient(process.stdout, process.stdin), process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
