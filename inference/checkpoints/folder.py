"""A checkpoint folder in the layout of the Hugging Face hub: config.json, weights, tokenizer files."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from tokenizers import Tokenizer
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.utils import logging as transformers_logging

from inference.checkpoints import assemble, codegen25, gpt2_files, pickles, santacoder
from inference.checkpoints.files import read_json
from inference.checkpoints.precision import DTYPES
from inference.checkpoints.spec import Precision
from inference.checkpoints.weights import WeightSource, open_folder
from inference.errors import ModelError, ModelInvalidError, reason

log = logging.getLogger(__name__)

# What goes wrong is said in our own sentences; its bars and reports would fill an editor's log.
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

_MOST_LABELS = 10_000
_LOCAL: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that is open but whose weights have not been read."""

    outline: PreTrainedModel
    """The model, its parameters on the meta device."""

    tokenizer: Tokenizer
    weights: WeightSource
    folder: Path | None = None
    """Where transformers itself can load it, if the weights don't carry its own names."""

    licence: str = ""
    """As its publisher's model card or metadata has it."""

    def check(self) -> None:
        """Compare names and shapes of the weights with the outline's; reads nothing.

        Raises:
            ModelInvalidError: they don't fit together.
        """
        lacking = assemble.missing(self.outline, self.weights)
        if lacking and (self.folder is None or any(name in self.weights.names for name in lacking)):
            raise _mismatch(self, len(lacking), lacking[0])
        if not lacking and (unplaced := assemble.unplaced(self.outline, self.weights)):
            raise _mismatch(self, len(unplaced), unplaced[0])

    def fill(self, device: torch.device, precision: Precision) -> PreTrainedModel:
        """The model with its weights.

        Raises:
            ModelInvalidError: weights and config.json don't fit together.
        """
        self.check()
        if self.folder is not None and assemble.missing(self.outline, self.weights):
            return self._loaded_by_transformers(self.folder, device, precision)
        assemble.fill(self.outline, self.weights, device, precision)
        return self.outline

    def _loaded_by_transformers(self, folder: Path, device: torch.device, precision: Precision) -> PreTrainedModel:
        """For checkpoints whose names differ from the class's own, which transformers knows how to map."""
        model, report = cast(Any, AutoModelForCausalLM).from_pretrained(
            folder,
            config=self.outline.config,
            # In int8's case half of float32's memory, for the moment that there are both.
            dtype=torch.bfloat16 if precision == "int8" else DTYPES[precision],
            use_safetensors=True,
            output_loading_info=True,
            **_LOCAL,
        )
        # transformers fills what is missing with random numbers and only warns.
        if wrong := sorted([*report["missing_keys"], *report["mismatched_keys"]], key=str):
            raise _mismatch(self, len(wrong), str(wrong[0]))
        if precision == "int8":
            assemble.quantise(model)
            model.float()
        return model.eval().to(device)


def open_checkpoint(folder: Path) -> Checkpoint:
    """Open a checkpoint folder, after converting it if its layout is not transformers' own.

    Raises:
        ModelInvalidError: a file is missing or damaged, or it needs code from its repository.
    """
    try:
        return _open(folder)
    except ModelError:
        raise
    except Exception as error:
        log.debug("opening %s failed", folder, exc_info=True)
        raise _explained(error, folder) from error


def converted(folder: Path) -> Path:
    """`folder` in transformers' own layout and in safetensors: itself, or its conversion in the cache.

    Raises:
        ModelInvalidError: see `open_checkpoint`.
    """
    config = folder / "config.json"
    if not config.is_file():
        raise ModelInvalidError(
            f"{folder} holds no config.json: name the folder that holds config.json and *.safetensors, or a .gguf file"
        )
    return santacoder.convert(folder) if santacoder.is_custom(read_json(config)) else pickles.convert(folder)


def _open(original: Path) -> Checkpoint:
    folder = converted(original)
    _check_config(folder)
    config: PreTrainedConfig = cast(Any, AutoConfig).from_pretrained(folder, **_LOCAL)
    try:
        weights = open_folder(folder)
    except ModelInvalidError:
        if folder == original:
            raise
        shutil.rmtree(folder)  # a conversion can be damaged too, and then is made again
        weights = open_folder(converted(original))
    outline = assemble.outline(config)
    if assemble.has_own_head(outline, weights):
        config.tie_word_embeddings = False
        outline = assemble.outline(config)
    # The original's tokenizer files: those of a conversion are copies.
    return Checkpoint(outline, _tokenizer(original), weights, folder, card_licence(original))


def _check_config(folder: Path) -> None:
    """Refuse what would cost memory or be misread before transformers makes anything of it."""
    raw = read_json(folder / "config.json")
    for key in ("n_layer", "num_hidden_layers", "num_layers"):
        assemble.check_layers(raw.get(key) or 1)
    if isinstance(labels := raw.get("num_labels"), int) and labels > _MOST_LABELS:
        raise ModelInvalidError(f"{folder / 'config.json'} claims {labels} labels: it is damaged, download it again")
    if isinstance(quantised := raw.get("quantization_config"), dict):
        method = cast(dict[str, Any], quantised).get("quant_method", "an unknown method")
        raise ModelInvalidError(
            f"{folder} was quantised by its publisher ({method}), which fimd can't unpack: "
            "choose the unquantised model, or a GGUF file"
        )


def _tokenizer(folder: Path) -> Tokenizer:
    if codegen25.is_custom(folder):
        return codegen25.load_tokenizer(folder)
    if gpt2_files.is_present(folder):
        return gpt2_files.load_tokenizer(folder)
    tokenizer = cast(Any, AutoTokenizer).from_pretrained(folder, **_LOCAL)
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise ModelInvalidError(f"the tokenizer of {folder} has no fast form (tokenizer.json): choose another model")
    return tokenizer.backend_tokenizer


def card_licence(folder: Path) -> str:
    """The `license` in the front matter of a folder's model card (README.md), or the empty string."""
    try:
        lines = (folder / "README.md").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    if not lines or lines[0].strip() != "---":
        return ""
    for line in lines[1:]:
        if line.strip() == "---":
            break
        key, _, value = line.partition(":")
        if key == "license":
            return value.strip().strip("\"'")
    return ""


def _mismatch(checkpoint: Checkpoint, count: int, first: str) -> ModelInvalidError:
    ours = "config.json" if checkpoint.folder else "metadata"
    return ModelInvalidError(
        f"the weights don't match the {ours} ({count} tensors, first {first}): the files belong to different models, "
        "or to a class that transformers doesn't have"
    )


def _explained(error: Exception, folder: Path) -> ModelError:
    """The one sentence for whatever transformers, tokenizers or safetensors raised."""
    why = reason(error)
    if isinstance(error, SafetensorError):
        return ModelInvalidError(f"the weights of {folder} are damaged or truncated ({why}): download it again")
    if "trust_remote_code" in str(error) or "custom code" in str(error):
        return ModelInvalidError(
            f"{folder} needs code from its repository, which fimd never runs: choose a model with a native class"
        )
    return ModelInvalidError(f"{folder} can't be loaded ({why}): check that its files belong together")
