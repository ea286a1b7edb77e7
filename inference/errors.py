"""The errors a person may see. Each message is one sentence that says what is wrong and what to do.

FimdError
└── ModelError
    ├── ModelNotFoundError     nothing loadable at that path or name
    ├── ModelInvalidError     files are there, but they can't be served
    └── ModelTooLargeError    more memory needed than there is
"""


class FimdError(Exception):
    """Base of all errors raised on purpose; `str(error)` is fit to be shown to a person."""


class ModelError(FimdError):
    """The model can't be served."""


class ModelNotFoundError(ModelError):
    """Nothing loadable at the given path or name."""


class ModelInvalidError(ModelError):
    """Model files exist but are truncated, inconsistent or of an unsupported kind."""


class ModelTooLargeError(ModelError):
    """The model needs more memory than is free."""


_LONGEST_REASON = 160


def reason(error: BaseException) -> str:
    """What a library's exception says, as a part of one sentence: its first line, not too long."""
    text = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(". :")
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 1] + "…"
