"""What became of each suggestion that was shown, told from the edits that follow: editors send nothing else. Pure.

One suggestion a window is shown at a time. It is the same one while it is sent again along its text, and it ends with
exactly one outcome. Time is passed in. Knows nothing of files, and not where outcomes are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lsp_server.documents import Edit
from lsp_server.edit_matching import PAIRS, inserted_at, plain, reached, smallest
from lsp_server.rejections import Place, Rejections
from lsp_server.shown import Offer, Outcome, Shown, Verdict, continues

_UNDO_S = 10.0
"""What is removed again as a whole so soon after it was accepted was not wanted."""

_SLIP = 2
"""A typing error is noticed after so many characters."""


class Feedback:
    """Of one session. `settled` hears the one outcome of each suggestion, some seconds late where it may be undone."""

    def __init__(self, settled: Callable[[Outcome], None]) -> None:
        self._settled = settled
        self._rejections = Rejections()
        self._live: Shown | None = None
        self._slip: Shown | None = None
        """One that was typed over: live again if that turns out to have been a typing error."""

        self._accepted: list[Shown] = []
        """Those accepted to their end that may still be undone."""

    def is_rejected(self, uri: str, prefix: str, suffix: str, text: str, now_s: float) -> bool:
        r"""Whether `text` was rejected at this place not long ago; line ends are `\n`."""
        return self._rejections.has(Place.of(uri, prefix, suffix, text), now_s)

    def asked(self, uri: str, offset: int, now_s: float) -> None:
        """A suggestion is asked for with the cursor at index `offset`: elsewhere means that the person has moved on."""
        slip = self._slip
        if slip and (uri, offset) != (slip.uri, slip.place + slip.stray):
            self._end_slip(now_s)
        live = self._live
        if live is None:
            return
        if uri == live.uri:
            live.step_over(offset)
        if uri != live.uri or not live.place <= offset <= live.place + live.replaces:
            self._end_live(Verdict.REJECTED, now_s)

    def shown(self, offer: Offer, now_s: float) -> None:
        """A suggestion has been sent."""
        new = Shown.of(offer)
        if not new.text:
            return
        self.asked(new.uri, new.place, now_s)
        self._rejections.lift(new.rejected_at())  # it was asked for: nothing is shown there by itself
        live = self._live
        if live and new.place == live.place and continues(live.rest, new.text):
            live.shown_again(new)
            return
        self._end_live(Verdict.UNKNOWN, now_s)
        self._live = new

    def edited(self, uri: str, edits: Sequence[Edit], now_s: float) -> None:
        """A document was changed at once by `edits`, each on top of those before it."""
        self._end_accepted(now_s)
        if not (self._live or self._slip or self._accepted):
            return
        is_at, is_elsewhere = False, False
        for edit in map(smallest, edits):
            if not edit.removed and not edit.text:
                continue
            self._follow_accepted(uri, edit, now_s)
            live, slip = self._live, self._slip
            if live and live.uri == uri:
                is_here = self._follow(live, edit, now_s)
                is_at, is_elsewhere = is_at or is_here, is_elsewhere or not (is_here or _is_blank(edit))
            if slip and slip is self._slip and slip.uri == uri:
                self._follow_slip(slip, edit, now_s)
        if is_elsewhere and not is_at:
            self._end_live(Verdict.REJECTED, now_s)

    def accepted(self, uri: str, now_s: float) -> None:
        """A client says that the person has accepted what is shown there; most leave that to be told from the edit.

        Before the edit or after it: it counts once.
        """
        if (live := self._live) and live.uri == uri and live.accepted_from is None:
            live.saved += max(0, len(live.text) - max(live.done, live.foreign) - 1)
            self._live = None
            self._settle(live, Verdict.ACCEPTED, now_s)

    def forgotten(self, uri: str, now_s: float) -> None:
        """A document was closed, or its whole text replaced."""
        if self._live and self._live.uri == uri:
            self._end_live(Verdict.UNKNOWN, now_s)
        if self._slip and self._slip.uri == uri:
            self._end_slip(now_s)
        self._end_accepted(now_s, uri)

    def ended(self, now_s: float) -> None:
        """The session ends."""
        self._end_live(Verdict.UNKNOWN, now_s)
        self._end_slip(now_s)
        self._end_accepted(float("inf"))

    def _follow(self, live: Shown, edit: Edit, now_s: float) -> bool:
        """What an edit of its document did to the live suggestion; returns whether it was at its place."""
        inserted = inserted_at(edit, live.place, live.after)
        if inserted is not None:
            self._written(live, edit, inserted, now_s)
            return True
        if edit.start < live.place <= edit.end:
            self._deleted(live, edit, now_s)
            return True
        if live.place < edit.start <= live.place + live.replaces:
            self._end_live(Verdict.UNKNOWN, now_s)  # another choice in the popup, so another suggestion
            return True
        if edit.start < live.place:
            live.shift(edit)
        else:
            live.change_behind(edit)
        return False

    def _written(self, live: Shown, edit: Edit, inserted: str, now_s: float) -> None:
        """`inserted` stands at the place now, instead of what the edit removed there."""
        text = plain(inserted)
        live.choose(text)
        live.after = live.after[len(edit.removed) :]
        until = reached(live.text, live.done, text)
        if live.replaces and until != len(live.text):
            self._end_live(Verdict.UNKNOWN, now_s)  # the popup's choice again
        elif not text:
            pass  # only what stood behind the cursor was deleted
        elif text in PAIRS and live.rest != text and live.rest.startswith(text[0]):
            live.advance(live.done + 1, text[0], now_s)
            live.after = text[1] + live.after
        elif until is not None:
            is_accepted = live.advance(until, inserted, now_s)
            if not live.rest and is_accepted:
                self._live = None
                self._accepted.append(live)
            elif not live.rest:
                self._end_live(Verdict.TYPED_THROUGH, now_s)
        elif live.follows_opener(text):
            live.after = text + live.after
        elif edit.removed or len(inserted) > _SLIP:
            self._end_live(Verdict.REJECTED, now_s)
        else:
            self._end_slip(now_s)
            live.stray = len(inserted)
            self._live, self._slip = None, live

    def _deleted(self, live: Shown, edit: Edit, now_s: float) -> None:
        """Text before the place was removed or replaced: a backspace, or a part undone that was just accepted."""
        is_undone = live.accepted_from is not None and edit.start <= live.accepted_from
        if is_undone and now_s - live.accepted_s <= _UNDO_S:
            live.take_back()
            self._live = None
            self._settle(live, Verdict.REJECTED, now_s)
        else:
            self._end_live(Verdict.REJECTED, now_s)

    def _follow_slip(self, slip: Shown, edit: Edit, now_s: float) -> None:
        """More is typed over a suggestion, or what was typed is deleted again, or something else is done."""
        end = slip.place + slip.stray
        if not edit.text and edit.end == end and edit.start >= slip.place:
            slip.stray -= len(edit.removed)
            if not slip.stray:
                self._end_live(Verdict.REJECTED, now_s)
                self._live, self._slip = slip, None
        elif edit.start == end and not edit.removed and slip.stray + len(edit.text) <= _SLIP:
            slip.stray += len(edit.text)
        else:
            self._end_slip(now_s)

    def _follow_accepted(self, uri: str, edit: Edit, now_s: float) -> None:
        """See whether an edit undoes an acceptance; one within the accepted text means that it is kept."""
        for shown in [one for one in self._accepted if one.uri == uri]:
            start = shown.accepted_from or 0
            if edit.start <= start and edit.end >= shown.place and not edit.text.strip():
                self._accepted.remove(shown)
                shown.take_back()
                self._settle(shown, Verdict.REJECTED, now_s)
            elif edit.end <= start:
                shown.shift(edit)
            elif edit.start < shown.place:
                self._accepted.remove(shown)
                self._settle(shown, Verdict.ACCEPTED, now_s)

    def _end_live(self, otherwise: Verdict, now_s: float) -> None:
        """The live suggestion, if there is one, is over; see `Shown.verdict`."""
        if live := self._live:
            self._live = None
            self._settle(live, live.verdict(otherwise), now_s)

    def _end_slip(self, now_s: float) -> None:
        if slip := self._slip:
            self._slip = None
            self._settle(slip, slip.verdict(Verdict.REJECTED), now_s)

    def _end_accepted(self, now_s: float, uri: str | None = None) -> None:
        """Settle what was accepted too long ago to be undone, and all in the document at `uri`."""
        for shown in list(self._accepted):
            if shown.uri == uri or now_s - shown.accepted_s > _UNDO_S:
                self._accepted.remove(shown)
                self._settle(shown, Verdict.ACCEPTED, now_s)

    def _settle(self, shown: Shown, verdict: Verdict, now_s: float) -> None:
        if verdict is Verdict.REJECTED:
            self._rejections.add(shown.rejected_at(), now_s)
        self._settled(Outcome(verdict, shown.language, shown.saved))


def _is_blank(edit: Edit) -> bool:
    """Whether an edit changes white space only: editors indent, and trim lines, by themselves."""
    return not edit.removed.strip() and not edit.text.strip()
