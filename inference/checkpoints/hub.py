"""Loads a checkpoint from a folder or from the Hugging Face hub through transformers: no remote code, no pickles."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from huggingface_hub.errors import GatedRepoError
from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerFast

from inference.errors import ModelInvalidError, ModelNotFoundError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a checkpoint is: a folder, or a repository on the hub with an optional revision."""

    location: str
    revision: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether `location` is a folder on this machine."""
        return Path(self.location).is_dir()

    def __str__(self) -> str:
        return f"{self.location}@{self.revision}" if self.revision else self.location


def load(source: Source, device: torch.device) -> tuple[PreTrainedModel, Tokenizer]:
    """The model on `device`, and its tokenizer.

    bfloat16 on CUDA; on a CPU float32, because bfloat16 without AVX512-BF16 or AMX is several times slower there.

    Raises:
        ModelNotFoundError: nothing there, or a gated repository whose licence has not been accepted.
        ModelInvalidError: the files are truncated, inconsistent, pickles only, or need remote code.
    """
    if source.is_folder:
        _check_folder(Path(source.location))
    options: dict[str, Any] = {"revision": source.revision or "main", "trust_remote_code": False}
    try:
        config = cast(Any, AutoConfig).from_pretrained(source.location, **options)
        tokenizer = cast(Any, AutoTokenizer).from_pretrained(source.location, **options)
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        model = AutoModelForCausalLM.from_pretrained(
            source.location, config=config, dtype=dtype, use_safetensors=True, **options
        )
    except Exception as error:
        log.debug("loading %s failed", source, exc_info=True)
        raise _explained(error, source) from error
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelInvalidError(
            f"the tokenizer of {source} has no fast (tokenizer.json) form, which fimd needs: choose another model"
        )
    return cast(PreTrainedModel, model).to(device), tokenizer.backend_tokenizer  # pyright: ignore[reportArgumentType, reportUnknownMemberType]


def _check_folder(folder: Path) -> None:
    """Name the first missing or unreadable file in a word of our own, before transformers guesses."""
    config = folder / "config.json"
    if not config.is_file():
        raise ModelInvalidError(
            f"{folder} holds no config.json: name the folder that holds config.json and *.safetensors"
        )
    try:
        json.loads(config.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelInvalidError(f"{config} is not valid JSON ({error}): download the model again") from error
    if not any(folder.glob("*.safetensors")):
        raise ModelInvalidError(
            f"{folder} holds no *.safetensors file: fimd reads no pickles (*.bin), so get the safetensors form"
        )


def _explained(error: Exception, source: Source) -> ModelNotFoundError | ModelInvalidError:
    """The one sentence for whatever transformers, huggingface_hub or safetensors raised."""
    causes = list(_chain(error))
    reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(". ")
    if any(isinstance(cause, GatedRepoError) for cause in causes):
        return ModelNotFoundError(
            f"{source} is gated: accept its licence at https://huggingface.co/{source.location} "
            "and run `hf auth login`, then try again"
        )
    if any(isinstance(cause, SafetensorError) for cause in causes):
        return ModelInvalidError(
            f"the weights of {source} are damaged or truncated ({reason}): download the model again"
        )
    if "trust_remote_code" in str(error) or "custom code" in str(error):
        return ModelInvalidError(
            f"{source} needs code from its repository, which fimd never runs: choose a model with a native class"
        )
    if isinstance(error, OSError) and not source.is_folder:
        return ModelNotFoundError(
            f"{source} is neither a folder nor in the local Hugging Face cache, and can't be downloaded: "
            "check name and network"
        )
    return ModelInvalidError(f"{source} can't be loaded ({reason}): check that its files belong together")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
