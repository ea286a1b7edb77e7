"""Byte-level BPE tokenizers in GPT-2's two files, vocab.json and merges.txt, without a tokenizer.json.

Older fine-tunes are published so, and transformers no longer builds a fast tokenizer from them for every model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from inference.checkpoints.files import read_json
from inference.errors import ModelInvalidError

_SINGLE_DIGITS = {"gpt_bigcode", "starcoder2"}
"""Values of `model_type` whose tokenizers cut numbers into digits first, which these files don't say."""


def is_present(folder: Path) -> bool:
    """Whether a checkpoint folder has these files and no tokenizer.json."""
    has = {name for name in ("tokenizer.json", "vocab.json", "merges.txt") if (folder / name).is_file()}
    return has == {"vocab.json", "merges.txt"}


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
            f"{folder / 'vocab.json'} and merges.txt make no tokenizer ({error}): download them again"
        ) from error
    steps: list[Any] = [pre_tokenizers.Digits(individual_digits=True)] if digits else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    # In the order of their ids: those that the vocabulary lacks get the next ones.
    names = _special_names(folder)
    names.sort(key=lambda name: vocabulary.get(name, len(vocabulary)))
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in names])
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


def _special_names(folder: Path) -> list[str]:
    """Names in special_tokens_map.json, tokenizer_config.json and added_tokens.json, each once."""
    found: dict[str, None] = {}
    for file in ("special_tokens_map.json", "tokenizer_config.json"):
        content = read_json(folder / file) if (folder / file).is_file() else {}
        for key in ("bos_token", "eos_token", "unk_token", "additional_special_tokens", "pad_token"):
            value = content.get(key)
            for one in cast(list[Any], value) if isinstance(value, list) else [value]:
                name = cast(dict[str, Any], one).get("content") if isinstance(one, dict) else one
                if isinstance(name, str) and name:
                    found[name] = None
    if (folder / "added_tokens.json").is_file():
        added = read_json(folder / "added_tokens.json")
        found.update(dict.fromkeys(sorted(added, key=lambda name: str(added[name]).zfill(9))))
    return list(found)
