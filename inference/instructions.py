"""Prompts for instructions about code: the form a tuned model learnt, or two examples for any other. Pure.

The examples are ours. A base model continues the list, so its answer ends where the next question would begin.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from inference.request import Instruction


@dataclass(frozen=True, slots=True)
class InstructionPrompt:
    """A prompt, and the texts that end its answer."""

    text: str
    stop_texts: tuple[str, ...]


_ALPACA_WITH_INPUT = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request."
)
"""This and the next: Stanford Alpaca's preambles, as the card of starcoder-gpteacher-code-instruct gives them."""

_ALPACA = "Below is an instruction that describes a task. Write a response that appropriately completes the request."

_EXAMPLES = """\
Questions about code, with short and correct answers.

Question: What does this code do?
Code:
def mean(values):
    return sum(values) / len(values)
Answer:
It returns the arithmetic mean of the numbers in `values`. An empty list raises ZeroDivisionError.

Question: Write a Python function: the largest of two numbers
Answer:
def largest(first, second):
    return first if first > second else second

"""


def build(form: str, instruction: Instruction) -> InstructionPrompt:
    """The prompt of `instruction` in a form: `alpaca`, or anything else for the examples."""
    text, code = instruction.text.strip(), instruction.code.strip("\r\n")
    if form == "alpaca":
        preamble = _ALPACA_WITH_INPUT if code else _ALPACA
        asked = f"### Input:\n{code}\n\n" if code else ""
        return InstructionPrompt(
            f"{preamble}\n\n### Instruction:\n{text}\n\n{asked}### Response:", ("\n### Instruction", "\n### Input")
        )
    asked = f"Code:\n{code}\n" if code else ""
    return InstructionPrompt(f"{_EXAMPLES}Question: {text}\n{asked}Answer:\n", ("\nQuestion:",))


def tidied(text: str) -> str:
    """`text` without blank lines in front, and without the single space that many models begin an answer with.

    More than one may be the indentation of code.
    """
    return re.sub(r"\A(\s*\n)?( (?=\S))?", "", text) if text.strip() else ""


def settled(text: str, stop_texts: tuple[str, ...]) -> tuple[str, bool]:
    """The part of `text` that no stop text can take back, and whether one has ended it."""
    ends = [at for stop in stop_texts if (at := text.find(stop)) >= 0]
    if ends:
        return text[: min(ends)], True
    longest = max((len(stop) for stop in stop_texts), default=0)
    for size in range(min(longest - 1, len(text)), 0, -1):
        if any(stop.startswith(text[-size:]) for stop in stop_texts):
            return text[:-size], False
    return text, False
