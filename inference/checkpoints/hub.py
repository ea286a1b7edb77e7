"""Gets files from the Hugging Face hub into its local cache. What is there already is never asked for again.

Only weights, configuration, tokenizer and model card are downloaded, and safetensors rather than pickles where a
repository has both.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from huggingface_hub import (
    HfApi,
    hf_hub_download,  # pyright: ignore[reportUnknownVariableType]
    snapshot_download,  # pyright: ignore[reportUnknownVariableType]
)
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from tqdm import tqdm

from inference.checkpoints.files import read_json, weight_files
from inference.checkpoints.source import Source
from inference.engines.base import Report
from inference.errors import ModelError, ModelInvalidError, ModelNotFoundError, reason

log = logging.getLogger(__name__)

logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it announces each retry; the outcome is ours to say

SMALL_FILES = ("*.json", "*.model", "*.txt", "*.tiktoken", "README.md")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "vocab.json")
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
"""In order of preference; never both."""


def fetch(source: Source, report: Report) -> Path:
    """The folder (or the GGUF file) of `source`, downloaded if the cache doesn't hold all of it.

    Raises:
        ModelNotFoundError: no such repository, revision or file; gated; or no network.
        ModelInvalidError: the repository holds nothing that can be served.
    """
    return cached(source) or download(source, _reporting(report))


def cached(source: Source) -> Path | None:
    """The complete files of `source` in the local cache, or None. Asks no network."""
    options: dict[str, Any] = {"revision": source.revision or None, "local_files_only": True}
    for wanted in [source.file] if source.file else _WEIGHTS:
        try:
            patterns = [*SMALL_FILES, wanted]
            folder = Path(cast(str, snapshot_download(source.repository, allow_patterns=patterns, **options)))
            if source.file:
                files = [file.relative_to(folder).as_posix() for file in folder.rglob("*.gguf")]
                return folder / min(fnmatch.filter(files, source.file))
            read_json(folder / "config.json")
            if not any((folder / name).is_file() for name in _TOKENIZERS):
                raise FileNotFoundError(f"no tokenizer in {folder}")  # noqa: TRY301  # caught below with the others
            weight_files(folder)
        except Exception as error:  # none, or not all of it
            log.debug("%s of %s is not in the cache: %s", wanted, source, error)
        else:
            return folder
    return None


def download(source: Source, bar: type[tqdm[Any]] | None = None) -> Path:
    """Download what is missing of `source`, going on where an earlier download stopped; `bar` shows the progress.

    Raises:
        ModelNotFoundError, ModelInvalidError: see `fetch`.
    """
    revision = source.revision or None
    try:
        names = HfApi().list_repo_files(source.repository, revision=revision)
        if source.file:
            file = _matching_file(names, source)
            return Path(hf_hub_download(source.repository, file, revision=revision, tqdm_class=bar))
        wanted = [*SMALL_FILES, *_weight_files(names, source)]
        path = snapshot_download(source.repository, revision=revision, allow_patterns=wanted, tqdm_class=cast(Any, bar))
        return Path(path)
    except ModelError:
        raise
    except Exception as error:
        log.debug("downloading %s failed", source, exc_info=True)
        raise _explained(error, source) from error


def damaged(path: Path, on_bytes: Callable[[int], object] = lambda _: None) -> list[Path]:
    """Those of the downloaded files under `path` whose SHA-256 isn't the one the hub gave; `on_bytes` hears progress.

    The cache keeps large files under their checksum as their name.
    """
    wrong: list[Path] = []
    for file in _large_files(path):
        digest = hashlib.sha256()
        with file.open("rb") as stream:
            while block := stream.read(1 << 24):
                digest.update(block)
                on_bytes(len(block))
        if digest.hexdigest() != file.resolve().name:
            wrong.append(file)
    return wrong


def large_bytes(path: Path) -> int:
    """Bytes that `damaged` reads."""
    return sum(file.stat().st_size for file in _large_files(path))


def _large_files(path: Path) -> list[Path]:
    files = [path] if path.is_file() else sorted(path.iterdir())
    return [file for file in files if re.fullmatch(r"[0-9a-f]{64}", file.resolve().name)]


def _matching_file(names: Sequence[str], source: Source) -> str:
    if matching := sorted(fnmatch.filter(names, source.file)):
        return matching[0]
    page = f"https://huggingface.co/{source.repository}/tree/{source.revision or 'main'}"
    raise ModelNotFoundError(f"{source.repository} holds no file {source.file}: see {page}")


def _weight_files(names: Sequence[str], source: Source) -> list[str]:
    """The weight files to download out of a repository's files."""
    for pattern in _WEIGHTS:
        if matching := [name for name in names if fnmatch.fnmatchcase(name, pattern)]:
            return matching
    if ggufs := [name for name in names if name.endswith(".gguf")]:
        shown = ", ".join(f"hf:{source.repository}:{name}" for name in ggufs[:4])
        raise ModelInvalidError(f"{source} holds GGUF files: name one of them, such as {shown}")
    raise ModelInvalidError(f"{source} holds neither safetensors nor PyTorch weights: choose another repository")


def _reporting(report: Report) -> type[tqdm[Any]]:
    """A progress bar that tells `report` whole percents instead of drawing."""

    class Reporting(tqdm):  # pyright: ignore[reportMissingTypeArgument,reportUntypedBaseClass]  # generic in stubs only
        def __init__(self, *arguments: Any, **options: Any) -> None:
            options.pop("name", None)
            self._is_bytes = options.get("unit") == "B"
            self._percent = -1
            super().__init__(*arguments, **{**options, "disable": False, "file": _Nowhere()})

        def display(self, *_arguments: Any, **_options: Any) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
            percent = int(100 * self.n / self.total) if self.total else 0
            if self._is_bytes and percent != self._percent:
                self._percent = percent
                report(f"downloading: {percent} % of {self.total / 1e9:.1f} GB")
            return True

    return Reporting


class _Nowhere:
    """A stream that keeps nothing."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return


def _explained(error: Exception, source: Source) -> ModelError:
    """The one sentence for whatever huggingface_hub raised."""
    causes = list(_chain(error))

    def has(*kinds: type[Exception]) -> bool:
        return any(isinstance(cause, kinds) for cause in causes)

    page = f"https://huggingface.co/{source.repository}"
    if has(GatedRepoError):
        return ModelNotFoundError(
            f"{source} is gated: accept its licence at {page} and run `hf auth login`, then try again"
        )
    if has(RevisionNotFoundError):
        return ModelNotFoundError(f"{source.repository} has no revision {source.revision!r}: see {page}/tree/main")
    if has(RepositoryNotFoundError):
        return ModelNotFoundError(f"there is no public model {source.repository!r} on the hub: check its name")
    if any(isinstance(cause, OSError) and cause.errno == errno.ENOSPC for cause in causes):
        return ModelNotFoundError(f"the disk is full, so {source} can't be downloaded: free some space and try again")
    if has(LocalEntryNotFoundError, HfHubHTTPError, ConnectionError, TimeoutError):
        return ModelNotFoundError(
            f"{source} is not in the local Hugging Face cache and can't be downloaded: check name and network"
        )
    return ModelNotFoundError(f"{source} can't be downloaded ({reason(error)}): check name and network")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
