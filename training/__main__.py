"""`python -m training STEP`: the steps that make the embedded model, in order: corpus, tokenizer, train, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training import corpus as corpus_step
from training import tokenizer as tokenizer_step

BUILD = Path("build/training")
app = typer.Typer(no_args_is_help=True, help=__doc__, add_completion=False)


@app.command()
def corpus(out: Path = BUILD, report: Path = Path("training/CORPUS.md")) -> None:
    """Collect permissively licensed Python from this environment, deduplicated and split by package."""
    corpus_step.build(out, report)


@app.command()
def tokenizer(vocabulary: int = tokenizer_step.VOCABULARY, out: Path = BUILD) -> None:
    """Train the byte-level BPE tokenizer on the corpus."""
    tokenizer_step.build(out / "train.jsonl", out / "tokenizer.json", vocabulary)


@app.command()
def train(
    steps: Annotated[
        int, typer.Option(help="Total steps; a longer run resumes a shorter one that has not begun to decay.")
    ] = 6500,
    decay_share: Annotated[float, typer.Option(help="Share of the steps over which the rate falls to zero.")] = 0.25,
    out: Path = BUILD,
) -> None:
    """Train, or go on where the last run stopped."""
    from training import train as train_step  # torch: not for the other steps

    recipe = train_step.Recipe(steps=steps, decay_share=decay_share)
    try:
        train_step.train(out, out / "tokenizer.json", out / "run", recipe)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@app.command()
def export(out: Path = BUILD, to: Path = Path("inference/embedded")) -> None:
    """Pack the trained model into int8 rows where the package ships it."""
    from training import export as export_step

    before, after = export_step.export(out, out / "tokenizer.json", out / "run", to)
    typer.echo(f"held-out loss {before:.4f} nats/token before, {after:.4f} after packing into int8 rows")


if __name__ == "__main__":
    app()
