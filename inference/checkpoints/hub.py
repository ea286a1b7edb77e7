"""Loads a checkpoint from a folder or from the Hugging Face hub through transformers: no remote code, no pickles."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from huggingface_hub import snapshot_download  # pyright: ignore[reportUnknownVariableType]
from huggingface_hub.errors import GatedRepoError
from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from inference.errors import ModelError, ModelInvalidError, ModelNotFoundError

log = logging.getLogger(__name__)

_WANTED_FILES = ["*.json", "*.safetensors", "*.model", "*.txt"]
"""All that is ever downloaded: no pickles, no Python."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a checkpoint is: a folder, or a repository on the hub with an optional revision."""

    location: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.location}@{self.revision}" if self.revision else self.location


def load(source: Source, device: torch.device) -> tuple[PreTrainedModel, Tokenizer]:
    """The model on `device`, and its tokenizer.

    bfloat16 on CUDA; on a CPU float32, because bfloat16 without AVX512-BF16 or AMX is several times slower there.

    Raises:
        ModelNotFoundError: nothing there, or a gated repository whose licence has not been accepted.
        ModelInvalidError: the files are truncated, inconsistent, pickles only, or need remote code.
    """
    try:
        folder = Path(source.location)
        if not folder.is_dir():
            folder = Path(snapshot_download(source.location, revision=source.revision, allow_patterns=_WANTED_FILES))
        _check_folder(folder, source)
        return _load_folder(folder, source, device)
    except ModelError:
        raise
    except Exception as error:
        log.debug("loading %s failed", source, exc_info=True)
        raise _explained(error, source) from error


def _load_folder(folder: Path, source: Source, device: torch.device) -> tuple[PreTrainedModel, Tokenizer]:
    options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
    config = cast(Any, AutoConfig).from_pretrained(folder, **options)
    tokenizer = cast(Any, AutoTokenizer).from_pretrained(folder, **options)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelInvalidError(f"the tokenizer of {source} has no fast form (tokenizer.json): choose another model")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    model, report = cast(Any, AutoModelForCausalLM).from_pretrained(
        folder, config=config, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
    )
    # transformers fills what is missing with random numbers and only warns.
    if wrong := sorted([*report["missing_keys"], *report["mismatched_keys"]], key=str):
        raise ModelInvalidError(
            f"the weights of {source} don't match its config.json ({len(wrong)} tensors, first {wrong[0]}): "
            "choose a checkpoint in the layout of transformers' own class"
        )
    return model.to(device), tokenizer.backend_tokenizer


def _check_folder(folder: Path, source: Source) -> None:
    """Name the first missing or unreadable file in a sentence of our own, before transformers guesses."""
    config = folder / "config.json"
    if not config.is_file():
        raise ModelInvalidError(
            f"{source} holds no config.json: name the folder that holds config.json and *.safetensors"
        )
    if not any(folder.glob("*.safetensors")):
        raise ModelInvalidError(
            f"{source} holds no *.safetensors file: fimd reads no pickles (*.bin), so get the safetensors form"
        )
    for path in (config, folder / "model.safetensors.index.json"):
        try:
            content: Any = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        except ValueError as error:
            raise ModelInvalidError(f"{path} is not valid JSON ({error}): download the model again") from error
        # An index can name pickles too, and transformers would read them.
        if any(not str(name).endswith(".safetensors") for name in content.get("weight_map", {}).values()):
            raise ModelInvalidError(f"{path} names files that are not safetensors: fimd reads no pickles")


def _explained(error: Exception, source: Source) -> ModelError:
    """The one sentence for whatever transformers, huggingface_hub or safetensors raised."""
    causes = list(_chain(error))
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
    if any(isinstance(cause, GatedRepoError) for cause in causes):
        return ModelNotFoundError(
            f"{source} is gated: accept its licence at https://huggingface.co/{source.location} "
            "and run `hf auth login`, then try again"
        )
    if any(isinstance(cause, SafetensorError) for cause in causes):
        return ModelInvalidError(f"the weights of {source} are damaged or truncated ({reason}): download it again")
    if "trust_remote_code" in str(error) or "custom code" in str(error):
        return ModelInvalidError(
            f"{source} needs code from its repository, which fimd never runs: choose a model with a native class"
        )
    if isinstance(error, OSError) and not Path(source.location).is_dir():
        return ModelNotFoundError(
            f"{source} is neither a folder nor in the local Hugging Face cache, and can't be downloaded: "
            "check name and network"
        )
    return ModelInvalidError(f"{source} can't be loaded ({reason}): check that its files belong together")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
