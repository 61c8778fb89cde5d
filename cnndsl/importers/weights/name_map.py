r"""Maps of names: rules that say which layer or tensor of a file is which of a spec.

A rule is two names, and may have a third word, the order of a kernel's axes. In the first name,
parentheses hold regular expressions, and everything else is itself; in the second, ``\1`` is what
the first of them found, and ``{\1+1}`` or ``{2*\1-1}`` a number made of it. A second name ``-``
leaves the first one's tensors out. The first rule that fits a name counts.

>>> rules = parse_rules(r"layer(\d+).(\d+).conv(\d)  stage\1.basic{\2+1}.conv\3")
>>> rules[0].target("layer1.0.conv2"), rules[0].source("stage1.basic1.conv2")
('stage1.basic1.conv2', 'layer1.0.conv2')
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

__all__ = ["LEAVE_OUT", "MapError", "Rule", "parse_rules"]

LEAVE_OUT = "-"
"""In a second column: the tensors become nothing."""

_GROUP = re.compile(r"\(([^()]*)\)")
_REFERENCE = re.compile(r"\{(?:(\d+)\*)?\\(\d)([+-]\d+)?\}|\\(\d)")
_NUMBER = r"\d+"
_MOST = 100_000
_LONGEST = 1_000


class MapError(ValueError):
    """What is wrong with a map, and the line or the key that it is wrong in."""


@dataclass(frozen=True)
class Rule:
    """A rule of a map, and where it stands for people: ``line 3``."""

    left: str
    right: str
    axes: str = ""
    place: str = ""

    def __post_init__(self) -> None:
        groups = len(_GROUP.findall(self.left))
        if len(self.left) > _LONGEST or len(self.right) > _LONGEST:
            raise MapError(f"{self.place}: a name is longer than {_LONGEST:,} characters")
        rest = _GROUP.sub("", self.left)
        if "(" in rest or ")" in rest:
            raise MapError(f"{self.place}: parentheses in `{self.left}` have no partner, or nest")
        for found in _REFERENCE.finditer(self.right):
            number = int(found[2] or found[4])
            if not 1 <= number <= groups:
                raise MapError(
                    f"{self.place}: `{found[0]}` names parentheses {number}, and `{self.left}` has"
                    f" {groups}"
                )
        bad = re.sub(_REFERENCE, "", self.right)
        if any(one in bad for one in "\\{}()"):
            raise MapError(
                f"{self.place}: `{self.right}` is no name with `\\1`, `{{\\1+1}}` or `{{2*\\1-1}}`"
            )
        try:
            _ = self._reads
        except re.error as error:
            raise MapError(f"{self.place}: `{self.left}` holds no expression ({error})") from error

    @property
    def leaves_out(self) -> bool:
        """Whether what it fits becomes nothing."""
        return self.right == LEAVE_OUT

    @cached_property
    def _reads(self) -> re.Pattern[str]:
        pieces = _GROUP.split(self.left)
        text = "".join(
            f"({piece})" if at % 2 else re.escape(piece.replace("\\.", "."))
            for at, piece in enumerate(pieces)
        )
        return re.compile(text)

    def target(self, name: str) -> str | None:
        """What a name of the file is called in the spec; None where the rule does not fit it."""
        found = self._reads.fullmatch(name)
        if found is None:
            return None

        def replaced(reference: re.Match[str]) -> str:
            if reference[4]:
                return found[int(reference[4])] or ""
            text = found[int(reference[2])] or ""
            if not text.isdecimal():
                return "?"
            return str(int(reference[1] or 1) * int(text) + int(reference[3] or 0))

        return _REFERENCE.sub(replaced, self.right)

    @cached_property
    def _writes(self) -> tuple[re.Pattern[str], tuple[tuple[int, int, int], ...]]:
        """The other way around: an expression, and for each of its groups which number it is."""
        inside = _GROUP.findall(self.left)
        text, numbers, at = "", [], 0
        for found in _REFERENCE.finditer(self.right):
            text += re.escape(self.right[at : found.start()])
            number = int(found[2] or found[4])
            text += f"({_NUMBER if found[2] else inside[number - 1]})"
            numbers.append((number, int(found[1] or 1), int(found[3] or 0)))
            at = found.end()
        return re.compile(text + re.escape(self.right[at:])), tuple(numbers)

    def source(self, name: str) -> str | None:
        """What a name of the spec is called in the file; None where the rule does not say it."""
        pattern, numbers = self._writes
        found = pattern.fullmatch(name)
        if found is None or self.leaves_out:
            return None
        values: dict[int, str] = {}
        for (number, factor, more), text in zip(numbers, found.groups(), strict=True):
            value = text
            if (factor, more) != (1, 0):
                whole, rest = divmod(int(text) - more, factor)
                if rest or whole < 0:
                    return None
                value = str(whole)
            if values.setdefault(number, value) != value:
                return None
        pieces = _GROUP.split(self.left)
        if any(number not in values for number in range(1, len(pieces) // 2 + 1)):
            return None
        made = "".join(
            values[at // 2 + 1] if at % 2 else piece.replace("\\.", ".")
            for at, piece in enumerate(pieces)
        )
        return made if self.target(made) == name else None


def parse_rules(text: str) -> tuple[Rule, ...]:
    """The rules of a map: lines of two or three words, or JSON, an object or a list of lists.

    Raises:
        MapError: where it is neither.
    """
    if text.lstrip()[:1] in ("{", "["):
        return tuple(_of_json(text))
    rules = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) not in (2, 3):
            raise MapError(
                f"line {number}: a rule is the file's name and the spec's, and may have a third"
                f" word, not {len(words)}"
            )
        rules.append(_rule(words, f"line {number}"))
        if len(rules) > _MOST:
            raise MapError(f"line {number}: there are more than {_MOST:,} rules")
    return tuple(rules)


def _of_json(text: str) -> Iterable[Rule]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MapError(f"it is no JSON ({error})") from error
    items = list(found.items()) if isinstance(found, dict) else found
    for number, item in enumerate(items, 1):
        is_pair = isinstance(item, list | tuple) and len(item) in (2, 3)
        if not is_pair or not all(isinstance(word, str) for word in item):
            raise MapError(f"rule {number}: a rule is two or three texts")
        yield _rule(item, f"rule {number}")


def _rule(words: Sequence[str], place: str) -> Rule:
    axes = words[2].upper() if len(words) == 3 else ""
    if axes and (len(set(axes)) != len(axes) or not set(axes) <= set("OIMCDHW")):
        raise MapError(
            f"{place}: `{words[2]}` is no order of axes: write letters of OIMCDHW, as in HWIO"
        )
    return Rule(words[0], words[1], axes, place)
