"""The models that can be named without knowing where they live: one frozen row each."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """One model of the catalogue."""

    name: str
    repository: str
    """Repository on the Hugging Face hub; empty for the model that ships with the package."""

    format: str
    """Name of its row in `inference.formats`; its control tokens must be in the tokenizer."""


CATALOG: tuple[CatalogRow, ...] = (
    CatalogRow(EMBEDDED, "", "starcoder"),
    # bigcode/santacoder itself holds custom code; this is the same model in transformers' own GPTBigCode layout.
    CatalogRow("santacoder", "bigcode/gpt_bigcode-santacoder", "santacoder"),
    CatalogRow("starcoderbase-1b", "bigcode/starcoderbase-1b", "starcoder"),
    CatalogRow("starcoder-gpteacher", "GeorgiaTechResearchInstitute/starcoder-gpteacher-code-instruct", "starcoder"),
)


def find(name: str) -> CatalogRow | None:
    """The row called `name`, ignoring case, or None."""
    return next((row for row in CATALOG if row.name == name.lower()), None)


def nearest(name: str) -> str | None:
    """The catalogue name most like `name`, for an error message, or None where none is similar."""
    matches = difflib.get_close_matches(name.lower(), [row.name for row in CATALOG], n=1)
    return matches[0] if matches else None
