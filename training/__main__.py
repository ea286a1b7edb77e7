"""`python -m training STEP`: the steps that make the embedded model, in order: corpus, tokenizer, train, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from training import corpus as corpus_step
from training import tokenizer as tokenizer_step

BUILD = Path("build/training")
Start = Annotated[
    Path | None, typer.Option(help="Folder of a packed model, such as inference/embedded, to start from.")
]
app = typer.Typer(no_args_is_help=True, help=__doc__, add_completion=False)


@app.command()
def corpus(out: Path = BUILD) -> None:
    """Collect permissively licensed Python from this environment, deduplicated and split by package.

    What is in it is listed in CORPUS.md there: to be kept as training/CORPUS.md with weights that ship.
    """
    corpus_step.build(out, out / "CORPUS.md")


@app.command()
def tokenizer(vocabulary: int = tokenizer_step.VOCABULARY, out: Path = BUILD, start: Start = None) -> None:
    """Train the byte-level BPE tokenizer on the corpus, or take that of the model to start from."""
    if start:
        out.mkdir(parents=True, exist_ok=True)
        tokenizer_step.taken(start).save(str(out / "tokenizer.json"))
    else:
        tokenizer_step.build(out / "train.jsonl", out / "tokenizer.json", vocabulary)


@app.command()
def train(
    steps: Annotated[
        int, typer.Option(help="Total steps; a longer run resumes a shorter one that has not begun to decay.")
    ] = 12_000,
    decay_share: Annotated[float, typer.Option(help="Share of the steps over which the rate falls to zero.")] = 0.25,
    out: Path = BUILD,
    run: Annotated[
        str, typer.Option(help="Folder of the run; a copy of another one may decay while that one goes on.")
    ] = "run",
    start: Start = None,
    rate: Annotated[float, typer.Option(help="Factor on the learning rates: less for a model that goes on.")] = 1.0,
    new_files: Annotated[float, typer.Option(help="Share of samples of files that have just been begun.")] = 0.08,
) -> None:
    """Train, or go on where the last run stopped."""
    from training import train as train_step  # torch: not for the other steps

    recipe = train_step.Recipe(
        steps=steps, decay_share=decay_share, start=str(start or ""), rate=rate, new_file_rate=new_files
    )
    try:
        train_step.train(out, out / "tokenizer.json", out / run, recipe)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@app.command()
def smoke(out: Path = BUILD / "smoke") -> None:
    """All steps in three minutes, on a small corpus: the loss falls, and the model that comes out is evaluated."""
    from training import smoke as smoke_step

    for line in smoke_step.run(out):
        typer.echo(line)


@app.command()
def ablate(
    minutes: Annotated[float, typer.Option(help="For each variant.")] = 4.0,
    corpus: Annotated[Path, typer.Option(help="Where `corpus` and `tokenizer` have put theirs.")] = BUILD,
    out: Path = BUILD / "ablations",
) -> None:
    """Compare shapes, tokenizers and recipes at equal time; goes on where it was stopped. Prints a table."""
    from training import ablations

    for line in ablations.run(corpus, out, minutes):
        typer.echo(line)


@app.command()
def curves(
    logs: Annotated[list[Path], typer.Argument(help="The `log.jsonl` of each run.")],
    name: Annotated[list[str], typer.Option("--name", help="What to call it; one for each.")],
    tokens: Annotated[int, typer.Option(help="About how many tokens a step has.")] = 4096,
    out: Path = Path("training/curves.png"),
) -> None:
    """Draw what runs have logged; needs the extra `bench`."""
    from training import curves as curves_step

    if len(name) != len(logs):
        raise typer.BadParameter("give --name once for each log")
    try:
        curves_step.draw(logs, name, tokens, out)
    except ImportError as error:
        raise typer.BadParameter(f"{error}: pip install 'fimd[bench]'") from error


@app.command()
def export(out: Path = BUILD, to: Path = Path("inference/embedded"), run: str = "run") -> None:
    """Pack the trained model into int8 rows where the package ships it."""
    from training import export as export_step

    before, after = export_step.export(out, out / "tokenizer.json", out / run, to)
    typer.echo(f"held-out loss {before:.4f} nats/token before, {after:.4f} after packing into int8 rows")


if __name__ == "__main__":
    app()
