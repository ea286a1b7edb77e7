"""CodeGen2.5's tokenizer as an ordinary fast tokenizer.

Its repositories hold no vocabulary, only code that builds one with tiktoken from GPT-2's, which it downloads at run
time. The rules of that code (`tokenization_codegen25.py` in Salesforce/codegen25-7b-multi), with the ids they lead to:

- GPT-2's byte-level BPE, 50,257 tokens, the last of them `<|endoftext|>`;
- runs of 31 to 2 spaces, then of 9 to 2 tabs: longer ones first, so that a run is one token, or, beyond 31, is cut
  from the left;
- special tokens: 18 of StarCoder's names, `<dummy_0>` to `<dummy_3>`, `<sep>`, `<eom>`, and then masks in descending
  order up to `<mask_1>`, the last id of the vocabulary.

GPT-2's own rules are one small file, `merges.txt`: it is taken from the model's folder, else from openai-community/gpt2
in the cache or on the hub.
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from inference.checkpoints import hub
from inference.checkpoints.files import read_json
from inference.checkpoints.gpt2_files import read_merges
from inference.checkpoints.source import Source
from inference.errors import ModelError, ModelInvalidError

_GPT2 = Source(repository="openai-community/gpt2", file="merges.txt")
_MERGES_FILES = ("merges.txt", "vocab.bpe")
"""The second is its name in OpenAI's own release."""

_GPT2_MERGES = 50_000
_PUBLISHED_SIZE = 51_200
_SPACE, _TAB = "Ġ", "ĉ"
_LONGEST_SPACES, _LONGEST_TABS = 31, 9
_END_OF_TEXT = "<|endoftext|>"
_STARCODER_NAMES = (
    "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<filename>", "<gh_stars>", "<issue_start>",
    "<issue_comment>", "<issue_closed>", "<jupyter_start>", "<jupyter_text>", "<jupyter_code>", "<jupyter_output>",
    "<empty_output>", "<commit_before>", "<commit_msg>", "<commit_after>", "<reponame>",
)  # fmt: skip


def is_custom(folder: Path) -> bool:
    """Whether a checkpoint folder wants the tokenizer that only its repository's code could make."""
    if (folder / "tokenizer.json").is_file() or not (folder / "tokenizer_config.json").is_file():
        return False
    return "CodeGen25Tokenizer" in str(read_json(folder / "tokenizer_config.json").get("tokenizer_class", ""))


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer of a CodeGen2.5 checkpoint folder, with as many ids as its config.json says.

    Raises:
        ModelNotFoundError: GPT-2's merges.txt is neither in the folder nor in the cache, and can't be downloaded.
        ModelInvalidError: that file is damaged.
    """
    path = next((folder / name for name in _MERGES_FILES if (folder / name).is_file()), None) or _downloaded(folder)
    vocabulary_size = read_json(folder / "config.json").get("vocab_size")
    try:
        merges = read_merges(path)
        return build(merges, int(str(vocabulary_size)))
    except (OSError, ValueError) as error:
        raise ModelInvalidError(
            f"the tokenizer of {folder} can't be built from {path} ({error}): get GPT-2's merges.txt again"
        ) from error


def build(merges: list[tuple[str, str]], vocabulary_size: int) -> Tokenizer:
    """The tokenizer that CodeGen2.5's rules make of GPT-2's `merges`.

    Raises:
        ValueError: these are not GPT-2's merges, or `vocabulary_size` leaves no room for `<mask_1>`.
    """
    if not merges or (vocabulary_size == _PUBLISHED_SIZE and len(merges) != _GPT2_MERGES):
        raise ValueError(f"it holds {len(merges):,} merges and not {_GPT2_MERGES:,}")
    tokens = [*_byte_symbols(), *(left + right for left, right in merges), _END_OF_TEXT]
    runs = [*_run_lengths(_SPACE, _LONGEST_SPACES), *_run_lengths(_TAB, _LONGEST_TABS)]
    vocabulary = {token: index for index, token in enumerate([*tokens, *runs])}
    own = dict.fromkeys(runs, True)
    rules = [pair for pair in merges if pair[0] + pair[1] not in own]
    rules += [(run[:-1], run[-1]) for run in runs]
    names = [*_STARCODER_NAMES, *(f"<dummy_{number}>" for number in range(4)), "<sep>", "<eom>"]
    masks = vocabulary_size - len(tokens) - len(runs) - len(names)
    if masks < 1:
        raise ValueError(f"a vocabulary of {vocabulary_size} is too small for its special tokens")
    names += [f"<mask_{number}>" for number in range(masks, 0, -1)]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=rules))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in (_END_OF_TEXT, *names)])
    return tokenizer


def _downloaded(folder: Path) -> Path:
    try:
        return hub.fetch(_GPT2, lambda _: None)
    except ModelError as error:
        raise type(error)(
            f"the tokenizer of {folder} is built from GPT-2's merges.txt, which is not there and can't be downloaded: "
            "put that file from https://huggingface.co/openai-community/gpt2 into the model's folder"
        ) from error


def _run_lengths(symbol: str, longest: int) -> list[str]:
    return [symbol * length for length in range(longest, 1, -1)]


def _byte_symbols() -> list[str]:
    """The 256 one-byte tokens in GPT-2's order: printable ones as they are, then the others."""
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [*map(chr, printable), *(chr(256 + index) for index in range(256 - len(printable)))]
