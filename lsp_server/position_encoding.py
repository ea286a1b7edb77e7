"""Positions within a line, between an encoding's units and Python's code points. Pure.

LSP 3.17, section "Position": `character` counts UTF-8 bytes, UTF-16 code units or code points, as negotiated. A
position beyond the end of the line means the end of the line; one inside a character means the start of that character.
"""

from __future__ import annotations

from enum import Enum


class PositionEncoding(str, Enum):
    """The encodings of LSP 3.17, in our order of preference: UTF-8 is what most non-Microsoft editors hold anyway."""

    UTF8 = "utf-8"
    UTF32 = "utf-32"
    UTF16 = "utf-16"


def index_from_units(line: str, units: int, encoding: PositionEncoding) -> int:
    """Index into `line` (without its line end) of the character at `units`, clamped to the line."""
    if units <= 0:
        return 0
    if encoding is PositionEncoding.UTF32 or line.isascii():
        return min(units, len(line))
    raw = _encode(line, encoding)
    end = min(units * _UNIT_BYTES[encoding], len(raw))
    while end < len(raw) and _is_inside_character(raw, end, encoding):
        end -= _UNIT_BYTES[encoding]
    return len(raw[:end].decode(_CODEC[encoding], "surrogatepass"))


def units_from_index(line: str, index: int, encoding: PositionEncoding) -> int:
    """Units of `encoding` before `line[index]`."""
    head = line[:index]
    if encoding is PositionEncoding.UTF32 or head.isascii():
        return len(head)
    return len(_encode(head, encoding)) // _UNIT_BYTES[encoding]


_CODEC = {PositionEncoding.UTF8: "utf-8", PositionEncoding.UTF16: "utf-16-le"}
_UNIT_BYTES = {PositionEncoding.UTF8: 1, PositionEncoding.UTF16: 2}


def _encode(text: str, encoding: PositionEncoding) -> bytes:
    # JSON can carry lone surrogates; they must count, not crash.
    return text.encode(_CODEC[encoding], "surrogatepass")


def _is_inside_character(raw: bytes, offset: int, encoding: PositionEncoding) -> bool:
    """Whether `offset` > 0 points at a UTF-8 continuation byte, or at the second half of a surrogate pair."""
    if encoding is PositionEncoding.UTF8:
        return raw[offset] & 0xC0 == 0x80
    return raw[offset + 1] & 0xFC == 0xDC and raw[offset - 1] & 0xFC == 0xD8
