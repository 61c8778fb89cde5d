"""Turns what people write of a network between machines into numbers: ``10Gb``, ``20us``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from cnndsl.diagnostics.model import UserError

__all__ = ["bits_per_second", "rate_text", "seconds", "time_text"]

_NUMBER = r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+\.)\s*"

_PREFIXES: Mapping[str, float] = MappingProxyType(
    {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    | {f"{letter}i": 2.0 ** (10 * power) for power, letter in enumerate("KMGT", start=1)}
)

_BITS: Mapping[str, int] = MappingProxyType(
    {"b": 1, "bit": 1, "bits": 1, "B": 8, "byte": 8, "bytes": 8, "Byte": 8, "Bytes": 8}
)

_RATE = re.compile(rf"{_NUMBER}([KMGT]i|[kKMGT]?)({'|'.join(_BITS)})(?:/s|ps)?\s*")

_TIMES: Mapping[str, float] = MappingProxyType(
    {
        "ns": 1e-9,
        "us": 1e-6,
        "\u00b5s": 1e-6,
        "\u03bcs": 1e-6,
        "ms": 1e-3,
        "s": 1.0,
        "min": 60.0,
        "h": 3600.0,
    }
)

_TIME = re.compile(rf"{_NUMBER}({'|'.join(_TIMES)})\s*")

_RATES = 1e3, 1e15
"""The slowest and the fastest line of which anything is worked out, in bits a second."""

_SPANS = 1e-9, 86400.0
"""The shortest and the longest time, in seconds."""

_WORDS = {"k": "kilo", "M": "mega", "G": "giga", "T": "tera"}


def bits_per_second(text: str) -> float:
    """A bandwidth: ``b`` and ``bit`` are bits, ``B`` and ``byte`` bytes; ``/s`` may follow.

    >>> bits_per_second("10Gb"), bits_per_second("1.25 GB/s"), bits_per_second("100Gbit/s")
    (10000000000.0, 10000000000.0, 100000000000.0)

    Raises:
        UserError: CNN886 for what is no bandwidth, or leaves open whether it is bits or bytes.
    """
    found = _RATE.fullmatch(text)
    if found is None:
        number, prefix = _beginning(text)
        word = _WORDS[prefix]
        raise UserError(
            "CNN886",
            f"`{text}` is no bandwidth: {_fault(text, 'bandwidth')}",
            help=f"write `{number}{prefix}b` for {word}bits a second,"
            f" or `{number}{prefix}B` for {word}bytes",
        )
    number, prefix, unit = found.groups()
    rate = float(number) * _PREFIXES[prefix] * _BITS[unit]
    return _within(text, "bandwidth", rate, _RATES, rate_text, "10Gb")


def seconds(text: str, *, or_none: bool = False) -> float:
    """A time; where it may be ``or_none``, ``0s`` is one.

    >>> seconds("80ms"), seconds("1.5 s")
    (0.08, 1.5)

    Raises:
        UserError: CNN886 for what is no time.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        number, _ = _beginning(text, "80")
        raise UserError(
            "CNN886",
            f"`{text}` is no time: {_fault(text, 'time')}",
            help=f"write `{number}ms` for milliseconds, `{number}us` for microseconds,"
            f" or `{number}s`",
        )
    number, unit = found.groups()
    time = float(number) * _TIMES[unit]
    return 0.0 if or_none and not time else _within(text, "time", time, _SPANS, time_text, "80ms")


def _beginning(text: str, otherwise: str = "10") -> tuple[str, str]:
    """The number that a text begins with, and the prefix that is meant behind it."""
    found = re.match(rf"{_NUMBER}([kKmMgGtT]?)", text)
    if found is None:
        return otherwise, "G"
    letter = found.group(2).upper()
    return found.group(1), {"": "G", "K": "k"}.get(letter, letter)


def _fault(text: str, what: str) -> str:
    found = re.match(_NUMBER, text)
    if found is None:
        below = text.strip().startswith("-")
        return "it is below 0" if below else "it does not begin with a number"
    rest = text[found.end() :].strip()
    if not rest:
        return "it has no unit"
    if what == "bandwidth" and re.fullmatch(r"(?i)[kmgt]?i?b?(/s|ps)?", rest):
        return f"`{rest}` does not say whether bits or bytes"
    return f"`{rest}` is no unit of it"


def _within(
    text: str,
    what: str,
    number: float,
    limits: tuple[float, float],
    shown: Callable[[float], str],
    example: str,
) -> float:
    least, most = limits
    if number < least:
        raise UserError(
            "CNN886",
            f"`{text}` is no {what} to reckon with: it is less than {shown(least)}",
            help=f"give one such as `{example}`",
        )
    if number > most:
        raise UserError(
            "CNN886",
            f"`{text}` is no {what} to reckon with: it is more than {shown(most)}",
            help=f"give one such as `{example}`",
        )
    return number


def rate_text(rate: float, unit: str = "b") -> str:
    """A bandwidth in three digits: bits a second, or bytes (``B``).

    >>> rate_text(1e10), rate_text(1.6234e11), rate_text(2.5e6)
    ('10 Gb/s', '162 Gb/s', '2.5 Mb/s')
    """
    scales = {"P": 1e15, "T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3, "": 1.0}
    return _scaled(rate, [(f"{prefix}{unit}/s", scale) for prefix, scale in scales.items()])


def time_text(time: float) -> str:
    """A time in three digits.

    >>> time_text(0.08), time_text(2e-5), time_text(0.258912), time_text(93.2)
    ('80 ms', '20 us', '259 ms', '93.2 s')
    """
    return _scaled(time, [("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)])


def _scaled(number: float, units: list[tuple[str, float]]) -> str:
    """In the largest unit of which there is one, after rounding."""
    number = float(f"{number:.2e}")
    unit, scale = next((one for one in units if number >= one[1]), units[-1])
    value = number / scale
    digits = f"{value:,.0f}" if value >= 100 else f"{float(f'{value:.3g}'):g}"
    return f"{digits} {unit}"
