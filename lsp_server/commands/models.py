"""`fimd models` and `fimd models pull`: which models there are, what each needs, and getting one."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from tqdm import tqdm

from inference import licences
from inference.checkpoints import hub, source
from inference.checkpoints.catalog import CATALOG, CatalogRow
from inference.errors import FimdError
from lsp_server.commands.options import fail

_PRECISIONS = ("fp32", "bf16", "int8")
_BYTES = {"fp32": 4.0, "bf16": 2.0, "int8": 1.1}
"""Bytes of memory a parameter takes; int8 rows have scales, and norms and biases stay float32."""


def list_models(as_json: bool) -> None:
    """Print the catalogue, with what is on disk and what fits into this machine's memory."""
    import psutil

    free = psutil.virtual_memory().available
    rows = [_facts(row, free) for row in CATALOG]
    if as_json:
        print(json.dumps(rows))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    headings = (
        "model",
        "parameters",
        "format",
        "context",
        "licence",
        "languages",
        "memory fp32/bf16/int8",
        "fits",
        "state",
    )
    for heading in headings:
        table.add_column(heading, justify="right" if heading in {"parameters", "context"} else "left", no_wrap=True)
    for facts in rows:
        memory = " / ".join(f"{facts['memory_gb'][one]:.1f}" for one in _PRECISIONS)
        table.add_row(
            facts["name"], f"{facts['parameters_billion']:.3g} B", facts["format"], f"{facts['context']:,}",
            facts["licence"], facts["languages"], f"{memory} GB", facts["fits"] or "no", facts["state"],
        )  # fmt: skip
    console = Console(highlight=False)
    # A table that is cut at the edge of a pipe or of a narrow window would lose what it was asked for.
    console.width = max(console.width, 200)
    console.print(table, soft_wrap=True, crop=False)
    console.print(
        f"\n{free / 1e9:.1f} GB of memory are free here; 'fits' is the finest precision that does. Any folder, "
        ".gguf file, owner/repository or hf:owner/repository:file.gguf can be named too.",
        soft_wrap=True,
    )
    for licence in licences.LICENCES:
        users = [row.name for row in CATALOG if row.licence == licence.id]
        if licence.duties and users:
            console.print(f"[bold]{licence.id}[/bold]: {licence.duties}. {licence.page}", soft_wrap=True)


def _facts(row: CatalogRow, free: int) -> dict[str, Any]:
    memory = {one: row.parameters * _BYTES[one] for one in _PRECISIONS}
    fits = next((one for one in _PRECISIONS if memory[one] * 1.1e9 < free), "")
    if not row.repository:
        state = "in the package"
    elif hub.cached(source.find(row.name)):
        state = "on disk"
    else:
        state = "gated" if row.gated else "to be downloaded"
    return {
        "name": row.name,
        "repository": row.repository,
        "revision": row.revision,
        "file": row.file,
        "format": row.format,
        "context": row.context,
        "parameters_billion": row.parameters,
        "precision": row.dtype,
        "languages": row.languages,
        "licence": row.licence,
        "gated": row.gated,
        "instructions": row.instructions,
        "memory_gb": {one: round(size, 2) for one, size in memory.items()},
        "fits": fits,
        "state": state,
    }


def pull(name: str, revision: str) -> int:
    """Download `name`, check and convert it, and print its licence; returns the exit status."""
    try:
        found = source.find(name, revision)
        if not found.repository:
            print(f"fimd: {found.path or name} is on this machine already", file=sys.stderr)
            return 0
        path = hub.download(found)
        _check(path)
        from inference.checkpoints.load import open_source

        checkpoint = open_source(found)  # converts, where it must, so that the first start need not
    except FimdError as error:
        fail(str(error))
    print(f"{found} is in {path}")
    licence = licences.find(found.row.licence if found.row else checkpoint.licence)
    if licence is None:
        print(f"licence: see https://huggingface.co/{found.repository}")
    else:
        print(licence.notice(name) or f"{name} is under {licence.title} ({licence.page})")
    return 0


def _check(path: Path) -> None:
    """Compare what was downloaded with its checksums; a damaged file is removed, so that the next pull gets it anew."""
    with tqdm(total=hub.large_bytes(path), unit="B", unit_scale=True, desc="checking", leave=False) as bar:
        wrong = hub.damaged(path, bar.update)
    for file in wrong:
        file.resolve().unlink()
        file.unlink(missing_ok=True)
    if wrong:
        fail(f"{', '.join(file.name for file in wrong)} arrived damaged and was removed: run the same command again")
