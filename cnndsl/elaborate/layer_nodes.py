"""Turns a layer's phrase, or a join of chains, into nodes: one for each result of the layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import count, shorten
from cnndsl.elaborate.bind import bind
from cnndsl.elaborate.bound import Bound
from cnndsl.elaborate.calls import as_chain
from cnndsl.elaborate.context import ElaborationContext
from cnndsl.elaborate.control import comprehension
from cnndsl.elaborate.draft import Poison
from cnndsl.elaborate.evaluate import hole_refused
from cnndsl.elaborate.name_errors import listed_streams
from cnndsl.elaborate.network import LayerNode
from cnndsl.elaborate.scope import Frame
from cnndsl.elaborate.share import layer_share, split_share
from cnndsl.elaborate.values import EvaluationError, OpenHole, Value, follows
from cnndsl.frozen import replace
from cnndsl.layers.base import Layer
from cnndsl.layers.window import Rounding
from cnndsl.syntax.ast import Call, Chain, Expr, For, Identifier, List, Name
from cnndsl.syntax.sharing import SHARE

__all__ = ["join_nodes", "layer_nodes"]


def layer_nodes(
    context: ElaborationContext,
    schema: type[Layer],
    head: Identifier,
    arguments: Sequence[Expr],
    label: Identifier | None,
    frame: Frame,
    inputs: tuple[int, ...],
    span: Span,
) -> tuple[int, ...]:
    """Add a layer to the network and give the positions of its results: nearly always one."""
    arguments, label_of_owner = split_share(schema, arguments)
    bound = bind(schema, head, arguments, frame.constants, context.report)
    if not inputs:
        context.fail(
            "CNN105",
            f"`{head.name}` has no input: no `input` comes before it",
            head.span,
            help="write `input 3x224x224` above it, with the sizes of yours",
        )
    if bound is None or not inputs:
        return (context.poison(span, frame, inputs),)
    if schema.reads:
        bound, also = _with_layer(context, bound, frame)
        inputs = (*inputs, *also)
    defaults: dict[str, Value] = {}
    if frame.rounding is not Rounding.EXACT and "rounding" in schema.model_fields:
        defaults["rounding"] = frame.rounding.value
    name = frame.naming.prefix + (label.name if label else frame.naming.generate(head.name))
    share = layer_share(context, schema, name, label_of_owner, frame)
    positions: list[int] = []
    for full, one in _results(bound, name):
        layer = Poison() if one.has_holes else one.validate(**defaults)
        node = LayerNode(full, layer, inputs, span, bound.places, frame.trace, share)
        if label is None or name not in context.labels:  # a label given twice is told of as such
            context.called_alike(node)
        position = context.append(node)
        if one.has_holes:
            context.draft.pending[position] = replace(one, values={**defaults, **one.values})
        positions.append(position)
    return tuple(positions)


def _results(bound: Bound[Layer], name: str) -> Iterator[tuple[str, Bound[Layer]]]:
    """Each result of a layer with its name: ``split1.1``, ``split1.2`` where there are several.

    Raises:
        EvaluationError: where a hole would decide how many there are.
    """
    result = bound.schema.result
    if result is None or bound.schema.reads:
        yield name, bound
        return
    for parameter, value in bound.values.items():
        if isinstance(value, OpenHole):
            raise hole_refused(bound.places[parameter])
    for at in range(bound.closed().validate().results):
        yield (
            f"{name}.{at + 1}",
            replace(bound, schema=result, values={**bound.values, "index": at}),
        )


def _with_layer(
    context: ElaborationContext, bound: Bound[Layer], frame: Frame
) -> tuple[Bound[Layer], tuple[int, ...]]:
    """A layer that names another one, ``unpool P1``, with that one and the streams it reads.

    Raises:
        EvaluationError: where the label is of no layer, or of one of another kind.
    """
    schema, span = bound.schema, bound.places[bound.schema.reads]
    label = Name(str(bound.values[schema.reads]), span)
    position = context.lookup(label.name, frame)
    if position is None:
        context.unknown_stream(label, frame)
        raise follows(span, f"the layer `{label.name}` is not known")
    node = context.draft.nodes[position]
    if context.is_poison(position):
        raise follows(span, f"the layer `{label.name}` is not known")
    if position in context.draft.pending:
        message = f"`{schema.keyword}` needs the settings of `{label.name}`, and one is a `?`"
        help = f"write the number in place of the `?` at `{label.name}`"
        labels = (Label(node.span, "here"),)
        raise EvaluationError(Diagnostic("CNN406", message, span, labels=labels, help=help))
    if not isinstance(node, LayerNode) or not schema.can_read(node.layer):
        what = f"a `{node.layer.keyword}`" if isinstance(node, LayerNode) else "an input"
        raise EvaluationError(
            Diagnostic(
                "CNN133",
                f"`{schema.keyword}` takes the label of {schema.reads_what}, and `{label.name}`"
                f" is {what}",
                span,
                labels=(Label(node.span, "the label is of this"),),
                help=f"label {schema.reads_what}, and write its label here",
            )
        )
    assert schema.result is not None
    values = {**bound.values, "of": node.layer}
    return replace(bound, schema=schema.result, values=values), node.inputs


def join_nodes(
    context: ElaborationContext,
    schema: type[Layer],
    call: Call,
    label: Identifier | None,
    frame: Frame,
    current: int | None,
) -> tuple[int, ...]:
    """Add a layer that joins the streams of its arguments."""
    if any(not argument.name and isinstance(argument.value, List) for argument in call.arguments):
        listed_streams(context, call)
        return (context.poison(call.span, frame),)
    streams: list[int] = []
    attributes: list[Expr] = []
    misnamed: Diagnostic | None = None
    notes: list[str] = []
    for argument in call.arguments:
        if argument.name is not None and not isinstance(argument.value, Chain):
            attributes += [Name(argument.name.name, argument.name.span), argument.value]
            continue
        chain = as_chain(argument)
        each = _comprehension(chain)
        if each is not None:
            streams += _all_rounds(context, call, chain, each, frame, current)
            notes.append(STARTS)
        else:
            misnamed = misnamed or frame.misnamed(chain)
            streams.append(context.one(context.chain(chain, frame, current), chain.span))
    if call.share is not None:
        attributes += [Name(SHARE, call.share.span), Name(call.share.name, call.share.span)]
    if len(streams) < 2 or len(streams) != (schema.streams or len(streams)):
        if not any(map(context.is_poison, streams)):
            context.report.add(_miscounted(call, schema, len(streams), notes))
        return (context.poison(call.span, frame),)
    inputs = tuple(streams)
    nodes = layer_nodes(context, schema, call.callee, attributes, label, frame, inputs, call.span)
    if notes:
        _note(context, nodes, notes[0])
    if misnamed is not None:
        context.draft.misnamed_readers.update(dict.fromkeys(nodes, misnamed))
    return nodes


def _note(context: ElaborationContext, positions: Sequence[int], note: str) -> None:
    """Let a fault of these nodes say this too."""
    for at in positions:
        node = context.draft.nodes[at]
        if isinstance(node, LayerNode):
            context.draft.nodes[at] = replace(node, notes=(note,))


STARTS = (
    "a `for` that is all of an argument gives a stream for each round, from the stream before the"
    " join; `identity -> for …` goes round one after the other, and gives the last"
)
"""What is said where a comprehension does not fit: before, it was a loop."""


def _comprehension(chain: Chain) -> For | None:
    """The loop that an argument is nothing but."""
    element = chain.links[0].element
    return element if len(chain.links) == 1 and isinstance(element, For) else None


def _all_rounds(
    context: ElaborationContext,
    call: Call,
    chain: Chain,
    each: For,
    frame: Frame,
    current: int | None,
) -> tuple[int, ...]:
    """The streams of a comprehension's rounds."""
    (link,) = chain.links
    known = len(context.report)
    streams: tuple[int, ...] = ()
    with context.reporting():
        streams = comprehension(context, each, link.label, frame, current)
    if not streams and len(context.report) == known:
        context.fail(
            "CNN111",
            f"this `for` goes round no time, and gives `{call.callee.name}` no stream",
            each.values.span,
            help="give it a value for each stream that is wanted, or leave it out",
        )
    if not streams:
        return (context.poison(each.span, frame),)
    context.label(chain, 0, streams[-1:], frame)
    for stream in streams:
        context.claim(link, stream, frame)
    return streams


def _miscounted(call: Call, schema: type[Layer], number: int, notes: Sequence[str]) -> Diagnostic:
    """CNN111: a join of another number of streams than it takes."""
    if schema.streams is None:
        return _too_few(call, number, notes)
    name, names = call.callee.name, schema.roles or ("a", "b", "c", "d")[: schema.streams]
    message = f"`{name}` takes exactly {count(schema.streams, 'stream')}, not {number}"
    given = [argument.value.span for argument in call.arguments if argument.name is None]
    span = call.callee.span
    if len(given) == number > schema.streams:  # no loop among them
        span = given[schema.streams].to(given[-1])
    written = f"{name}({', '.join(names)}{', …' if schema.roles else ''})"
    help = f"write `{written}` with the streams of yours; `identity` is the one that comes in"
    if number > schema.streams and not schema.roles:
        help = f"leave one out, or join them in turn: `{name}({name}(a, b), c)`"
    return Diagnostic("CNN111", message, span, notes=tuple(notes), help=help)


def _too_few(call: Call, number: int, notes: Sequence[str]) -> Diagnostic:
    """CNN111: a join of one stream, or of none."""
    message = f"`{call.callee.name}` joins two streams or more, not {number}"
    help = "separate its chains by commas; `identity` is the stream itself"
    fixes: tuple[Fix, ...] = ()
    if notes:
        help = "give the `for` another value, or join its stream with another one"
    elif len(call.arguments) == number == 1 and call.arguments[0].value.span.text != "identity":
        alone = call.arguments[0].value.span
        both = f"{call.callee.name}(identity, {shorten(alone.text)})"
        help = f"write `{both}` to join it with the stream that comes in"
        place = Span(alone.source, alone.start, alone.start)
        fixes = (Fix(f"write `{both}`", (Edit(place, "identity, "),)),)
    return Diagnostic("CNN111", message, call.span, notes=tuple(notes), help=help, fixes=fixes)
