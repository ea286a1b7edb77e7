"""Trains the byte-level BPE tokenizer of the embedded model.

Special tokens carry StarCoder's names, so that the embedded model is a small StarCoder to the rest of the code. Digits
stand alone, as in StarCoder. The vocabulary is small because the model is: at 256 wide, 4,096 rows are a fifth of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 4096
SPECIAL_TOKENS = ["<|endoftext|>", "<fim_prefix>", "<fim_middle>", "<fim_suffix>", "<fim_pad>", "<file_sep>"]


def build(corpus: Path, out: Path, vocabulary: int = VOCABULARY) -> None:
    """Train on the texts of `corpus` (a `train.jsonl`) and write a `tokenizer.json` to `out`.

    Raises:
        OSError: `corpus` cannot be read or `out` cannot be written.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_texts(corpus), trainer)
    out.parent.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out))


def taken(start: Path) -> Tokenizer:
    """The tokenizer of a packed model in the folder `start`, for its training to go on.

    Version 1 of the embedded model calls the token that separates files `<filename>`, and has never seen one.

    Raises:
        OSError: there is none.
    """
    text = (start / "tokenizer.json").read_text(encoding="utf-8")
    return Tokenizer.from_str(text.replace('"<filename>"', '"<file_sep>"'))


def _texts(corpus: Path) -> Iterator[str]:
    with corpus.open(encoding="utf-8") as stream:
        for line in stream:
            yield json.loads(line)["text"]
