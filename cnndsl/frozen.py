"""``@frozen`` and ``@mutable``: records whose classes cost next to nothing to create.

They do what ``dataclass(frozen=True)`` and ``dataclass(eq=False)`` do and understand ``field``;
``match`` and the functions of :mod:`dataclasses` work on the records. The standard decorator
compiles up to five functions for every class, half a millisecond each time; the checker has more
than a hundred such classes, and a whole run of ``cnndsl check`` is to take about as long as
importing its libraries.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, FrozenInstanceError, field
from operator import attrgetter
from typing import Any, NoReturn, TypeVar, dataclass_transform

__all__ = ["field_names", "frozen", "mutable", "replace"]

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class an immutable record of its annotated fields.

    >>> @frozen
    ... class Size:
    ...     height: int
    ...     width: int = 1
    >>> Size(3), Size(3) == Size(3, 1), hash(Size(3)) == hash(Size(height=3))
    (Size(height=3, width=1), True, True)
    """
    names, defaults = _fields(cls)
    values = _getter(names)
    made: dict[str, Any] = {
        "__eq__": lambda self, other: (
            values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented
        ),
        "__hash__": lambda self: hash(values(self)),
        "__setattr__": _refuse,
        "__delattr__": _refuse,
    }
    _install(cls, names, defaults, made)
    return cls


@dataclass_transform(eq_default=False, field_specifiers=(field,))
def mutable(cls: type[T]) -> type[T]:
    """Make a class a record whose annotated fields change, so that it equals only itself.

    >>> @mutable
    ... class Counter:
    ...     count: int = 0
    >>> counter = Counter()
    >>> counter.count += 1
    >>> counter, counter == Counter(1)
    (Counter(count=1), False)
    """
    _install(cls, *_fields(cls), {})
    return cls


def field_names(record: object) -> tuple[str, ...]:
    """The names of a record's fields, in order."""
    return tuple(getattr(record, "_record_fields", ()))


def replace(record: T, **changes: Any) -> T:
    """A copy of a record with some fields changed."""
    values = {name: getattr(record, name) for name in field_names(record)}
    return type(record)(**{**values, **changes})


def _fields(cls: type[Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The names of a class's fields, inherited ones first, and what each is by default."""
    own = cls.__dict__
    annotated = own.get("__annotations__", {})
    defaults: dict[str, Any] = dict(getattr(cls, "_record_fields", {}))
    for name in [name for name, kind in annotated.items() if "ClassVar" not in str(kind)]:
        defaults[name] = own.get(name, MISSING)
        if isinstance(defaults[name], Field):
            delattr(cls, name)
    return tuple(defaults), defaults


def _install(
    cls: type[Any], names: tuple[str, ...], defaults: dict[str, Any], special: dict[str, Any]
) -> None:
    """Give the class its methods; what it defines itself stays."""
    own = cls.__dict__
    made: dict[str, Any] = {
        "_record_fields": defaults,
        "__match_args__": names,
        "__dataclass_fields__": _Fields(),
        "__init__": _initializer(names, defaults, getattr(cls, "__post_init__", None)),
        "__repr__": _repr,
        **special,
    }
    for name, method in made.items():
        if name not in own or (name == "__hash__" and own[name] is None):
            setattr(cls, name, method)


def _getter(names: tuple[str, ...]) -> Callable[[Any], Any]:
    """All fields of a record, as something to compare and to hash."""
    return attrgetter(*names) if names else lambda record: ()


def _initializer(
    names: tuple[str, ...], defaults: dict[str, Any], after: Callable[[Any], None] | None
) -> Callable[..., None]:
    count = len(names)

    def initialize(self: Any, *args: Any, **kwargs: Any) -> None:
        store = self.__dict__
        if len(args) == count and not kwargs:
            store.update(zip(names, args, strict=True))
        else:
            store.update(_complete(self.__class__, names, defaults, args, kwargs))
        if after is not None:
            after(self)

    return initialize


def _complete(
    cls: type[Any],
    names: tuple[str, ...],
    defaults: dict[str, Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> dict[str, Any]:
    """The values of all fields: what was given by position, by name, and the defaults."""
    if len(args) > len(names):
        raise TypeError(f"{cls.__name__}() takes {len(names)} arguments, not {len(args)}")
    values = dict(zip(names, args, strict=False))
    for name, value in kwargs.items():
        if name in values or name not in defaults:
            raise TypeError(f"{cls.__name__}() cannot take the argument '{name}'")
        values[name] = value
    ordered = {}
    for name in names:
        value = values[name] if name in values else _default(defaults[name])
        if value is MISSING:
            raise TypeError(f"{cls.__name__}() needs the argument '{name}'")
        ordered[name] = value
    return ordered


def _default(default: Any) -> Any:
    if not isinstance(default, Field):
        return default
    return default.default if default.default_factory is MISSING else default.default_factory()


def _repr(record: Any) -> str:
    shown = ", ".join(f"{name}={getattr(record, name)!r}" for name in record._record_fields)
    return f"{type(record).__name__}({shown})"


def _refuse(record: Any, name: str, value: Any = None) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field '{name}'")


class _Fields:
    """What :mod:`dataclasses` wants to know of a class, made when it asks."""

    def __get__(self, record: object, cls: type[Any]) -> dict[str, Field[Any]]:
        from dataclasses import make_dataclass

        twin = make_dataclass(cls.__name__, [(name, Any) for name in cls._record_fields])
        fields: dict[str, Field[Any]] = vars(twin)["__dataclass_fields__"]
        type.__setattr__(cls, "__dataclass_fields__", fields)
        return fields
