"""All settings: typed, with their defaults, merged as defaults < user file < client options < flags.

A mistake never stops the server: the wrong entry is left out and described in one sentence, everything else applies.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelSettings(_Section):
    """Which model, and how it is run."""

    name: str = Field(
        default="embedded",
        description="Name of `fimd models`, folder, .gguf file, owner/repository[@revision] on the Hugging Face hub, "
        "or hf:owner/repository:file.gguf.",
    )
    revision: str = Field(default="", description="Branch, tag or commit on the hub; empty for the usual one.")
    format: str = Field(
        default="auto", description="Infilling format: auto, left-to-right, or one that `fimd models` shows."
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(default="auto", description="Where the model runs.")
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8"] = Field(
        default="auto", description="Type of its weights; auto: what suits the device, the model's size and the memory."
    )
    instructions: Literal["auto", "alpaca", "few-shot"] = Field(
        default="auto", description="How instructions are put to it; auto: as `fimd models` knows, else few-shot."
    )
    drafts: Literal["auto", "never"] = Field(
        default="auto",
        description="Let the embedded model guess ahead for a large one, which writes the same sooner; auto: while it "
        "does.",
    )


class CompletionSettings(_Section):
    """When to suggest, and how much."""

    debounce_ms: Annotated[int, Field(ge=0, le=5000)] | Literal["auto"] = Field(
        default="auto",
        description="Pause in typing before the model is asked, or auto: none where the model is quick enough; an "
        "explicit request never waits.",
    )
    warm_up: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Compute in advance while nothing else is to do; auto: unless this machine runs on its battery.",
    )
    max_tokens: int = Field(default=64, ge=1, le=1024, description="Most tokens the model writes for one suggestion.")
    max_lines: int = Field(
        default=6, ge=1, le=100, description="Most lines where a block is opened or continued; elsewhere it is one."
    )
    show: Literal["likely", "everything"] = Field(
        default="likely",
        description="What is shown unasked: what is likely to be taken, or everything that does not break the file; an "
        "explicit request always shows what there is.",
    )
    local_memory: Literal["auto", "always", "never", "only"] = Field(
        default="auto",
        description="Blend what the open files repeat into what the model writes; auto: where that was measured to "
        "help; only: don't ask the model at all.",
    )
    in_comments: bool = Field(default=True, description="Suggest in comments without being asked.")
    in_strings: bool = Field(default=True, description="Suggest in strings without being asked.")
    popup: Literal["auto", "always", "never"] = Field(
        default="auto", description="Also answer textDocument/completion; auto: where the client has no ghost text."
    )
    popup_budget_ms: int = Field(
        default=150,
        ge=0,
        le=5000,
        description="Longest that a completion popup waits; what comes later serves the next keystroke.",
    )


class ContextSettings(_Section):
    """What the model reads of other files."""

    use: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Put pieces of other open files into the prompt; auto: unless the model is known not to profit.",
    )
    max_pieces: int = Field(default=4, ge=0, le=32, description="Most pieces for one suggestion.")
    max_characters: int = Field(
        default=1500, ge=0, le=100_000, description="Most characters of all pieces; the prompt may hold fewer."
    )


class FileSettings(_Section):
    """Which files are served."""

    exclude: list[str] = Field(
        default=[],
        description="Shell patterns of files that are never read, besides those that hold secrets.",
    )
    disabled_languages: list[str] = Field(
        default=[], description="LSP language ids without suggestions, such as markdown."
    )


class Settings(_Section):
    """The whole tree; `[section]` tables in the user file, nested objects in client options."""

    enabled: bool = Field(default=True, description="Whether anything is suggested at all.")
    statistics: bool = Field(
        default=True,
        description="Count on this machine what becomes of suggestions, for `fimd stats`: numbers only.",
    )
    model: ModelSettings = ModelSettings()
    completion: CompletionSettings = CompletionSettings()
    context: ContextSettings = ContextSettings()
    files: FileSettings = FileSettings()


@dataclass(frozen=True, slots=True)
class Layer:
    """One source of settings."""

    origin: str
    """How a person would call it."""

    values: Mapping[str, Any]
    problems: tuple[str, ...] = ()
    """What went wrong while it was read, one sentence each."""


def merge(*layers: Layer) -> tuple[Settings, list[str]]:
    """The settings of all layers, later ones on top, and one sentence for each entry that had to be left out."""
    problems: list[str] = []
    merged: dict[str, Any] = {}
    for layer in layers:
        problems += layer.problems
        values = _known(layer.values, Settings, layer.origin, (), problems)
        candidate = _overlaid(merged, values)
        while True:
            try:
                Settings.model_validate(candidate)
                break
            except ValidationError as error:
                faults: dict[tuple[str, ...], Any] = {}
                for fault in error.errors():  # of a value that may be of two types, the first says most
                    faults.setdefault(tuple(str(part) for part in fault["loc"][:2]), fault)
                for path, fault in faults.items():
                    problems.append(
                        f"{layer.origin}: {'.'.join(path)} is ignored because of {fault['input']!r}: "
                        f"{_lower_first(fault['msg'])}"
                    )
                    _restore(candidate, path, merged)
        merged = candidate
    return Settings.model_validate(merged), list(dict.fromkeys(problems))


def user_file() -> Path:
    """Where a person keeps settings on this system."""
    return platformdirs.user_config_path("fimd") / "config.toml"


def read_file(path: Path, required: bool) -> Layer:
    """The settings in a TOML file; whatever is wrong with it becomes one of its problems, never an exception.

    That it does not exist is wrong only if it is `required`.
    """
    origin = str(path)
    try:
        return Layer(origin, tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Layer(origin, {}, (f"{origin} does not exist: check --config",) if required else ())
    except (OSError, UnicodeDecodeError) as error:
        return Layer(origin, {}, (f"{origin} can't be read and is ignored: {error}",))
    except tomllib.TOMLDecodeError as error:
        return Layer(origin, {}, (f"{origin} is not valid TOML and is ignored: {error}",))


def _known(
    values: Mapping[str, Any], section: type[BaseModel], origin: str, path: tuple[str, ...], problems: list[str]
) -> dict[str, Any]:
    """`values` without unknown keys, each of which becomes a sentence that names the nearest valid key."""
    known: dict[str, Any] = {}
    for key, value in values.items():
        field = section.model_fields.get(key)
        if field is None:
            name = ".".join((*path, str(key)))
            problems.append(f"{origin}: unknown setting {name!r} is ignored: did you mean {_nearest(name)!r}?")
        elif (
            isinstance(field.annotation, type)
            and issubclass(field.annotation, BaseModel)
            and isinstance(value, Mapping)
        ):
            nested = cast(Mapping[str, Any], value)
            known[key] = _known(nested, field.annotation, origin, (*path, key), problems)
        else:
            known[key] = value
    return known


def all_keys() -> list[str]:
    """Every setting as `section.key`."""
    keys: list[str] = []
    for name, field in Settings.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys += [f"{name}.{inner}" for inner in field.annotation.model_fields]
        else:
            keys.append(name)
    return keys


def _nearest(name: str) -> str:
    keys = all_keys()
    by_last_part = {key.rsplit(".", 1)[-1]: key for key in keys}
    matches = difflib.get_close_matches(name, keys, n=1, cutoff=0.5)
    last = difflib.get_close_matches(name.rsplit(".", 1)[-1], by_last_part, n=1, cutoff=0.0)
    return matches[0] if matches else by_last_part[last[0]]


def _overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy of `below` with `above` laid over it, table by table."""
    result: dict[str, Any] = {
        key: dict(cast(Mapping[str, Any], value)) if isinstance(value, Mapping) else value
        for key, value in below.items()
    }
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping | None):
            result[key] = {**result.get(key, {}), **cast(Mapping[str, Any], value)}
        else:
            result[key] = value
    return result


def _restore(candidate: dict[str, Any], path: tuple[str, ...], below: Mapping[str, Any]) -> None:
    """Take the entry at `path` back to what the layers below said, or to its default."""
    table, source = candidate, below
    for part in path[:-1]:
        table, source = table.get(part, {}), source.get(part, {})
    if path[-1] in source:
        table[path[-1]] = source[path[-1]]
    else:
        table.pop(path[-1], None)


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
