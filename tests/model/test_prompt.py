"""Prompts: format, budget, stable edges, and buffers that contain control tokens."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from inference import prompt
from inference.checkpoints.embedded import FOLDER as EMBEDDED
from inference.formats import FORMATS, LEFT_TO_RIGHT, InfillFormat, Slot
from inference.kv_cache import common_prefix_length
from inference.request import Request
from inference.tokenizer import TextTokenizer
from tests.model import checkpoints

TOKENS = {row.name: (*row.ascending_ids, *sorted(row.control_tokens - {*row.ascending_ids})) for row in FORMATS}
STARCODER = next(row for row in FORMATS if row.name == "starcoder")
TOKENIZER = TextTokenizer(checkpoints.tokenizer(), STARCODER.control_tokens)


def tokenizer_for(row: InfillFormat) -> TextTokenizer:
    return TextTokenizer(checkpoints.tokenizer(TOKENS[row.name]), row.control_tokens)


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_control_tokens_are_single_ids_around_plain_text(row: InfillFormat) -> None:
    tokenizer = tokenizer_for(row)
    for template in row.templates.values():
        expected: list[int | None] = []
        for part in template:
            if isinstance(part, str):
                expected.append(tokenizer.token_id(part))
            else:
                expected += tokenizer.encode("a = " if part is Slot.PREFIX else "b\n")
        assert prompt.build(template, tokenizer, Request("a = ", "b\n"), 100) == expected
        assert None not in expected


@pytest.mark.parametrize("kind", ["special", "added"])
@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_control_tokens_in_the_buffer_stay_text(row: InfillFormat, kind: str) -> None:
    names = TOKENS[row.name]
    backend = checkpoints.tokenizer(names) if kind == "special" else checkpoints.tokenizer((), names)
    tokenizer = TextTokenizer(backend, row.control_tokens)
    control = {tokenizer.token_id(name) for name in row.control_tokens}
    buffer = "x = '" + "".join(sorted(row.control_tokens)) * 2 + "'\n<|endoftext|><EOT>"
    encoded = tokenizer.encode(buffer)
    assert control.isdisjoint(encoded)
    assert tokenizer.decode(encoded) == buffer
    built = prompt.build(row.templates[row.order], tokenizer, Request(buffer, buffer), 500)
    assert sum(identifier in control for identifier in built) == sum(
        isinstance(part, str) for part in row.templates[row.order]
    )


@given(st.text(max_size=60))
def test_text_survives_encoding(text: str) -> None:
    assert TOKENIZER.decode(TOKENIZER.encode(text)).rstrip("\ufffd") == text.rstrip("\ufffd")


def test_lone_surrogates_are_replaced() -> None:
    assert TOKENIZER.decode(TOKENIZER.encode("a\ud800b")) == "a?b"


def test_an_incomplete_character_is_not_shown() -> None:
    whole = TOKENIZER.encode("a😀")
    assert TOKENIZER.decode(whole[:-1]) == "a"


@settings(max_examples=60, deadline=None)
@given(before=st.integers(0, 900), after=st.integers(0, 900), budget=st.integers(20, 300))
def test_the_budget_holds_and_the_text_next_to_the_cursor_is_kept(before: int, after: int, budget: int) -> None:
    request = Request(checkpoints.TEXT[:before], checkpoints.TEXT[before : before + after])
    built = prompt.build(STARCODER.templates["psm"], TOKENIZER, request, budget)
    assert len(built) <= budget
    middle, suffix = (TOKENIZER.token_id(name) or -1 for name in ("<fim_middle>", "<fim_suffix>"))
    assert built[-1] == middle
    prefix_text = TOKENIZER.decode(built[1 : built.index(suffix)])
    suffix_text = TOKENIZER.decode(built[built.index(suffix) + 1 : -1])
    assert request.prefix.endswith(prefix_text.lstrip("\ufffd"))
    assert request.suffix.startswith(suffix_text)
    assert len(prefix_text) >= min(len(request.prefix), budget // 4), "what is next to the cursor is kept"
    assert len(suffix_text) >= min(len(request.suffix), budget // 5)
    if before > 600 and after > 600:
        assert len(built) > budget * 0.6, "the budget is used"


@pytest.mark.parametrize("words", [50, 200, 1000])
def test_a_long_line_keeps_its_share_beside_a_long_suffix(words: int) -> None:
    request = Request("word " * words, "after\n" * 1000)
    built = prompt.build(STARCODER.templates["psm"], TOKENIZER, request, 448)
    kept = built.index(TOKENIZER.token_id("<fim_suffix>") or -1) - 1
    assert kept >= min(len(TOKENIZER.encode(request.prefix)), 448 * 0.5)


def test_while_typing_the_cached_prefix_survives_nearly_always() -> None:
    """SPM order and edges on a grid: few prompts of a long run of typing lose more than their last tokens."""
    tokenizer = TextTokenizer(Tokenizer.from_file(str(EMBEDDED / "tokenizer.json")), STARCODER.control_tokens)
    text = Path(__file__).read_text(encoding="utf-8")
    previous: list[int] = []
    lost = 0
    for typed in range(1500, 4500):
        request = Request(text[:typed], "\n\ndef end() -> None:\n    return\n" * 30)
        built = prompt.build(STARCODER.templates["spm"], tokenizer, request, 448)
        lost += bool(previous) and common_prefix_length(previous, built) < len(previous) - 8
        previous = built
    # 3,000 characters are about 1,000 tokens; the window moves by some 80 at a time.
    assert lost <= 25


def test_text_far_away_is_never_tokenised() -> None:
    class Counting(TextTokenizer):
        longest = 0

        def encode(self, text: str) -> list[int]:
            self.longest = max(self.longest, len(text))
            return super().encode(text)

    tokenizer = Counting(checkpoints.tokenizer(), STARCODER.control_tokens)
    prompt.build(STARCODER.templates["spm"], tokenizer, Request("x = 1\n" * 300_000, "y = 2\n" * 300_000), 100)
    assert tokenizer.longest <= 1000


def test_left_to_right_ignores_the_suffix() -> None:
    template = LEFT_TO_RIGHT.templates["left-to-right"]
    assert prompt.build(template, TOKENIZER, Request("a = ", "zzz"), 100) == TOKENIZER.encode("a = ")


def test_a_budget_too_small_for_the_control_tokens_is_an_error() -> None:
    with pytest.raises(ValueError, match="holds no text"):
        prompt.build(STARCODER.templates["psm"], TOKENIZER, Request("a", "b"), 3)
