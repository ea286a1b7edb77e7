"""Short forward passes with fixed shapes and addresses, so that a GPU can replay them whole.

A decode step of a billion parameters launches several hundred small kernels; on a GPU that takes longer than running
them. A CUDA graph launches all at once, but replays the very same kernels on the very same memory. So token ids and
positions are read from tensors that stay, sizes are rounded up to a few, and attention looks at the whole buffer
through a mask. Without a graph the same function is only slower: that is how it is tested where there is no GPU. The
graph itself has been run on none yet, so each is compared with what it has recorded before it is used.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from inference.kv_cache import BufferedCache
from inference.models.base import LONGEST_STEP

log = logging.getLogger(__name__)

_SIZES = (1, 4, 8, LONGEST_STEP)
"""Tokens in a pass: a decode step, and a step with drafts after it."""

_WARM_UPS = 2
"""Passes before a capture, in which libraries allocate what they need (PyTorch's notes on CUDA semantics)."""

_PLAIN = 4
"""Passes of one size over one buffer before they are worth a capture, which takes as long as many."""

_TOLERANCE = 0.02
"""Largest difference between two ways to compute the same in bfloat16, relative to the largest logit."""

Pass = Callable[[], Tensor]
"""One pass over tensors that stay where they are."""

Capture = Callable[[Pass], Pass]
"""Makes a pass quicker to repeat."""

Compute = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Takes ids [n], positions [n] and a cache's buffer; gives logits [n, vocabulary]."""


class StaticSteps:
    """A decoder's short passes."""

    def __init__(self, capture: Capture | None = None, plain: int = _PLAIN) -> None:
        self._capture = capture or _CudaGraphs()
        self._plain = plain
        self._works = True

    def forward(self, compute: Compute, tokens: Sequence[int], cache: BufferedCache) -> Tensor | None:
        """Logits [n, vocabulary] after `tokens` [n], whose keys and values are put behind those of `cache`.

        None where this is no case for it: too many tokens, too little room behind them, too few passes like this one
        so far, or a system without graphs.
        """
        start = len(cache.tokens)
        size = next((size for size in _SIZES if size >= len(tokens)), None)
        if not self._works or size is None or start + size > cache.capacity:
            return None
        cache.static_steps = known = cache.static_steps or BufferSteps()
        known.seen[size] += 1
        if known.seen[size] <= self._plain:
            return None
        padded = _padded(tokens, size)
        try:
            if size not in known.steps:
                known.steps[size] = _Step(compute, self._capture, cache.buffer, padded, start)
            return known.steps[size].run(padded, start)[: len(tokens)]
        except RuntimeError as error:
            log.warning("decode steps run without CUDA graphs (%s)", str(error).split("\n", 1)[0])
            self._works = False
            cache.static_steps = None
            return None


class BufferSteps:
    """What is known of short passes over one buffer: how many there were, and graphs, by their size."""

    def __init__(self) -> None:
        self.seen: Counter[int] = Counter()
        self.steps: dict[int, _Step] = {}


class _Step:
    """One size of pass over one buffer."""

    def __init__(self, compute: Compute, capture: Capture, buffer: Tensor, tokens: list[int], start: int) -> None:
        self._ids = torch.tensor(tokens, device=buffer.device)
        self._places = torch.arange(len(tokens), device=buffer.device)
        self._positions = self._places + start

        def work() -> Tensor:
            return compute(self._ids, self._positions, buffer)

        expected = work()
        self._pass = capture(work)
        if not torch.allclose(self._pass(), expected, rtol=0, atol=_TOLERANCE * float(expected.abs().max())):
            raise RuntimeError("a graph computes something else than what was recorded")

    def run(self, tokens: Sequence[int], start: int) -> Tensor:
        """Logits [size, vocabulary]."""
        self._ids.copy_(torch.tensor(tokens))
        self._positions.copy_(self._places + start)
        return self._pass().clone()


def _padded(tokens: Sequence[int], size: int) -> list[int]:
    """Tokens that follow change nothing before them, and no mask lets what they leave behind be seen."""
    return [*tokens, *([tokens[-1]] * (size - len(tokens)))]


class _CudaGraphs:
    """Records passes as CUDA graphs, by PyTorch's recipe: warmed up on a stream of their own.

    All share one memory pool, which is safe because no two run at a time and results are copied at once.
    """

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, work: Pass) -> Pass:
        usual = torch.cuda.current_stream()
        try:
            stream = torch.cuda.Stream()
            stream.wait_stream(usual)
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UPS):
                    work()
            usual.wait_stream(stream)
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, pool=self._pool):
                output = work()
        finally:
            torch.cuda.set_stream(usual)  # a capture that fails may leave its own

        def replay() -> Tensor:
            graph.replay()
            return output

        return replay
