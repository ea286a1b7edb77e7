"""The models that can be named without knowing where they live: one frozen row each.

Facts are from each model's card on the Hugging Face hub.
"""

from __future__ import annotations

import difflib
import fnmatch
from dataclasses import dataclass
from typing import Literal

EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """One model of the catalogue."""

    name: str
    repository: str
    """Repository on the Hugging Face hub; empty for the model that ships with the package."""

    format: str
    """Name of its row in `inference.formats`; its control tokens must be in the tokenizer."""

    parameters: float
    """In 10⁹."""

    context: int
    """Most tokens, prompt and completion together."""

    dtype: Literal["fp32", "fp16", "bf16", "int8", "Q4_K", "Q5_K"]
    """Type of the published weights."""

    licence: str
    """As the hub names it; see `inference.licences`."""

    languages: str
    revision: str = ""
    file: str = ""
    """One GGUF file of the repository, or a pattern for it."""

    gated: bool = False
    """Whether the hub asks for an accepted licence and a token."""

    instructions: Literal["", "alpaca"] = ""
    """The form in which it was tuned to follow instructions."""

    reads_other_files: bool = True
    """Whether pieces of other files belong into its prompt."""

    uses_memory: bool = False
    """Whether the local memory was measured to help it."""


def _santacoder(branch: str) -> CatalogRow:
    """One of SantaCoder's experiments, each on a branch of its own."""
    infill = "left-to-right" if branch == "no-fim" else "santacoder"
    name, repository = f"santacoder-{branch}", "bigcode/santacoder"
    licence, languages = "bigcode-openrail-m", "Python, Java, JavaScript"
    return CatalogRow(name, repository, infill, 1.12, 2048, "fp32", licence, languages, revision=branch)


_OPENRAIL = "bigcode-openrail-m"
_THREE = "Python, Java, JavaScript"

# fmt: off
CATALOG: tuple[CatalogRow, ...] = (
    # name, repository, format, parameters in 10⁹, context, published type, licence, languages
    # It has learnt to read pieces of other files, but fills no more holes with them (`docs/other-files.md`).
    CatalogRow(EMBEDDED, "", "starcoder", 0.0055, 1024, "int8", "apache-2.0", "Python", reads_other_files=False, uses_memory=True),
    CatalogRow("santacoder", "bigcode/santacoder", "santacoder", 1.12, 2048, "fp32", _OPENRAIL, _THREE),
    *(_santacoder(branch) for branch in ("mha", "no-fim", "fim", "stars", "fertility", "comments", "dedup-alt")),
    CatalogRow("gpt_bigcode-santacoder", "bigcode/gpt_bigcode-santacoder", "santacoder", 1.12, 2048, "fp16", _OPENRAIL, _THREE),
    CatalogRow("santacoder-q4_k", "prashrex/Santacoder-gguf", "santacoder", 1.12, 2048, "Q4_K", _OPENRAIL, _THREE, file="*.gguf"),
    CatalogRow("santacoder-q5_k", "guinmoon/SantaCoder-1B-GGUF", "santacoder", 1.12, 2048, "Q5_K", _OPENRAIL, _THREE, file="*[qQ]5*.gguf"),
    CatalogRow("tiny_starcoder_py", "bigcode/tiny_starcoder_py", "starcoder", 0.164, 8192, "fp32", _OPENRAIL, "Python"),
    CatalogRow("starcoderbase-1b", "bigcode/starcoderbase-1b", "starcoder", 1.14, 8192, "bf16", _OPENRAIL, "80+", gated=True),
    CatalogRow("starcoderbase-3b", "bigcode/starcoderbase-3b", "starcoder", 3.04, 8192, "bf16", _OPENRAIL, "80+", gated=True),
    CatalogRow("starcoderbase-7b", "bigcode/starcoderbase-7b", "starcoder", 7.33, 8192, "bf16", _OPENRAIL, "80+", gated=True),
    CatalogRow("starcoder", "bigcode/starcoder", "starcoder", 15.5, 8192, "bf16", _OPENRAIL, "80+", gated=True),
    CatalogRow(
        "starcoder-gpteacher", "GeorgiaTechResearchInstitute/starcoder-gpteacher-code-instruct", "starcoder",
        15.5, 8192, "fp32", _OPENRAIL, "80+", instructions="alpaca",
    ),
    CatalogRow("starcoder2-3b", "bigcode/starcoder2-3b", "starcoder", 3.03, 16384, "fp32", _OPENRAIL, "17"),
    CatalogRow("starcoder2-7b", "bigcode/starcoder2-7b", "starcoder", 7.17, 16384, "fp32", _OPENRAIL, "17"),
    CatalogRow("starcoder2-15b", "bigcode/starcoder2-15b", "starcoder", 16.0, 16384, "fp32", _OPENRAIL, "600+"),
    CatalogRow("codegen25-7b-multi", "Salesforce/codegen25-7b-multi", "codegen25", 6.89, 2048, "fp32", "apache-2.0", "80+"),
    CatalogRow("codegen25-7b-mono", "Salesforce/codegen25-7b-mono", "codegen25", 6.89, 2048, "fp32", "apache-2.0", "Python"),
    CatalogRow("codegen25-7b-instruct", "Salesforce/codegen25-7b-instruct", "codegen25", 6.89, 2048, "fp32", "research-only", "Python"),
    CatalogRow("qwen2.5-coder-0.5b", "Qwen/Qwen2.5-Coder-0.5B", "qwen", 0.49, 32768, "bf16", "apache-2.0", "92"),
    CatalogRow("qwen2.5-coder-1.5b", "Qwen/Qwen2.5-Coder-1.5B", "qwen", 1.54, 32768, "bf16", "apache-2.0", "92"),
    CatalogRow("qwen2.5-coder-7b", "Qwen/Qwen2.5-Coder-7B", "qwen", 7.62, 131072, "bf16", "apache-2.0", "92"),
    CatalogRow("deepseek-coder-1.3b", "deepseek-ai/deepseek-coder-1.3b-base", "deepseek", 1.35, 16384, "bf16", "deepseek-license", "87"),
    CatalogRow("deepseek-coder-6.7b", "deepseek-ai/deepseek-coder-6.7b-base", "deepseek", 6.74, 16384, "bf16", "deepseek-license", "87"),
    CatalogRow("deepseek-coder-v2-lite", "deepseek-ai/DeepSeek-Coder-V2-Lite-Base", "deepseek", 15.7, 163840, "bf16", "deepseek-license", "338"),
    CatalogRow("codellama-7b", "codellama/CodeLlama-7b-hf", "codellama", 6.74, 16384, "bf16", "llama2", "many"),
    CatalogRow("codegemma-2b", "google/codegemma-2b", "codegemma", 2.51, 8192, "bf16", "gemma", "many", gated=True),
    CatalogRow("granite-3b-code", "ibm-granite/granite-3b-code-base-2k", "starcoder", 3.48, 2048, "bf16", "apache-2.0", "116"),
    CatalogRow("granite-8b-code", "ibm-granite/granite-8b-code-base-4k", "starcoder", 8.05, 4096, "bf16", "apache-2.0", "116"),
    CatalogRow("granite-4.0-micro", "ibm-granite/granite-4.0-micro-base", "granite4", 3.4, 131072, "bf16", "apache-2.0", "many"),
    CatalogRow("stable-code-3b", "stabilityai/stable-code-3b", "starcoder", 2.8, 16384, "bf16", "other", "18"),
    CatalogRow("codestral-22b", "mistralai/Codestral-22B-v0.1", "codestral", 22.2, 32768, "bf16", "mnpl", "80+", gated=True),
    CatalogRow("mellum-4b", "JetBrains/Mellum-4b-base", "mellum", 4.02, 8192, "bf16", "apache-2.0", "many"),
    CatalogRow("seed-coder-8b", "ByteDance-Seed/Seed-Coder-8B-Base", "seed-coder", 8.25, 32768, "bf16", "mit", "89"),
)
# fmt: on


def find(name: str) -> CatalogRow | None:
    """The row called `name`, ignoring case, or None."""
    return next((row for row in CATALOG if row.name == name.lower()), None)


def by_repository(name: str, file: str = "", revision: str = "") -> CatalogRow | None:
    """The row of a repository, named in full or, as clones are, by its last part; of a GGUF file or revision in it."""
    if not name:
        return None
    rows = [row for row in CATALOG if name in {row.repository, row.repository.rpartition("/")[2]}]
    rows = [row for row in rows if fnmatch.fnmatch(file, row.file)] if file else rows
    return next((row for row in rows if row.revision == revision), rows[0] if rows else None)


def nearest(name: str) -> str | None:
    """The catalogue name most like `name`, for an error message, or None where none is similar."""
    matches = difflib.get_close_matches(name.lower(), [row.name for row in CATALOG], n=1)
    return matches[0] if matches else None
