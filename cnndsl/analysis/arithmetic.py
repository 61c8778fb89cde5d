"""Turns a layer in its place into its arithmetic: output, parameters, MACs, field, memory.

Every number is a formula of the layer's own class (``Layer.output_terms`` and its like), of its
windows, or of what the network around it settles. They come to what checking counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from cnndsl.analysis.memory import MASK, NUMBER, all_learning, differentiated
from cnndsl.analysis.receptive_fields import (
    Axis,
    ReceptiveField,
    joined_field,
    receptive_fields,
)
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.frozen import frozen, replace
from cnndsl.layers.axis_footprint import AxisFootprint
from cnndsl.layers.formula import Number, Symbol, Term, product
from cnndsl.layers.terms import made_terms
from cnndsl.recipe.recipe import Recipe
from cnndsl.types import TensorType

__all__ = ["FIELD", "PARAMETERS", "Equation", "Surroundings", "Topic", "arithmetic"]

PARAMETERS = "parameters"
"""The title of what is known where sizes are not."""

FIELD = "receptive field"
"""How the title of what a cell sees of an input begins."""


@frozen
class Equation:
    """What is reckoned, how, and in which unit."""

    name: str
    term: Term
    unit: str = ""


@frozen
class Topic:
    """What is reckoned of one thing: the output, the parameters."""

    title: str
    equations: tuple[Equation, ...] = ()
    notes: tuple[str, ...] = ()


@frozen
class Surroundings:
    """What the arithmetic of a layer takes from the network around it, reckoned once for all."""

    typed: TypedNetwork
    fields: tuple[ReceptiveField, ...]
    learning: tuple[int, ...]
    """How many numbers of each node's weights training changes."""
    differentiated: frozenset[int]

    @classmethod
    def of(cls, typed: TypedNetwork) -> Surroundings:
        """Those in a network."""
        learning = all_learning(typed, typed.network.recipe or Recipe())
        passed = frozenset(differentiated(typed, learning))
        return cls(typed, receptive_fields(typed), tuple(learning), passed)


def arithmetic(
    node: LayerNode,
    inputs: Sequence[TensorType],
    position: int,
    around: Surroundings | None,
) -> tuple[Topic, ...]:
    """The arithmetic of a layer; without what is ``around`` it, where that is not known."""
    topics = [_output(node, inputs), _parameters(node, inputs), _macs(node, inputs)]
    if around is not None:
        topics += [_field(around, position), _memory(around, position)]
        topics.append(_training(around, position))
    return tuple(topic for topic in topics if topic.equations or topic.notes)


# --- what the layer knows -----------------------------------------------------------------------


def _output(node: LayerNode, inputs: Sequence[TensorType]) -> Topic:
    output = node.layer.output(*inputs)
    pairs = zip(node.layer.output_terms(*inputs), output.dims, strict=True)
    terms = [term if term.value % 1 else _true(term, size) for term, size in pairs]
    axes = output.axes if len(output.dims) == len(output.axes) else ()
    if len(output.dims) == 1:
        axes = ("units",)
    names = axes or tuple(f"size {at}" for at in range(1, len(terms) + 1))
    equations = (Equation(*pair) for pair in zip(names, terms, strict=True))
    return Topic("output", _merged(equations), node.layer.arithmetic_notes(*inputs))


def _parameters(node: LayerNode, inputs: Sequence[TensorType]) -> Topic:
    if node.share:
        return Topic(PARAMETERS, notes=(f"it computes with the weights of `{node.owner}`",))
    weights = node.layer.weights(*inputs)
    notes = tuple(
        f"{'' if one.trainable else 'buffer '}`{node.name}.{one.name}` is"
        f" {'x'.join(map(str, one.shape))}"
        for one in weights
    )
    if not any(one.trainable for one in weights):
        return Topic(PARAMETERS, notes=("none: nothing in it learns",))
    number = sum(one.elements for one in weights if one.trainable)
    term = _true(node.layer.param_term(*inputs), number)
    return Topic(PARAMETERS, (Equation("", term),), notes)


def _macs(node: LayerNode, inputs: Sequence[TensorType]) -> Topic:
    number = node.layer.macs(*inputs)
    if not number:
        return Topic("MACs", notes=("none: those of convolutions and dense layers are counted",))
    return Topic("MACs", (Equation("", _true(node.layer.mac_term(*inputs), number)),))


def _true(term: Term, number: int) -> Term:
    """A formula, where it comes to the number that is counted; else that number.

    A layer of a plug-in may have changed what is counted and not the formula that it inherits.
    """
    return term if term.value == number else Number(number)


def _merged(equations: Iterator[Equation]) -> tuple[Equation, ...]:
    """Equations of neighbours that are alike as one: ``height, width``."""
    merged = []
    for (term, unit), group in groupby(equations, key=lambda one: (one.term, one.unit)):
        merged.append(Equation(", ".join(one.name for one in group), term, unit))
    return tuple(merged)


# --- the receptive field ------------------------------------------------------------------------


def _field(around: Surroundings, position: int) -> Topic:
    """What a cell of the output sees of the network's input, along each dimension."""
    typed = around.typed
    node, field = typed.network.nodes[position], around.fields[position]
    assert isinstance(node, LayerNode)
    if not field.sizes:
        return Topic(FIELD)
    sources = [around.fields[source] for source in node.inputs[: node.layer.sees]]
    before = joined_field(sources)
    reach = node.layer.footprint(*typed.input_types(node))
    windows: Sequence[AxisFootprint | None] = [None] * len(field.axes)
    if not isinstance(reach, str) and len(reach) == len(before.axes) == len(field.axes):
        windows = reach
    source = typed.network.nodes[field.source]
    names = TensorType((1, *field.sizes)).axes[1:]
    if len(names) != len(field.sizes):
        names = tuple(f"size {at}" for at in range(1, len(field.sizes) + 1))
    sizes: list[Equation] = []
    jumps: list[Equation] = []
    for axis, (name, after, window) in enumerate(zip(names, field.axes, windows, strict=False)):
        known = before.axes[axis] if axis < len(before.axes) else None
        size, jump = _along(known, after, window, is_point=reach == "point")
        sizes.append(Equation(name, size))
        if jump is not None:
            jumps.append(Equation(f"jump, {name}", jump))
    if len(jumps) == len(sizes) and len({one.term for one in jumps}) == 1:
        jumps = [replace(jumps[0], name="jump")]
    joined = ("the hull of its branches: from the first cell that any sees to the last",)
    notes = joined if len(sources) > 1 and len({*sources}) > 1 else ()
    if reach == "whole":
        notes = (*notes, "each cell sees all that any cell of the input sees, and no padding")
    of = f" on `{source.name}`" if len(typed.network.inputs) > 1 else ""
    return Topic(f"{FIELD}{of}", _merged(iter([*sizes, *jumps])), notes)


def _along(
    before: Axis | None, after: Axis, window: AxisFootprint | None, *, is_point: bool
) -> tuple[Term, Term | None]:
    """The field's size along an axis; and the jump, where cells step evenly and see alike."""
    if before is None or not _is_even(before) or not (is_point or window is not None):
        return _counted(after), None
    field = Symbol("r", before.size, "field of a cell of its input")
    jump = Symbol("j", int(before.low_step), "distance of neighbours' fields")
    term = field if window is None else window.field_term(field, jump)
    if term is None or term.value != after.size:
        return _counted(after), None
    step = jump if window is None else window.jump_term(jump)
    return term, None if after.is_fixed else step


def _is_even(axis: Axis) -> bool:
    """Whether all cells see as many cells, a whole number apart."""
    return len(axis.phases) == 1 and axis.low_step == axis.high_step == int(axis.low_step)


def _counted(axis: Axis) -> Term:
    """The size of a field by its ends: of the position that sees most."""
    ends = axis.widest
    if ends is None or any(end != int(end) for end in ends):
        return Number(axis.size)
    first = Symbol("a", int(ends[0]), "first cell that it sees")
    return Symbol("b", int(ends[1]), "last cell that it sees") - first + 1


# --- memory -------------------------------------------------------------------------------------


def _memory(around: Surroundings, position: int) -> Topic:
    """Bytes of the output and of the weights."""
    typed = around.typed
    node, output = typed.network.nodes[position], typed.types[position]
    assert isinstance(node, LayerNode)
    size = product((*made_terms(output), Number(output.dtype.size)))
    equations, notes = [Equation("output", size, "bytes")], []
    if node.layer.shares != "never":
        when = "" if node.layer.shares == "always" else " at inference"
        notes.append(f"the output is its input's memory{when}: it takes none of its own")
    if numbers := sum(weight.elements for weight in typed.weights[position]):
        held = Symbol("n", numbers, "numbers of weights and buffers")
        equations.append(Equation("weights", held * NUMBER, "bytes"))
    return Topic("memory, for one sample", tuple(equations), tuple(notes))


def _training(around: Surroundings, position: int) -> Topic:
    """Bytes of gradients and of the optimizer, and of what the backward pass needs of a batch."""
    recipe = around.typed.network.recipe or Recipe()
    title = f"in a training step, batch {recipe.batch:,}"
    if position not in around.differentiated:
        return Topic(title, notes=("nothing at or before it learns: nothing is kept for it",))
    equations = []
    if around.learning[position]:
        learning = Symbol("l", around.learning[position], "numbers that learn")
        equations.append(Equation("gradients", learning * NUMBER, "bytes"))
        if slots := recipe.optimizer.slots:
            keyword = recipe.optimizer.keyword
            state = Symbol("s", slots, f"numbers that {keyword} keeps for each")
            equations.append(Equation(f"{keyword} state", learning * state * NUMBER, "bytes"))
    equations += _kept(around, position, recipe.batch)
    notes = () if equations else ("the backward pass needs nothing of it",)
    return Topic(title, tuple(equations), notes)


def _kept(around: Surroundings, position: int, samples: int) -> Iterator[Equation]:
    """What the backward pass needs of the forward pass, for a whole batch."""
    typed = around.typed
    node = typed.network.nodes[position]
    assert isinstance(node, LayerNode)
    batch = Symbol("B", samples, "samples in a batch")
    for what in node.layer.saves:
        read = dict.fromkeys(node.inputs) if what == "inputs" else {position: None}
        for at in read:
            kind = typed.types[at]
            numbers = Symbol("m", kind.elements, "numbers that are kept")
            size = MASK if what == "mask" else kind.dtype.size
            who = f"`{typed.network.nodes[at].name}`" if what == "inputs" else what
            yield Equation(f"kept {who}", batch * numbers * size, "bytes")
