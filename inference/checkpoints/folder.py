"""A checkpoint folder in the layout of the Hugging Face hub: config.json, weights, tokenizer files."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError
from tokenizers import Tokenizer

from inference.checkpoints import codegen25, fast_tokenizer, gpt2_files, lean, pickles, santacoder
from inference.checkpoints.checkpoint import Checkpoint, Outline
from inference.checkpoints.config_check import read_config
from inference.checkpoints.files import read_json
from inference.checkpoints.weights import WeightSource, open_folder
from inference.errors import ModelError, ModelInvalidError, reason

log = logging.getLogger(__name__)

_LOCAL: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}


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
    config = read_config(folder)
    try:
        weights = open_folder(folder)
    except ModelInvalidError:
        if folder == original:
            raise
        shutil.rmtree(folder)  # a conversion can be damaged too, and then is made again
        weights = open_folder(converted(original))
    outline = lean.outline(config, weights) or _transformers_outline(folder, weights)
    # The original's tokenizer files: those of a conversion are copies.
    return Checkpoint(outline, _tokenizer(original), weights, card_licence(original), origin=folder)


def _transformers_outline(folder: Path, weights: WeightSource) -> Outline:
    """For architectures that our own decoders don't have."""
    from transformers import AutoConfig

    from inference.checkpoints import assemble

    config: Any = cast(Any, AutoConfig).from_pretrained(folder, **_LOCAL)
    outline = assemble.outline(config)
    if assemble.has_own_head(outline, weights):
        config.tie_word_embeddings = False
        outline = assemble.outline(config)
    return assemble.TransformersOutline(outline, folder)


def _tokenizer(folder: Path) -> Tokenizer:
    if codegen25.is_custom(folder):
        return codegen25.load_tokenizer(folder)
    if gpt2_files.is_present(folder):
        return gpt2_files.load_tokenizer(folder)
    if (tokenizer := fast_tokenizer.load_tokenizer(folder)) is not None:
        return tokenizer
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    loaded = cast(Any, AutoTokenizer).from_pretrained(folder, **_LOCAL)
    if not isinstance(loaded, PreTrainedTokenizerFast):
        raise ModelInvalidError(f"the tokenizer of {folder} has no fast form (tokenizer.json): choose another model")
    return loaded.backend_tokenizer


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
