"""A phrase understood, and from its values to the schema's object."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Generic, TypeVar, get_args

from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.values import OpenHole, Value, holes_in
from cnndsl.frozen import frozen, replace
from cnndsl.layers.base import Lists, Schema

__all__ = ["Bound", "closed", "takes_lists", "validate"]

S = TypeVar("S", bound=Schema)


@frozen
class Bound(Generic[S]):
    """A phrase understood: the schema, the values written, where each of them stands."""

    schema: type[S]
    values: Mapping[str, Value]
    places: Mapping[str, Span]

    def validate(self, **defaults: Value) -> S:
        """The schema's object of these values; equal values give the same object.

        Raises:
            ValidationError: where the schema refuses them, which ``bind`` has ruled out for
                a phrase without holes.
        """
        values = {**defaults, **self.values}
        return validate(self.schema, values)

    def closed(self, number: int = 1) -> Bound[S]:
        """The same with a number in place of each hole, as if it had been found."""
        values = {name: closed(value, number) for name, value in self.values.items()}
        return replace(self, values=values)

    @property
    def has_holes(self) -> bool:
        """Whether a value is still to be found."""
        return any(True for value in self.values.values() for _ in holes_in(value))


def closed(value: Value, number: int = 1) -> Value:
    """A value with a number in place of each hole."""
    if isinstance(value, tuple):
        return tuple(closed(item, number) for item in value)
    return number if isinstance(value, OpenHole) else value


@lru_cache(maxsize=512)
def takes_lists(schema: type[Schema], name: str) -> bool:
    """Whether a parameter takes long lists and lists in lists; others take sizes at most."""
    field = schema.model_fields[name]
    kinds: list[object] = [field.annotation, *field.metadata]
    while kinds:
        kind = kinds.pop()
        if isinstance(kind, Lists):
            return True
        kinds.extend(get_args(kind))
    return False


def validate(schema: type[S], values: Mapping[str, Value]) -> S:
    """The schema's object of these values; equal values give the same object.

    Raises:
        ValidationError: where the schema refuses them.
    """
    found: S = _validated(schema, tuple(values.items()), repr(values))
    return found


@lru_cache(maxsize=4096)
def _validated(schema: type[S], values: tuple[tuple[str, Value], ...], written: str) -> S:
    # `written` tells apart what Python holds to be equal: 1, 1.0 and `yes`.
    if not values and not any(field.is_required() for field in schema.model_fields.values()):
        return schema.model_construct()  # the defaults, without building a validator first
    return schema.model_validate(dict(values))
