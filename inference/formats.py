"""The infilling formats, one frozen row per model family.

A prompt is a sequence of control tokens (by name) and slots. Names become ids through the tokenizer's vocabulary; the
text in a slot is always tokenised as plain text, so that a buffer containing `<fim_middle>` stays text. PSM and SPM are
the two orders of Bavarian et al. 2022 (arXiv:2207.14255): SPM keeps the suffix in front, so that while a person types,
every cached key and value stays valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
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
    """The first is the one that ends a middle; the others count where the tokenizer has them."""

    source: str
    """Where the format is documented."""

    ascending_ids: tuple[str, ...] = ()
    """Control tokens in the order of their ids in the published tokenizers, where it is known: two that have changed
    places make a model write nonsense, and nothing else shows it."""

    licence: str = ""
    """Licence of every model in this format, where they all have the same; see `inference.licences`."""

    file_separator: str = ""
    """Control token that the family was taught to find before each file's path, the file to be infilled last. Where
    the tokenizer has it, pieces of other files come first in the prompt, each behind one."""

    file_header: str = ""
    """Text that the family was taught to find before each file's path. Where it is given, pieces stand as they are in
    front of the prefix, each under such a line; else, and for families that learnt from single files, as comments."""

    is_path_infilled: bool = False
    """Whether the path of the file itself stands at the beginning of its prefix, not in front of the infilling."""

    is_recognisable: bool = True
    """Whether the tokenizer alone tells that a model wants this format; else the catalogue or the settings must."""

    @property
    def order(self) -> Order:
        """The preferred order."""
        return next(iter(self.templates))

    @property
    def required_tokens(self) -> frozenset[str]:
        """Names without which nothing can be infilled: each must be a single id."""
        in_templates = {part for template in self.templates.values() for part in template if isinstance(part, str)}
        return frozenset(in_templates.union(self.stop_tokens[:1]))

    @property
    def control_tokens(self) -> frozenset[str]:
        """Every token name that has a meaning in this format, required or not."""
        return self.required_tokens.union(self.stop_tokens)


_P, _S = Slot.PREFIX, Slot.SUFFIX
_END_OF_TEXT = "<|endoftext|>"


def _bigcode(name: str, separator: str, source: str) -> InfillFormat:
    """The BigCode families differ only in how the token names are spelled."""
    before, behind, fill = (f"<fim{separator}{part}>" for part in ("prefix", "suffix", "middle"))
    return InfillFormat(
        name,
        {
            # The training code draws both orders half and half (`permute` in BigCode's Megatron-LM fork).
            "spm": (before, behind, _S, fill, _P),
            "psm": (before, _P, behind, _S, fill),
        },
        (_END_OF_TEXT, "<file_sep>", "<fim_eot>"),
        source,
        ascending_ids=(before, fill, behind),
    )


def _barred(name: str, end: str, others: tuple[str, ...], source: str, start: tuple[str, ...] = ()) -> InfillFormat:
    """The families that spell StarCoder's names with bars, and learnt one order only."""
    before, behind, fill = (f"<|fim_{part}|>" for part in ("prefix", "suffix", "middle"))
    return InfillFormat(
        name,
        {"psm": (*start, before, _P, behind, _S, fill)},
        (end, *others),
        source,
        ascending_ids=(before, fill, behind),
    )


FORMATS: tuple[InfillFormat, ...] = (
    # Its vocabulary holds StarCoder's names too, so it must be looked for first.
    InfillFormat(
        "codegen25",
        {"psm": (_P, "<mask_1>", _S, _END_OF_TEXT, "<sep>", "<mask_1>")},
        ("<eom>", _END_OF_TEXT),
        "model card of Salesforce/codegen25-7b-multi, section 'Infill sampling'",
        ascending_ids=(_END_OF_TEXT, "<sep>", "<eom>", "<mask_1>"),
    ),
    replace(
        _bigcode("santacoder", "-", "model card of bigcode/santacoder, section 'Fill-in-the-middle'"),
        licence="bigcode-openrail-m",
    ),
    replace(
        _bigcode("starcoder", "_", "model card of bigcode/starcoderbase-1b, section 'Fill-in-the-middle'"),
        # StarCoder2's (Lozhkov et al. 2024, arXiv:2402.19173). The first StarCoder, like SantaCoder, learnt from single
        # files and has no such token.
        file_separator="<file_sep>",
        is_path_infilled=True,
    ),
    _barred(
        "codegemma",
        "<|file_separator|>",
        ("<eos>", "<end_of_turn>"),
        "model card of google/codegemma-2b, section 'Sample usage'",
        start=("<bos>",),
    ),
    replace(
        _barred(
            "qwen",
            _END_OF_TEXT,
            ("<|fim_pad|>", "<|file_sep|>", "<|repo_name|>", "<|im_end|>"),
            "Qwen2.5-Coder's repository, sections 'Fill in the middle' and 'Repository level code completion'",
        ),
        file_separator="<|file_sep|>",
    ),
    _barred("granite4", "<|end_of_text|>", ("<|fim_pad|>",), "model card of ibm-granite/granite-4.0-h-small, 'FIM'"),
    InfillFormat(
        "deepseek",
        {"psm": ("<｜begin▁of▁sentence｜>", "<｜fim▁begin｜>", _P, "<｜fim▁hole｜>", _S, "<｜fim▁end｜>")},
        ("<｜end▁of▁sentence｜>", "<|EOT|>"),
        "DeepSeek-Coder's repository, sections 'Code Insertion' and 'Repository Level Code Completion'",
        ascending_ids=("<｜fim▁hole｜>", "<｜fim▁begin｜>", "<｜fim▁end｜>"),
        file_header="#",
    ),
    InfillFormat(
        "codellama",
        {
            "spm": ("<s>", "▁<PRE>", "▁<SUF>", _S, "▁<MID>", _P),
            "psm": ("<s>", "▁<PRE>", _P, "▁<SUF>", _S, "▁<MID>"),
        },
        ("▁<EOT>", "</s>"),
        "Roziere et al. 2023 (arXiv:2308.12950), section 2.3; `infilling_prompt_tokens` in its repository",
        ascending_ids=("▁<PRE>", "▁<SUF>", "▁<MID>"),
    ),
    InfillFormat(
        "codestral",
        {"spm": ("<s>", "[SUFFIX]", _S, "[PREFIX]", _P)},
        ("</s>",),
        "mistral-common, FIM encoding of the instruct tokenizer v2 and later",
        ascending_ids=("[PREFIX]", "[SUFFIX]"),
        file_header="+++++ ",
    ),
    InfillFormat(
        "seed-coder",
        {"spm": ("<[fim-suffix]>", _S, "<[fim-prefix]>", _P, "<[fim-middle]>")},
        ("<[end▁of▁sentence]>",),
        "model card of ByteDance-Seed/Seed-Coder-8B-Base, section 'Fill-in-the-Middle'",
    ),
    InfillFormat(
        "mellum",
        {"spm": ("<fim_suffix>", _S, "<fim_prefix>", _P, "<fim_middle>")},
        (_END_OF_TEXT, "<filename>"),
        "model card of JetBrains/Mellum-4b-base, section 'Fill in the middle'",
        file_separator="<filename>",
        is_recognisable=False,  # StarCoder's names, in another order
    ),
)

LEFT_TO_RIGHT = InfillFormat(
    "left-to-right", {"left-to-right": (_P,)}, (), "no infilling tokens: the suffix is ignored"
)

TokenId = Callable[[str], int | None]
"""Maps a token's name to its id, or to None where the vocabulary lacks it."""


def detect(token_id: TokenId) -> InfillFormat:
    """The first recognisable format whose required tokens are all in the vocabulary, else `LEFT_TO_RIGHT`."""
    for row in FORMATS:
        if row.is_recognisable and not _absent(row.required_tokens, token_id):
            return row
    return LEFT_TO_RIGHT


def lacking(name: str, token_id: TokenId) -> list[str]:
    """Required tokens of the format called `name` that the vocabulary lacks."""
    row = next((row for row in FORMATS if row.name == name), LEFT_TO_RIGHT)
    return _absent(row.required_tokens, token_id)


def incomplete(token_id: TokenId, detected: InfillFormat) -> tuple[str, list[str]] | None:
    """A format of which the vocabulary has at least half of its own tokens, but not all: its name and the missing ones.

    A format's own tokens are those that neither `detected` nor ordinary tokenizers have. None where there is none.
    """
    ordinary = detected.control_tokens | {_END_OF_TEXT, "<s>", "</s>", "<bos>", "<eos>"}
    for row in FORMATS:
        own = row.required_tokens - ordinary
        absent = _absent(own, token_id)
        if row.is_recognisable and absent and len(own) - len(absent) >= len(absent):
            return row.name, absent
        ends = _absent(row.stop_tokens[:1], token_id)
        if row.is_recognisable and detected is LEFT_TO_RIGHT and own and not absent and ends:
            return row.name, ends
    return None


def out_of_order(token_id: TokenId, row: InfillFormat) -> list[str]:
    """The names among `row.ascending_ids` as the vocabulary numbers them, where that is another order; else empty."""
    ids = {name: identifier for name in row.ascending_ids if (identifier := token_id(name)) is not None}
    found = sorted(ids, key=lambda name: ids[name])
    return [] if found == list(ids) else found


def control_names() -> frozenset[str]:
    """Control tokens of all formats."""
    return frozenset(name for row in FORMATS for name in row.control_tokens)


def _absent(names: Iterable[str], token_id: TokenId) -> list[str]:
    return sorted(name for name in names if token_id(name) is None)
