"""Files that hold secrets are never read."""

from __future__ import annotations

import pytest

from lsp_server.exclusions import is_excluded


@pytest.mark.parametrize(
    "path",
    [
        "/p/.env",
        "/p/.env.local",
        "/p/PROD.ENV",
        "/home/u/.ssh/config",
        "/home/u/.aws/credentials",
        "/p/key.pem",
        "/p/id_rsa",
        "/p/my%2Epem",
    ],
)
def test_secret_files_are_excluded(path: str) -> None:
    assert is_excluded(f"file://{path}")


@pytest.mark.parametrize(
    "path",
    [
        "/p/environment.py",
        "/p/env.py",
        "/p/keys.py",
        "/p/credentials.py",
        "/p/secrets.py",
        "/p/ssh/config.py",
        "/p/.envrc.py",
    ],
)
def test_source_files_are_not(path: str) -> None:
    assert not is_excluded(f"file://{path}")


@pytest.mark.parametrize("uri", ["untitled:Untitled-1", "", "not a uri", "file://"])
def test_odd_uris_are_no_error(uri: str) -> None:
    assert not is_excluded(uri)


@pytest.mark.parametrize("pattern", ["/home/me/secret/*", "secret/*", "x.PY", "*/secret/x.py"])
def test_more_patterns_match_the_path_and_its_tails(pattern: str) -> None:
    assert is_excluded("file:///home/me/secret/x.py", [pattern])
    assert is_excluded("file:///home/me/.env", [pattern]), "they come on top"
    assert not is_excluded("file:///home/me/other/y.py", [pattern])
