"""Turns what a session says of its inputs and outputs into the inputs that a spec can have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from cnndsl.data.sources import ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.recipe.preparation import Preparation
from cnndsl.runtime.session import Port
from cnndsl.types import DType, TensorType

__all__ = ["check_ports", "model_inputs"]

_BYTES = "uint8"


def check_ports(inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
    """Make sure that a model has an input, an output, and at least one sample in a batch.

    Raises:
        UserError: CNN604, where it has not.
    """
    for what, ports in (("input", inputs), ("output", outputs)):
        if not ports:
            raise _impossible(f"the model has no {what}")
    for port in inputs:
        if not port.shape or port.shape[0] == 0:
            raise _impossible(f"the model's input `{port.name}` holds no samples")


def model_inputs(
    ports: Sequence[Port],
    preparations: Mapping[str, Preparation],
    raw: Collection[str] = (),
    vocabularies: Mapping[str, int] = MappingProxyType({}),
) -> tuple[ModelInput, ...]:
    """A model's inputs, with how raw data becomes them.

    Those called ``raw`` take bytes, those with vocabularies token ids.

    Raises:
        UserError: CNN604, for one that no spec can have.
    """
    return tuple(
        _input(
            port,
            preparations.get(port.name, Preparation()),
            vocabularies.get(port.name),
            is_raw=port.name in raw,
        )
        for port in ports
    )


def _input(
    port: Port, preparation: Preparation, vocabulary: int | None, *, is_raw: bool
) -> ModelInput:
    kind = _raw_type(port) if is_raw else _type(port, vocabulary)
    if kind is None or (is_raw and preparation.layout_for(kind) is None):
        raise _impossible(f"the model's input `{port.name}` is not one that a spec can have")
    for fault in preparation.faults(kind):
        raise _impossible(f"the model's input `{port.name}` cannot be prepared: {fault.message}")
    return ModelInput(port.name, kind, preparation, is_raw)


def _type(port: Port, vocabulary: int | None) -> TensorType | None:
    dims = tuple(size for size in port.shape[1:] if isinstance(size, int))
    if port.dtype not in tuple(DType) or not dims or len(dims) + 1 != len(port.shape):
        return None
    kind = TensorType(dims, DType(port.dtype), vocabulary)
    # Without a vocabulary no id could be checked, and ONNX Runtime fails in the middle of a run.
    return kind if kind.is_tokens is (vocabulary is not None) else None


def _raw_type(port: Port) -> TensorType | None:
    """The type that pictures of bytes are prepared for: their channels stand first."""
    match port.shape:
        case (_, int(height), int(width), int(channels)) if port.dtype == _BYTES:
            return TensorType((channels, height, width))
    return None


def _impossible(message: str) -> UserError:
    return UserError("CNN604", message, help="compile the model again from its spec")
