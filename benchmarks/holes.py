"""Quality in one table: `python benchmarks/holes.py`; writes `benchmarks/quality.md`.

Runs `fimd eval` on the embedded model for several seeds, with the ablations, and puts the figures that matter side by
side. About ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_VARIANTS = {
    "raw": "model alone, raw",
    "memory": "local memory alone",
    "model": "product, no memory",
    "product": "product",
}
_FIGURES = ("em1", "em", "shown", "precision", "characters_saved", "junk", "parses", "edit_similarity")


def evaluated(seed: int, arguments: list[str]) -> dict[str, Any]:
    """What `fimd eval` says."""
    command = [sys.executable, "-m", "lsp_server", "eval", "--ablate", "--json", "--seed", str(seed), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HERE.parent)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout)


def report(results: list[dict[str, Any]]) -> str:
    """The tables as Markdown: one a kind, each seed's figures with their interval."""
    lines = [
        "# Quality of suggestions",
        "",
        f"{datetime.now(tz=timezone.utc):%Y-%m-%d}, Python {platform.python_version()}; model {results[0]['model']}.",
        "Made by `python benchmarks/holes.py`; `lsp_server/evaluation/` says what is measured.",
        "In per cent, with 95 % intervals.",
    ]
    for kind in results[0]["holes"]:
        lines += [
            "",
            f"## {kind}",
            "",
            f"| seed, variant | {' | '.join(name.replace('_', ' ') for name in _FIGURES)} | p50 ms |",
        ]
        lines += ["|---|" + "---:|" * (len(_FIGURES) + 1)]
        for result in results:
            shown = {
                **{name: result["by_kind"][key] for key, name in _VARIANTS.items()},
                "shown unasked": result["likely"],
            }
            for name, kinds in shown.items():
                figures = kinds[kind]
                cells = [_cell(figures[figure]) for figure in _FIGURES]
                lines.append(f"| {result['seed']}, {name} | {' | '.join(cells)} | {figures.get('p50_ms', 0):.0f} |")
    for result in results:
        lines += ["", f"## Line holes by what stands before the cursor, seed {result['seed']}: em1", ""]
        triggers = list(result["by_trigger"]["product"])
        lines += [f"| variant | {' | '.join(f'`{one}`' for one in triggers)} |", "|---|" + "---:|" * len(triggers)]
        for key, name in _VARIANTS.items():
            cells = [_cell(result["by_trigger"][key][trigger]["em1"]) for trigger in triggers]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(figure: dict[str, float]) -> str:
    if not figure["count"]:
        return "–"
    return f"{100 * figure['value']:.1f} ({100 * figure['low']:.0f}–{100 * figure['high']:.0f})"


def main() -> None:
    """Evaluate and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path, default=HERE / "quality.md")
    arguments, others = parser.parse_known_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    text = report([evaluated(seed, others) for seed in arguments.seeds])
    arguments.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
