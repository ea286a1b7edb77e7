"""Every family's tokenizer gives text back as it was, makes no control token of it, and adds no space of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from inference.checkpoints.load import open_source
from inference.checkpoints.source import find
from inference.formats import control_names
from inference.tokenizer import TextTokenizer
from tests.model import layouts
from tests.model.test_gguf import sentencepiece

NAMES = sorted(control_names())
TEXTS = st.lists(
    st.text(max_size=8)
    | st.sampled_from([*NAMES, "<EOT>", "<|im_end|>", "[PAD]", " ", "    ", "\t", "\n", "\r\n", "1234"]),
    max_size=8,
).map("".join)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, TextTokenizer]:
    made: dict[str, TextTokenizer] = {}
    for family, write in layouts.FAMILIES.items():
        path = write(tmp_path_factory.mktemp(family))
        made[family] = TextTokenizer(open_source(find(str(path))).tokenizer, control_names())
    return made


@pytest.mark.parametrize("family", layouts.FAMILIES)
def test_a_thousand_texts_come_back_and_none_becomes_a_control_token(
    tokenizers: dict[str, TextTokenizer], family: str
) -> None:
    tokenizer = tokenizers[family]

    @settings(
        max_examples=1000,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )
    @given(TEXTS)
    def check(text: str) -> None:
        ids = tokenizer.encode(text)
        assert tokenizer.control_ids.isdisjoint(ids)
        plain = text.encode("utf-8", "replace").decode()
        assert tokenizer.decode(ids).rstrip("\ufffd") == plain.rstrip("\ufffd")

    check()


def llama(how: str) -> Tokenizer:
    """A SentencePiece tokenizer as repositories hold it: with the extra space that it puts in front and takes away."""
    backend = sentencepiece()[3]
    if how == "prepend":
        backend.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
        steps: list[Any] = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
        backend.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)])
    else:
        backend.normalizer = None  # type: ignore[assignment]
        backend.pre_tokenizer = pre_tokenizers.Metaspace("\u2581", how, split=False)
        steps = [decoders.ByteFallback(), decoders.Metaspace("\u2581", how, split=False)]
        backend.decoder = decoders.Sequence(steps)
    return backend


@pytest.mark.parametrize("how", ["prepend", "first", "always"])
def test_sentencepiece_tokenizers_add_and_strip_no_space(how: str) -> None:
    tokenizer = TextTokenizer(llama(how))
    assert tokenizer.encode("return") != tokenizer.encode(" return")
    for text in ("return", " return", "  return a", "def f(a):\n    return b"):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    ids = tokenizer.encode("a return")
    assert "".join(tokenizer.decode([one]) for one in ids) == "a return"


def test_byte_level_tokenizers_with_a_prefix_space_lose_it() -> None:
    backend = layouts.bigcode_tokenizer(layouts.STARCODER_SPECIAL)
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer = TextTokenizer(backend)
    assert tokenizer.decode(tokenizer.encode("x")) == "x"


def test_added_tokens_that_look_like_control_tokens_are_never_text() -> None:
    """Qwen's `<|file_sep|>` is added, but not marked special."""
    backend = layouts.bigcode_tokenizer(layouts.STARCODER_SPECIAL)
    backend.add_tokens(
        [
            AddedToken("<|file_sep|>", special=False),
            AddedToken("    ", special=False),
            AddedToken("<table>", special=False),
        ]
    )
    tokenizer = TextTokenizer(backend)
    separator = tokenizer.token_id("<|file_sep|>")
    assert separator in tokenizer.control_ids
    assert tokenizer.token_id("<table>") not in tokenizer.control_ids, "what a page is made of is text"
    assert separator not in tokenizer.encode("a<|file_sep|>b")
    assert tokenizer.token_id("    ") not in tokenizer.control_ids
    assert tokenizer.token_id("    ") in tokenizer.encode("    x")


@pytest.mark.parametrize("change", [lambda m: m, lambda m: [*m, ["é", "no"]], lambda m: [["zz", "yy"], *m]])
def test_vocab_and_merges_files_that_do_not_fit_are_one_sentence(tmp_path: Path, change: Callable[[Any], Any]) -> None:
    folder = layouts.gpteacher(tmp_path)
    parts = json.loads(layouts.bigcode_tokenizer(layouts.STARCODER_SPECIAL).to_str())["model"]
    merges = change(parts["merges"])
    (folder / "merges.txt").write_text("\n".join(" ".join(pair) for pair in merges), encoding="utf-8")
    if merges == parts["merges"]:
        assert open_source(find(str(folder)))
        return
    with pytest.raises(Exception, match=r"merges\.txt make no tokenizer") as caught:
        open_source(find(str(folder)))
    assert "\n" not in str(caught.value)


def test_a_model_without_a_vocabulary_is_no_model(tmp_path: Path) -> None:
    backend = Tokenizer(models.BPE())
    backend.add_special_tokens(["<|endoftext|>"])
    assert TextTokenizer(backend).encode("x") == []


@pytest.mark.parametrize("family", layouts.FAMILIES)
def test_text_tokenised_in_pieces_is_text_tokenised_whole(tokenizers: dict[str, TextTokenizer], family: str) -> None:
    one = tokenizers[family]

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(LINES, max_size=12).map("".join))
    def check(text: str) -> None:
        assert one.encode(text) == one._encoded(text)
        assert one.encode_known(text) == one._encoded(text), "remembered"

    check()


LINES = st.sampled_from(
    [
        "x = 1\n",
        "    return value9\n",
        "\n",
        "   \n",
        "\tif a:\r\n",
        "def f(a,\n",
        "'''\n",
        "é1\n",
        "# 12\n\n",
        "a",
        "<fim_middle>x\n",
        ")\n",
    ]
)


def test_what_was_never_encoded_is_not_known(tokenizers: dict[str, TextTokenizer]) -> None:
    one = TextTokenizer(layouts.bigcode_tokenizer(layouts.STARCODER_SPECIAL), control_names())
    assert one._seam
    one.encode("first = 1\nsecond = 2\n")
    assert one.encode_known("first = 1\nthird = 3") == one._encoded("first = 1")


def test_lines_that_nobody_writes_are_left_out_but_for_the_end_of_the_last(
    tokenizers: dict[str, TextTokenizer],
) -> None:
    one = tokenizers["starcoder"]
    usual, data = "first = 1\nsecond = 2", "x = [" + "1, " * 3000 + "1]"
    assert one.encode_written(usual) == one.encode(usual)
    assert one.encode_written(f"{usual}\n{data}\n{usual}") == one.encode(f"{usual}\n{usual}")
    assert one.encode_written(f"{usual}\n{data}") == one.encode(f"{usual}\n") + one.encode(data[-2000:])


def test_a_vocabulary_with_tokens_across_lines_is_never_cut() -> None:
    vocabulary = {"a": 0, "\n": 1, "a\n": 2, "b": 3}
    backend = Tokenizer(models.BPE(vocab=vocabulary, merges=[("a", "\n")]))
    one = TextTokenizer(backend)
    assert one._seam is None
    assert one.encode("a\nb") == [2, 3]
