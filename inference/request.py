"""The nouns that cross between the event loop and the inference thread. All are values, except the cancel token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Memory = Literal["auto", "always", "never", "only"]
"""Whether what the open files say is blended into the model's distribution (auto: where that was seen to help), or
asked instead of the model."""


@dataclass(frozen=True, slots=True)
class ContextPiece:
    """Lines of another file that a model should read first."""

    path: str
    """The file's path, or the end of it."""

    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """What to infill: the text around a gap, decoded and unclipped.

    The prompt builder cuts it to the model's window.
    """

    prefix: str
    suffix: str
    insist: bool = False
    """Whether a person asked for it: then an unlikely completion is worth more than an empty one."""

    max_tokens: int = 64
    max_lines: int = 1
    """1 asks for the rest of the line; more allow the block that is being opened or continued at the cursor."""

    word_only: bool = False
    """Whether only the identifier at the cursor is to be completed."""

    words: tuple[str, ...] = ()
    """What that identifier may be, if anything is known of it: each begins with what stands before the cursor."""

    closers: str = ""
    """Brackets and quotes that stand right behind the gap, whether `suffix` begins with them or not: what is written
    ends where it would close them."""

    at_indentation: bool = False
    """Whether what is written begins in the cursor's column: a line indented more makes no sense there."""

    related: tuple[str, ...] = ()
    """Texts of other open files, the most related last: remembered, and what is repeated from them comes sooner. Not in
    the prompt."""

    avoid: tuple[tuple[int, ...], ...] = ()
    """`Completion.beginning` of completions that are known already: another one is wanted."""

    memory: Memory = "auto"
    plain: bool = False
    """What the model writes by itself, to compare with: the same prompt, not healed; ended by its end token or
    `max_tokens`."""

    context: tuple[ContextPiece, ...] = ()
    """Pieces of other files for the prompt, the most useful first. Where there is no room, the last are left out."""

    path: str = ""
    """Path of the file itself, or the end of it, for models that are told; empty where there is none."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """What a person wants to know about, or done with, a piece of code."""

    text: str
    code: str = ""
    """The code it is about; may be empty."""

    max_tokens: int = 256


@dataclass(frozen=True, slots=True)
class Step:
    """Progress of one computation, yielded between prefill chunks and decode passes.

    The points where it can be abandoned.
    """

    phase: Literal["prefill", "decode"]
    text: str = ""
    """Text decoded so far, as far as it is certain to stay."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model wrote, cut by the stop rule; not yet trimmed for display."""

    text: str
    model: str
    prompt_tokens: int
    reused_tokens: int
    """Prompt tokens whose keys and values were still cached from an earlier request."""

    generated_tokens: int
    mean_logprob: float
    """Mean natural-log probability of the generated tokens; 0.0 when there are none."""

    is_cut: bool = False
    """Whether it stopped only because no more tokens were allowed."""

    first_margin: float = 0.0
    """By how much the first new token's log probability is above the second best's."""

    beginning: tuple[int, ...] = ()
    """Its tokens up to the first that brought new text."""

    passes: int = 0
    """Forward passes after the prompt's."""

    drafted_tokens: int = 0
    """Tokens that were guessed, for those passes and for the prompt's last."""

    accepted_tokens: int = 0
    """How many of them were right."""


class CancelToken:
    """Set once by whoever no longer wants the answer; read by the worker between steps. Safe across threads."""

    __slots__ = ("_cancelled",)

    def __init__(self) -> None:
        self._cancelled = False

    def cancel(self) -> None:
        """Ask that the computation stop at its next step; calling it again does nothing."""
        self._cancelled = True

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` has been called."""
        return self._cancelled
