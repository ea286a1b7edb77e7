"""Byte-level BPE tokenizers in GPT-2's two files, vocab.json and merges.txt, without a tokenizer.json.

Older fine-tunes are published so, and transformers no longer builds a fast tokenizer from them for every model.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from inference.checkpoints.files import read_json
from inference.errors import ModelInvalidError, reason

_SINGLE_DIGITS = {"gpt_bigcode", "starcoder2"}
"""Values of `model_type` whose tokenizers cut numbers into digits first, which these files don't say."""

_SERVED = {*_SINGLE_DIGITS, "gpt2"}
"""For others transformers knows better how they cut text."""

_CONTROL = re.compile(r"<\S+>|\[\S+\]")
_LAST = 1 << 62


def is_present(folder: Path) -> bool:
    """Whether a checkpoint folder has these files and no tokenizer.json."""
    has = {name for name in ("tokenizer.json", "vocab.json", "merges.txt") if (folder / name).is_file()}
    return has == {"vocab.json", "merges.txt"} and read_json(folder / "config.json").get("model_type") in _SERVED


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a checkpoint folder, with its special and added tokens.

    Raises:
        ModelInvalidError: a file is missing or damaged.
    """
    vocabulary = cast(dict[str, int], read_json(folder / "vocab.json"))
    digits = read_json(folder / "config.json").get("model_type") in _SINGLE_DIGITS
    try:
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=read_merges(folder / "merges.txt")))
    except Exception as error:  # tokenizers raises nothing more precise
        raise ModelInvalidError(
            f"{folder / 'vocab.json'} and merges.txt make no tokenizer ({reason(error)}): download them again"
        ) from error
    steps: list[Any] = [pre_tokenizers.Digits(individual_digits=True)] if digits else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    special = special_names(folder) | _added_controls(folder)
    numbered = {**numbered_names(folder), **{name: vocabulary[name] for name in special if name in vocabulary}}
    following = len(vocabulary)
    for name in sorted({*numbered, *special}, key=lambda one: (numbered.get(one, _LAST), one)):
        if name not in vocabulary and numbered.setdefault(name, following) != following:
            raise ModelInvalidError(
                f"{folder} gives the added token {name!r} the id {numbered[name]}, where {following} would follow: "
                "get its tokenizer files again"
            )
        following += name not in vocabulary
        token = AddedToken(name, special=name in special, normalized=False)
        _ = tokenizer.add_special_tokens([token]) if name in special else tokenizer.add_tokens([token])
    return tokenizer


def read_merges(path: Path) -> list[tuple[str, str]]:
    """The pairs in a merges.txt (or OpenAI's vocab.bpe), the first to be merged first.

    Raises:
        ValueError: a line is no pair.
        OSError: it can't be read.
    """
    merges: list[tuple[str, str]] = []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line and not line.startswith("#version"):
            left, right = line.split(" ")
            merges.append((left, right))
    return merges


def special_names(folder: Path) -> set[str]:
    """Names that special_tokens_map.json or tokenizer_config.json mark as special."""
    found: set[str] = set()
    for file in ("special_tokens_map.json", "tokenizer_config.json"):
        content = read_json(folder / file) if (folder / file).is_file() else {}
        for key in ("bos_token", "eos_token", "unk_token", "additional_special_tokens", "pad_token"):
            value = content.get(key)
            for one in cast(list[Any], value) if isinstance(value, list) else [value]:
                found.add(_content(one))
        decoder = content.get("added_tokens_decoder")
        for one in cast(dict[str, Any], decoder).values() if isinstance(decoder, dict) else ():
            if isinstance(one, dict) and cast(dict[str, Any], one).get("special"):
                found.add(_content(one))
    return found - {""}


def _added_controls(folder: Path) -> set[str]:
    """Names in added_tokens.json that look like control tokens.

    Old fine-tunes list there what they added for their own purposes, padding mostly.
    """
    added = folder / "added_tokens.json"
    return {name for name in (read_json(added) if added.is_file() else {}) if _CONTROL.fullmatch(name)}


def numbered_names(folder: Path) -> dict[str, int]:
    """Ids of the added tokens, as added_tokens.json and tokenizer_config.json give them."""
    file = folder / "added_tokens.json"
    ids: dict[str, Any] = read_json(file) if file.is_file() else {}
    config = folder / "tokenizer_config.json"
    decoder = read_json(config).get("added_tokens_decoder") if config.is_file() else None
    for identifier, one in cast(dict[str, Any], decoder).items() if isinstance(decoder, dict) else ():
        if identifier.isdecimal() and _content(one):
            ids[_content(one)] = int(identifier)
    return {name: identifier for name, identifier in ids.items() if isinstance(identifier, int)}


def _content(token: Any) -> str:
    """The text of a token, which these files write as a string or as an object."""
    value = cast(dict[str, Any], token).get("content") if isinstance(token, dict) else token
    return value if isinstance(value, str) else ""
