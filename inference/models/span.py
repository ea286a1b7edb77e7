"""Where the tokens of one forward pass stand: which rows of the position table, the cache and the mask are theirs."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Span(Protocol):
    """The positions of n new tokens in a buffer for `capacity`."""

    @property
    def positions(self) -> Tensor:
        """Their positions [n]."""
        ...

    @property
    def mask(self) -> Tensor | None:
        """What each may see: [n · group, visible] of 0 and minus infinity, one row a query head of a group.

        None where all that is visible may be seen.
        """
        ...

    def rows(self, table: Tensor) -> Tensor:
        """Their rows [n, width] of a table by position."""
        ...

    def store(self, held: Tensor, new: Tensor) -> None:
        """Put `new` [..., n, width] into their places in `held` [..., capacity, width]."""
        ...

    def visible(self, held: Tensor) -> Tensor:
        """The part of `held` [..., capacity, width] that any of them may see."""
        ...


class SlicedSpan:
    """Tokens from `start` up to `end`, by slices: no more is read than there is. Implements `Span`."""

    def __init__(self, start: int, end: int, group: int, dtype: torch.dtype, device: torch.device) -> None:
        self._start, self._end, self._device = start, end, device
        self.mask = _causal_mask(end - start, end, group, dtype, device)

    @property
    def positions(self) -> Tensor:
        """See `Span.positions`."""
        return torch.arange(self._start, self._end, device=self._device)

    def rows(self, table: Tensor) -> Tensor:
        """See `Span.rows`."""
        return table[self._start : self._end]

    def store(self, held: Tensor, new: Tensor) -> None:
        """See `Span.store`."""
        held[..., self._start : self._end, :] = new

    def visible(self, held: Tensor) -> Tensor:
        """See `Span.visible`."""
        return held[..., : self._end, :]


class IndexedSpan:
    """Tokens at `positions` [n], which are read on the device only: no shape depends on them. Implements `Span`."""

    def __init__(self, positions: Tensor, capacity: int, group: int, dtype: torch.dtype) -> None:
        self.positions = positions
        places = torch.arange(capacity, device=positions.device)
        mask = torch.zeros(len(positions), capacity, dtype=dtype, device=positions.device)
        mask = mask.masked_fill(places > positions[:, None], -torch.inf)
        self.mask = mask.repeat_interleave(group, dim=0)

    def rows(self, table: Tensor) -> Tensor:
        """See `Span.rows`."""
        return table.index_select(0, self.positions)

    def store(self, held: Tensor, new: Tensor) -> None:
        """See `Span.store`."""
        held.index_copy_(held.ndim - 2, self.positions, new)

    def visible(self, held: Tensor) -> Tensor:
        """See `Span.visible`."""
        return held


def _causal_mask(new: int, total: int, group: int, dtype: torch.dtype, device: torch.device) -> Tensor | None:
    """What `new` tokens at the end of `total` may see; None for one."""
    if new == 1:
        return None
    mask = torch.full((new, total), -torch.inf, dtype=dtype, device=device).triu_(total - new + 1)
    return mask.repeat_interleave(group, dim=0) if group > 1 else mask
