"""What a person could pick instead, behind the same daemon: `python benchmarks/baselines.py KIND MODEL MAX_TOKENS`.

- `generate`: transformers' own `generate()` for each request, in float32, prompt in PSM order, as the model cards show.
- `llama.cpp`: its server inside this process (the `xllamacpp` wheel), prompt cache on, PSM order; MODEL is a GGUF file.

Both get the prompt that fimd would build if it had the time (1,024 tokens, in the card's order instead of its own), and
stop where fimd stops: `generate` by a stopping criterion, llama.cpp at the end of the line where only that is wanted.
Neither can be cancelled in the middle of an answer, or computes in advance. They are engines for fimd's worker, so
that debounce, the cache of suggestions and the wire are the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from tokenizers import Tokenizer

from inference import prompt
from inference.checkpoints.embedded import FOLDER
from inference.closing import before_closers, closing_end
from inference.engines.base import Engine, EngineLoader, Report, Steps
from inference.engines.local import MAX_PROMPT_TOKENS
from inference.formats import FORMATS
from inference.request import Completion, Instruction, Request, Step
from inference.stopping import completion_end
from inference.tokenizer import TextTokenizer
from lsp_server.commands.serve import run
from lsp_server.model_host import ModelHost
from lsp_server.server import FimdServer
from lsp_server.settings import Layer

Ends = Callable[[str], bool]
"""Whether nothing of what follows a text will count."""


def never(text: str) -> bool:
    """Go on to the last token that is allowed."""
    del text
    return False


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt [n] and how far to continue it."""

    ids: Sequence[int]
    most: int
    ends: Ends = never
    stop: tuple[str, ...] = ()
    """Texts that end it, for who can't ask `ends`."""


Write = Callable[[Task], tuple[str, int]]
"""Continues a prompt; gives the text and the number of its tokens."""

_CACHED_SLOT = {"temperature": 0, "cache_prompt": True, "id_slot": 0}


class WholeEngine:
    """An engine that computes a completion in one piece; implements `Engine`."""

    follows_instructions = False
    reads_other_files = False
    notes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    forwarded_tokens = 0

    def __init__(self, name: str, write: Write) -> None:
        self.name = name
        self._write = write
        row = next(row for row in FORMATS if row.name == "starcoder")
        self._template = row.templates["psm"]
        self._tokenizer = TextTokenizer(Tokenizer.from_file(str(FOLDER / "tokenizer.json")), row.control_tokens)

    def complete(self, request: Request) -> Steps:
        """See `Engine.complete`."""
        ids = prompt.build(self._template, self._tokenizer, request, MAX_PROMPT_TOKENS)
        yield Step("prefill")
        line_prefix = request.prefix[request.prefix.rfind("\n") + 1 :]

        def end(text: str) -> int | None:
            return completion_end(text, request.prefix, request.max_lines, request.insist, request.suffix)

        def ends(text: str) -> bool:
            return end(text) is not None or closing_end(text, request.closers, line_prefix) is not None

        stop = ("\n",) if request.max_lines == 1 else ()
        text, count = self._write(Task(ids, request.max_tokens, ends, stop))
        text = before_closers(text[: end(text)], request.closers, line_prefix)
        return Completion(text, self.name, len(ids), 0, count, 0.0, passes=count)

    def prepare(self, request: Request) -> Steps:
        """Do nothing in advance."""
        del request
        return Completion("", self.name, 0, 0, 0, 0.0)
        yield  # pyright: ignore[reportUnreachable]  # makes it a generator

    def answer(self, instruction: Instruction) -> Steps:
        """Not what is compared."""
        raise NotImplementedError(instruction)


def generate(folder: Path) -> Write:
    """`AutoModelForCausalLM.generate` in float32."""
    from transformers import AutoModelForCausalLM, StoppingCriteria, StoppingCriteriaList

    model: Any = cast(Any, AutoModelForCausalLM).from_pretrained(folder, dtype=torch.float32)

    tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))

    class Ended(StoppingCriteria):
        def __init__(self, task: Task) -> None:
            self.task = task

        def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
            del scores, kwargs
            text = tokenizer.decode(input_ids[0, len(self.task.ids) :].tolist(), skip_special_tokens=True)
            return torch.tensor([self.task.ends(text)])

    def write(task: Task) -> tuple[str, int]:
        tensor = torch.tensor([list(task.ids)])
        with torch.inference_mode():
            output = model.generate(
                tensor,
                attention_mask=torch.ones_like(tensor),
                do_sample=False,
                max_new_tokens=task.most,
                stopping_criteria=StoppingCriteriaList([Ended(task)]),
                eos_token_id=0,
                pad_token_id=0,
            )
        new = output[0, len(task.ids) :].tolist()
        return tokenizer.decode(new, skip_special_tokens=True), len(new)

    return write


class LlamaCpp:
    """llama.cpp's server in this process, with its prompt cache."""

    def __init__(self, file: Path, threads: int) -> None:
        import xllamacpp  # pyright: ignore[reportMissingImports]

        parameters = cast(Any, xllamacpp).CommonParams()
        parameters.model.path = str(file)
        parameters.n_ctx = 2048
        parameters.n_parallel = 1
        parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = threads
        self._server: Any = cast(Any, xllamacpp).Server(parameters)

    def complete(self, task: Task, *, cached: bool = True) -> dict[str, Any]:
        """The server's answer, timings included."""
        request = {
            **_CACHED_SLOT,
            "cache_prompt": cached,
            "prompt": list(task.ids),
            "n_predict": task.most,
            "stop": list(task.stop),
            "return_tokens": True,
        }
        return self._server.handle_completions({**request, "logprobs": 0})

    def write(self, task: Task) -> tuple[str, int]:
        """As `Write`."""
        answer = self.complete(task)
        return str(answer["choices"][0]["text"]), int(answer["timings"]["predicted_n"])


def main() -> None:
    """Serve a baseline over standard streams."""
    kind, model, max_tokens = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])

    def load(report: Report) -> Engine:
        report(f"loading {kind}")
        write = generate(model) if kind == "generate" else LlamaCpp(model, torch.get_num_threads()).write
        return WholeEngine(kind, write)

    def loader(_: object) -> EngineLoader:
        return load

    layer = Layer("benchmark", {"completion": {"max_tokens": max_tokens, "warm_up": "never"}})
    run(ModelHost(loader), None, lambda host: FimdServer(host, (layer,)))


if __name__ == "__main__":
    main()
