"""A fast tokenizer from a GGUF file's metadata (`tokenizer.ggml.*`): byte-level or SentencePiece BPE.

How text is cut before merging is named by `tokenizer.ggml.pre`; the expressions are facts of the models' own
tokenizers, as llama.cpp's `src/llama-vocab.cpp` lists them. Files from before May 2024 name nothing: then the
architecture tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from inference import formats
from inference.checkpoints.gguf_file import GgufFile
from inference.errors import ModelInvalidError, reason

_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED, _UNUSED, _BYTE = 1, 2, 3, 4, 5, 6
"""Values of `tokenizer.ggml.token_type`."""

_DIGIT = r"\p{N}"
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_SHORT_FORMS = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_LLAMA3 = _SHORT_FORMS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
_SEED_CODER = _SHORT_FORMS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+"
_DEEPSEEK_CODER = (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", r"\p{N}")

_KINDS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("starcoder", "refact", "command-r", "smollm", "codeshell"), (_DIGIT, _GPT2)),
    **dict.fromkeys(("gpt-2", "phi-2", "mellum", "mpt", "olmo"), (_GPT2,)),
    **dict.fromkeys(("llama3", "llama-v3", "llama-bpe", "falcon3", "dbrx", "smaug-bpe"), (_LLAMA3,)),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "stablelm2"), (_QWEN2,)),
    "deepseek-coder": _DEEPSEEK_CODER,
    "seed-coder": (_SEED_CODER,),
}
_WHOLE_WORDS_FIRST = {"llama3", "llama-v3", "llama-bpe", "falcon3"}
"""A piece that is a token as a whole is never built by merging."""

_KIND_OF_ARCHITECTURE = {"starcoder": "starcoder", "starcoder2": "starcoder", "qwen2": "qwen2", "llama": "gpt-2"}

_PADDING = re.compile(r"\[PAD\d+\]")
_SPACE = "\u2581"


def build(file: GgufFile, architecture: str) -> Tokenizer:
    """The tokenizer of a GGUF file.

    Raises:
        ModelInvalidError: it has none, of another kind, or the parts don't fit together.
    """
    tokens, kinds = _tokens(file)
    model = file.text("tokenizer.ggml.model")
    if model not in {"gpt2", "llama"}:
        raise ModelInvalidError(
            f"{file.path} has a tokenizer of the kind {model!r}, and fimd rebuilds gpt2 and llama: "
            "use that model's safetensors form"
        )
    try:
        byte_level = model == "gpt2"
        tokenizer = _byte_level(file, tokens, architecture) if byte_level else _sentencepiece(file, tokens, kinds)
    except ModelInvalidError:
        raise
    except Exception as error:  # tokenizers raises nothing more precise
        raise ModelInvalidError(
            f"{file.path} has a tokenizer that fits no vocabulary ({reason(error)}): it is damaged"
        ) from error
    # In the order of their ids: names that are in the vocabulary keep theirs.
    tokenizer.add_special_tokens(
        [_added(token, True) for token, kind in zip(tokens, kinds, strict=True) if kind == _CONTROL]
    )
    tokenizer.add_tokens(
        [_added(token, False) for token, kind in zip(tokens, kinds, strict=True) if kind == _USER_DEFINED]
    )
    return tokenizer


def _added(token: str, special: bool) -> AddedToken:
    return AddedToken(token, special=special, normalized=False)


def _tokens(file: GgufFile) -> tuple[list[str], list[int]]:
    """All tokens as text, and what kind each is."""
    raw = file.metadata.get("tokenizer.ggml.tokens")
    if not isinstance(raw, list) or not raw:
        raise ModelInvalidError(f"{file.path} holds no vocabulary (tokenizer.ggml.tokens): choose a whole model")
    raw = cast(list[bytes], raw)
    declared = file.metadata.get("tokenizer.ggml.token_type")
    kinds = [_NORMAL] * len(raw)
    if isinstance(declared, np.ndarray) and declared.dtype.kind in "iu":
        kinds = cast(list[int], declared.tolist())
    if len(kinds) != len(raw):
        raise ModelInvalidError(f"{file.path} is damaged: it has {len(raw)} tokens, but {len(kinds)} token types")
    # The very first converter of starcoder wrote the bytes of a token, where all others write GPT-2's symbols for them.
    is_bytes = file.text("tokenizer.ggml.model") == "gpt2" and b" " in raw and "Ġ".encode() not in raw
    control_names = formats.control_names()
    tokens: list[str] = []
    for index, token in enumerate(raw):
        text = token.decode("utf-8", "replace")
        if text in control_names and kinds[index] in {_NORMAL, _USER_DEFINED}:
            kinds[index] = _CONTROL  # early converters marked all tokens as normal text
        elif _PADDING.fullmatch(text):
            kinds[index] = _UNUSED
        is_symbol = kinds[index] in {_NORMAL, _UNKNOWN} and is_bytes
        tokens.append("".join(_SYMBOLS[byte] for byte in token) if is_symbol else text)
    seen: set[str] = set()
    for index, token in enumerate(tokens):
        if token in seen:  # padding, or damage to a token that can't be written then
            tokens[index] = f"[PAD{index}]"
        seen.add(tokens[index])
    return tokens, kinds


def _byte_level(file: GgufFile, tokens: Sequence[str], architecture: str) -> Tokenizer:
    merges = file.metadata.get("tokenizer.ggml.merges")
    if not isinstance(merges, list):
        raise ModelInvalidError(f"{file.path} holds no merges (tokenizer.ggml.merges): it is damaged")
    kind = file.text("tokenizer.ggml.pre") or "default"
    kind = _KIND_OF_ARCHITECTURE[architecture] if kind == "default" else kind
    if kind not in _KINDS:
        raise ModelInvalidError(
            f"{file.path} cuts text in the way {kind!r}, which fimd doesn't know: use that model's safetensors form"
        )
    vocabulary = {token: index for index, token in enumerate(tokens)}
    pairs: list[tuple[str, str]] = []
    for merge in cast(list[bytes], merges):
        left, _, right = merge.decode("utf-8", "replace").partition(" ")
        if left in vocabulary and right in vocabulary and left + right in vocabulary:
            pairs.append((left, right))
    whole = kind in _WHOLE_WORDS_FIRST
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=pairs, ignore_merges=whole))
    steps: list[Any] = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in _KINDS[kind]]
    steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _sentencepiece(file: GgufFile, tokens: Sequence[str], kinds: Sequence[int]) -> Tokenizer:
    scores = file.metadata.get("tokenizer.ggml.scores")
    if scores is None or isinstance(scores, int | float | bytes) or len(scores) != len(tokens):
        raise ModelInvalidError(f"{file.path} holds no score for each token (tokenizer.ggml.scores): it is damaged")
    vocabulary = {token: index for index, token in enumerate(tokens)}
    normal = {token: index for token, index in vocabulary.items() if kinds[index] not in {_CONTROL, _UNUSED, _BYTE}}
    # SentencePiece merges what makes the token with the best score; every way to make it is a merge.
    merges = [
        (float(scores[index]), token[:cut], token[cut:])
        for token, index in normal.items()
        for cut in range(1, len(token))
        if token[:cut] in normal and token[cut:] in normal
    ]
    merges.sort(key=lambda merge: -merge[0])
    unknown = next((token for token, index in vocabulary.items() if kinds[index] == _UNKNOWN), None)
    model = models.BPE(
        vocab=vocabulary,
        merges=[(left, right) for _, left, right in merges],
        byte_fallback=True,
        fuse_unk=True,
        unk_token=unknown,
    )
    tokenizer = Tokenizer(model)
    # Without SentencePiece's extra space at the start: text in a buffer begins where it begins.
    tokenizer.normalizer = normalizers.Replace(" ", _SPACE)
    tokenizer.decoder = decoders.Sequence([decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def _symbols() -> list[str]:
    """GPT-2's printable symbol for each of the 256 bytes."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(spare)) for byte in range(256)]


_SYMBOLS = _symbols()
