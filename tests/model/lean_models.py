"""Our own decoders with the weights of transformers' classes, which they are compared with."""

from __future__ import annotations

from typing import Any, cast

import torch
from transformers import PreTrainedModel

from inference.checkpoints import lean
from inference.checkpoints.spec import Precision
from inference.checkpoints.weights import InMemoryWeights
from inference.models.decoder import Decoder


def lean_model(reference: PreTrainedModel, precision: Precision = "fp32") -> Decoder:
    """Our decoder for a model of transformers."""
    weights = dict(reference.state_dict())
    outline = lean.outline(cast(Any, reference).config.to_dict(), InMemoryWeights(weights))
    assert outline is not None, "our decoders lack something that the config asks for"
    model = outline.load(InMemoryWeights(weights), torch.device("cpu"), precision)
    assert isinstance(model, Decoder)
    return model
