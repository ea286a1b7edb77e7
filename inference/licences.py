"""What a model's licence asks of whoever uses its suggestions, said once a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Licence:
    """One licence, under the id that the Hugging Face hub gives it."""

    id: str
    title: str
    page: str
    duties: str = ""
    """What it, or the model's card, asks of users, as the rest of a sentence; empty where nothing is asked."""

    def notice(self, model: str) -> str:
        """One sentence for the log, or the empty string where the licence asks nothing of users."""
        return f"{model} is under {self.title} ({self.page}): {self.duties}" if self.duties else ""


_ATTRIBUTION = (
    "its use restrictions apply to you, and suggestions may repeat training code whose licence asks for attribution, "
    "which you can look up at https://huggingface.co/spaces/bigcode/search"
)

LICENCES: tuple[Licence, ...] = (
    Licence("apache-2.0", "Apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0"),
    Licence("mit", "MIT", "https://opensource.org/license/mit"),
    Licence(
        "bigcode-openrail-m",
        "BigCode OpenRAIL-M v1",
        "https://huggingface.co/spaces/bigcode/bigcode-model-license-agreement",
        _ATTRIBUTION,
    ),
    Licence(
        "research-only",
        "a licence for research only",
        "https://huggingface.co/Salesforce/codegen25-7b-instruct",
        "it may not be used for anything else",
    ),
    Licence(
        "deepseek-license",
        "the DeepSeek model licence",
        "https://github.com/deepseek-ai/DeepSeek-Coder/blob/main/LICENSE-MODEL",
        "its use restrictions apply to you",
    ),
    Licence(
        "llama2",
        "the Llama 2 licence",
        "https://ai.meta.com/llama/license/",
        "its acceptable use policy applies to you",
    ),
    Licence("gemma", "the Gemma terms of use", "https://ai.google.dev/gemma/terms", "its prohibited uses apply to you"),
    Licence(
        "mnpl",
        "the Mistral non-production licence",
        "https://mistral.ai/licenses/MNPL-0.1.md",
        "it may not be used in production",
    ),
)


def find(identifier: str) -> Licence | None:
    """The licence with an id of the hub, or None."""
    return next((licence for licence in LICENCES if licence.id == identifier.lower()), None)
