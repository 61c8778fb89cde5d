"""Reads a network from Keras's JSON, or from a `.keras` archive."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from cnndsl.diagnostics.model import UserError
from cnndsl.frozen import replace as changed
from cnndsl.importers.networks.builder import NetworkBuilder
from cnndsl.importers.networks.given_sizes import SAY_SIZES, demand_sizes, sizes_of
from cnndsl.importers.networks.graph import ImportedNetwork
from cnndsl.importers.networks.keras.converter import Affine, Converter, Flow
from cnndsl.importers.networks.keras.document import open_document
from cnndsl.importers.networks.keras.model import Walk, inputs_of, is_model, layers_in, name_of
from cnndsl.importers.networks.keras.recipe import recipe_of
from cnndsl.importers.networks.usual_init import with_usual_init
from cnndsl.recipe.recipe import Recipe
from cnndsl.types import DType, TensorType

__all__ = ["read_keras"]


def read_keras(path: Path, sizes: Mapping[str, tuple[int, ...]] | None = None) -> ImportedNetwork:
    """The network that a configuration describes.

    Args:
        path: of a JSON file or a `.keras` archive.
        sizes: of the inputs, without the batch, channels first, by name, those of an only input
            under ``""``; they go before what the file says.

    Raises:
        CompileError: CNN680, where a text is no JSON.
        UserError: CNN681 where a layer's configuration makes no sense, CNN682 where the file does
            not say how large its inputs are, CNN683 where it is no model that we can read.
        OSError: where the file cannot be read.
    """
    document = open_document(path)
    model = document.model
    if not is_model(model):
        kind = model.get("class_name")
        raise UserError(
            "CNN683",
            f"{path.name} holds a `{kind}`, not a `Sequential` or functional model",
            help="a model of a class of one's own is known to its program only: export it to ONNX",
        )
    network = NetworkBuilder(name_of(model), f"{path.name} (Keras {document.version})")
    last = _channels_last(model)
    converter = Converter(network, channels_last=last, is_old=document.is_old)
    flows = _inputs(converter, model, sizes or {})
    walk = Walk(converter)
    results = walk.run(model, flows)
    for call in walk.calls:
        for name in () if call.first else call.config.unread():
            converter.note(call.path, f"`{name}` of {call.config.kind} is not read")
    outputs = _outputs(converter, model, results)
    recipe = recipe_of(converter, document)
    network.recipe = None if recipe == Recipe() else recipe
    network.notes.extend(converter.notes.texts())
    built = network.build(outputs)
    inputs = tuple(
        changed(one, settings=converter.affines[one.name].settings()) for one in built.inputs
    )
    return with_usual_init(replace(built, inputs=inputs))


def _channels_last(model: Mapping[str, Any]) -> bool:
    orders = {str(found) for found in _data_formats(model)}
    if orders == {"channels_last", "channels_first"}:
        raise UserError(
            "CNN683", "a model with layers of both `data_format`s, channels last and first"
        )
    return orders != {"channels_first"}


def _data_formats(model: Mapping[str, Any]) -> Iterator[Any]:
    stack = [model]
    while stack:
        for layer in layers_in(stack.pop()):
            config = layer.get("config")
            if is_model(layer):
                stack.append(layer)
            elif isinstance(config, dict) and config.get("data_format"):
                yield config["data_format"]


# --- inputs and outputs -----------------------------------------------------------------------


def _inputs(
    converter: Converter, model: Mapping[str, Any], sizes: Mapping[str, tuple[int, ...]]
) -> list[Flow]:
    """The inputs as values."""
    flows: list[Flow] = []
    try:
        found = list(inputs_of(model))
    except UserError:
        if not sizes:
            raise
        found = [
            (name or "input", (None, *converter.shape(one)), "float32")
            for name, one in sizes.items()
        ]
    for at, (name, shape, _) in enumerate(found):
        dims = sizes_of(sizes, name, first=at == 0) or _dims(converter, name, shape)
        demand_sizes(name, dims)
        vocabulary = _vocabulary(model, name)
        kind = TensorType(dims)
        if vocabulary:
            kind = TensorType(dims, DType.INT64, vocabulary)
        value = converter.network.input(name, kind)
        converter.affines[value] = Affine()
        converter.untouched.add(value)
        flows.append(Flow(value, converter.shape(dims)))
    return flows


def _dims(converter: Converter, name: str, shape: Sequence[int | None]) -> tuple[int, ...]:
    inner = list(shape)[1:]
    if not inner or any(not isinstance(one, int) or one < 1 for one in inner):
        shown = "x".join("?" if one is None else str(one) for one in inner) or "?"
        raise UserError(
            "CNN682",
            f"the file does not say how large the input `{name}` is, only `{shown}`",
            help=SAY_SIZES,
        )
    return converter.dims([int(one) for one in inner if one is not None])


def _vocabulary(model: Mapping[str, Any], name: str) -> int:
    """How many tokens there are where an input is read by an `Embedding` alone; else 0."""
    layers = [one for one in layers_in(model) if one.get("class_name") != "InputLayer"]
    if model.get("class_name") == "Sequential":
        readers = layers[:1]
        if readers and is_model(readers[0]):
            return _vocabulary(readers[0], name)
    else:
        readers = [one for one in layers if f'"{name}"' in _text(one.get("inbound_nodes"))]
    if not readers or any(one.get("class_name") != "Embedding" for one in readers):
        return 0
    return max(int(one.get("config", {}).get("input_dim") or 0) for one in readers)


def _text(value: object) -> str:
    import json

    return json.dumps(value)


def _outputs(
    converter: Converter, model: Mapping[str, Any], results: Sequence[Flow]
) -> dict[str, str]:
    names = [name_of(one) for one in layers_in(model)][-1:]
    config = model.get("config")
    if isinstance(config, dict) and config.get("output_layers"):
        found = config["output_layers"]
        found = list(found.values()) if isinstance(found, dict) else found
        found = [found] if found and isinstance(found[0], str) else found
        names = [str(one[0]) for one in found]
    outputs: dict[str, str] = {}
    for at, flow in enumerate(results):
        name = names[at] if at < len(names) else f"output{at}"
        outputs[name if name not in outputs else f"{name}_{at}"] = converter.exact(flow)
    return outputs
