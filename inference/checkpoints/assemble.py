"""Puts weights into one of transformers' classes, layer by layer, in the precision that was chosen.

The class is made on torch's meta device, so that it costs no memory; each tensor is then read, checked, converted (to
int8 rows, or to another float type) and put in place before the next is read. At the peak there is the model as it will
be, and one layer of the file's own type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from inference import freed_memory
from inference.checkpoints.precision import DTYPES
from inference.checkpoints.spec import Precision
from inference.checkpoints.weights import WeightSource
from inference.errors import ModelInvalidError, reason
from inference.models.int8 import Int8Embedding, Int8Linear

_FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
_MASKS = re.compile(r"(attn|attention)\.(masked_)?bias$|rotary_emb\.inv_freq$|attn_rot_embd")
"""Stored by older versions beside the weights; computed nowadays."""

_MOST_LAYERS = 1024
"""More is damage: their modules alone would fill the memory."""


def outline(config: PreTrainedConfig) -> PreTrainedModel:
    """The model of a config without its weights: all parameters are on the meta device.

    Raises:
        ModelInvalidError: the config claims more layers than any model has.
    """
    check_layers(getattr(config, "num_hidden_layers", 1))
    with torch.device("meta"):
        return cast(Any, AutoModelForCausalLM).from_config(config, trust_remote_code=False).eval()


def check_layers(count: object) -> None:
    """Refuse a number of layers that no model has, before anything of that size is made.

    Raises:
        ModelInvalidError: it is none of 1 to 1,024.
    """
    if not isinstance(count, int) or not 1 <= count <= _MOST_LAYERS:
        raise ModelInvalidError(f"a model of {reason(ValueError(count))} layers can't be: its config is damaged")


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
        tensor = source.read(tied.get(name, name))
        if tensor.dtype not in _FLOATS:
            raise ModelInvalidError(
                f"the weights hold {name} as {tensor.dtype}, which is quantised in a way fimd can't unpack: "
                "choose the unquantised model, or a GGUF file"
            )
        if not bool(torch.isfinite(tensor.sum(dtype=torch.float32))):
            raise ModelInvalidError(f"the weights hold NaN or infinity in {name}: download the model again")
        return tensor

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
