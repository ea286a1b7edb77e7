"""Keys and values of the tokens a model saw last, and how much of them a new prompt can reuse."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from inference.models.static_steps import BufferSteps


class KeyValueCache(ABC):
    """The tokens whose keys and values are held, in order; where those are held is up to the model that made it.

    Invariant: `tokens` are always really there. `extended` is called only after a forward pass has succeeded, so a
    computation may be abandoned between passes without any clean-up.
    """

    def __init__(self) -> None:
        self.tokens: list[int] = []

    def extended(self, tokens: Sequence[int]) -> None:
        """Record that the model has just appended `tokens`."""
        self.tokens.extend(tokens)

    def reusable(self, prompt: Sequence[int]) -> int:
        """Number of leading tokens of `prompt` that are cached.

        Its last token never counts, because its logits are needed.
        """
        return min(common_prefix_length(self.tokens, list(prompt)), len(prompt) - 1)

    def rewind_to(self, prompt: Sequence[int]) -> int:
        """Keep what `prompt` shares with the cached tokens and drop the rest; returns the number of tokens kept."""
        kept = self.reusable(prompt)
        self.drop(len(self.tokens) - kept)
        return kept

    def drop(self, count: int) -> None:
        """Forget the newest `count` tokens."""
        if count:
            self._crop(count)
            del self.tokens[-count:]

    def clear(self) -> None:
        """Forget everything; needed where a forward pass that failed has left the layers in different states."""
        self.tokens = []
        self._reset()

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Memory that is set aside for it."""

    @property
    @abstractmethod
    def capacity(self) -> int | None:
        """Most tokens it can hold; None where it grows."""

    @abstractmethod
    def _crop(self, count: int) -> None:
        """Drop the keys and values of the newest `count` tokens."""

    @abstractmethod
    def _reset(self) -> None:
        """Drop all keys and values."""


class BufferedCache(KeyValueCache):
    """Keys and values in one buffer that is allocated once, so that no step allocates any, and a rewind costs nothing.

    On a CPU the system gives a buffer memory only where it is written: an allocated one that is hardly used is cheap.

    `buffer` is [layers, keys and values, heads, capacity, width].
    """

    def __init__(self, buffer: Tensor) -> None:
        super().__init__()
        self.buffer = buffer
        self.static_steps: BufferSteps | None = None
        """Passes over just this buffer; see `models.static_steps`."""

    @property
    def nbytes(self) -> int:
        """Size of the buffer."""
        return self.buffer.nbytes

    @property
    def capacity(self) -> int:
        """Tokens that fit into the buffer."""
        return self.buffer.shape[3]

    def _crop(self, count: int) -> None:
        del count  # what lies behind `tokens` is never read, and overwritten by what comes next

    def _reset(self) -> None:
        """See `_crop`."""


def common_prefix_length(left: list[int], right: list[int]) -> int:
    """Number of leading tokens in which the two agree.

    Asked several times at each key: whole runs are compared, longer ones each time, and halves of one that differs.
    """
    same, end, run = 0, min(len(left), len(right)), 16
    while same < end:
        until = min(same + run, end)
        if left[same:until] == right[same:until]:
            same, run = until, 4 * run
        elif until - same == 1:
            break
        else:
            end, run = until, (until - same) // 2
    return same
