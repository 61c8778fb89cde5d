"""Turns what a user writes for a parameter or a setting into its values, or a range of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeAlias

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count, shorten
from cnndsl.frozen import frozen

__all__ = [
    "Axis",
    "Kind",
    "Range",
    "Written",
    "axes_of",
    "number_in",
    "own_name",
    "pieces",
    "whole_numbers",
]

Kind: TypeAlias = Literal["param", "setting"]
"""A ``param`` of the spec, or a setting of its recipe."""

Written: TypeAlias = "str | float | Sequence[str | float | Sequence[float]]"
"""The values of an axis as a caller gives them: as on the command line, or one by one."""

_NUMBER = r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})(?:\s+(log))?")
_OPENING, _CLOSING = "([{", ")]}"
_MOST = 10_000
"""Values of an axis."""

_DIGITS = 4
"""Significant digits of a number that is drawn, where so many are enough."""


@frozen
class Range:
    """Numbers from ``low`` to ``high``, both included; whole ones where both are written so."""

    low: float
    high: float
    is_log: bool
    is_whole: bool

    def at(self, share: float) -> str:
        """The number at a share of the way, from 0 to 1 (not included), as a spec writes it.

        >>> Range(1, 4, is_log=False, is_whole=True).at(0.99)
        '4'
        >>> Range(0.001, 0.1, is_log=True, is_whole=False).at(0.5)
        '0.01'
        """
        if self.is_whole:
            value = math.floor(_between(self.low, self.high + 1, share, is_log=self.is_log))
            return str(min(max(value, int(self.low)), int(self.high)))
        return self._rounded(_between(self.low, self.high, share, is_log=self.is_log))

    def _rounded(self, value: float) -> str:
        """A number of few digits that lies in the range, near enough to tell many apart."""
        value = min(max(value, self.low), self.high)
        for digits in range(_DIGITS, 17):
            text = f"{value:.{digits}g}"
            step = 10.0 ** (math.floor(math.log10(abs(value))) + 1 - digits) if value else 0.0
            if self.low <= float(text) <= self.high and step * 1000 <= self.high - self.low:
                return text
        return repr(value)

    @property
    def ends_and_middle(self) -> list[str]:
        """Three numbers of the range."""
        middle = _between(self.low, self.high, 0.5, is_log=self.is_log)
        numbers = [self.low, middle, self.high]
        found = (str(round(one)) if self.is_whole else self._rounded(one) for one in numbers)
        return list(dict.fromkeys(found))


def _between(low: float, high: float, share: float, *, is_log: bool) -> float:
    if is_log:
        return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    return low + share * (high - low)


@frozen
class Axis:
    """A parameter or setting and what it is to be: one of ``values``, or a number of a range.

    Values are texts as a spec or the command line has them. ``written`` is what the user wrote.
    """

    name: str
    kind: Kind
    values: tuple[str, ...]
    range: Range | None
    written: str

    @property
    def is_fixed(self) -> bool:
        """Whether there is one value only, the same at all points."""
        return len(self.values) == 1

    @property
    def flag(self) -> str:
        """The option that gives it."""
        return "-D" if self.kind == "param" else "--set"

    def fails(self, message: str, help: str) -> UserError:
        """CNN880, with what the user wrote."""
        return UserError("CNN880", f"`{shorten(self.written, 60)}`: {message}", help=help)


def axes_of(written: Mapping[str, Written], kind: Kind) -> list[Axis]:
    """The axes of parameters or settings, in order.

    Raises:
        UserError: CNN880 for values that cannot be taken.
    """
    return [_axis(name, values, kind) for name, values in written.items()]


def _axis(name: str, written: Written, kind: Kind) -> Axis:
    if isinstance(written, str):
        words, whole = pieces(written), written
    elif isinstance(written, Sequence):
        words = [_text(value) for value in written]
        whole = ",".join(words)
    else:
        words, whole = [_text(written)], _text(written)
    text = f"{name}={whole}"
    bare = Axis(name, kind, (), None, text)
    if not words or not all(words):
        help = f"write `{bare.flag} {name}=8,16`, say" if kind == "param" else ""
        raise bare.fails("a value is missing", help or f"write `{bare.flag} {name}=0.1,0.01`, say")
    if len(words) == 1 and (found := _range(bare, words[0])):
        return Axis(name, kind, (), found, text)
    values = tuple(value for word in words for value in _listed(bare, word))
    _check(bare, values)
    return Axis(name, kind, values, None, text)


def _text(value: object) -> str:
    """A value of Python as a spec writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_text, value))}]"
    return " ".join(str(value).split())


def pieces(text: str) -> list[str]:
    """The values in a list, which commas divide unless they stand in brackets or quotes.

    >>> pieces("8, 16"), pieces("multistep at [3, 6],cosine"), pieces("8,")
    (['8', '16'], ['multistep at [3, 6]', 'cosine'], ['8', ''])
    """
    parts, depth, quoted = [""], 0, False
    for sign in text:
        quoted ^= sign == '"'
        if not quoted:
            depth = max(depth + (sign in _OPENING) - (sign in _CLOSING), 0)
        if sign == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += sign
    return [" ".join(part.split()) for part in parts]


def _range(axis: Axis, word: str) -> Range | None:
    """The range that a word is; None where it is something else."""
    match = _RANGE.fullmatch(word)
    if match is None:
        return None
    low, high = float(match[1]), float(match[2])
    is_whole = all(re.fullmatch(r"[+-]?\d+", end) for end in match.groups()[:2])
    if not math.isfinite(low) or not math.isfinite(high):
        raise axis.fails("an end of the range is too large", "write numbers below 1e308")
    if low >= high:
        swapped = f"{axis.name}={match[2]}..{match[1]}"
        help = f"write `{axis.flag} {swapped}`" if low > high else "write the one value by itself"
        raise axis.fails("the range ends where it begins, or before", help)
    if match[3] and low <= 0:
        help = f"write `{axis.flag} {axis.name}={match[1]}..{match[2]}`, or a beginning above 0"
        raise axis.fails("a logarithmic range begins above 0", help)
    return Range(low, high, is_log=match[3] is not None, is_whole=is_whole)


def _listed(axis: Axis, word: str) -> Iterator[str]:
    """The values of a word in a list: itself, or where it is `1..4` the numbers of it."""
    found = _range(axis, word)
    if found is None:
        yield word
        return
    if found.is_log or not found.is_whole:
        raise axis.fails(
            f"the range `{word}` stands among other values",
            "give a range by itself, or whole numbers such as `1..4`",
        )
    yield from whole_numbers(axis, found)


def whole_numbers(axis: Axis, found: Range) -> Iterator[str]:
    """The numbers of a range of whole ones.

    Raises:
        UserError: CNN880 where there are too many.
    """
    many = int(found.high) - int(found.low) + 1
    if many > _MOST:
        help = "draw points of it with `--sample 20`, or list values"
        raise axis.fails(f"these are {count(many, 'value', commas=True)}", help)
    yield from map(str, range(int(found.low), int(found.high) + 1))


def _check(axis: Axis, values: Sequence[str]) -> None:
    """Raise CNN880 where a value stands twice, or there are too many."""
    if len(values) > _MOST:
        help = f"give at most {_MOST:,}"
        raise axis.fails(f"these are {count(len(values), 'value', commas=True)}", help)
    seen: dict[object, str] = {}
    for value in values:
        number = number_in(value)
        key = value if number is None else number
        if key in seen:
            again = f"`{value}`" if seen[key] == value else f"`{seen[key]}` and `{value}`"
            raise axis.fails(f"{again} is one value, given twice", "give each value once")
        seen[key] = value


def number_in(text: str) -> int | float | None:
    """The number that a value is; None where it is none.

    >>> number_in("8"), number_in("1e-3"), number_in("cosine"), number_in("nan")
    (8, 0.001, None, None)
    """
    if re.fullmatch(r"[+-]?\d{1,18}", text):
        return int(text)
    if re.fullmatch(_NUMBER, text) and math.isfinite(float(text)):
        return float(text)
    return None


def own_name(axis: Axis, others: Sequence[Axis]) -> str:
    """What an axis is called where there is little room: without ``train.``, where that is clear.

    >>> lr, batch = axes_of({"train.optimizer.lr": "0.1,1", "train.batch": "8,16"}, "setting")
    >>> own_name(lr, [lr, batch]), own_name(batch, [batch, *axes_of({"batch": 1}, "param")])
    ('optimizer.lr', 'train.batch')
    """
    short = axis.name.removeprefix("train.")
    return axis.name if any(short == other.name for other in others if other != axis) else short
