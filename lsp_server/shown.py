"""A suggestion that has been shown: where it stands, how much of it is in the document, what can become of it. Pure.

Knows nothing of the order of events: that is `feedback.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lsp_server.documents import Edit
from lsp_server.edit_matching import PAIRS, plain, reached, smallest
from lsp_server.rejections import Place

_AROUND = 4000
"""Characters kept of what stands before a suggestion and behind it."""

_FEWEST_LEFT, _FEWEST_IN_PART = 2, 3
"""Characters that were accepted when they come in one edit: of all that was left, or of a part of it.

Fewer may have been typed: clients that find edits by comparing texts join keys in quick succession. (Neovim 0.12 tells
all keys within 150 ms in one notification, but each as an edit of its own.)
"""


class Verdict(str, Enum):
    """What became of a suggestion.

    That a part was accepted counts more than what was done after it; that more than half of it was typed counts more
    than what was done instead of the rest.
    """

    ACCEPTED = "accepted"
    """All of it, or all that was left of it, came in one edit."""

    PARTLY_ACCEPTED = "partly_accepted"
    """A word or a line of it, or several, came in one edit each."""

    TYPED_THROUGH = "typed_through"
    """It was typed key by key, to its end or more than half of it."""

    REJECTED = "rejected"
    """The text before it was deleted, other text was typed, the person went elsewhere, or undid the acceptance."""

    UNKNOWN = "unknown"
    """The document was closed or replaced, or the suggestion by another one before anything was done."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a suggestion."""

    verdict: Verdict
    language: str
    saved_characters: int
    """Those accepted, less the one key that each acceptance takes; a line's end is one character."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A suggestion as it is sent: `text` is to replace `document[start:end]`."""

    uri: str
    language: str
    document: str
    start: int
    end: int
    text: str
    foreign: int = 0
    """Characters at the start of `text` that are a popup's choice, which the suggestion continues."""

    others: tuple[str, ...] = ()
    """What was offered beside `text`, for the same place, to be chosen instead."""


@dataclass(slots=True)
class Shown:
    """A suggestion on the screen. Line ends are those of `edit_matching.plain` in `before` and `text`."""

    uri: str
    language: str
    before: str
    """What stood before the place when it was first shown."""

    text: str
    place: int
    """Index into the document where the rest of the text belongs."""

    after: str
    """What stands there now."""

    replaces: int
    """Characters behind the place that it would replace."""

    foreign: int
    done: int = 0
    """Characters of the text that are in the document already, however they came there."""

    saved: int = 0
    accepted_from: int | None = None
    """Index into the document where the first accepted part begins."""

    accepted_done: int = 0
    accepted_s: float = 0.0
    stray: int = 0
    """Characters that were typed in place of the rest."""

    others: tuple[str, ...] = ()
    """What else was offered."""

    @staticmethod
    def of(offer: Offer) -> Shown:
        """What is new in an offer: not what it replaces only to write it again."""
        replaced = offer.document[offer.start : offer.end]
        edit = smallest(Edit(offer.start, replaced, offer.text))
        others = (smallest(Edit(offer.start, replaced, other)) for other in offer.others)
        return Shown(
            uri=offer.uri,
            language=offer.language,
            before=plain(offer.document[max(0, edit.start - _AROUND) : edit.start]),
            text=plain(edit.text),
            place=edit.start,
            after=offer.document[edit.start : edit.start + _AROUND],
            replaces=len(edit.removed),
            foreign=max(0, offer.foreign - (edit.start - offer.start)),
            others=tuple(plain(one.text) for one in others if (one.start, one.removed) == (edit.start, edit.removed)),
        )

    def choose(self, inserted: str) -> None:
        """Be the one of those offered that goes on with `inserted`, if this one does not; keys choose nothing."""
        if len(inserted.strip()) < _FEWEST_LEFT or inserted in PAIRS:
            return
        for text in (self.text, *self.others):
            if text.startswith(self.text[: self.done]) and reached(text, self.done, inserted) is not None:
                self.text = text
                return

    def shown_again(self, new: Shown) -> None:
        """It was sent once more, for where it has been typed along to."""
        typed = self.text[: self.done]
        if new.others:
            self.others = tuple(typed + other for other in new.others)
        self.text = typed + new.text

    @property
    def rest(self) -> str:
        """What is left of the text."""
        return self.text[self.done :]

    def advance(self, until: int, inserted: str, now_s: float) -> bool:
        """The text is in the document up to its index `until`, by `inserted`; returns whether that was accepted.

        Rather than typed: see `_FEWEST_IN_PART`.
        """
        mine = until - max(self.done, self.foreign)
        typed = plain(inserted).strip()
        fewest = 1 if until == len(self.text) else _FEWEST_IN_PART
        is_accepted = mine >= _FEWEST_LEFT and len(typed) >= fewest and typed not in PAIRS
        if is_accepted:
            self.saved += mine - 1
            self.accepted_s = now_s
            if self.accepted_from is None:
                self.accepted_from, self.accepted_done = self.place, self.done
        self.done = until
        self.place += len(inserted)
        return is_accepted

    def step_over(self, offset: int) -> None:
        """The cursor is at index `offset` now: over a closing bracket of the text that stood there already, maybe."""
        over = self.after[: max(0, offset - self.place)]
        if over and all(any(pair[1] == one for pair in PAIRS) for one in over) and self.rest.startswith(over):
            self.done += len(over)
            self.place += len(over)
            self.after = self.after[len(over) :]

    def shift(self, edit: Edit) -> None:
        """Move along with an edit before the place."""
        by = len(edit.text) - len(edit.removed)
        self.place += by
        if self.accepted_from is not None:
            self.accepted_from += by

    def change_behind(self, edit: Edit) -> None:
        """Note an edit behind the place."""
        start = edit.start - self.place
        self.after = (self.after[:start] + edit.text + self.after[start + len(edit.removed) :])[:_AROUND]

    def take_back(self) -> None:
        """What was accepted has been removed again."""
        self.done, self.accepted_from, self.saved = self.accepted_done, None, 0

    def follows_opener(self, closer: str) -> bool:
        """Whether an editor may have put `closer` at the place by itself."""
        return (self.text[: self.done] or self.before)[-1:] + closer in PAIRS

    def verdict(self, otherwise: Verdict) -> Verdict:
        """What became of it, given that it ends now; `otherwise` where not enough of it is in the document."""
        if self.accepted_from is not None:
            return Verdict.PARTLY_ACCEPTED
        return Verdict.TYPED_THROUGH if 2 * self.done > len(self.text) else otherwise

    def rejected_at(self) -> Place:
        """Where the rest of it belongs; a popup's choice is no part of it."""
        until = max(self.done, self.foreign)
        return Place.of(self.uri, self.before + self.text[:until], plain(self.after), self.text[until:])


def continues(rest: str, text: str) -> bool:
    """Whether `text` is what was shown already and has only been typed along; a bracket may end either sooner."""
    return bool(rest and text) and (rest.startswith(text) or text.startswith(rest))
