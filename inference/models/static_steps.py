"""Short forward passes with fixed shapes and addresses, so that a GPU can replay them whole.

A decode step of a billion parameters launches several hundred small kernels; on a GPU that takes longer than running
them. A CUDA graph launches all at once, but replays the very same kernels on the very same memory. So token ids and
positions are read from tensors that stay, sizes are rounded up to a few, and attention looks at the whole buffer
through a mask. Without a graph the same function is only slower: that is how it is tested where there is no GPU, while
the graph itself has been run on none yet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from inference.kv_cache import BufferedCache

log = logging.getLogger(__name__)

_SIZES = (1, 4, 8, 17)
"""Tokens in a pass: a decode step, and a step with drafts after it."""

_WARM_UPS = 2
"""Passes before a capture, in which libraries allocate what they need (PyTorch's notes on CUDA semantics)."""

Pass = Callable[[], Tensor]
"""One pass over tensors that stay where they are."""

Capture = Callable[[Pass], Pass]
"""Makes a pass quicker to repeat."""


class StaticSteps:
    """A decoder's short passes; `compute` takes ids [n], positions [n] and a buffer, and gives logits."""

    def __init__(self, compute: Callable[[Tensor, Tensor, Tensor], Tensor], capture: Capture | None = None) -> None:
        self._compute = compute
        self._capture = capture or _cuda_graph
        self._works = True

    def forward(self, tokens: Sequence[int], cache: BufferedCache) -> Tensor | None:
        """Logits [n, vocabulary] after `tokens` [n], whose keys and values are put behind those of `cache`.

        None where this is no case for it: too many tokens, too little room behind them, or a system without graphs.
        """
        start = len(cache.tokens)
        size = next((size for size in _SIZES if size >= len(tokens)), None)
        if not self._works or size is None or start + size > cache.capacity:
            return None
        steps, padded = cache.static_steps, _padded(tokens, size)
        try:
            if size not in steps:
                steps[size] = _Step(self._compute, self._capture, cache.buffer, padded, start).run
            return steps[size](padded, start)[: len(tokens)]
        except RuntimeError as error:
            log.warning("decode steps run without CUDA graphs (%s)", str(error).split("\n", 1)[0])
            self._works = False
            return None


class _Step:
    """One size of pass over one buffer."""

    def __init__(
        self,
        compute: Callable[[Tensor, Tensor, Tensor], Tensor],
        capture: Capture,
        buffer: Tensor,
        tokens: list[int],
        start: int,
    ) -> None:
        self._ids = torch.tensor(tokens, device=buffer.device)
        self._places = torch.arange(len(tokens), device=buffer.device)
        self._positions = self._places + start
        self._pass = capture(lambda: compute(self._ids, self._positions, buffer))

    def run(self, tokens: Sequence[int], start: int) -> Tensor:
        """Logits [size, vocabulary]."""
        self._ids.copy_(torch.tensor(tokens))
        self._positions.copy_(self._places + start)
        return self._pass().clone()


def _padded(tokens: Sequence[int], size: int) -> list[int]:
    """Tokens that follow change nothing before them, and the next pass overwrites what they leave behind."""
    return [*tokens, *([tokens[-1]] * (size - len(tokens)))]


def _cuda_graph(work: Pass) -> Pass:
    """Record a pass as a CUDA graph, by PyTorch's recipe: warmed up on a stream of its own."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        output = work()

    def replay() -> Tensor:
        graph.replay()
        return output

    return replay
