"""Speed of one engine at SantaCoder's size: `python benchmarks/engines.py KIND MODEL`, one line of JSON.

KIND is `fimd` (int8), `generate` (transformers, float32) or `llama.cpp`; each runs in a process of its own, so that
none has another's memory. Rates are medians of three runs, in tokens a second.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch
from baselines import LlamaCpp, Task, generate

from inference import huge_pages
from inference.checkpoints.load import load_engine
from inference.checkpoints.spec import ModelSpec
from lsp_server.machine import peak_bytes

PROMPT = [7 * place % 4000 + 5 for place in range(512)]
DECODED = 16
_CHUNKS = range(0, len(PROMPT), 128)
_RUNS = 3


def read_bandwidth() -> float:
    """Bytes a second at which all threads together read memory: the best of five sums over half a gigabyte."""
    numbers = torch.ones(64 * 1024**2, dtype=torch.float64)
    best = 0.0
    for _ in range(5):
        started = time.perf_counter()
        numbers.sum()
        best = max(best, numbers.nbytes / (time.perf_counter() - started))
    return best


def measure_fimd(folder: Path) -> dict[str, float]:
    """Our int8, no drafts; with what it takes to be ready, and what several tokens at once cost."""
    started = time.perf_counter()
    engine = load_engine(ModelSpec(str(folder), precision="int8", drafts="never"))
    ready_s = time.perf_counter() - started
    huge_pages.wait()  # what would disturb the rest for its first seconds
    model = engine.model  # which chooses the number of threads, as for a person
    prefill: list[float] = []
    decode: list[float] = []
    for _ in range(_RUNS):
        cache = model.new_cache(len(PROMPT) + DECODED)
        prefill.append(_seconds(lambda held=cache: [model.forward(PROMPT[at : at + 128], held) for at in _CHUNKS]))
        decode.append(_seconds(lambda held=cache: [model.forward([token], held) for token in PROMPT[:DECODED]]))
    figures = _rates(prefill, decode)
    cache = model.new_cache(len(PROMPT) + 16)
    model.forward(PROMPT, cache)
    for count in (1, 4, 8, 16):
        seconds = [_seconds(lambda held=cache, size=count: _verify(model, held, size)) for _ in range(5)]
        figures[f"pass_{count}_ms"] = 1000 * statistics.median(seconds)
    weights = sum(rows * columns for rows, columns in _matrices(engine))
    figures |= {"ready_s": ready_s, "resident_mb": psutil.Process().memory_info().rss / 1e6}
    figures["peak_mb"] = peak_bytes() / 1e6
    bandwidth = read_bandwidth()
    figures["bandwidth_gb_s"] = bandwidth / 1e9
    return {**figures, "bandwidth_share": weights * figures["decode"] / bandwidth}


def _verify(model: Any, cache: Any, count: int) -> None:
    model.forward(PROMPT[:count], cache, last=count)
    cache.drop(count)


def _matrices(engine: Any) -> list[Sequence[int]]:
    """Shapes of the matrices that every decode step reads, the output layer among them."""
    shape = engine.model.model._shape  # noqa: SLF001  # a benchmark looks behind the scenes
    names = shape.tensors()
    return [size for name, size in names.items() if shape.is_layer(name) or (shape.is_tied and name == shape.table)]


def measure_generate(folder: Path) -> dict[str, float]:
    """`generate()`: the prompt and one token, and what fifteen more take."""
    write = generate(folder)
    one = [_seconds(lambda: write(Task(PROMPT, 1))) for _ in range(_RUNS)]
    more = [_seconds(lambda: write(Task(PROMPT, 1 + DECODED))) for _ in range(_RUNS)]
    return _rates(one, [longer - shorter for longer, shorter in zip(more, one, strict=True)])


def measure_llama(file: Path) -> dict[str, float]:
    """llama.cpp, by its own clock."""
    server = LlamaCpp(file, torch.get_num_threads())
    server.complete(Task(PROMPT, 2), cached=False)
    timings = [server.complete(Task(PROMPT, DECODED), cached=False)["timings"] for _ in range(_RUNS)]
    rates = {name: [run[f"{key}_per_second"] for run in timings] for name, key in _LLAMA_KEYS.items()}
    return {name: statistics.median(values) for name, values in rates.items()}


_LLAMA_KEYS = {"prefill": "prompt", "decode": "predicted"}
_KINDS: dict[str, Callable[[Path], dict[str, float]]] = {
    "fimd": measure_fimd,
    "generate": measure_generate,
    "llama.cpp": measure_llama,
}


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _rates(prefill: list[float], decode: list[float]) -> dict[str, float]:
    return {
        "prefill": len(PROMPT) / statistics.median(prefill),
        "decode": DECODED / statistics.median(decode),
    }


if __name__ == "__main__":
    print(json.dumps(_KINDS[sys.argv[1]](Path(sys.argv[2]))))
