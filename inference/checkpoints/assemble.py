"""Puts weights into one of transformers' classes, layer by layer, in the precision that was chosen.

The class is made on torch's meta device, so that it costs no memory; each tensor is then read, checked, converted (to
int8 rows, or to another float type) and put in place before the next is read. At the peak there is the model as it will
be, and one layer of the file's own type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel
from transformers.utils import logging as transformers_logging

from inference import freed_memory
from inference.checkpoints.config_check import check_layers
from inference.checkpoints.precision import DTYPES
from inference.checkpoints.spec import Precision
from inference.checkpoints.weights import WeightSource, read_finite
from inference.errors import ModelInvalidError
from inference.models.int8 import Int8Embedding, Int8Linear
from inference.models.transformers_model import TransformersModel

# What goes wrong is said in our own sentences; its bars and reports would fill an editor's log.
transformers_logging.set_verbosity_error()
transformers_logging.disable_progress_bar()

_MASKS = re.compile(r"(attn|attention)\.(masked_)?bias$|rotary_emb\.inv_freq$|attn_rot_embd")
"""Stored by older versions beside the weights; computed nowadays."""


_LOCAL: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}


class TransformersOutline:
    """One of transformers' classes before its weights are read; implements `Outline`.

    Args:
        model: the class, made by `outline`.
        folder: where transformers itself can load it, if the weights don't carry the class's own names.
    """

    def __init__(self, model: PreTrainedModel, folder: Path | None = None) -> None:
        self.model = model
        self._folder = folder

    @property
    def context_length(self) -> int:
        """See `Outline.context_length`."""
        return TransformersModel(self.model).context_length

    @property
    def rows(self) -> int:
        """See `Outline.rows`."""
        return cast(Any, self.model).get_input_embeddings().num_embeddings

    @property
    def parameters(self) -> int:
        """See `Outline.parameters`."""
        return parameter_count(self.model)

    @property
    def sizes(self) -> Mapping[Precision, int]:
        """See `Outline.sizes`."""
        return sizes(self.model)

    def missing(self, source: WeightSource) -> list[str]:
        """See `Outline.missing`: transformers can map names that it doesn't have itself, but not other shapes."""
        lacking = missing(self.model, source)
        return lacking if self._folder is None or any(name in source.names for name in lacking) else []

    def unplaced(self, source: WeightSource) -> list[str]:
        """See `Outline.unplaced`."""
        return [] if missing(self.model, source) else unplaced(self.model, source)

    def load(self, source: WeightSource, device: torch.device, precision: Precision) -> TransformersModel:
        """See `Outline.load`."""
        if self._folder is not None and missing(self.model, source):
            return TransformersModel(self._loaded_by_transformers(self._folder, device, precision), precision)
        fill(self.model, source, device, precision)
        return TransformersModel(self.model, precision)

    def _loaded_by_transformers(self, folder: Path, device: torch.device, precision: Precision) -> PreTrainedModel:
        """For checkpoints whose names differ from the class's own, which transformers knows how to map."""
        model, report = cast(Any, AutoModelForCausalLM).from_pretrained(
            folder,
            config=self.model.config,
            # In int8's case half of float32's memory, for the moment that there are both.
            dtype=torch.bfloat16 if precision == "int8" else DTYPES[precision],
            use_safetensors=True,
            output_loading_info=True,
            **_LOCAL,
        )
        # transformers fills what is missing with random numbers and only warns.
        if wrong := sorted([*report["missing_keys"], *report["mismatched_keys"]], key=str):
            raise ModelInvalidError(
                f"the weights in {folder} don't match its config.json ({len(wrong)} tensors, first {wrong[0]}): the "
                "files belong to different models, or to a class that transformers doesn't have"
            )
        if precision == "int8":
            quantise(model)
            model.float()
        return model.eval().to(device)


def outline(config: PreTrainedConfig) -> PreTrainedModel:
    """The model of a config without its weights: all parameters are on the meta device.

    Raises:
        ModelInvalidError: the config claims more layers than any model has.
    """
    check_layers(getattr(config, "num_hidden_layers", 1))
    with torch.device("meta"):
        return cast(Any, AutoModelForCausalLM).from_config(config, trust_remote_code=False).eval()


def unplaced(model: PreTrainedModel, source: WeightSource) -> list[str]:
    """Names of tensors of layers for which the model has no place: its config must be another model's."""
    known = {*model.state_dict(), *_tied(model)}
    return sorted(name for name in source.names - known if re.search(r"\.\d+\.", name) and not _MASKS.search(name))


def parameter_count(model: PreTrainedModel) -> int:
    """Parameters, tied ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def sizes(model: PreTrainedModel) -> dict[Precision, int]:
    """Bytes of the weights in each precision."""
    count = parameter_count(model)
    packed = 0
    linear = {id(module.weight) for module in model.modules() if type(module) is nn.Linear}
    embedding = cast(Any, model).get_input_embeddings()
    # A class of its own may do more than look rows up (Gemma scales them), so it stays as it is.
    table = id(embedding.weight) if type(embedding) is nn.Embedding else 0
    for parameter in model.parameters():
        # A tied table is kept twice: as rows to look up, and packed as the output layer.
        copies = (id(parameter) in linear) + (id(parameter) == table)
        packed += copies * (parameter.numel() + 4 * len(parameter)) if copies else 4 * parameter.numel()
    return {"fp32": 4 * count, "bf16": 2 * count, "fp16": 2 * count, "int8": packed}


def missing(model: PreTrainedModel, source: WeightSource) -> list[str]:
    """Names of the parameters that `source` lacks, or has in another shape."""
    tied = _tied(model)
    return [
        name
        for name, parameter in model.state_dict(keep_vars=True).items()
        if name not in tied and (name not in source.names or source.shape(name) != tuple(parameter.shape))
    ]


def has_own_head(model: PreTrainedModel, source: WeightSource) -> bool:
    """Whether `source` holds an output layer beside, and different from, the embedding table it is tied to."""
    return any(
        name in source.names
        and target in source.names
        and source.shape(name) == source.shape(target)
        and not torch.equal(source.read(name), source.read(target))
        for name, target in _tied(model).items()
    )


def fill(model: PreTrainedModel, source: WeightSource, device: torch.device, precision: Precision) -> None:
    """Give the `outline` of a model its weights from `source`, which must not miss any.

    Raises:
        ModelInvalidError: a tensor holds NaN or infinity.
    """
    tied = _tied(model)
    table = cast(Any, model).get_input_embeddings()
    head = cast(Any, model).get_output_embeddings()

    def read(name: str) -> Tensor:
        return read_finite(source, tied.get(name, name))

    # The largest come first, while there is room beside them.
    for path, module in sorted(_modules(model), key=lambda named: named[1] not in {table, head}):
        prefix = f"{path}." if path else ""
        if precision == "int8" and type(module) is nn.Linear:
            bias = read(f"{prefix}bias") if "bias" in _own(module) else None
            _replace(model, path, Int8Linear(read(f"{prefix}weight"), bias))
            freed_memory.release()
        elif precision == "int8" and module is table and type(module) is nn.Embedding:
            _replace(model, path, Int8Embedding(read(f"{prefix}weight")))
        else:
            for name in _own(module):
                if prefix + name not in tied:
                    _set(module, name, read(prefix + name).to(device, DTYPES[precision]))
    if precision != "int8":
        cast(Any, model).tie_weights()
    _fill_buffers(model, device)
    freed_memory.release()


def quantise(model: PreTrainedModel) -> None:
    """Turn a loaded float model's linear layers and embedding table into int8 rows, in place."""
    table = cast(Any, model).get_input_embeddings()
    for path, module in _modules(model):
        if type(module) is nn.Linear:
            _replace(model, path, Int8Linear(module.weight.detach(), module.bias))
        elif module is table and type(module) is nn.Embedding:
            _replace(model, path, Int8Embedding(module.weight.detach()))


def _tied(model: PreTrainedModel) -> Mapping[str, str]:
    """Parameters that share another's tensor, and that other: empty where the config unties them."""
    return cast(Any, model).all_tied_weights_keys


def _own(module: nn.Module) -> list[str]:
    """Names of a module's own parameters and saved buffers."""
    own = module.state_dict(keep_vars=True)
    return [name for name in own if "." not in name]


def _set(module: nn.Module, name: str, tensor: Tensor) -> None:
    if name in dict(module.named_parameters(recurse=False)):
        parameter = nn.Parameter(tensor, requires_grad=False)
        cast(Any, parameter)._is_hf_initialized = True  # noqa: SLF001  # else `_init_weights` would draw it anew
        module.register_parameter(name, parameter)
    else:
        module.register_buffer(name, tensor)


def _replace(model: nn.Module, path: str, module: nn.Module) -> None:
    parent, _, name = path.rpartition(".")
    setattr(model.get_submodule(parent), name, module)


def _fill_buffers(model: PreTrainedModel, device: torch.device) -> None:
    """Compute what is no weight: masks, and the frequencies of rotary positions."""
    for _, module in _modules(model):
        empty = {name: buffer for name, buffer in module.named_buffers(recurse=False) if buffer.is_meta}
        for name, buffer in empty.items():
            setattr(module, name, torch.empty_like(buffer, device=device))
        if empty:
            cast(Any, model)._init_weights(module)  # noqa: SLF001  # what from_pretrained itself calls for them


def _modules(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """All modules by their path, as they are now: they may be replaced while one goes through them."""
    return list(cast(Any, model).named_modules())
