"""What a session's suggestions took, for people who want to know and for `fimd bench`."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from inference.request import Completion


@dataclass(slots=True)
class Statistics:
    """Counts since the session began. Tokens are those of completions that were finished for a request."""

    requests: int = 0
    suggestions: int = 0
    """Requests that were answered with text, before the document had moved on."""

    from_cache: int = 0
    """Of those, the ones that needed no model: typed along, foreseen, or asked before."""

    kept: int = 0
    """Requests that a computation for an earlier place served."""

    computed: int = 0
    """Completions that the model finished for a request."""

    prompt_tokens: int = 0
    reused_tokens: int = 0
    """Prompt tokens whose keys and values were still there."""

    generated_tokens: int = 0
    passes: int = 0
    """Forward passes that wrote them; a prompt's last, which gives the first token, is one of them."""

    drafted_tokens: int = 0
    accepted_tokens: int = 0

    def add(self, completion: Completion) -> None:
        """Count a completion."""
        self.computed += 1
        self.prompt_tokens += completion.prompt_tokens
        self.reused_tokens += completion.reused_tokens
        self.generated_tokens += completion.generated_tokens
        self.passes += completion.passes + 1
        self.drafted_tokens += completion.drafted_tokens
        self.accepted_tokens += completion.accepted_tokens

    def as_dict(self) -> dict[str, int]:
        """All counts by name."""
        return asdict(self)
