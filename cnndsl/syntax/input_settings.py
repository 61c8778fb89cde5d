"""Takes apart the settings of an input that stand on one line."""

from __future__ import annotations

from cnndsl.syntax.ast import Expr, Identifier, List, Name, Setting

__all__ = ["setting_pairs"]

_TWO_VALUES = "range"
_BELONGS = "from"


def setting_pairs(setting: Setting) -> tuple[Setting, ...]:
    """The settings of an input that stand on one line: ``scale 1/255  layout rgb``.

    A setting is a name and a value, but ``range 0 1`` and ``fit crop from 256``. What does not
    divide so stays one setting, for a later stage to complain of.
    """
    rest: tuple[Expr, ...] = (Name(setting.name.name, setting.name.span), *setting.values)
    found: list[Setting] = []
    while rest:
        name, count = rest[0], _count_of_values(rest)
        if not isinstance(name, Name) or len(rest) <= count:
            return (setting,)
        values, rest = rest[1 : count + 1], rest[count + 1 :]
        span = name.span.to(values[-1].span)
        found.append(Setting(Identifier(name.name, name.span), values, span))
    return tuple(found)


def _count_of_values(parts: tuple[Expr, ...]) -> int:
    """How many of the expressions behind the first, a setting's name, are its values."""
    first = parts[0]
    if isinstance(first, Name) and first.name == _TWO_VALUES:
        return 1 if len(parts) > 1 and isinstance(parts[1], List) else 2
    following = parts[2] if len(parts) > 2 else None
    return 3 if isinstance(following, Name) and following.name == _BELONGS else 1
