"""Every layer can be trained: all operators between its output and what it learns have gradients.

``differentiate`` refuses an operator that has neither a rule nor a reason to have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from activation_oracles import VARIANTS as ACTIVATIONS
from apart import APART

from cnndsl.autodiff.reverse import differentiate
from cnndsl.autodiff.rules import Target, dims_of
from cnndsl.elaborate.network import LayerNode
from cnndsl.layers import find, keywords
from cnndsl.layers.base import Layer
from cnndsl.layers.lowering import LoweringContext
from cnndsl.layers.window import Rounding
from cnndsl.pipeline import load
from cnndsl.resources import specs
from cnndsl.training.graph import StepGraph
from cnndsl.types import DType, TensorType

LINE, PLANE, SPACE, VECTOR = (4, 9), (4, 7, 6), (4, 5, 4, 4), (6,)

WINDOWS: list[tuple[dict[str, Any], tuple[int, ...]]] = [
    ({"kernel": (3,), "stride": (2,)}, LINE),
    ({"kernel": (2,)}, (4, 6, 6)),
    ({"kernel": (3,), "stride": (2,), "padding": (1,), "rounding": Rounding.CEIL}, PLANE),
    ({"kernel": (2, 3), "stride": (1, 2), "rounding": Rounding.FLOOR}, PLANE),
    ({"kernel": (2,), "stride": (1,), "padding": "same"}, SPACE),
]

EVERYWHERE: list[tuple[dict[str, Any], tuple[int, ...]]] = [
    ({}, dims) for dims in (VECTOR, LINE, PLANE, SPACE)
]
BOTH = [(affine, dims) for affine in (True, False) for _, dims in EVERYWHERE]

PLAIN: tuple[str, ...] = (
    "add",
    "concat",
    "flatten",
    "identity",
    "maximum",
    "multiply",
    "relu",
    "scaledtanh",
)
PLAIN = (*PLAIN, "sigmoid", "softmax", "tanh")

VARIANTS: Mapping[str, list[tuple[dict[str, Any], tuple[int, ...]]]] = {
    "avgpool": [*WINDOWS, *((given | {"count_padding": True}, dims) for given, dims in WINDOWS)],
    "batchnorm": [({}, VECTOR), ({}, LINE), ({}, PLANE), ({"eps": 1e-3, "momentum": 0.5}, SPACE)],
    "bias": [
        *(({"over": over}, dims) for over in ("channels", "all") for dims in (VECTOR, LINE, PLANE)),
        ({"over": "all"}, SPACE),
    ],
    "conv": [
        *((given | {"filters": 4}, dims) for given, dims in WINDOWS),
        ({"filters": 4, "kernel": (3,), "groups": 2, "bias": False, "dilation": (2,)}, PLANE),
        ({"filters": 3, "kernel": (1,)}, PLANE),
    ],
    "dense": [({"units": 3}, VECTOR), ({"units": 3, "bias": False}, VECTOR)],
    "depthwise": [*WINDOWS, ({"kernel": (3,), "multiplier": 2, "dilation": (2,)}, PLANE)],
    "dropout": [({}, PLANE), ({"rate": 0.0}, VECTOR)],
    "leakyrelu": [({}, PLANE), ({"slope": 2.0}, VECTOR)],
    "lrn": [
        *(({"region": where}, dims) for where in ("across", "within") for dims in (LINE, PLANE)),
        ({"size": 3, "beta": 0.5}, SPACE),
    ],
    "layernorm": [*EVERYWHERE, *(({"over": "channels"}, dims) for _, dims in EVERYWHERE)],
    "groupnorm": [({"groups": 2, "affine": affine}, dims) for affine, dims in BOTH],
    "instancenorm": [({"affine": affine}, dims) for affine, dims in BOTH if dims != VECTOR],
    "rmsnorm": [({"over": over}, dims) for over in ("all", "channels") for _, dims in EVERYWHERE],
    "l2norm": [({"scale": scale}, dims) for scale in (None, 20.0) for _, dims in EVERYWHERE],
    "pad": [
        *(({"padding": (2,), "mode": mode}, PLANE) for mode in ("constant", "reflect", "edge")),
        ({"channels": (1, 2)}, VECTOR),
        ({}, LINE),
    ],
    "crop": [({"size": (3,)}, LINE), ({"size": (3, 4), "offset": (1, 0)}, PLANE)],
    "slice": [
        ({"places": range(1, 3)}, VECTOR),
        ({"places": range(1, 6), "axis": "height", "step": 2}, PLANE),
    ],
    "reshape": [({"shape": (8, 21)}, PLANE), ({"shape": (6,)}, VECTOR)],
    "transpose": [({}, LINE), ({"order": (2, 0, 1)}, PLANE)],
    "channelshuffle": [({"groups": 2}, PLANE), ({"groups": 1}, VECTOR)],
    "depthtospace": [({"block": 2, "order": order}, PLANE) for order in ("crd", "dcr")],
    "spacetodepth": [({"block": 2, "order": order}, (4, 4, 6)) for order in ("crd", "dcr")],
    "upsample": [
        ({"factor": (2,)}, LINE),
        ({"size": (9, 10)}, PLANE),
        *(({"factor": (2,), "mode": "bilinear"}, dims) for dims in (LINE, PLANE, SPACE)),
        ({"size": (9, 4), "mode": "bilinear", "align_corners": True}, PLANE),
    ],
    "maxpool": [*WINDOWS, ({"kernel": (2,), "stride": (1,), "dilation": (2,)}, PLANE)],
    "noise": [({}, PLANE), ({"std": 0.0}, VECTOR)],
    "upconv": [
        ({"filters": 4, "kernel": (3,), "stride": (2,), "padding": (1,)}, LINE),
        ({"filters": 4, "kernel": (3,), "stride": (2,), "padding": "same"}, PLANE),
        ({"filters": 4, "kernel": (3,), "groups": 2, "bias": False, "dilation": (2,)}, PLANE),
        ({"filters": 2, "kernel": (2, 3), "stride": (3, 2), "output_padding": (2, 1)}, PLANE),
        ({"filters": 3, "kernel": (2,), "stride": (2,), "padding": (0, 0, 1, 1, 0, 0)}, SPACE),
    ],
    "split": [
        ({"parts": 2, "index": 0}, PLANE),
        ({"parts": (1, 3, 2), "index": 1}, VECTOR),
        ({"parts": (3, 2), "axis": "depth", "index": 1}, SPACE),
    ],
    "sumpool": [*WINDOWS, ({"kernel": (1,)}, PLANE)],
    "minpool": [*WINDOWS, ({"kernel": (2,), "stride": (1,), "dilation": (2,)}, PLANE)],
    "subsample": WINDOWS,
    "lppool": [
        *WINDOWS,
        *((given | {"p": p}, dims) for given, dims in WINDOWS for p in (1.0, 3.0)),
    ],
    "globallppool": [({}, LINE), ({"p": 1.0, "keep": True}, PLANE), ({"p": 2.5}, SPACE)],
    **{
        word: [({"size": (3,)}, LINE), ({"size": (7, 2)}, PLANE), ({"size": (2,)}, SPACE)]
        for word in ("adaptiveavgpool", "adaptivemaxpool")
    },
    **{
        word: [({}, LINE), ({}, PLANE), ({}, SPACE), *extra]
        for word, extra in (
            ("globalavgpool", [({"keep": True}, PLANE)]),
            ("globalmaxpool", [({"keep": True}, PLANE)]),
            ("maxtime", []),
        )
    },
    **{word: [({}, VECTOR), ({}, PLANE)] for word in PLAIN},
    **ACTIVATIONS,
}
"""Parameters and an input's size, for every layer and every way it can be lowered."""


CASES = [(keyword, *variant) for keyword, given in VARIANTS.items() for variant in given]


def test_every_layer_is_tried() -> None:
    assert sorted({*VARIANTS, *APART}) == list(keywords())


@pytest.mark.parametrize(("keyword", "parameters", "dims"), CASES)
@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_every_input_and_weight_of_a_layer_gets_a_gradient(
    keyword: str, parameters: dict[str, Any], dims: tuple[int, ...], target: Target
) -> None:
    found = find(keyword)
    assert found is not None
    layer = (found.result or found)(**parameters)
    count = 3 if layer.joins else 1
    assert_trainable(layer, (TensorType(dims),) * count, target)
    if keyword == "multiply" and len(dims) > 1:
        assert_trainable(layer, (TensorType(dims), TensorType(dims[:1])), target)


@pytest.mark.slow
def test_every_layer_of_every_shipped_network_gets_gradients() -> None:
    tried: set[tuple[str, tuple[TensorType, ...]]] = set()
    for path in sorted(specs().glob("*.cnn")):
        network = load(path)
        for node in network.network.nodes:
            if isinstance(node, LayerNode):
                whole = network.input_types(node)
                types = tuple(small(kind) for kind in whole)
                if any(True for _ in node.layer.faults(*types)):
                    types = whole  # as for a crop, or a view: sizes that are written
                if (key := (repr(node.layer), types)) not in tried:
                    tried.add(key)
                    assert_trainable(node.layer, types, "cpu")
    assert len(tried) > 100


def small(kind: TensorType) -> TensorType:
    """The same with fewer cells: what is emitted must not depend on much more."""
    return TensorType((kind.channels, *(min(size, 16) for size in kind.spatial)))


def assert_trainable(layer: Layer, types: tuple[TensorType, ...], target: Target) -> None:
    emit = StepGraph(batch=2)
    inputs = tuple(emit.input(f"input{at}", kind) for at, kind in enumerate(types))
    weights = {
        weight.name: emit.weight(weight.name, weight.shape) for weight in layer.weights(*types)
    }
    learnt = [weights[weight.name] for weight in layer.weights(*types) if weight.trainable]
    emit.enter("place", "spec.cnn:1: here")
    context = LoweringContext(inputs, types, layer.output(*types), weights)
    result = layer.lower_training(emit, context)
    assert dims_of(result) == (2, *context.output.dims)
    if result in inputs:
        return
    floats = [one for one, kind in zip(inputs, types, strict=True) if kind.dtype is DType.FLOAT32]
    if "regions" in layer.roles:  # which are data
        floats = floats[:1]
    found = differentiate(emit, result, [*floats, *learnt], target)
    assert set(found) == {*floats, *learnt}
    for value, gradient in found.items():
        assert dims_of(gradient) == dims_of(value)
        assert gradient.dtype == value.dtype
