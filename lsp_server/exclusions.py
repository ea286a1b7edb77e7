"""Files that are never read or completed, because they hold secrets. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

DEFAULT_PATTERNS = (
    ".env", ".env.*", "*.env", ".netrc", ".pgpass", ".npmrc", ".pypirc", "*.pem", "*.key", "*.p12", "*.pfx", "*.kdbx",
    "id_rsa*", "id_ed25519*", "id_ecdsa*", "credentials", "credentials.*", "secrets.*", "*.tfvars", ".git-credentials",
    ".ssh/*", ".aws/*", ".gnupg/*",
)  # fmt: skip
"""Shell patterns, matched without regard to case against the name and against every tail of the path."""


def is_excluded(uri: str, patterns: Iterable[str]) -> bool:
    """Whether a file must not be read: its name, or a tail of its path such as `.ssh/config`, matches a pattern."""
    parts = PurePosixPath(unquote(urlsplit(uri).path).lower()).parts
    tails = ["/".join(parts[start:]) for start in range(len(parts))]
    return any(fnmatchcase(tail, pattern.lower()) for pattern in patterns for tail in tails)
