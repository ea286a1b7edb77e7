"""From the name in the settings to a place: a folder, a GGUF file, or a repository on the Hugging Face hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from inference.checkpoints import catalog
from inference.checkpoints.catalog import CatalogRow
from inference.errors import ModelInvalidError, ModelNotFoundError


@dataclass(frozen=True, slots=True)
class Source:
    """Where a checkpoint is: `path` on this machine, or else `repository` on the hub."""

    repository: str = ""
    revision: str = ""
    file: str = ""
    """A single GGUF file of the repository, or a pattern for it."""

    path: Path | None = None

    row: CatalogRow | None = None
    """What the catalogue knows about it."""

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        return self.repository + (f":{self.file}" if self.file else "") + (f"@{self.revision}" if self.revision else "")

    @property
    def is_embedded(self) -> bool:
        """Whether it is the model in the package."""
        return self.path is None and not self.repository


def find(name: str, revision: str = "") -> Source:
    """The source called `name`.

    A catalogue name, a folder, a `.gguf` file, `owner/repository[@revision]` or
    `hf:owner/repository[@revision]:file.gguf`.

    Raises:
        ModelNotFoundError: there is nothing of that name.
        ModelInvalidError: it is a file of another kind.
    """
    if row := catalog.find(name):
        if revision and row.repository:
            row = catalog.by_repository(row.repository, revision=revision) or row
        return Source(repository=row.repository, revision=revision or row.revision, file=row.file, row=row)
    # `expanduser` and `is_dir` raise for users that don't exist and for names that are too long.
    try:
        path = Path(name).expanduser()
        exists = bool(name) and path.exists()
    except (OSError, RuntimeError, ValueError):
        path, exists = Path(), False
    if exists:
        if path.is_file() and not is_gguf(path):
            raise ModelInvalidError(f"{path} is a file: name a .gguf file, or the folder that holds config.json")
        if revision:
            raise ModelInvalidError(f"{path} is on this machine and has no revision {revision!r}: leave --revision out")
        return Source(path=path, row=catalog.by_repository(path.resolve().name))
    pattern = r"(?:hf:)?([\w.-]+/[\w.-]+)(?:@([\w./-]+))?(?::([\w./-]+\.gguf))?"
    if (match := re.fullmatch(pattern, name)) and not name.endswith("/"):
        repository, own_revision, file = match.groups(default="")
        revision = revision or own_revision
        return Source(repository, revision, file, row=catalog.by_repository(repository, file, revision))
    guess = catalog.nearest(name)
    hint = (
        f"did you mean {guess}?" if guess else "give an existing folder, owner/repository, or a name of `fimd models`"
    )
    raise ModelNotFoundError(f"there is no model {name!r}: {hint}")


def is_gguf(path: Path) -> bool:
    """Whether a file is called, or begins, as GGUF files do."""
    if path.suffix.lower() == ".gguf":
        return True
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"GGUF"
    except OSError:
        return False
