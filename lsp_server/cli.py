"""The `fimd` command: parses arguments and hands over to `lsp_server.commands`, one module a command."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lsp_server.version import VERSION

app = typer.Typer(
    name="fimd",
    help="Ghost text from a fill-in-the-middle code model on your own machine, over the Language Server Protocol.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Catalogue name, folder, or owner/repository[@revision].")
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
    config: ConfigOption = None,
    log_file: Annotated[
        Path | None,
        typer.Option("--log-file", metavar="FILE", help="Write the log there instead of to standard error."),
    ] = None,
) -> None:
    """Run the language server."""
    if stdio and tcp:
        raise typer.BadParameter("--stdio and --tcp exclude each other: give one")
    from lsp_server.commands.serve import serve as run

    run(tcp, model, config, log_file)


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
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print the suggestion at one place of a file."""
    from lsp_server.commands.complete import complete as run

    raise typer.Exit(run(place, model, config, as_json))


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
def doctor(model: ModelOption = None, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Check that everything works here, and how fast; the exit status says whether the daemon would serve."""
    from lsp_server.commands.doctor import doctor as run

    raise typer.Exit(run(model, config, as_json))


def main() -> None:
    """Entry point of the `fimd` script."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
