"""Networks built by hand: the graph stage is tested without the stages before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.network import InputNode, LayerNode, Network, Node, TypedNetwork
from cnndsl.layers.activation import Relu, ScaledTanh, Softmax, Tanh
from cnndsl.layers.base import Init, Layer
from cnndsl.layers.conv import Conv
from cnndsl.layers.dense import Dense, Flatten
from cnndsl.layers.join import Add
from cnndsl.layers.normalization import BatchNorm
from cnndsl.layers.pool import AvgPool
from cnndsl.layers.regularization import Dropout
from cnndsl.recipe.preparation import Preparation
from cnndsl.recipe.recipe import Recipe
from cnndsl.syntax.ast import Module
from cnndsl.types import TensorType

Step = tuple[str, Layer] | tuple[str, Layer, tuple[str, ...]]


def build_network(
    *steps: Step,
    dims: tuple[int, ...] = (1, 32, 32),
    outputs: Mapping[str, str] | None = None,
    name: str = "net",
    classes: tuple[str, ...] = (),
    recipe: Recipe | None = None,
    parameters: Mapping[str, int | float | bool | str] | None = None,
) -> TypedNetwork:
    """Layers by name, each reading the one before it unless it names what it reads.

    ``outputs`` gives the layer of each output; by default the last one is ``output``. Line 1 of
    the source is the input's, every layer has one more.
    """
    lines = ["input", *(f"{step[0]}: {step[1].keyword} x" for step in steps)]
    source = Source(f"specs/{name}.cnn", "\n".join(lines))
    starts = source.line_starts
    nodes: list[Node] = [
        InputNode("input", TensorType(dims), Preparation(scale=0.5), Span(source, 0, 5))
    ]
    types = [TensorType(dims)]
    positions = {"input": 0}
    for number, step in enumerate(steps, start=1):
        label, layer = step[:2]
        reads = tuple(positions[read] for read in step[2]) if len(step) == 3 else (number - 1,)
        start = starts[number] + len(label) + 2
        span = Span(source, start, start + len(layer.keyword) + 2)
        nodes.append(LayerNode(label, layer, reads, span))
        types.append(layer.output(*(types[read] for read in reads)))
        positions[label] = number
    network = Network(
        name=name,
        nodes=tuple(nodes),
        outputs={
            output: positions[label]
            for output, label in (outputs or {"output": nodes[-1].name}).items()
        },
        scopes={},
        claims=(),
        expectations=(),
        classes=classes,
        recipe=recipe,
        parameters=parameters or {},
        module=Module(source, ()),
    )
    weights = tuple(
        node.layer.weights(*(types[read] for read in node.inputs))
        if isinstance(node, LayerNode)
        else ()
        for node in nodes
    )
    return TypedNetwork(network, tuple(types), weights)


@pytest.fixture
def build() -> Callable[..., TypedNetwork]:
    return build_network


@pytest.fixture
def lenet() -> TypedNetwork:
    """LeNet-5 with 61,706 parameters."""
    return build_network(
        ("C1", Conv(filters=6, kernel=(5, 5))),
        ("tanh1", Tanh()),
        ("S2", AvgPool(kernel=(2,), stride=(2,))),
        ("C3", Conv(filters=16, kernel=(5, 5))),
        ("tanh2", Tanh()),
        ("S4", AvgPool(kernel=(2,), stride=(2,))),
        ("flatten1", Flatten()),
        ("C5", Dense(units=120)),
        ("tanh3", Tanh()),
        ("F6", Dense(units=84)),
        ("tanh4", Tanh()),
        ("OUTPUT", Dense(units=10)),
        ("softmax1", Softmax()),
        name="lenet5",
        classes=tuple("0123456789"),
        parameters={"classes": 10, "wide": False},
    )


@pytest.fixture
def residual() -> TypedNetwork:
    """A small residual network: a join, batch normalisation, two outputs, dropout, a constant."""
    return build_network(
        ("conv1", Conv(filters=4, kernel=(3, 3), padding=(1,), bias=False, init=Init("lecun"))),
        ("bn", BatchNorm()),
        ("relu1", Relu()),
        ("conv2", Conv(filters=4, kernel=(3, 3), padding=(1,), groups=2), ("relu1",)),
        ("add1", Add(), ("conv2", "relu1")),
        ("scaledtanh1", ScaledTanh()),
        ("dropout1", Dropout(rate=0.5)),
        ("flatten1", Flatten()),
        ("dense1", Dense(units=3)),
        ("unread", Dense(units=7), ("flatten1",)),
        dims=(2, 8, 8),
        outputs={"output": "dense1", "features": "dropout1"},
        name="residual",
    )
