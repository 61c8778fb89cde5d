"""The summary of a network: what each layer costs, and the totals, as data.

The command line prints it; the Python API hands it over. What each number means, and how it is
counted, is in ``docs/summary.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NotRequired

from typing_extensions import TypedDict, override

from cnndsl.analysis.cost import (
    buffers_of,
    depth,
    inference_macs,
    inference_params,
    macs_of,
    params_of,
    trainable_params,
)
from cnndsl.analysis.memory import (
    TrainingMemory,
    peak_activations,
    training_memory,
    weight_bytes,
)
from cnndsl.analysis.receptive_fields import receptive_fields
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.elaborate.values import brief
from cnndsl.frozen import frozen
from cnndsl.recipe.recipe import Recipe
from cnndsl.syntax.sharing import SHARE

__all__ = ["LayerJson", "LayerSummary", "Summary", "SummaryJson", "phrase", "summarize", "word"]


class LayerJson(TypedDict):
    """A layer of :class:`SummaryJson`; one of a vector has no receptive field."""

    name: str
    layer: str
    output: str
    params: int
    macs: int
    activation_bytes: int
    receptive_field: str | None
    weights_of: NotRequired[str]


class SummaryJson(TypedDict):
    """What ``cnndsl summary --format json`` prints; sizes are texts: ``6x28x28``."""

    name: str
    input: str
    output: str
    layers: list[LayerJson]
    params: int
    buffers: int
    trainable_params: int
    inference_params: int
    macs: int
    inference_macs: int
    depth: int
    weight_bytes: int
    peak_activation_bytes: int
    training_bytes: int


@frozen
class LayerSummary:
    """One layer.

    ``layer`` is its keyword, ``phrase`` what a spec writes for it, with all numbers filled in.
    ``receptive_field`` is empty where the network's input is a vector. ``weights_of`` names the
    layer that has its weights, where that is another one; they are counted there.
    """

    name: str
    layer: str
    phrase: str
    output: tuple[int, ...]
    params: int
    buffers: int
    macs: int
    activation_bytes: int
    receptive_field: tuple[int, ...]
    weights_of: str = ""

    def to_json(self) -> LayerJson:
        """The layer as plain data."""
        data: LayerJson = {
            "name": self.name,
            "layer": self.layer,
            "output": _sizes(self.output),
            "params": self.params,
            "macs": self.macs,
            "activation_bytes": self.activation_bytes,
            "receptive_field": _sizes(self.receptive_field) or None,
        }
        if self.weights_of:
            data["weights_of"] = self.weights_of
        return data


@frozen
class Summary:
    """A network's layers and totals.

    Bytes of activations are for ``batch`` samples, those of ``training`` for ``training_batch`` in
    so many ``shards``, one at a time; MACs are for one sample. ``params`` has the frozen ones,
    ``trainable_params`` has not. What only training has (auxiliary heads) counts, but not in the
    numbers of inference.
    """

    name: str
    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    layers: tuple[LayerSummary, ...]
    params: int
    trainable_params: int
    inference_params: int
    buffers: int
    macs: int
    inference_macs: int
    depth: int
    weight_bytes: int
    batch: int
    peak_activation_bytes: int
    optimizer: str
    training_batch: int
    shards: int
    training: TrainingMemory

    @override
    def __repr__(self) -> str:
        inputs, outputs = (
            ", ".join(map(_sizes, dims.values())) for dims in (self.inputs, self.outputs)
        )
        return (
            f"<Summary of {self.name}: {inputs} -> {outputs}, {len(self.layers)} layers,"
            f" {self.params:,} parameters, {self.macs:,} MACs>"
        )

    @property
    def shared_params(self) -> int:
        """Of the parameters, those that more than one layer uses."""
        owners = {layer.weights_of for layer in self.layers if layer.weights_of}
        return sum(layer.params for layer in self.layers if layer.name in owners)

    def to_json(self) -> SummaryJson:
        """The summary as plain data; sizes are texts (``6x28x28``), the main output's is given."""
        return {
            "name": self.name,
            "input": ", ".join(_sizes(dims) for dims in self.inputs.values()),
            "output": _sizes(next(iter(self.outputs.values()))),
            "layers": [layer.to_json() for layer in self.layers],
            "params": self.params,
            "buffers": self.buffers,
            "trainable_params": self.trainable_params,
            "inference_params": self.inference_params,
            "macs": self.macs,
            "inference_macs": self.inference_macs,
            "depth": self.depth,
            "weight_bytes": self.weight_bytes,
            "peak_activation_bytes": self.peak_activation_bytes,
            "training_bytes": self.training.total,
        }


def summarize(typed: TypedNetwork, batch: int | None = None) -> Summary:
    """Count everything.

    Args:
        typed: the network.
        batch: samples at once; by default one at inference, and in training the recipe's batch.
    """
    network = typed.network
    recipe = network.recipe or Recipe()
    layers = tuple(_layers(typed, batch or 1))
    return Summary(
        name=network.name,
        inputs={node.name: node.type.dims for node in network.inputs},
        outputs={name: typed.types[position].dims for name, position in network.outputs.items()},
        layers=layers,
        params=sum(layer.params for layer in layers),
        trainable_params=trainable_params(typed),
        inference_params=inference_params(typed),
        buffers=sum(layer.buffers for layer in layers),
        macs=sum(layer.macs for layer in layers),
        inference_macs=inference_macs(typed),
        depth=depth(typed),
        weight_bytes=weight_bytes(typed),
        batch=batch or 1,
        peak_activation_bytes=peak_activations(typed, batch or 1),
        optimizer=recipe.optimizer.keyword,
        training_batch=batch or recipe.batch,
        shards=recipe.shards,
        training=training_memory(typed, recipe, batch or recipe.batch),
    )


def _layers(typed: TypedNetwork, batch: int) -> Iterator[LayerSummary]:
    fields = receptive_fields(typed)
    for position, node in enumerate(typed.network.nodes):
        if isinstance(node, LayerNode):
            yield LayerSummary(
                name=node.name,
                layer=node.layer.keyword,
                phrase=phrase(node),
                output=typed.types[position].dims,
                params=params_of(typed, position),
                buffers=buffers_of(typed, position),
                macs=macs_of(typed, position),
                activation_bytes=batch * typed.types[position].bytes,
                receptive_field=fields[position].sizes,
                weights_of=node.owner if node.share else "",
            )


def phrase(node: LayerNode) -> str:
    """A layer as the spec writes it, but with the values that it has (not ``conv width@3``).

    Attributes that were given their default (``stride 1``) are left out.
    """
    layer, fields = node.layer, type(node.layer).model_fields
    positional = [name for name in layer.positional if name in node.places]
    words = [layer.keyword]
    if positional:
        between = " " if layer.spaced else "@"
        words.append(between.join(word(getattr(layer, name)) for name in positional))
    for name in node.places:
        value = getattr(layer, name)
        if name not in positional and value != fields[name].default:
            words += [name, word(value)]
    if node.share:
        words += [SHARE, node.owner]
    return " ".join(words)


def word(value: object) -> str:
    """A setting's value as a spec writes it.

    Sizes are one word, ``5x5``, but the four or six of a padding a list, and so are numbers that
    are no sizes. Of a long list, or a large matrix, only the beginning is shown.
    """
    if isinstance(value, tuple) and 0 < len(value) <= 3 and all(map(_is_size, value)):
        return _sizes(value)
    return brief(value)  # type: ignore[arg-type]


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _sizes(dims: tuple[int, ...]) -> str:
    return "x".join(map(str, dims))
