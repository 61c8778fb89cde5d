"""Turns a network into a graph that gives, beside its answer, which places of its input made it.

The score of a class is differentiated: its logit where the last activation was given one. The
weights stay those of inference. ``gradient`` is the size of the score's slope at each place, the
largest over the channels (Simonyan et al. 2013); ``gradcam`` the feature maps of a convolution,
each weighted by the mean of its slopes, what is positive of their sum, stretched to the input's
size (Selvaraju et al. 2017, who take the last maps of VGG-16 behind their relu).
"""

from __future__ import annotations

import json
import math
from typing import Literal, TypeAlias

import numpy
import onnx_ir

from cnndsl.analysis.liveness import live_nodes
from cnndsl.autodiff.reverse import differentiate
from cnndsl.autodiff.rules import dims_of
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import closest, count, quoted
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.frozen import frozen
from cnndsl.graph.builder import DEFAULT_OPSET, IR_VERSIONS, GraphBuilder, LoweringError
from cnndsl.graph.lower import Forward, aliases, lower_into
from cnndsl.graph.manifest import LAYERS_KEY
from cnndsl.typecheck.answers import class_index
from cnndsl.types import DType

__all__ = [
    "ANSWER",
    "CLASS",
    "GRADIENT",
    "SALIENCE",
    "Differentiated",
    "Salience",
    "salience_graph",
]

Differentiated: TypeAlias = Literal["gradient", "gradcam"]
"""The kinds of salience that a graph computes by itself."""

SALIENCE = "salience"
"""The output with a number for each place of the input."""

GRADIENT = "salience.slope"
"""The further output with the slope itself, of the input's shape."""

ANSWER = "answer"
"""What stands for the class with the largest score, unless a class is called so."""

CLASS = "salience.class"
"""The input with the class of each sample, where it is not known when the graph is made."""


@frozen
class Salience:
    """What is to be made visible: a map of the input that a compiled model gives.

    >>> import cnndsl
    >>> network = cnndsl.load("lenet5")
    >>> network.compile(salience=cnndsl.Salience("7", "gradcam"), device="cpu")
    <Model lenet5: 61,706 learnable parameters>

    ``target`` is the name or index of a class, ``"answer"`` for the largest score, or None where
    the class of each sample is an input. ``layer`` is whose feature maps ``gradcam`` takes: by
    default the last convolution's, behind its activation. With ``is_whole``, the slope is an output
    too.
    """

    target: str | int | None = ANSWER
    method: Differentiated = "gradient"
    layer: str = ""
    is_whole: bool = False


def salience_graph(
    typed: TypedNetwork, wanted: Salience, batch: int | None = None, opset: int = DEFAULT_OPSET
) -> onnx_ir.Model:
    """The graph of a network with a salience map; a batch is of one sample by default.

    Raises:
        UserError: CNN007 where the network has a ``salience`` itself, CNN704 for a layer that there
            is not, CNN711 for a network without one input that has places, CNN712 where an operator
            has no gradient, CNN713 for a class that there is not, CNN714 for a layer without
            feature maps that lead to the answer.
    """
    _check_input(typed)
    emit = _SalienceBuilder(batch or 1, opset)
    place = _layer(typed, wanted.layer) if wanted.method == "gradcam" else None
    forward = lower_into(
        emit, typed, typed.network.outputs, lambda node, context: node.layer.lower(emit, context)
    )
    data = forward.inputs[0]
    emit.enter(SALIENCE, f"{typed.name}: salience")
    score, chosen = _score(emit, typed, forward, wanted)
    source = data if place is None else forward.values[place]
    try:
        slope = differentiate(emit, score, [source]).get(source)
    except LoweringError as error:
        raise UserError(
            "CNN712",
            f"`{typed.name}` cannot be differentiated as it answers: {error}",
            help="use `cnndsl run --explain occlusion`, which needs no gradient",
        ) from error
    emit.enter(SALIENCE, f"{typed.name}: salience")
    if slope is None:
        slope = emit.tensor(numpy.zeros(dims_of(source), numpy.float32))
    if place is None:
        seen = emit.op("ReduceMax", emit.op("Abs", slope), emit.constant([1]), keepdims=0)
    else:
        seen = _weighted_maps(emit, source, slope, dims_of(data))
    emit.rename(seen, SALIENCE)
    further = [seen]
    if wanted.is_whole:
        further.append(emit.op("Identity", slope))
        emit.rename(further[1], GRADIENT)
    return _model(emit, typed, forward, chosen, further)


class _SalienceBuilder(GraphBuilder):
    """A builder in which no layer's value has the name of what is added to the network."""

    reserved = frozenset({SALIENCE, GRADIENT, CLASS})


def _model(
    emit: GraphBuilder,
    typed: TypedNetwork,
    forward: Forward,
    chosen: onnx_ir.Value | None,
    further: list[onnx_ir.Value],
) -> onnx_ir.Model:
    graph = onnx_ir.Graph(
        [*forward.inputs, *([] if chosen is None else [chosen])],
        [*forward.outputs, *further],
        nodes=emit.nodes,
        initializers=[*forward.weights.values()],
        opset_imports={"": emit.opset},
        name=typed.name,
    )
    model = onnx_ir.Model(graph, ir_version=IR_VERSIONS[emit.opset], producer_name="cnndsl")
    if named := aliases(typed, forward):
        model.metadata_props[LAYERS_KEY] = json.dumps(named, ensure_ascii=False)
    return model


def _score(
    emit: GraphBuilder, typed: TypedNetwork, forward: Forward, wanted: Salience
) -> tuple[onnx_ir.Value, onnx_ir.Value | None]:
    """The sum of the scores of the batch's classes, and the input that names these, if any.

    Of a class that is scored at each place, the scores are added up.
    """
    main = typed.network.main_output
    logits = forward.logits[main]
    scores = forward.values[main] if logits is None else logits.source
    batch, classes, *_ = dims_of(scores)
    flat = emit.op("Reshape", scores, emit.constant([batch, classes, -1]))
    scores = emit.op("ReduceSum", flat, emit.constant([2]), keepdims=0)
    asked = None
    if wanted.target is None:
        chosen = asked = emit.placeholder(CLASS, (batch,), onnx_ir.DataType.INT64)
    elif wanted.target == ANSWER and ANSWER not in typed.network.classes:
        chosen = emit.op("ArgMax", scores, axis=1, keepdims=0)
    else:
        index = class_index(wanted.target, typed.network.classes, classes)
        chosen = emit.constant([index] * batch)
    column = emit.op("Unsqueeze", chosen, emit.constant([1]))
    is_chosen = emit.op("Equal", column, emit.constant(list(range(classes))))
    mask = emit.op("Cast", is_chosen, to=onnx_ir.DataType.FLOAT.value)
    return emit.op("ReduceSum", emit.op("Mul", scores, mask), keepdims=0), asked


def _weighted_maps(
    emit: GraphBuilder, maps: onnx_ir.Value, slope: onnx_ir.Value, input_dims: tuple[int, ...]
) -> onnx_ir.Value:
    """What is positive of the maps' sum by their mean slopes, at the input's size."""
    spatial = list(range(2, len(input_dims)))
    weights = emit.op("ReduceMean", slope, emit.constant(spatial), keepdims=1)
    weighted = emit.op("Mul", maps, weights)
    summed = emit.op("ReduceSum", weighted, emit.constant([1]), keepdims=1)
    positive = emit.op("Relu", summed)
    sizes = emit.constant([dims_of(positive)[0], 1, *input_dims[2:]])
    large = emit.op("Resize", positive, None, None, sizes, mode="linear")
    return emit.op("Squeeze", large, emit.constant([1]))


# --- what can be made visible ---------------------------------------------------------------------


def _check_input(typed: TypedNetwork) -> None:
    """Raise CNN711 where there is no single input with places whose numbers change smoothly."""
    inputs = typed.network.inputs
    for name in (*typed.network.outputs, *(one.name for one in inputs)):
        if name == SALIENCE:
            raise UserError(
                "CNN007",
                f"`{name}` is an input or output of `{typed.name}`, and what its salience would be"
                " called",
                help="give it another name in the spec",
            )
    if len(inputs) > 1:
        raise UserError(
            "CNN711",
            f"`{typed.name}` has {count(len(inputs), 'input')}"
            f" ({quoted(one.name for one in inputs)}): salience is of a single picture",
            help="explain a network that has one input",
        )
    [only] = inputs
    if only.type.dtype is not DType.FLOAT32 or not only.type.spatial:
        what = "token ids" if only.type.dtype is DType.INT64 else "vectors"
        raise UserError(
            "CNN711",
            f"the input `{only.name}` of `{typed.name}` takes {what} (`{only.type}`), which have no"
            " places to be shown",
            help="explain a network for pictures, signals or volumes",
        )


def _layer(typed: TypedNetwork, name: str) -> int:
    """The position of the layer or block whose feature maps are weighted."""
    live = live_nodes(typed.network, [typed.network.main_output])
    rank = len(typed.network.inputs[0].type.spatial)
    if not name:
        return _last_maps(typed, live, rank)
    places = {node.name: at for at, node in enumerate(typed.network.nodes)}
    places |= typed.network.scopes
    if name not in places:
        near = closest(name, places)
        raise UserError(
            "CNN704",
            f"no layer is called `{name}`",
            notes=() if near else [f"there are {quoted(list(places)[:20])}"],
            help=f"did you mean `{near[0]}`?" if near else "name one of the network's layers",
        )
    kind = typed.types[places[name]]
    if len(kind.spatial) != rank:
        raise UserError(
            "CNN714",
            f"`{name}` gives `{kind}`, which are no feature maps of {count(rank, 'dimension')}",
            help="name a convolution, or leave out `--layer` for the last one",
        )
    if places[name] not in live:
        raise UserError(
            "CNN714",
            f"the answer does not depend on `{name}`",
            help="name a layer that leads to the main output",
        )
    return places[name]


def _last_maps(typed: TypedNetwork, live: list[int], rank: int) -> int:
    """The last convolution whose maps have more than one place, behind its activation."""
    for position in reversed(live):
        node = typed.network.nodes[position]
        if not isinstance(node, LayerNode):
            continue
        inputs, places = typed.input_types(node), typed.types[position].spatial
        # What slides without multiplying is a pooling.
        is_convolution = node.layer.windows(*inputs) and node.layer.macs(*inputs)
        if is_convolution and len(places) == rank and math.prod(places) > 1:
            return _behind_activation(typed, live, position)
    raise UserError(
        "CNN714",
        f"`{typed.name}` has no convolution whose feature maps have places",
        help="name a layer by `--layer`, or take the slopes of the input: `--explain gradient`, or"
        " `compile --salience` without `--layer`",
    )


def _behind_activation(typed: TypedNetwork, live: list[int], position: int) -> int:
    """Where the maps of a convolution have gone through what follows it at each place by itself.

    That is batch normalisation and activations. The main output's own activation is none of them:
    the score stands before it.
    """
    while True:
        readers = [
            (at, node)
            for at in live
            if isinstance(node := typed.network.nodes[at], LayerNode) and position in node.inputs
        ]
        if len(readers) != 1:
            return position
        [(at, node)] = readers
        layer, source = node.layer, typed.types[position]
        is_pointwise = layer.activation or layer.normalises_batch
        if not is_pointwise or at == typed.network.main_output or typed.types[at] != source:
            return position
        position = at
