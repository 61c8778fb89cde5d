"""Turns layers and inputs back into the syntax that states them, with or without defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticUndefined

from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.network import InputNode, LayerNode
from cnndsl.elaborate.unparse import expression
from cnndsl.elaborate.values import Value
from cnndsl.layers.base import Layer
from cnndsl.recipe.preparation import Preparation
from cnndsl.syntax.ast import At, Expr, Identifier, Input, Name, Number, Setting, Size
from cnndsl.syntax.sharing import SHARE
from cnndsl.types import TensorType

__all__ = ["attributes_of", "input_statement", "phrase_arguments", "settings_of"]

_OWN = frozenset(("index", "of"))
"""Parameters of a node's layer that no spec writes: which result it is, which layer it reads."""


def settings_of(layer: Layer, inputs: Sequence[TensorType]) -> dict[str, Any]:
    """The settings of a layer as a spec may write them, those without names first.

    Those without a value have what they stand for, where that is one.
    """
    kept = (name for name in layer.parameter_names() if name not in _OWN)
    implied = layer.implied(*inputs)
    found = {name: getattr(layer, name) for name in kept}
    return {name: implied.get(name) if found[name] is None else found[name] for name in found}


def phrase_arguments(
    node: LayerNode, inputs: Sequence[TensorType], span: Span, *, defaults: bool
) -> tuple[Expr, ...]:
    """What stands behind the layer's name; with ``defaults`` also what need not be written."""
    layer = node.layer
    written = _written(layer, inputs, defaults=defaults)
    settings = settings_of(layer, inputs)
    exprs = {name: _value(layer, name, settings[name], span) for name in written}
    values = [exprs[name] for name in layer.positional if name in written]
    if len(values) == 2 and not layer.spaced:
        values = [At(values[0], values[1], span)]
    arguments = list(values)
    for name in written:
        if name not in layer.positional:
            arguments += [Name(name, span), exprs[name]]
    if node.share:
        arguments += [Name(SHARE, span), Name(node.share.owner, span)]
    return tuple(arguments)


def attributes_of(
    node: LayerNode, inputs: Sequence[TensorType], span: Span, *, defaults: bool
) -> list[tuple[str, Expr]]:
    """The settings of a join, each by its name."""
    layer = node.layer
    written = _written(layer, inputs, defaults=defaults)
    settings = settings_of(layer, inputs)
    return [(name, _value(layer, name, settings[name], span)) for name in written]


def _written(layer: Layer, inputs: Sequence[TensorType], *, defaults: bool) -> list[str]:
    """The settings to write, in order: what has a value, and is no default.

    With ``defaults``, those too that may stand beside the others.
    """
    fields = type(layer).model_fields
    values = settings_of(layer, inputs)
    own = [name for name in values if _differs(getattr(layer, name), fields[name].default)]
    also = _also(layer, values, inputs) if defaults else []
    written = [
        name for name in values if values[name] is not None and (name in own or name in also)
    ]
    # Of several values in a row none can be left out before one that is written.
    row = [name for name in layer.positional if values[name] is not None]
    last = max((at for at, name in enumerate(row) if name in written), default=-1)
    ahead = row[: last + 1] if layer.spaced or last > 0 else []
    return [*ahead, *(name for name in written if name not in ahead)]


def _also(layer: Layer, values: Mapping[str, Any], inputs: Sequence[TensorType]) -> list[str]:
    """The settings that may be given their defaults: nearly always all."""
    known = {name: value for name, value in values.items() if value is not None}
    if _may_stand(layer, known, inputs):
        return [*known]
    return [name for name in known if _may_stand(layer, {name: known[name]}, inputs)]


def _may_stand(layer: Layer, more: Mapping[str, Any], inputs: Sequence[TensorType]) -> bool:
    """Whether settings may be given: `value` has no meaning beside `mode reflect`."""
    given = {**{one: getattr(layer, one) for one in layer.model_fields_set}, **more}
    try:
        other = type(layer).model_validate(given)
    except ValidationError:
        return False
    return not any(True for _ in other.faults(*inputs))


def _differs(value: object, default: object) -> bool:
    return default is PydanticUndefined or value != default or type(value) is not type(default)


def _value(layer: Layer, name: str, value: Any, span: Span) -> Expr:
    """A setting's value as the shortest expression that has it."""
    if isinstance(value, tuple) and value and all(map(_is_size, value)):
        if 2 <= len(value) <= 3:
            return Size(tuple(Number(size, span) for size in value), span)
        if len(value) == 1 and _means(layer, name, value[0], value):
            return Number(value[0], span)
    if isinstance(value, str):
        value = str(value)
    return expression(value, span)


def _is_size(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _means(layer: Layer, name: str, shorter: object, value: object) -> bool:
    """Whether another value of a setting is read as the one that it has."""
    settings = {field: getattr(layer, field) for field in type(layer).model_fields}
    try:
        other = type(layer).model_validate({**settings, name: shorter})
    except ValidationError:
        return False
    return bool(getattr(other, name) == value)


# --- inputs -------------------------------------------------------------------------------------


def input_statement(node: InputNode, span: Span, *, defaults: bool) -> Input:
    """The statement that declares an input."""
    name = None if node.name == "input" else Identifier(node.name, span)
    arguments: list[Expr] = [_sizes(node.type.dims, span)]
    if node.type.vocabulary is not None:
        arguments += [Name("vocabulary", span), Number(node.type.vocabulary, span)]
        if name is None:
            name = Identifier("tokens", span)
        else:
            arguments.insert(0, Name("tokens", span))
        return Input(name, tuple(arguments), (), span)
    settings = tuple(_preparation(node.preparation, span, defaults=defaults))
    return Input(name, tuple(arguments), settings, span)


def _sizes(dims: Sequence[int], span: Span) -> Expr:
    numbers = tuple(Number(size, span) for size in dims)
    return Size(numbers, span) if len(numbers) > 1 else numbers[0]


def _preparation(preparation: Preparation, span: Span, *, defaults: bool) -> Iterator[Setting]:
    """The settings of an input, in the order in which they work."""
    plain = Preparation()
    for name in ("range", "fit", "resample", "background", "invert", "layout"):
        value: Value | None = getattr(preparation, name)
        is_default = value == getattr(plain, name) and not (
            name == "background" and preparation.invert
        )
        if value is None or value == "auto" or (is_default and not defaults):
            continue
        words = [*value] if isinstance(value, tuple) else [value]
        values = [expression(word, span) for word in words]
        if name == "fit" and preparation.fit_from is not None:
            values += [Name("from", span), Number(preparation.fit_from, span)]
        yield Setting(Identifier(name, span), tuple(values), span)
    for name in ("scale", "mean", "std"):
        numbers = getattr(preparation, name)
        if defaults or numbers != getattr(plain, name):
            one = numbers[0] if isinstance(numbers, tuple) and len(numbers) == 1 else numbers
            yield Setting(Identifier(name, span), (expression(one, span),), span)
