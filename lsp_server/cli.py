"""The `fimd` command: parses arguments and hands over to `lsp_server.commands`, one module a command."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from lsp_server.commands.options import flags
from lsp_server.spinning import spin_briefly
from lsp_server.version import VERSION

app = typer.Typer(
    name="fimd",
    help="Ghost text from a fill-in-the-middle code model on your own machine, over the Language Server Protocol.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Name of `fimd models`, folder, .gguf file, owner/repository[@revision] or hf:owner/repository:file.gguf.",
    ),
]
RevisionOption = Annotated[
    str | None, typer.Option("--revision", metavar="NAME", help="Branch, tag or commit of a model on the hub.")
]
DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda", "mps"] | None, typer.Option("--device", help="Where the model runs.")
]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "bf16", "fp16", "int8"] | None,
    typer.Option("--precision", help="Type of the model's weights."),
]
ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="Settings file to read instead of the user's own.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"fimd {VERSION}")
        raise typer.Exit


@app.callback()
def _common(  # pyright: ignore[reportUnusedFunction]  # typer calls it
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Options that stand before any command."""


@app.command()
def serve(
    stdio: Annotated[bool, typer.Option("--stdio", help="Speak over standard input and output (the default).")] = False,
    tcp: Annotated[
        str | None,
        typer.Option("--tcp", metavar="HOST:PORT", help="Accept any number of editors, which share one model."),
    ] = None,
    model: ModelOption = None,
    revision: RevisionOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    config: ConfigOption = None,
    log_file: Annotated[
        Path | None,
        typer.Option("--log-file", metavar="FILE", help="Write the log there instead of to standard error."),
    ] = None,
) -> None:
    """Run the language server."""
    if stdio and tcp:
        raise typer.BadParameter("--stdio and --tcp exclude each other: give one")
    gc.disable()  # while thousands of protocol classes are made, none is garbage: a fifth of the time to `initialize`
    from lsp_server.commands.serve import serve as run

    gc.freeze()
    gc.enable()
    run(tcp, flags(name=model, revision=revision, device=device, precision=precision), config, log_file)


@app.command(context_settings={"ignore_unknown_options": True})  # else `-:2:8` would be taken for an option
def complete(
    place: Annotated[
        str,
        typer.Argument(
            metavar="FILE:LINE:COL",
            help="1-based, as editors show it; FILE may be -, and - alone is the end of standard input.",
        ),
    ],
    model: ModelOption = None,
    revision: RevisionOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the suggestion at one place of a file."""
    from lsp_server.commands.complete import complete as run

    overrides = flags(name=model, revision=revision, device=device, precision=precision)
    raise typer.Exit(run(place, overrides, config, as_json))


@app.command()
def ask(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="[FILE[:L1-L2]] INSTRUCTION",
            help="What it is about, lines from 1 (without them all; - is standard input), and what to do or say.",
        ),
    ],
    model: ModelOption = None,
    revision: RevisionOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    config: ConfigOption = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, max=4096, help="Longest answer, in tokens.")] = 256,
) -> None:
    """Ask the model about code: explain it, change it, or write some."""
    from lsp_server.commands.ask import ask as run

    overrides = flags(name=model, revision=revision, device=device, precision=precision)
    raise typer.Exit(run(words, overrides, config, max_tokens))


models = typer.Typer(help="List the models that fimd knows by name, or download one.", invoke_without_command=True)
app.add_typer(models, name="models")


@models.callback()
def list_models(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the models that fimd knows by name: what they are, what they need, what is on disk."""
    if context.invoked_subcommand is None:
        from lsp_server.commands.models import list_models as run

        run(as_json)


@models.command()
def pull(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As for --model.")], revision: RevisionOption = None
) -> None:
    """Download a model, or what is missing of it, check it, and say what its licence asks."""
    from lsp_server.commands.models import pull as run

    raise typer.Exit(run(name, revision or ""))


@app.command()
def demo(
    model: ModelOption = None,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="FILE.svg", help="Save what was shown as a picture.")
    ] = None,
) -> None:
    """Start the daemon as an editor would, type into a real file and show the ghost text."""
    from lsp_server.commands.demo import demo as run

    raise typer.Exit(run(model, record))


@app.command()
def bench(
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE]...", help="Source files; none for four of Python's own.")
    ] = None,
    model: ModelOption = None,
    precision: PrecisionOption = None,
    keys: Annotated[int, typer.Option("--keys", min=20, max=100_000, help="About so many keys are pressed.")] = 400,
    seed: Annotated[int, typer.Option("--seed", help="Another seed is another person.")] = 1,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.png", help="Save the distribution of latencies as a picture.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Type pieces of real files into the daemon at a person's pace, and say how soon ghost text came."""
    from lsp_server.commands.bench import bench as run
    from lsp_server.commands.editor import OURS
    from lsp_server.commands.replay import Plan

    options = {"--model": model, "--precision": precision}
    arguments = [part for name, value in options.items() if value is not None for part in (name, value)]
    plan = Plan(tuple(file.resolve() for file in files or ()), keys, seed, (*OURS, *arguments))
    raise typer.Exit(run(plan, as_json, plot))


@app.command("eval")
def evaluate_command(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Files and folders; none for packages the embedded model never saw."),
    ] = None,
    model: ModelOption = None,
    revision: RevisionOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    config: ConfigOption = None,
    holes: Annotated[int, typer.Option("--holes", min=8, max=100_000, help="About so many holes are cut.")] = 800,
    seed: Annotated[int, typer.Option("--seed", help="Another seed cuts other holes.")] = 1,
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Also without the local memory, and with nothing but it.")
    ] = False,
    fit: Annotated[
        bool, typer.Option("--fit", help="Fit when this model's suggestions are shown unasked, and keep that.")
    ] = False,
    thresholds: Annotated[
        Path | None, typer.Option("--thresholds", metavar="FILE", help="With --fit: keep it there, not for this user.")
    ] = None,
    run_tests: Annotated[
        bool,
        typer.Option("--run-tests", help="Run what was written with the tests of HumanEval-Infilling; in a sandbox!"),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Cut holes into real files, fill them, and say how good the suggestions are."""
    from lsp_server.commands.eval import Wanted, evaluate
    from lsp_server.commands.eval import fit as fit_threshold

    overrides = flags(name=model, revision=revision, device=device, precision=precision)
    wanted = Wanted(tuple(path.resolve() for path in paths or ()), holes, seed, ablate, run_tests)
    status = (
        fit_threshold(wanted, overrides, config, thresholds) if fit else evaluate(wanted, overrides, config, as_json)
    )
    raise typer.Exit(status)


@app.command()
def stats(
    days: Annotated[
        int | None, typer.Option("--days", min=1, max=100_000, help="The last so many days only, today among them.")
    ] = None,
    as_json: JsonOption = False,
    reset: Annotated[bool, typer.Option("--reset", help="Forget all counts.")] = False,
) -> None:
    """Print what became of the suggestions that were shown on this machine, by day and language."""
    from lsp_server.commands.stats import stats as run

    raise typer.Exit(run(days, as_json, reset))


@app.command()
def doctor(
    model: ModelOption = None,
    revision: RevisionOption = None,
    device: DeviceOption = None,
    precision: PrecisionOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that everything works here, and how fast; the exit status says whether the daemon would serve."""
    from lsp_server.commands.doctor import doctor as run

    overrides = flags(name=model, revision=revision, device=device, precision=precision)
    raise typer.Exit(run(overrides, config, as_json))


def main() -> None:
    """Entry point of the `fimd` script."""
    spin_briefly()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
