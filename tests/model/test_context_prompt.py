"""Pieces of other files in prompts: in each family's own way, within a share of the budget, as plain text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import prompt
from inference.checkpoints.catalog import CATALOG
from inference.checkpoints.load import load_engine
from inference.checkpoints.spec import ModelSpec
from inference.engines.local import MAX_PROMPT_TOKENS, About, LocalEngine
from inference.formats import FORMATS, LEFT_TO_RIGHT, InfillFormat, Slot
from inference.kv_cache import common_prefix_length
from inference.request import Completion, ContextPiece, Request
from inference.tokenizer import TextTokenizer
from tests.model import checkpoints
from tests.model.lean_models import lean_model
from tests.model.test_prompt import tokenizer_for

BY_NAME = {row.name: row for row in FORMATS}
PIECES = (ContextPiece("w/shapes.py", "def area(a, b):\n    return a * b"), ContextPiece("w/units.py", "METRE = 1"))
REQUEST = Request("x = ", "\ny\n", context=PIECES, path="w/main.py")
COMMENTS = "# w/units.py:\n# METRE = 1\n\n# w/shapes.py:\n# def area(a, b):\n#     return a * b\n\n"
FILES = "w/units.py\nMETRE = 1\n|w/shapes.py\ndef area(a, b):\n    return a * b\n|"
FIM, PATH = "<fim_prefix>", "w/main.py\n"


def written(row: InfillFormat, order: str, request: Request = REQUEST, budget: int = 1000) -> str:
    """The prompt with its control tokens spelled out."""
    tokenizer = tokenizer_for(row)
    names = {tokenizer.token_id(name): name for name in row.control_tokens}
    text, ids = "", list[int]()
    for identifier in [*prompt.build(row.templates[order], tokenizer, request, budget, row), -1]:  # type: ignore[index]
        if identifier in names or identifier < 0:
            text += tokenizer.decode(ids) + names.get(identifier, "")
            ids = []
        else:
            ids.append(identifier)
    return text


@pytest.mark.parametrize(
    ("name", "order", "expected"),
    [
        ("santacoder", "spm", f"<fim-prefix><fim-suffix>\ny\n<fim-middle>{COMMENTS}x = "),
        ("santacoder", "psm", f"<fim-prefix>{COMMENTS}x = <fim-suffix>\ny\n<fim-middle>"),
        ("codegen25", "psm", f"{COMMENTS}x = <mask_1>\ny\n<|endoftext|><sep><mask_1>"),
        (
            "starcoder",
            "spm",
            "<file_sep>" + FILES.replace("|", "<file_sep>") + f"{FIM}<fim_suffix>\ny\n<fim_middle>{PATH}x = ",
        ),
        (
            "starcoder",
            "psm",
            "<file_sep>" + FILES.replace("|", "<file_sep>") + f"{FIM}{PATH}x = <fim_suffix>\ny\n<fim_middle>",
        ),
        (
            "qwen",
            "psm",
            "<|file_sep|>"
            + FILES.replace("|", "<|file_sep|>")
            + f"{PATH}<|fim_prefix|>x = <|fim_suffix|>\ny\n<|fim_middle|>",
        ),
        (
            "mellum",
            "spm",
            "<filename>" + FILES.replace("|", "<filename>") + f"{PATH}<fim_suffix>\ny\n<fim_prefix>x = <fim_middle>",
        ),
        ("codestral", "spm", "<s>[SUFFIX]\ny\n[PREFIX]+++++ " + FILES.replace("|", "+++++ ") + f"{PATH}x = "),
    ],
)
def test_context_as_each_family_writes_it(name: str, order: str, expected: str) -> None:
    assert written(BY_NAME[name], order) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("starcoder", f"<file_sep>{FIM}<fim_suffix>\ny\n<fim_middle>{PATH}x = "),
        ("santacoder", "<fim-prefix><fim-suffix>\ny\n<fim-middle>x = "),
    ],
)
def test_without_context_the_path_stands_where_a_family_learnt_to_find_it(name: str, expected: str) -> None:
    assert written(BY_NAME[name], "spm", replace(REQUEST, context=())) == expected


def test_context_for_deepseek_stands_under_the_names_of_its_files() -> None:
    assert f"#{FILES.replace('|', '#')}{PATH}x = " in written(BY_NAME["deepseek"], "psm")


def test_context_is_comments_where_the_tokenizer_lacks_the_separator() -> None:
    row = BY_NAME["starcoder"]
    tokenizer = TextTokenizer(checkpoints.tokenizer(), row.control_tokens)
    assert tokenizer.token_id("<file_sep>") is None
    ids = prompt.build(row.templates["spm"], tokenizer, REQUEST, 1000, row)
    assert tokenizer.decode(ids) == f"\ny\n{COMMENTS}x = "


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("w/a.ts", "// METRE = 1\n"),
        ("w/a.sql", "-- METRE = 1\n"),
        ("w/a.html", "<!-- METRE = 1 -->\n"),
        ("w/Makefile", "# METRE = 1\n"),
        ("w/a.unheard", "// METRE = 1\n"),
        ("", "# METRE = 1\n"),
    ],
)
def test_context_is_commented_in_the_language_of_the_file(path: str, line: str) -> None:
    assert line in written(BY_NAME["santacoder"], "spm", replace(REQUEST, path=path))


def test_context_without_infilling_stands_before_the_text() -> None:
    tokenizer = TextTokenizer(checkpoints.tokenizer())
    ids = prompt.build(LEFT_TO_RIGHT.templates["left-to-right"], tokenizer, REQUEST, 1000, LEFT_TO_RIGHT)
    assert tokenizer.decode(ids) == f"{COMMENTS}x = "


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_a_context_separator_is_a_control_token_in_front_of_everything(row: InfillFormat) -> None:
    if row.file_separator:
        assert row.file_separator in row.control_tokens
        assert not row.file_header
        for template in row.templates.values():  # a token that begins all texts would have to stay in front
            assert template[0] not in {"<s>", "<bos>", Slot.PREFIX}


@pytest.mark.parametrize("row", FORMATS, ids=lambda row: row.name)
def test_control_tokens_in_context_stay_text(row: InfillFormat) -> None:
    tokenizer = tokenizer_for(row)
    spelled = "".join(sorted(row.control_tokens)) + "<|endoftext|>"
    request = replace(REQUEST, context=(ContextPiece(f"w/{spelled}.py", spelled),), path=spelled)
    control = {tokenizer.token_id(name) for name in row.control_tokens}
    template = row.templates[row.order]
    ids = prompt.build(template, tokenizer, request, 2000, row)
    of_template = sum(isinstance(part, str) for part in template)
    assert sum(identifier in control for identifier in ids) == of_template + 2 * bool(row.file_separator)


@settings(max_examples=80, deadline=None)
@given(
    texts=st.lists(st.integers(1, 900), max_size=5),
    before=st.integers(0, 900),
    after=st.integers(0, 900),
    budget=st.integers(20, 400),
    name=st.sampled_from(["starcoder", "santacoder", "qwen", "codestral", "deepseek"]),
)
def test_context_keeps_to_its_share_of_the_budget(
    texts: list[int], before: int, after: int, budget: int, name: str
) -> None:
    row = BY_NAME[name]
    tokenizer = TOKENIZERS[name]
    pieces = tuple(ContextPiece(f"w/{number}.py", checkpoints.TEXT[:size]) for number, size in enumerate(texts))
    request = Request(
        checkpoints.TEXT[:before], checkpoints.TEXT[before : before + after], context=pieces, path="w/a.py"
    )
    template = row.templates[row.order]
    whole = prompt.build(template, tokenizer, request, budget, row)
    alone = prompt.build(template, tokenizer, replace(request, context=()), budget, row)
    assert len(whole) <= budget
    assert len(alone) <= budget
    assert len(whole) >= min(len(alone), budget * 0.5), "the text around the gap keeps its part"
    if before and after:
        assert whole[-1] == alone[-1], "and what is next to the gap is the same"


TOKENIZERS = {
    name: tokenizer_for(BY_NAME[name]) for name in ("starcoder", "santacoder", "qwen", "codestral", "deepseek")
}


def test_other_context_of_the_same_length_leaves_the_suffix_cached() -> None:
    row = BY_NAME["santacoder"]
    tokenizer = TOKENIZERS["santacoder"]
    built = [
        prompt.build(
            row.templates["spm"],
            tokenizer,
            Request("x = 1\n" * 200, "y = 2\n" * 400, context=(ContextPiece("w/a.py", f"{word} = compute()\n" * 40),)),
            512,
            row,
        )
        for word in ("first", "third")
    ]
    fill = built[0].index(tokenizer.token_id("<fim-middle>") or -1)
    assert fill > 80
    assert common_prefix_length(*built) > fill


def test_the_same_context_keeps_the_cache_while_a_person_types() -> None:
    row = BY_NAME["santacoder"]
    tokenizer = TOKENIZERS["santacoder"]
    text = Path(__file__).read_text(encoding="utf-8")
    previous: list[int] = []
    lost = 0
    for typed in range(1500, 3000):
        request = Request(text[:typed], "\n\ndef end() -> None:\n    return\n" * 30, context=PIECES, path="w/main.py")
        built = prompt.build(row.templates["spm"], tokenizer, request, 448, row)
        lost += bool(previous) and common_prefix_length(previous, built) < len(previous) - 8
        previous = built
    assert lost <= 30


def test_only_the_embedded_model_gets_no_context_of_its_own_accord() -> None:
    assert [row.name for row in CATALOG if not row.reads_other_files] == ["embedded"]
    assert not load_engine(ModelSpec()).reads_other_files


def engine(patience_s: float | None) -> LocalEngine:
    """An engine on a machine that computes some 150 tokens in 0.35 seconds."""
    backend = checkpoints.tokenizer()
    row = BY_NAME["starcoder"]
    model = lean_model(checkpoints.model(backend.get_vocab_size(), positions=2048))
    one = LocalEngine("tiny", model, TextTokenizer(backend, row.control_tokens), row, About(patience_s=patience_s))
    one.model.pace.record = lambda tokens, seconds: None  # type: ignore[method-assign]
    one.model.pace._seconds = {1: 0.06, 16: 0.07, 48: 0.12}
    one.model.pace._sizes = sorted(one.model.pace._seconds)
    return one


def test_a_first_answer_without_context_comes_before_a_late_one_with_it() -> None:
    one = engine(patience_s=0.35)
    request = Request("x = 1\n" * 12 + "y = ", "\nz\n", context=(ContextPiece("w/a.py", checkpoints.TEXT),))
    alone = one.prompt_ids(replace(request, context=()))
    assert one.prompt_ids(request) == alone
    for step in one.prepare(request):
        assert step.phase == "prefill"
    with_context = one._built(request, MAX_PROMPT_TOKENS)
    assert len(with_context) > len(alone) + 200
    assert one.prompt_ids(request) == with_context, "what was prepared costs nothing"
    typed = replace(request, prefix=request.prefix + "x")
    assert one.prompt_ids(typed) == one._built(typed, MAX_PROMPT_TOKENS)


def test_context_is_in_the_prompt_at_once_where_the_model_is_quick() -> None:
    one = engine(patience_s=None)
    request = Request("x = 1\ny = ", "\nz\n", context=PIECES, max_tokens=4)
    steps = one.complete(request)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            completion: Completion = done.value
            break
    healed = one._without(one._tail(request), request)
    assert completion.prompt_tokens == len(one._built(healed, MAX_PROMPT_TOKENS))
    assert completion.prompt_tokens > len(one._built(replace(healed, context=()), MAX_PROMPT_TOKENS))
