"""Makes sure that models which are to answer together take and give the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cnndsl.data.sources import ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count, quoted
from cnndsl.typecheck.answers import Answers

__all__ = ["Said", "check_answers", "check_inputs", "check_sizes"]


@dataclass(frozen=True, slots=True)
class Said:
    """What a model says of its main output, and what the model is called."""

    name: str
    classes: tuple[str, ...]
    meaning: Answers


def check_answers(first: Said, other: Said) -> None:
    """Make sure that two models have the same classes, and numbers of one kind.

    Raises:
        UserError: CNN710 where they have not.
    """
    _check_classes(first, other)
    if other.meaning.kind != first.meaning.kind:
        raise _different(
            other.name,
            f"gives a {other.meaning.kind} where `{first.name}` gives a {first.meaning.kind}",
            "take models that end with the same activation and were trained with the same kind of"
            " loss",
        )


def _check_classes(first: Said, other: Said) -> None:
    if first.classes == other.classes:
        return
    help = "take models that were trained for the same classes, in the same order"
    if len(first.classes) != len(other.classes):
        raise _different(
            other.name,
            f"has {_classes(other.classes)}, and `{first.name}` has {_classes(first.classes)}",
            help,
        )
    at, mine, theirs = next(
        (at, mine, theirs)
        for at, (mine, theirs) in enumerate(zip(first.classes, other.classes, strict=True))
        if mine != theirs
    )
    raise _different(
        other.name, f"calls class {at} `{theirs}`, and `{first.name}` calls it `{mine}`", help
    )


def check_sizes(first: str, other: str, mine: Sequence[object], theirs: Sequence[object]) -> None:
    """Raise CNN710 where the main output of another model has other sizes."""
    if tuple(mine) == tuple(theirs):
        return
    raise _different(
        other,
        f"gives `{_sizes(theirs)}` where `{first}` gives `{_sizes(mine)}`",
        "take models whose outputs have the same size",
    )


def check_inputs(
    first: str, other: str, mine: Sequence[ModelInput], theirs: Sequence[ModelInput]
) -> None:
    """Raise CNN710 where another model takes inputs of another kind."""
    help = "take models for the same kind of data"
    several = len(mine) > 1 or len(theirs) > 1
    if several and {one.name for one in mine} != {one.name for one in theirs}:
        raise _different(
            other,
            f"takes {quoted(one.name for one in theirs)}, and `{first}` takes"
            f" {quoted(one.name for one in mine)}",
            help,
        )
    by_name = {one.name: one for one in theirs} if several else {mine[0].name: theirs[0]}
    for one in mine:
        kinds = [_kind(one), _kind(by_name[one.name])]
        if kinds[0] != kinds[1]:
            raise _different(other, f"takes {kinds[1]}, and `{first}` takes {kinds[0]}", help)


def _kind(model_input: ModelInput) -> str:
    """What an input takes, without its size."""
    kind = model_input.type
    if model_input.preparation.layout_for(kind) is not None:
        return "pictures"
    return f"`{kind.dtype.value}` arrays of {count(len(kind.dims), 'dimension')}"


def _classes(classes: Sequence[str]) -> str:
    return count(len(classes), "class", "classes") if classes else "no names of classes"


def _sizes(shape: Sequence[object]) -> str:
    return "x".join(map(str, shape))


def _different(name: str, how: str, help: str) -> UserError:
    return UserError("CNN710", f"`{name}` {how}: they have no mean", help=help)
