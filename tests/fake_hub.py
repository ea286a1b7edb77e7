"""A Hugging Face hub on loopback: repositories made of files in memory, with what the real one checks and counts."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "c0ffee" + "0" * 34


@dataclass
class FakeHub:
    """What it holds and what was asked of it."""

    repositories: dict[str, dict[str, bytes]]
    branches: set[str] = field(default_factory=lambda: {"main"})
    gated: set[str] = field(default_factory=set[str])
    damaged: set[str] = field(default_factory=set[str])
    """Files that arrive with their first byte changed."""

    breaks_after: int | None = None
    """Bytes after which the next download of a file breaks off, once."""

    requests: list[str] = field(default_factory=list[str])
    """Method, path and range of each request."""

    address: str = ""


@contextmanager
def serving(  # noqa: C901  # a class and its methods
    repositories: Mapping[str, dict[str, bytes]],
) -> Generator[FakeHub]:
    """A hub that listens on a free port of this machine until the block ends."""
    hub = FakeHub(dict(repositories))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:  # http.server's name
            self._answer(send_body=False)

        def do_GET(self) -> None:  # http.server's name
            self._answer(send_body=True)

        def _answer(self, *, send_body: bool) -> None:
            path = unquote(self.path.split("?")[0])
            hub.requests.append(f"{self.command} {path} {self.headers.get('Range', '')}".strip())
            if path.startswith("/api/models/"):
                self._answer_listing(path.removeprefix("/api/models/"))
            elif "/resolve/" in path:
                self._answer_file(*path.removeprefix("/").split("/resolve/", 1), send_body=send_body)
            else:
                self._send(404, b"{}")

        def _answer_listing(self, path: str) -> None:
            repository, _, revision = path.partition("/revision/")
            repository = repository.split("/tree/")[0]
            if repository not in hub.repositories:
                self._send(404, b'{"error": "Repository not found"}', {"X-Error-Code": "RepoNotFound"})
                return
            if revision and revision not in {*hub.branches, COMMIT}:
                self._send(404, b'{"error": "Invalid rev id"}', {"X-Error-Code": "RevisionNotFound"})
                return
            files = hub.repositories[repository]
            if "/tree/" in path:
                self._send(200, json.dumps([_tree_entry(name, content) for name, content in files.items()]).encode())
                return
            names = [{"rfilename": name} for name in files]
            self._send(
                200, json.dumps({"id": repository, "modelId": repository, "sha": COMMIT, "siblings": names}).encode()
            )

        def _answer_file(self, repository: str, rest: str, *, send_body: bool) -> None:
            _, _, name = rest.partition("/")
            content = hub.repositories.get(repository, {}).get(name)
            if repository in hub.gated:
                message = b'{"error": "Access to model is restricted"}'
                self._send(403, message, {"X-Error-Code": "GatedRepo"}, send_body=send_body)
                return
            if content is None:
                self._send(404, b"", {"X-Error-Code": "EntryNotFound"}, send_body=send_body)
                return
            digest = hashlib.sha256(content).hexdigest()
            if name in hub.damaged:
                content = bytes([content[0] ^ 1]) + content[1:]
            etag = digest if _is_large(name) else hashlib.sha1(content).hexdigest()  # noqa: S324  # as git has it
            headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
            start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._send(206 if start else 200, content[start:], headers, send_body=send_body)

        def _send(
            self, status: int, body: bytes, headers: Mapping[str, str] | None = None, *, send_body: bool = True
        ) -> None:
            self.send_response(status)
            for key, value in (headers or {}).items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if not send_body:
                return
            if hub.breaks_after is not None and len(body) > hub.breaks_after:
                body, hub.breaks_after = body[: hub.breaks_after], None
                self.close_connection = True
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  # its name
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()


def _is_large(name: str) -> bool:
    return name.endswith((".safetensors", ".bin", ".gguf"))


def _tree_entry(name: str, content: bytes) -> dict[str, object]:
    entry: dict[str, object] = {"type": "file", "path": name, "size": len(content), "oid": "0" * 40}
    if _is_large(name):
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
    return entry
