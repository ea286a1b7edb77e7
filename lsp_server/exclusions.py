"""Files that are never read or completed, because they hold secrets. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache
from urllib.parse import unquote, urlsplit

ALWAYS_EXCLUDED = (
    *(".env", ".env.*", "*.env", ".netrc", ".pgpass", ".npmrc", ".pypirc", ".git-credentials"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "*.kdbx", "id_rsa*", "id_ed25519*", "id_ecdsa*", "*.tfvars", "credentials"),
    *("credentials.json", "secrets.json", "secrets.toml", "secrets.yaml", "secrets.yml"),
    *(".ssh/*", ".aws/*", ".gnupg/*"),
)
"""Shell patterns; see `is_excluded`."""


def is_excluded(uri: str, more: Iterable[str] = ()) -> bool:
    """Whether a file must not be read: a pattern of `ALWAYS_EXCLUDED` or of `more` matches it.

    Patterns are matched without regard to case, against the whole path and against every tail of it, such as the name
    or `.ssh/config`.
    """
    return _is_excluded(uri, tuple(more))


@lru_cache(maxsize=1024)  # asked of every open file at each request
def _is_excluded(uri: str, more: tuple[str, ...]) -> bool:
    try:
        path = unquote(urlsplit(uri).path).lower()
    except ValueError:  # no address: clients have odd ones for what is no file
        path = uri.lower()
    parts = path.split("/")
    names = [path, *("/".join(parts[start:]) for start in range(1, len(parts)))]
    return any(fnmatchcase(name, pattern.lower()) for pattern in (*ALWAYS_EXCLUDED, *more) for name in names)
