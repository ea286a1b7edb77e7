"""Builds the prompt: clips prefix and suffix to a token budget and puts them in a format's template.

Clipping is *stateless and stable*: the left edge of the prefix lies on a grid of a quarter of the budget, so that it
moves rarely and far while a person types. Positions in the BigCode models are learned, so a moved edge makes every
cached key and value worthless; between moves each keystroke only appends.

Pieces of other files get a share of the budget. Those that are comments stand in front of the prefix: there a change of
them costs least, because a suffix before them stays cached.
"""

from __future__ import annotations

from inference import other_files
from inference.formats import LEFT_TO_RIGHT, InfillFormat, Slot, Template
from inference.other_files import OtherFiles
from inference.request import Request
from inference.tokenizer import TextTokenizer

SUFFIX_SHARE = 0.25
"""Part of the budget kept for the suffix when both sides are long."""

CONTEXT_SHARE = 0.3
"""Most of the budget that pieces of other files may take: a model reads what is near first."""

_MAX_CHARS_PER_TOKEN = 8
"""Text beyond this many characters per token of budget is never tokenised at all.

A two-megabyte file costs no more than a page.
"""

_GRID = 4


def build(
    template: Template, tokenizer: TextTokenizer, request: Request, budget: int, row: InfillFormat = LEFT_TO_RIGHT
) -> list[int]:
    """Build the prompt ids [n], n ≤ `budget`, for the text around the gap of `request`, and for its context.

    `row`, which `template` is of, says how pieces of other files are written.

    Raises:
        KeyError: the tokenizer lacks a control token of the template.
        ValueError: `budget` can't even hold the control tokens.
    """
    room = budget - sum(isinstance(part, str) for part in template)
    if room < 1:
        raise ValueError(f"a budget of {budget} tokens holds no text beside the control tokens")
    others = _others(tokenizer, request, room, row)
    # What is kept free for pieces is rounded, so that others of about the same length move no edge.
    step = max(1, int(room * CONTEXT_SHARE) // _GRID) if request.context else 1
    room -= min(_round_up(len(others), step), int(room * CONTEXT_SHARE))
    suffix_ids = tokenizer.encode(request.suffix[: room * _MAX_CHARS_PER_TOKEN]) if Slot.SUFFIX in template else []
    prefix = _tail_on_grid(request.prefix, room * _MAX_CHARS_PER_TOKEN)
    prefix_ids = tokenizer.encode(prefix)
    # Edges are decided by the lines above the cursor's: the number of tokens in a line goes up and down while it is
    # typed, and an edge that followed it would void the cache at every other key. Of a long line, whole strides count.
    stride = max(1, room // _GRID)
    in_progress = len(tokenizer.encode(_line_in_progress(prefix)))
    settled = len(prefix_ids) - in_progress + in_progress // stride * stride
    spare = (room - settled - stride) // stride * stride
    suffix_ids = suffix_ids[: max(int(room * SUFFIX_SHARE), spare)]
    prefix_ids = _newest_on_grid(prefix_ids, settled, room - len(suffix_ids))
    ids = [*others.in_front]
    for part in template:
        if isinstance(part, str):
            ids.append(_control_id(tokenizer, part))
        else:
            ids += (*others.before_prefix, *prefix_ids) if part is Slot.PREFIX else suffix_ids
    return ids


def _others(tokenizer: TextTokenizer, request: Request, room: int, row: InfillFormat) -> OtherFiles:
    if not request.context and not (request.path and row.is_path_infilled):
        return OtherFiles()
    return other_files.write(row, tokenizer, request, int(room * CONTEXT_SHARE))


def _newest_on_grid(ids: list[int], settled: int, room: int) -> list[int]:
    """The last ids, at most `room`, after dropping whole multiples of a quarter of `room`.

    Half of such a step is kept free for the line in progress; only a longer line moves the edge while it is typed.
    """
    stride = max(1, room // _GRID)
    needed = max(settled - (room - stride // 2), len(ids) - room)
    return ids[_round_up(needed, stride) :]


def _line_in_progress(text: str) -> str:
    """The cursor's line with the white space before it, which is where tokenizers begin a new token."""
    return text[len(text[: text.rfind("\n") + 1].rstrip()) :]


def _tail_on_grid(text: str, size: int) -> str:
    """The last `size` characters or up to a quarter fewer, starting at a line where one starts nearby."""
    if len(text) <= size:
        return text
    stride = max(1, size // _GRID)
    start = _round_up(len(text) - size, stride)
    line = text.find("\n", start, start + 200)
    return text[line + 1 if line >= 0 else start :]


def _round_up(value: int, stride: int) -> int:
    return -(-max(0, value) // stride) * stride


def _control_id(tokenizer: TextTokenizer, name: str) -> int:
    identifier = tokenizer.token_id(name)
    if identifier is None:
        raise KeyError(name)
    return identifier
