"""Puts right, in the raw JSON, what real clients send and typed decoding would refuse or lose. Pure.

What each client does was measured with the real programs; `docs/architecture.md` lists it.
"""

from __future__ import annotations

from typing import Any, cast

from lsp_server.position_encoding import PositionEncoding

INVOKED, AUTOMATIC = 1, 2
"""`InlineCompletionTriggerKind` of LSP 3.18. Older clients send 0 for "invoked", or no context at all."""


def normalise(message: dict[str, Any]) -> None:
    """Change `message`, a decoded request or notification, in place."""
    params = message.get("params")
    if not isinstance(params, dict):
        return
    typed = cast(dict[str, Any], params)
    if message.get("method") == "textDocument/inlineCompletion":
        context = typed.get("context")
        typed["context"] = _trigger_kind_repaired(cast(dict[str, Any], context) if isinstance(context, dict) else {})
    elif message.get("method") == "textDocument/didChange":
        _drop_null_ranges(typed.get("contentChanges"))
    elif message.get("method") == "notebookDocument/didChange":
        for content in _list(_mapping(_mapping(typed.get("change")).get("cells")).get("textContent")):
            _drop_null_ranges(_mapping(content).get("changes"))
    elif message.get("method") == "initialize":
        capabilities = _mapping(typed.get("capabilities"))
        general = _mapping(capabilities.get("general"))
        if isinstance(offered := general.get("positionEncodings"), list):
            # pygls takes the first that it knows, so the client's list is put in our order of preference.
            wanted = _mapping(_mapping(capabilities.get("experimental")).get("fimd")).get("positionEncoding")
            ordered = _in_our_order(cast(list[Any], offered))
            general["positionEncodings"] = [wanted] if isinstance(wanted, str) and wanted in ordered else ordered


def shows_ghost_text(initialize_params: object) -> bool:
    """Whether the client names `textDocument.inlineCompletion` among its capabilities.

    lsp-mode gives it the value null.
    """
    return "inlineCompletion" in _mapping(_mapping(_mapping(initialize_params).get("capabilities")).get("textDocument"))


def shows_status(initialize_params: object) -> bool:
    """Whether the client asks for `fimd/status` with the capability `experimental.fimd.status`."""
    experimental = _mapping(_mapping(_mapping(initialize_params).get("capabilities")).get("experimental"))
    return _mapping(experimental.get("fimd")).get("status") is True


def _trigger_kind_repaired(context: dict[str, Any]) -> dict[str, Any]:
    kind = context.get("triggerKind")
    if isinstance(kind, bool) or kind not in (INVOKED, AUTOMATIC):
        context["triggerKind"] = INVOKED if kind == 0 else AUTOMATIC
    return context


def _drop_null_ranges(changes: object) -> None:
    """Null means the whole text, as a missing range does."""
    for change in _list(changes):
        if _mapping(change).get("range", ...) is None:
            del change["range"]


def _in_our_order(offered: list[Any]) -> list[Any]:
    preferred = [encoding.value for encoding in PositionEncoding]
    return sorted(offered, key=lambda encoding: preferred.index(encoding) if encoding in preferred else len(preferred))


def _list(value: object) -> list[Any]:
    return cast(list[Any], value) if isinstance(value, list) else []


def _mapping(value: object) -> dict[str, Any]:
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}
