"""Commands that a client's own menu or keys may send: `workspace/executeCommand` with `fimd.…`.

What they change holds for this connection and until it ends, above all settings; but the model is shared, and changes
for all. Each answers with the report of `status_report`; a wrong argument with one sentence for the person, and nothing
changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from lsprotocol import types

from lsp_server.feedback import Feedback
from lsp_server.settings import Layer
from lsp_server.status_report import StatusReport

TOGGLE, RESTART, SELECT_MODEL, STATUS, ACCEPTED = (
    "fimd.toggle",
    "fimd.restart",
    "fimd.selectModel",
    "fimd.status",
    "fimd.accepted",
)
COMMANDS = (TOGGLE, RESTART, SELECT_MODEL, STATUS, ACCEPTED)

_NEEDED = {
    TOGGLE: "a language id or nothing",
    SELECT_MODEL: "the name of a model",
    ACCEPTED: "the address of a document",
}


class RemoteControl:
    """Of one connection.

    Args:
        configure: puts a layer above all others and makes it hold.
        restart: loads the model again.
        feedback: of the suggestions that were shown.
        status: what each command answers.
        tell: shows one sentence to the person.
    """

    def __init__(
        self,
        configure: Callable[[Layer], None],
        restart: Callable[[], None],
        feedback: Feedback,
        status: StatusReport,
        tell: Callable[[str, types.MessageType], None],
    ) -> None:
        self._configure, self._restart = configure, restart
        self._feedback, self._status, self._tell = feedback, status, tell
        self._changed: dict[str, Any] = {}

    def run(self, params: types.ExecuteCommandParams) -> dict[str, str]:
        """Carry out one of `COMMANDS`."""
        argument = _only_text(params.arguments)
        if params.command == TOGGLE and (argument or not params.arguments):
            self._toggle(argument)
        elif params.command == RESTART:
            self._restart()
        elif params.command == SELECT_MODEL and argument:
            # What was set for another model says nothing about this one.
            self._change(model={"name": argument, "revision": "", "format": "auto", "instructions": "auto"})
        elif params.command == ACCEPTED and argument:
            self._feedback.accepted(argument, time.monotonic())
        elif params.command != STATUS:
            self._tell(f"{params.command} needs {_NEEDED[params.command]} as its argument", types.MessageType.Warning)
        return self._status.now()

    def _toggle(self, language: str) -> None:
        """Turn suggestions on or off, in one language or altogether."""
        settings = self._status.settings()
        if not language:
            self._change(enabled=not settings.enabled)
            return
        disabled = list(settings.files.disabled_languages)
        if language in disabled:
            disabled.remove(language)
        else:
            disabled.append(language)
        self._change(files={"disabled_languages": disabled})

    def _change(self, **values: Any) -> None:
        self._changed |= values
        self._configure(Layer("this session", self._changed))


def _only_text(arguments: Sequence[object] | None) -> str:
    return arguments[0] if arguments and isinstance(arguments[0], str) else ""
