"""A checkpoint folder's tokenizer.json, read without transformers where that alone says everything.

That is so for byte-level tokenizers, whose files only add which tokens are special. What SentencePiece's need beside it
(a leading space, older rules) transformers knows.
"""

from __future__ import annotations

from pathlib import Path

from tokenizers import AddedToken, Tokenizer

from inference.checkpoints.gpt2_files import numbered_names, special_names
from inference.errors import ModelInvalidError, reason

_FILE = "tokenizer.json"


def load_tokenizer(folder: Path) -> Tokenizer | None:
    """The tokenizer with its special tokens marked, or None where transformers has to be asked.

    Raises:
        ModelInvalidError: tokenizer.json is damaged.
    """
    if not (folder / _FILE).is_file():
        return None
    try:
        tokenizer = Tokenizer.from_file(str(folder / _FILE))
    except Exception as error:  # tokenizers raises nothing more precise
        raise ModelInvalidError(
            f"{folder / _FILE} can't be loaded ({reason(error)}): get the tokenizer files again"
        ) from error
    if "ByteLevel" not in repr(tokenizer.pre_tokenizer):
        return None
    special = special_names(folder)
    if any(tokenizer.token_to_id(name) != identifier for name, identifier in numbered_names(folder).items()):
        return None  # tokens that only transformers' own files know of
    known = [name for name in sorted(special) if tokenizer.token_to_id(name) is not None]
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False) for name in known])
    return tokenizer
