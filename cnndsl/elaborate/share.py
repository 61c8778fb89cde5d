"""Finds whose weights a layer uses: its own, or those of the label behind ``share``.

A layer takes those of one layer, ``conv 8@3 share C1``, a call those of a whole call of the same
block, ``tower() share left``: there each layer has its counterpart of the same name. Whether the
two really are the same layer, and their weights of one shape, is a matter of types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnndsl.diagnostics.model import Diagnostic, Label
from cnndsl.elaborate.context import ElaborationContext
from cnndsl.elaborate.network import Share
from cnndsl.elaborate.scope import BlockCall, BlockDefinition, Frame, SharedScope
from cnndsl.elaborate.values import EvaluationError, Value, brief, holes_in
from cnndsl.layers.base import Layer
from cnndsl.syntax.ast import Call, Expr, Identifier, Name
from cnndsl.syntax.sharing import is_share, label_missing

__all__ = ["call_share", "layer_share", "split_share"]


def split_share(
    schema: type[Layer], arguments: Sequence[Expr]
) -> tuple[Sequence[Expr], Name | None]:
    """A layer's arguments without ``share`` and its label, and that label.

    Raises:
        EvaluationError: where something else than a label stands there, or there are two.
    """
    at = next((at for at in range(len(arguments)) if _shares(schema, arguments, at)), None)
    if at is None:
        return arguments, None
    word, *behind = arguments[at:]
    if not behind or not isinstance(behind[0], Name):
        raise EvaluationError(label_missing(word, behind))
    label, *rest = behind
    kept = (*arguments[:at], *rest)
    if split_share(schema, kept)[1] is not None:
        message, help = "`share` is given twice", "keep one `share`: weights have one owner"
        raise EvaluationError(Diagnostic("CNN206", message, word.span, help=help))
    assert isinstance(label, Name)
    return kept, label


def _shares(schema: type[Layer], arguments: Sequence[Expr], at: int) -> bool:
    """Whether the word ``share`` stands here as such, and is no constant's name.

    It is that of a constant as the value of an attribute, and as all that stands behind the layer.
    """
    if not is_share(arguments[at]) or "share" in schema.model_fields:
        return False
    if at == 0 and schema.positional:
        return len(arguments) % 2 == 0
    attributes = 0
    while attributes < at and _is_attribute(schema, arguments[at - attributes - 1]):
        attributes += 1
    return attributes % 2 == 0


def _is_attribute(schema: type[Layer], expr: Expr) -> bool:
    return isinstance(expr, Name) and expr.name in schema.model_fields


# --- layers -----------------------------------------------------------------------------------


def layer_share(
    context: ElaborationContext, schema: type[Layer], name: str, label: Name | None, frame: Frame
) -> Share | None:
    """Whose weights the layer of this full name uses; None where they are its own.

    Raises:
        EvaluationError: where the label is not that of an earlier layer.
    """
    if schema.weights is Layer.weights:
        if label is None:
            return None
        message = f"`{schema.keyword}` has no weights to share"
        raise EvaluationError(
            Diagnostic("CNN129", message, label.span, help=f"leave out `share {label.name}`")
        )
    if label is not None:
        return _labelled(context, name, label, frame)
    scope = frame.shared
    if scope is None:
        return None
    counterpart = scope.owner + name.removeprefix(scope.prefix)
    node = context.layer_of(counterpart)
    return Share(node.owner, scope.span) if node is not None else None


def _labelled(context: ElaborationContext, name: str, label: Name, frame: Frame) -> Share | None:
    """The layer that a label means, by its full name or, after a loop, the last round's."""
    known = [scope.prefix + label.name for scope in frame.naming.scopes()]
    if label.name in frame.streams:
        last = context.draft.nodes[frame.streams[label.name].node].name
        if last.rpartition(".")[2] == label.name and last.startswith(_visible(frame)):
            known.append(last)
    if name in known[:1]:
        help = "leave out `share`, or name the layer that has the weights"
        message = f"`{label.name}` cannot take its weights from itself"
        raise EvaluationError(Diagnostic("CNN128", message, label.span, help=help))
    node = next(filter(None, map(context.layer_of, known)), None)
    if node is not None:
        return Share(node.owner, label.span)
    call = next((full for full in known if full in context.calls), None)
    if call is not None:
        message = f"`{label.name}` is a call of `{context.calls[call].block}`, not one layer"
        inside = next((n for n in context.paths if n.startswith(f"{call}.")), "")
        example = f"{label.name}{inside.removeprefix(call)}"
        help = f"name a layer in it, as in `share {example}`"
        raise EvaluationError(Diagnostic("CNN128", message, label.span, help=help))
    _unknown(context, label, frame, "layer", "conv 8@3")
    return None


def _visible(frame: Frame) -> str:
    """What the names begin with that a file's or block's own statements may use."""
    return [*frame.naming.scopes()][-1].prefix


def _unknown(
    context: ElaborationContext, label: Name | Identifier, frame: Frame, what: str, example: str
) -> None:
    """Nothing of this kind is called so: it comes later, is something else, or is not there."""
    name = label.name
    later = any(name in scope.reserved for scope in frame.naming.scopes())
    node = context.lookup(name, frame)
    if node is not None and context.is_poison(node):
        return
    message = f"`{name}` is no {what} whose weights could be shared"
    help = f"share with a label that stands before a {what}, as in `{name}: {example}`"
    if any(name == bound for bound, _ in context.bound.values()):
        written = f"`{name} = {name}_1: {example}`"
        help = f"label the {what} behind `{name} =`, as in {written}, and share with the label"
    if node is None and later:
        message = f"`{name}` comes later, and weights belong to the first {what} that uses them"
        help = f"write `share` there, behind `{name}`, with the label of this one"
    elif node is None:
        context.unknown_stream(label, frame)
        return
    raise EvaluationError(Diagnostic("CNN128", message, label.span, help=help))


# --- calls ------------------------------------------------------------------------------------


def call_share(
    context: ElaborationContext,
    definition: BlockDefinition,
    call: Call,
    inner: Frame,
    outer: Frame,
) -> SharedScope | None:
    """Where the layers of a call have their weights, where that is in another call.

    Takes note of the call, so that later ones can share with it.

    Raises:
        EvaluationError: where the label is not that of an earlier call of the same block with the
            same arguments.
    """
    prefix = inner.naming.prefix
    values = {name: constant.value for name, constant in inner.constants.own.items()}
    made = BlockCall(definition, values, call.span)
    scope = outer.shared
    if call.share is not None:
        owner = _shared_call(context, call.share, outer)
        scope = None
        if owner is not None:
            _check_calls(call.share, made, context.calls[owner])
            scope = SharedScope(prefix, f"{owner}.", call.share.span)
    context.calls.setdefault(prefix[:-1], made)
    return scope


def _shared_call(context: ElaborationContext, label: Identifier, frame: Frame) -> str | None:
    """The full name of the call that a label means."""
    known = [scope.prefix + label.name for scope in frame.naming.scopes()]
    call = next((full for full in known if full in context.calls), None)
    if call is None:
        _unknown(context, label, frame, "call of a block", "tower()")
    return call


def _check_calls(label: Identifier, made: BlockCall, owner: BlockCall) -> None:
    """Two calls that share are of one block, with equal arguments; streams may differ."""
    labels = (Label(owner.span, f"`{label.name}` is this call"),)
    if made.definition is not owner.definition:
        message = f"`{label.name}` is a call of `{owner.block}`, not of `{made.block}`"
        help = f"share with a call of `{made.block}`"
        raise EvaluationError(Diagnostic("CNN129", message, label.span, labels=labels, help=help))
    differing = _differing(made.values, owner.values)
    if differing is None:
        return
    here, there = brief(made.values[differing]), brief(owner.values[differing])
    message = f"`{differing}` is {here} here, and {there} in `{label.name}`"
    help = "calls that share their weights have the same arguments"
    raise EvaluationError(Diagnostic("CNN129", message, label.span, labels=labels, help=help))


def _differing(made: Mapping[str, Value], owner: Mapping[str, Value]) -> str | None:
    """The first parameter of which the calls have unlike values; holes are yet to be found."""
    for name, value in made.items():
        other = owner[name]
        is_open = any(True for one in (value, other) for _ in holes_in(one))
        if not is_open and brief(value) != brief(other):
            return name
    return None
