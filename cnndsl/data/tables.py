"""Turns a CSV file of paths and labels into a dataset of pictures."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy

from cnndsl.data.labels import class_indices
from cnndsl.data.parts import Wanted, not_understood, refuse_valid
from cnndsl.data.pictures import PictureSet
from cnndsl.data.samples import Indices
from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.files import reason

__all__ = ["open_table"]

_LARGEST = 2**30
_PATHS = ("path", "file", "filename", "filepath", "image", "picture")
_LABELS = ("label", "class", "category", "target", "y")


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the table: its number, its path and its label as they stand there."""

    line: int
    path: str
    label: str


def open_table(path: Path, data: str, wanted: Wanted) -> PictureSet:
    """The pictures that a table lists, in its order.

    Raises:
        UserError: CNN801 for a table that is not understood or lists what is not there, CNN802
            for labels that the spec does not have.
    """
    refuse_valid(data, wanted)
    rows = list(_rows(path, data))
    folder = path.parent
    labels, classes = _labels(rows, data, wanted.classes)
    return PictureSet(
        data, [os.path.join(folder, row.path) for row in rows], labels, classes, wanted
    )


def _rows(path: Path, data: str) -> Iterator[_Row]:
    lines = _lines(path, data)
    first = next(lines, None)
    if first is None:
        return
    columns = _header(first[1], path.parent)
    if columns is None:
        columns = (0, 1)
        yield _row(first, columns, data, 2)
    for line in lines:
        yield _row(line, columns, data, len(first[1]))


def _lines(path: Path, data: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers, split at commas."""
    try:
        with (
            open_regular(path, most=_LARGEST) as raw,
            io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file,
        ):
            reader = csv.reader(file, strict=True)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, [cell.strip() for cell in cells]
    except OSError as error:
        raise not_understood(
            f"cannot read `{data}`: {reason(error)}", "check the path and its permissions"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        why = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        raise not_understood(
            f"cannot read `{data}`: {why}", "save it as CSV in UTF-8: a path and a label a line"
        ) from error


def _header(cells: Sequence[str], folder: Path) -> tuple[int, int] | None:
    """Where path and label stand, if these cells are the columns' names and not a sample."""
    names = [cell.lower() for cell in cells]
    paths = [at for at, name in enumerate(names) if name in _PATHS]
    labels = [at for at, name in enumerate(names) if name in _LABELS]
    if len(paths) != 1 or len(labels) != 1 or (folder / cells[paths[0]]).exists():
        return None
    return paths[0], labels[0]


def _row(numbered: tuple[int, list[str]], columns: tuple[int, int], data: str, width: int) -> _Row:
    line, cells = numbered
    if len(cells) != width:
        raise _strange(line, data, f"has {len(cells)} values, not {width}")
    path, label = (cells[at] for at in columns)
    if not path or not label:
        raise _strange(line, data, f"has no {'label' if path else 'path'}")
    return _Row(line, path, label)


def _strange(line: int, data: str, what: str) -> UserError:
    return not_understood(
        f"line {line} of `{data}` {what}",
        "write a path, a comma and a label a line; of more columns, name these two in the first"
        " line: `path,label`",
    )


def _labels(
    rows: Sequence[_Row], data: str, classes: tuple[str, ...]
) -> tuple[Indices, tuple[str, ...]]:
    """Labels that are all names of the spec's classes are names; else whole numbers count."""
    texts = list(dict.fromkeys(row.label for row in rows))
    if not (classes and set(texts) <= set(classes)):
        if all(text.isascii() and text.lstrip("-").isdecimal() for text in texts):
            return numpy.array([int(row.label) for row in rows], numpy.int64), classes
        # A table may well leave a class out; what counts is that it has no other one.
        texts += [name for name in classes if name not in texts]
        order, classes = class_indices(texts, classes, data, "labels")
        numbers = dict(zip(texts, order.tolist(), strict=True))
    else:
        numbers = {name: at for at, name in enumerate(classes)}
    return numpy.array([numbers[row.label] for row in rows], numpy.int64), classes
