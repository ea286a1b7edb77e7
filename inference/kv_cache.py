"""Keys and values of the tokens a model saw last, and how much of them a new prompt can reuse."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import DynamicCache


class KeyValueCache:
    """The tokens whose keys and values are held, in order, with those tensors.

    Invariant: `past` always holds exactly `tokens`. `extended` is called only after a forward pass has succeeded, so a
    computation may be abandoned between passes without any clean-up.
    """

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.past = DynamicCache()

    def extended(self, tokens: Sequence[int]) -> None:
        """Record that the model has just appended `tokens` to `past`."""
        self.tokens.extend(tokens)

    def reusable(self, prompt: Sequence[int]) -> int:
        """Number of leading tokens of `prompt` that are cached.

        Its last token never counts, because its logits are needed.
        """
        return min(common_prefix_length(self.tokens, prompt), len(prompt) - 1)

    def rewind_to(self, prompt: Sequence[int]) -> int:
        """Keep what `prompt` shares with the cached tokens and drop the rest; returns the number of tokens kept."""
        kept = self.reusable(prompt)
        if dropped := len(self.tokens) - kept:
            self.past.crop(-dropped)
            del self.tokens[kept:]
        return kept

    def clear(self) -> None:
        """Forget everything; needed only after a forward pass has failed halfway."""
        self.tokens = []
        self.past = DynamicCache()


def common_prefix_length(left: Sequence[int], right: Sequence[int]) -> int:
    """Number of leading tokens in which the two sequences agree."""
    length = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        length += 1
    return length
