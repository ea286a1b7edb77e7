"""The infilling formats, one frozen row per model family.

A prompt is a sequence of control tokens (by name) and slots. Names become ids through the tokenizer's vocabulary; the
text in a slot is always tokenised as plain text, so that a buffer containing `<fim_middle>` stays text. PSM and SPM are
the two orders of Bavarian et al. 2022 (arXiv:2207.14255): SPM keeps the suffix in front, so that while a person types,
every cached key and value stays valid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

Order = Literal["psm", "spm", "left-to-right"]


class Slot(Enum):
    """Where buffer text goes in a template."""

    PREFIX = "prefix"
    SUFFIX = "suffix"


Template = tuple[str | Slot, ...]


@dataclass(frozen=True, slots=True)
class InfillFormat:
    """How one family writes an infilling prompt and ends its answer."""

    name: str
    templates: dict[Order, Template]
    """Orders the family was trained on; the first is the one to use."""

    stop_tokens: tuple[str, ...]
    source: str
    """Where the format is documented."""

    @property
    def order(self) -> Order:
        """The preferred order."""
        return next(iter(self.templates))

    @property
    def control_tokens(self) -> frozenset[str]:
        """Every token name that must be a single id in the tokenizer."""
        in_templates = {part for template in self.templates.values() for part in template if isinstance(part, str)}
        return frozenset(in_templates.union(self.stop_tokens))


def _bigcode(name: str, separator: str, source: str) -> InfillFormat:
    """The BigCode families differ only in how the token names are spelled."""
    before, behind, fill = (f"<fim{separator}{part}>" for part in ("prefix", "suffix", "middle"))
    return InfillFormat(
        name,
        {
            # The training code draws both orders half and half (`permute` in BigCode's Megatron-LM fork).
            "spm": (before, behind, Slot.SUFFIX, fill, Slot.PREFIX),
            "psm": (before, Slot.PREFIX, behind, Slot.SUFFIX, fill),
        },
        ("<|endoftext|>",),
        source,
    )


FORMATS: tuple[InfillFormat, ...] = (
    _bigcode("santacoder", "-", "model card of bigcode/santacoder, section 'Fill-in-the-middle'"),
    _bigcode("starcoder", "_", "model card of bigcode/starcoderbase-1b, section 'Fill-in-the-middle'"),
    InfillFormat(
        "codegen25",
        {"psm": (Slot.PREFIX, "<mask_1>", Slot.SUFFIX, "<|endoftext|>", "<sep>", "<mask_1>")},
        ("<eom>", "<|endoftext|>"),
        "model card of Salesforce/codegen25-7b-multi, section 'Infill sampling'",
    ),
)

LEFT_TO_RIGHT = InfillFormat(
    "left-to-right", {"left-to-right": (Slot.PREFIX,)}, (), "no infilling tokens: the suffix is ignored"
)


def detect(token_id: Callable[[str], int | None]) -> InfillFormat:
    """The format whose control tokens are all in the vocabulary, else `LEFT_TO_RIGHT`.

    `token_id` maps a token name to its id, or None where the vocabulary lacks it.
    """
    for row in FORMATS:
        if all(token_id(name) is not None for name in row.control_tokens):
            return row
    return LEFT_TO_RIGHT
