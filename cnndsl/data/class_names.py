"""Turns what data calls its classes, by names or by numbers, into the indices of classes.

What a label means depends on the spec's names (where it has none, on those of the training data)
and on nothing else: not on which other labels stand beside it. Names are compared in Unicode's
composed form (NFC), as file systems differ in how they write `ü`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy

from cnndsl.data.samples import LISTED, Indices
from cnndsl.data.splits import Wanted, not_understood
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import abridged
from cnndsl.files import natural

__all__ = [
    "LabelIndices",
    "class_indices",
    "composed",
    "listed",
    "notes_on_names",
    "number_indices",
    "numbers_are_names",
    "shortened",
    "text_indices",
]

_WHOLE = re.compile(r"[+-]?[0-9]+")
_DIGITS = 18
"""Whole numbers of more digits may not fit into 64 bits."""
_LONGEST = 60
"""Letters of a name that a message shows."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelIndices:
    """The class of each sample, the names of the classes, and what was decided about labels."""

    indices: Indices
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def composed(name: str) -> str:
    """A name in the form in which names are compared."""
    return unicodedata.normalize("NFC", name)


def shortened(name: str) -> str:
    """A name as a message shows it."""
    return name if len(name) <= _LONGEST else name[: _LONGEST - 1] + "…"


def listed(names: Sequence[str]) -> str:
    """Names in a message: the first ones, and how many more there are."""
    return abridged([f"`{shortened(name)}`" for name in names], LISTED)


def numbers_are_names(classes: Sequence[str]) -> bool:
    """Whether a whole number in the data is the name of a class, and not its index.

    It is where the spec calls a class by a whole number that is not the index of that class.

    >>> numbers_are_names(["cat", "dog"]), numbers_are_names(["0", "1"])
    (False, False)
    >>> numbers_are_names(["1", "2", "x"])
    True
    """
    return _first_number(classes) is not None


def _first_number(classes: Sequence[str]) -> int | None:
    """The first class that is called by the number of another one."""
    for at, name in enumerate(classes):
        if _WHOLE.fullmatch(name) and name != str(at):
            return at
    return None


# --- names ------------------------------------------------------------------------------------


def class_indices(
    names: Sequence[str],
    classes: Sequence[str],
    data: str,
    kind: str,
    *,
    counted: bool = False,
    partial: bool = False,
) -> tuple[Indices, tuple[str, ...]]:
    """The class of each name, and the names of all classes in order.

    Args:
        names: names of classes, each once: those that the data has.
        classes: the spec's names; where it has none, the natural order of ``names`` counts.
        data: what the user called the data.
        kind: what the names are in the data, in the plural: ``folders``.
        counted: without ``classes``, names must be indices, as the training data has indices.
        partial: the data may leave classes out.

    Raises:
        UserError: CNN802 where the data has other classes than the spec, CNN801 where it calls
            two classes by one name.
    """
    keys = [composed(name) for name in names]
    twice = _repeated(keys)
    if twice is not None:
        raise not_understood(
            f"two of the {kind} of `{data}` are called `{shortened(twice)}`",
            "put them together, or give one of them another name",
        )
    if counted and not classes:
        return _counted(keys, data, kind), ()
    if not classes:
        classes = sorted(keys, key=lambda name: (natural(name), name))
    places = {composed(name): at for at, name in enumerate(classes)}
    if len(places) < len(classes):
        twice = _repeated([composed(name) for name in classes])
        raise UserError(
            "CNN802",
            f"two classes of the spec are called `{shortened(str(twice))}`, and `{data}` tells"
            " classes by their names",
            help="give each class a name of its own in the spec's `classes`",
        )
    have = set(keys)
    surplus = [key for key in keys if key not in places]
    missing = [] if partial else [name for name in classes if composed(name) not in have]
    if surplus or missing:
        raise _other_classes(surplus, missing, classes, data, kind)
    return numpy.array([places[key] for key in keys], numpy.int64), tuple(classes)


def _repeated(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def _counted(names: Sequence[str], data: str, kind: str) -> Indices:
    """Names that are the indices of classes."""
    words = [name for name in names if not _WHOLE.fullmatch(name)]
    if words:
        raise UserError(
            "CNN802",
            f"the {kind} of `{data}` are names of classes ({listed(words)}), but the labels of the"
            " training data are indices: which name is which index is not known",
            help="write the names into the spec, in the order of the indices: `classes"
            f' "{shortened(words[0])}", …`',
        )
    return _whole(names, data)


def _other_classes(
    surplus: Sequence[str], missing: Sequence[str], classes: Sequence[str], data: str, kind: str
) -> UserError:
    faults = [
        f"{verb} {listed(some)}"
        for verb, some in (("lack", missing), ("have also", surplus))
        if some
    ]
    notes = [f"the network has {listed(classes)}"]
    number = _first_number(classes)
    if number is not None and any(_WHOLE.fullmatch(name) for name in surplus):
        notes.append(
            f"whole numbers are names and no indices here, as there is a class"
            f" `{classes[number]}` at index {number}"
        )
    known = {_folded(name): name for name in classes}
    for name in surplus:
        alike = known.get(_folded(name))
        if alike is not None:
            help = f"write `{alike}` in both, letter by letter, and not `{shortened(name)}`"
            break
    else:
        help = f"let the {kind} and the network's classes agree, letter by letter"
    return UserError(
        "CNN802",
        f"the {kind} of `{data}` are not the classes of the network: they {' and '.join(faults)}",
        notes=notes,
        help=help,
    )


def _folded(name: str) -> str:
    """A name without what is easily confused: case, and white space."""
    return "".join(composed(name).casefold().split())


def notes_on_names(classes: Sequence[str], data: str, kind: str) -> tuple[str, ...]:
    """What one should know of names that the data gave: numbers in order, names nearly alike."""
    notes = []
    if numbers_are_names(classes):
        notes.append(f"the {kind} of `{data}` are names of classes, in this order: {_all(classes)}")
    seen: dict[str, str] = {}
    for name in classes:
        other = seen.setdefault(_folded(name), name)
        # Letters of both cases are classes of handwriting.
        if other != name and len(name) > 1:
            notes.append(f"`{data}` has both `{shortened(other)}` and `{shortened(name)}`")
    return tuple(notes)


def _all(classes: Sequence[str]) -> str:
    """Classes in order: all of a few, the first and the last ones of many."""
    if len(classes) <= LISTED:
        return listed(classes)
    return f"{listed(classes[: LISTED - 2])}, … `{shortened(classes[-1])}`"


# --- texts ------------------------------------------------------------------------------------


def text_indices(
    labels: Sequence[str], training: Sequence[str], data: str, wanted: Wanted
) -> LabelIndices:
    """The classes of labels that are texts: names, or indices counted from 0.

    Which of both is decided by the spec, and where it names no classes by the training data.

    Args:
        labels: a label for each sample.
        training: the labels of the samples for training, in the same file.
        data: what the user called the data.
        wanted: has the spec's classes, and whether training data in another file has indices.

    Raises:
        UserError: CNN802 for labels that are no classes, and for several labels of one sample.
    """
    labels = [composed(label) for label in labels]
    have = list(dict.fromkeys(labels))
    learnt = [composed(label) for label in training] or have
    classes = wanted.classes
    by_name = (
        numbers_are_names(classes) or not _are_whole(have)
        if classes
        else not wanted.counted and not _are_whole(learnt)
    )
    if not by_name:
        if not _are_whole(have):
            _counted(have, data, "labels")
        return LabelIndices(_whole(labels, data), classes, (_of_indices(classes, data),))
    _demand_single(have, classes, data)
    if not classes:
        _, classes = class_indices(list(dict.fromkeys(learnt)), (), data, "labels")
        notes = [f"the labels of `{data}` are names of classes, in this order: {_all(classes)}"]
        notes += [note for note in notes_on_names(classes, data, "labels") if "both" in note]
    else:
        notes = [f"the labels of `{data}` are names of classes"]
    order, classes = class_indices(have, classes, data, "labels", partial=True)
    places = dict(zip(have, order.tolist(), strict=True))
    indices = numpy.array([places[label] for label in labels], numpy.int64)
    return LabelIndices(indices, classes, tuple(notes))


def _are_whole(texts: Iterable[str]) -> bool:
    return all(_WHOLE.fullmatch(text) for text in texts)


def _of_indices(classes: Sequence[str], data: str) -> str:
    note = f"the labels of `{data}` are indices of classes, counted from 0"
    return f"{note}: 0 is `{shortened(classes[0])}`" if classes else note


def _whole(texts: Sequence[str], data: str) -> Indices:
    for text in texts:
        if len(text.lstrip("+-0")) > _DIGITS:
            raise UserError(
                "CNN802",
                f"`{data}` has the label `{shortened(text)}`: no index of a class is so large",
                help="count the classes from 0, or write their names",
            )
    # Zeros in front of a number may be more than Python reads.
    numbers = [int(text.lstrip("+-0") or "0") * (-1 if text[0] == "-" else 1) for text in texts]
    return numpy.array(numbers, numpy.int64)


def _demand_single(have: Sequence[str], classes: Sequence[str], data: str) -> None:
    """Raise CNN802 for a label that is several: ``cat;dog``."""
    known = {composed(name) for name in classes or have}
    for label in have:
        parts = [part.strip() for part in re.split(r"[;|,]", label)]
        if len(parts) > 1 and label not in map(composed, classes) and set(parts) <= known:
            raise UserError(
                "CNN802",
                f"`{data}` has the label `{shortened(label)}`, which is {len(parts)} classes, but a"
                " table gives each sample one",
                help="for several classes a sample, save a `.npz` file with samples `x` and, as"
                " `y`, 0.0 or 1.0 for each class, and write `loss binarycrossentropy`",
            )


# --- numbers ----------------------------------------------------------------------------------


def number_indices(values: Indices, data: str, classes: Sequence[str]) -> LabelIndices:
    """The classes of labels that are whole numbers: indices, or names where the spec has such.

    ``values`` may have any shape.

    Raises:
        UserError: CNN802 for numbers that are names, but not of classes of the spec.
    """
    first = _first_number(classes)
    if first is None:
        return LabelIndices(values, tuple(classes))
    places: dict[int, int] = {}
    for at, name in enumerate(classes):
        if (
            _WHOLE.fullmatch(name)
            and len(name) <= _DIGITS
            and places.setdefault(int(name), at) != at
        ):
            raise UserError(
                "CNN802",
                f"two classes of the spec are the number {int(name)}, and the labels of `{data}`"
                " are numbers",
                help="give each class a name of its own in the spec's `classes`",
            )
    known = numpy.array(sorted(places), numpy.int64)
    order = numpy.array([places[value] for value in known.tolist()], numpy.int64)
    wrong = ~numpy.isin(values, known)
    if wrong.any():
        surplus = [str(value) for value in numpy.unique(values[wrong])[: LISTED + 1].tolist()]
        error = _other_classes(surplus, (), classes, data, "labels")
        raise error.amended(
            "label by the numbers that the spec's `classes` have; for indices, counted from 0,"
            " take `classes` out of the spec"
        )
    note = (
        f"the labels of `{data}` are names of classes, as the spec has a class `{classes[first]}`"
        f" at index {first}"
    )
    return LabelIndices(order[numpy.searchsorted(known, values)], tuple(classes), (note,))
