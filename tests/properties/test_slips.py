"""A fix never writes one operation for another: not by its name elsewhere, and not by a slip."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest

from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.schema_errors import unknown_layer
from cnndsl.layers import FOREIGN, find, keywords
from cnndsl.layers.absent import absent_names
from cnndsl.syntax.ast import Identifier

LETTERS = "aeiouclnprstux"
_NEAR = """
elu selu gelu celu glu silu relu prelu pad add clip flip crop mish tanh min scale slice split lrn
conv batchrenorm hardmish geglu minpool maxpool lppool unpool detection attention
"""
NEAR_EACH_OTHER = frozenset(_NEAR.split())


def plain(name: str) -> str:
    """A name as spelling goes: without case, `_` and `-`."""
    return re.sub(r"[_-]", "", name.casefold())


def operations() -> dict[str, str]:
    """What each known name means: a layer of ours, or an operation that is absent."""
    found = {name: f"absent: {name}" for name in absent_names()}
    found |= {plain(name): ours for name, ours in FOREIGN.items()}
    return found | {plain(name): name for name in keywords()}


MEANT = operations()


def slips(name: str) -> Iterator[str]:
    """All that one slip of the fingers makes of a name."""
    for at in range(len(name)):
        yield name[:at] + name[at + 1 :]
        yield name[: at + 1] + name[at:]
        yield name[:at] + name[at + 1 : at + 2] + name[at] + name[at + 2 :]
        for letter in LETTERS:
            yield name[:at] + letter + name[at + 1 :]
            yield name[:at] + letter + name[at:]


def written(name: str) -> str | None:
    """What `--fix` writes in place of an unknown name; None where it leaves it."""
    span = Span(Source("a.cnn", name), 0, len(name))
    fixes = [fix for fix in unknown_layer(Identifier(name, span), ()).fixes if fix.safe]
    assert len(fixes) <= 1
    return fixes[0].edits[0].text if fixes else None


def wrong(names: list[str]) -> list[tuple[str, str, str]]:
    """The slips of these names that would become another operation."""
    drawn = random.Random(7)
    found: list[tuple[str, str, str]] = []
    for name in names:
        made = sorted({*slips(name)})
        made = made if name in NEAR_EACH_OTHER else drawn.sample(made, min(4, len(made)))
        for slip in made:
            if slip in MEANT or not re.fullmatch(r"[a-z]\w*", slip):
                continue
            fix = written(slip)
            if fix is not None and fix != MEANT[name]:
                found.append((name, slip, fix))
    return found


def test_a_slip_of_an_operation_never_becomes_another_one() -> None:
    assert wrong(sorted(MEANT)) == []


def test_the_names_of_other_tools_become_the_same_operation_alone() -> None:
    for name, ours in FOREIGN.items():
        assert find(name) is None
        assert written(name) == ours, name


@pytest.mark.parametrize("name", absent_names())
def test_what_is_absent_has_no_fix(name: str) -> None:
    for spelled in (name, name.upper(), name.capitalize(), f"{name}2d"):
        if spelled not in FOREIGN and plain(spelled) not in MEANT.keys() - {*absent_names()}:
            assert written(spelled) is None, spelled


def test_a_slip_of_a_long_word_is_still_mended() -> None:
    for slip, meant in {
        "maxpol": "maxpool",
        "bacthnorm": "batchnorm",
        "softmx": "softmax",
        "flaten": "flatten",
        "leakyrleu": "leakyrelu",
        "ocnv": "conv",
        "channelshufle": "channelshuffle",
    }.items():
        assert written(slip) == meant
