"""How fast, how large and how exact each precision is on this machine: `python benchmarks/precision.py`.

A model of SantaCoder's shape (1.12 B, random weights made as they are asked for, nothing on disk) is filled by the
product's own loader in each precision. Rates are medians of several runs; the error is of the logits, relative to fp32.
For real weights, the embedded model's logits over a held-out file of the standard library are compared too.
"""

from __future__ import annotations

import argparse
import queue
import statistics
import time
from pathlib import Path

import psutil
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from inference.checkpoints import embedded
from inference.checkpoints.lean import LeanOutline
from inference.checkpoints.precision import in_gb
from inference.checkpoints.spec import Precision
from inference.models.gpt_bigcode import GptBigCodeShape

CPU = torch.device("cpu")
PROMPT = 512


class RandomWeights:
    """The same random tensors at every reading; a `WeightSource`."""

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        self._shapes = shapes

    @property
    def names(self) -> frozenset[str]:
        """Names of all tensors."""
        return frozenset(self._shapes)

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of one tensor."""
        return self._shapes[name]

    def read(self, name: str) -> Tensor:
        """One tensor, normally distributed as an initialised model's."""
        generator = torch.Generator().manual_seed(sum(map(ord, name)))
        weight = torch.randn(self._shapes[name], generator=generator) * 0.02
        return weight + 1 if name.endswith(("ln_1.weight", "ln_2.weight", "ln_f.weight")) else weight


def santacoder(layers: int) -> LeanOutline:
    """SantaCoder's shape, with as many layers as wanted."""
    shape = GptBigCodeShape.from_config(
        {"vocab_size": 49_280, "n_positions": 2048, "n_embd": 2048, "n_layer": layers, "n_head": 16, "n_inner": 8192}
    )
    if shape is None:
        raise AssertionError("SantaCoder's shape is one of ours")
    return LeanOutline(shape)


def measure(outline: LeanOutline, precision: Precision, runs: int) -> tuple[dict[str, float], Tensor]:
    """Figures of one precision, and the logits after a fixed prompt."""
    size = outline.sizes[precision]
    started = time.perf_counter()
    model = outline.load(RandomWeights(dict(outline.shape.tensors())), CPU, precision)
    load_s = time.perf_counter() - started
    prompt = [7 * position % 49_000 for position in range(PROMPT)]
    prefills: list[float] = []
    decodes: list[float] = []
    logits = torch.empty(0)
    for _ in range(runs):
        cache = model.new_cache(PROMPT + 16)
        started = time.perf_counter()
        logits = model.forward(prompt, cache)[-1]
        prefills.append(PROMPT / (time.perf_counter() - started))
        started = time.perf_counter()
        for token in prompt[:16]:
            model.forward([token], cache)
        decodes.append(16 / (time.perf_counter() - started))
    resident = psutil.Process().memory_info().rss
    rates = {"prefill": statistics.median(prefills), "decode": statistics.median(decodes)}
    return {**rates, "load_s": load_s, "weights": size, "resident": resident}, logits


def embedded_error(precision: Precision) -> tuple[float, float]:
    """Relative logit error and share of equal first choices of the trained embedded model over a held-out file."""
    rows: list[Tensor] = []
    both: tuple[Precision, Precision] = ("fp32", precision)
    for one in both:
        checkpoint = embedded.open_embedded()
        model = checkpoint.load(CPU, one)
        ids = checkpoint.tokenizer.encode(Path(queue.__file__).read_text(encoding="utf-8")).ids[:512]
        rows.append(model.forward(ids, model.new_cache(len(ids)), last=len(ids)))
    exact, other = rows
    same = (exact.argmax(-1) == other.argmax(-1)).float().mean()
    return relative_error(other, exact), float(same)


def relative_error(got: Tensor, exact: Tensor) -> float:
    """Norm of the difference over the norm."""
    return float(((got - exact).square().sum() / exact.square().sum()).sqrt())


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layers", type=int, default=24, help="fewer for a quick look; rates are then of that model")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--precisions", nargs="+", default=["fp32", "bf16", "int8"])
    arguments = parser.parse_args()
    headings = (
        "precision",
        "weights",
        "load s",
        "prefill t/s",
        "decode t/s",
        "÷ fp32",
        "error",
        "error, trained",
        "same choice",
    )
    table = Table(*headings)
    reference: tuple[float, Tensor] | None = None
    for precision in arguments.precisions:
        figures, logits = measure(santacoder(arguments.layers), precision, arguments.runs)
        reference = reference or (figures["decode"], logits)
        error = relative_error(logits, reference[1])
        trained, same = embedded_error(precision)
        table.add_row(
            precision, in_gb(int(figures["weights"])), f"{figures['load_s']:.1f}", f"{figures['prefill']:.0f}",
            f"{figures['decode']:.1f}", f"{figures['decode'] / reference[0]:.2f}", f"{error:.3f}", f"{trained:.3f}",
            f"{same:.1%}",
        )  # fmt: skip
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
