"""From a model's name in the settings to an engine that has passed its self-test.

Imports torch; `spec`, `source` and `deferred` are the light half.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import cast

import torch

from inference import formats, huge_pages, licences
from inference.checkpoints import embedded, hub, quantised, source
from inference.checkpoints.catalog import EMBEDDED
from inference.checkpoints.checkpoint import Checkpoint
from inference.checkpoints.folder import open_checkpoint
from inference.checkpoints.gguf_model import open_gguf
from inference.checkpoints.lean import LeanOutline
from inference.checkpoints.precision import choose_device, choose_precision, in_gb, too_large
from inference.checkpoints.source import Source
from inference.checkpoints.spec import ModelSpec, Precision
from inference.draft_model import DraftModel
from inference.engines.base import Report
from inference.engines.local import PATIENCE_S, About, LocalEngine
from inference.errors import ModelError, ModelInvalidError, reason
from inference.formats import InfillFormat
from inference.local_memory import Trust
from inference.models.base import CausalModel
from inference.self_check import measure_pace, self_test
from inference.tokenizer import TextTokenizer

log = logging.getLogger(__name__)

_SMALLEST_CONTEXT = 64
_WORTH_DRAFTING = 300_000_000
"""Parameters. A step of a smaller model takes hardly longer than a guess of the embedded one."""


def _unheard(message: str) -> None:
    """Take progress reports that nobody asked for."""
    del message


def load_engine(spec: ModelSpec, report: Report = _unheard) -> LocalEngine:
    """Load `spec` and check that it can infill; `report` hears what is being done.

    Raises:
        ModelNotFoundError: no such name, folder, repository or device.
        ModelInvalidError: the files are there but can't be served.
        ModelTooLargeError: it needs more memory than is free.
    """
    report(f"reading {spec.name}")
    found = source.find(spec.name, spec.revision)
    try:
        return _load(spec, found, report)
    except ModelError as error:
        # Where a message names a file it is clear enough; else it should name the model.
        if type(error) is ModelInvalidError and spec.name not in str(error) and str(found) not in str(error):
            raise ModelInvalidError(f"{spec.name} can't be served: {error}") from error
        raise
    except Exception as error:
        log.debug("loading %s failed", spec.name, exc_info=True)
        raise ModelInvalidError(
            f"{spec.name} can't be served ({type(error).__name__}: {reason(error)}): choose another"
        ) from error


def _load(spec: ModelSpec, found: Source, report: Report) -> LocalEngine:
    device = choose_device(spec.device)
    checkpoint = open_source(found, report)
    tokenizer = TextTokenizer(checkpoint.tokenizer)
    infill = _format(spec, found, tokenizer)
    _check_sizes(spec.name, infill, tokenizer, checkpoint)
    checkpoint.check()  # before memory is judged: a damaged config asks for absurd amounts
    model, placement = _filled(spec, checkpoint, device, report)
    row = found.row
    licence = licences.find(row.licence if row else checkpoint.licence or infill.licence)
    form = row.instructions if row else ""
    about = About(
        notices=tuple(filter(None, (placement, licence.notice(spec.name) if licence else ""))),
        patience_s=PATIENCE_S,
        reads_other_files=row.reads_other_files if row else True,
        trust=Trust() if row and row.uses_memory else None,
        instruction_form=form if spec.instructions == "auto" else spec.instructions.removesuffix("few-shot"),
    )
    text_tokenizer = TextTokenizer(checkpoint.tokenizer, infill.control_tokens)
    engine = LocalEngine(spec.name, model, text_tokenizer, infill, about)
    engine.notes = (*_left_to_right_note(spec, infill, found), *self_test(engine))
    measure_pace(engine)
    if spec.drafts == "auto" and checkpoint.outline.parameters >= _WORTH_DRAFTING:
        engine.draft_model = _draft_model(engine)
        if engine.draft_model:
            engine.notices += (f"{spec.name}: the embedded model guesses ahead (model.drafts)",)
    held = checkpoint.outline.sizes[cast(Precision, model.precision)]
    if device.type == "cpu" and held >= huge_pages.WORTH_HUGE_PAGES:
        huge_pages.collapse_soon()  # not before the pace is measured
    for notice in engine.notices:
        log.info("%s", notice)
    return engine


def _draft_model(engine: LocalEngine) -> DraftModel | None:
    """The embedded model, to guess ahead for `engine`; None where it can't be had, which is no reason to fail."""
    try:
        spec = ModelSpec(EMBEDDED, device="cpu", precision="fp32", drafts="never")
        small = _load(spec, source.find(spec.name), _unheard)
    except Exception as error:
        log.warning("no drafts from the embedded model (%s: %s)", type(error).__name__, reason(error))
        return None
    return DraftModel(small, engine.tokenizer)


def open_source(found: Source, report: Report = _unheard) -> Checkpoint:
    """Open the checkpoint at `found`, downloading it if need be; its weights are not read yet.

    Raises:
        ModelNotFoundError, ModelInvalidError: see `load_engine`.
    """
    if found.is_embedded:
        return embedded.open_embedded()
    path = found.path or hub.fetch(found, report)
    return open_gguf(path) if path.is_file() else open_checkpoint(path)


def _filled(spec: ModelSpec, checkpoint: Checkpoint, device: torch.device, report: Report) -> tuple[CausalModel, str]:
    """The model with its weights, and a sentence on where and how they are held."""
    parameters, sizes = checkpoint.outline.parameters, checkpoint.outline.sizes
    precision = choose_precision(spec.name, spec.precision, device, parameters, sizes)
    report(f"reading {in_gb(sizes[precision])} of weights in {precision}")
    try:
        if precision == "int8" and checkpoint.origin and isinstance(outline := checkpoint.outline, LeanOutline):
            weights = quantised.rows_of(checkpoint.origin, outline.shape, checkpoint.weights, report)
            checkpoint = replace(checkpoint, weights=weights)
        model = checkpoint.load(device, precision)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise too_large(spec.name, precision, device, sizes) from error
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        raise too_large(spec.name, precision, device, sizes) from error
    held = f"{parameters / 1e6:,.0f} million parameters in {precision} on {device}, {in_gb(sizes[precision])}"
    return model, f"{spec.name}: {held}"


def _format(spec: ModelSpec, found: Source, tokenizer: TextTokenizer) -> InfillFormat:
    """The infilling format, after checking that the tokenizer has every control token of it."""
    known = {one.name: one for one in (*formats.FORMATS, formats.LEFT_TO_RIGHT)}
    if spec.format == "auto":
        row = found.row
        is_as_catalogued = row is not None and not formats.lacking(row.format, tokenizer.token_id)
        return _checked(spec.name, tokenizer, known[row.format] if row and is_as_catalogued else None)
    if spec.format not in known:
        raise ModelInvalidError(f"there is no infilling format {spec.format!r}: use auto or one of {', '.join(known)}")
    if missing := formats.lacking(spec.format, tokenizer.token_id):
        raise ModelInvalidError(
            f"the tokenizer of {spec.name} lacks {', '.join(missing)}, which the {spec.format} format needs: "
            "set model.format to auto"
        )
    return known[spec.format]


def _checked(name: str, tokenizer: TextTokenizer, catalogued: InfillFormat | None) -> InfillFormat:
    """The catalogued format, else the one that the tokenizer tells, with its tokens complete and in their places."""
    row = catalogued or formats.detect(tokenizer.token_id)
    if not catalogued and (incomplete := formats.incomplete(tokenizer.token_id, row)):
        family, missing = incomplete
        raise ModelInvalidError(
            f"the tokenizer of {name} has some of the {family} format's control tokens but not {', '.join(missing)}: "
            "get its tokenizer files again, or set model.format"
        )
    if misplaced := formats.out_of_order(tokenizer.token_id, row):
        raise ModelInvalidError(
            f"the tokenizer of {name} numbers the {row.name} format's control tokens as {', '.join(misplaced)}, which "
            f"are the wrong places: get its tokenizer files again, or set model.format to {row.name} if that is right"
        )
    return row


def _check_sizes(name: str, infill: InfillFormat, tokenizer: TextTokenizer, checkpoint: Checkpoint) -> None:
    """Refuse a tokenizer with tokens that the weights don't know, and a context that holds nothing."""
    context = checkpoint.outline.context_length
    if context < _SMALLEST_CONTEXT:
        raise ModelInvalidError(f"{name} has a context of {context} tokens, too few to infill anything: choose another")
    rows = checkpoint.outline.rows
    for token in sorted(infill.required_tokens):
        identifier = tokenizer.token_id(token)
        if identifier is not None and identifier >= rows:
            raise ModelInvalidError(
                f"the tokenizer of {name} gives {token} the id {identifier}, but the weights have {rows} rows: "
                "get its tokenizer files again"
            )
    if tokenizer.highest_id >= rows:
        raise ModelInvalidError(
            f"the tokenizer of {name} has more tokens than its weights have rows: they don't belong together, "
            "so get both again"
        )


def _left_to_right_note(spec: ModelSpec, infill: InfillFormat, found: Source) -> tuple[str, ...]:
    expected = spec.format != "auto" or (found.row is not None and found.row.format == infill.name)
    if infill is not formats.LEFT_TO_RIGHT or expected:
        return ()
    return (f"{spec.name} has no infilling tokens, so it only continues the text before the cursor",)
