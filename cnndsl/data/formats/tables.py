"""Turns a CSV file of paths and labels into a dataset of pictures."""

from __future__ import annotations

import csv
import io
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from typing_extensions import override

from cnndsl.data.class_names import listed, shortened, text_indices
from cnndsl.data.formats.base import DataFormat, Place
from cnndsl.data.part_names import FALLBACKS, part_named
from cnndsl.data.pictures import PictureSet
from cnndsl.data.sources import PICTURE_SUFFIXES
from cnndsl.data.splits import Split, Wanted, no_part, not_understood, refuse_valid
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count
from cnndsl.files import open_regular
from cnndsl.graph.files import reason

__all__ = ["Table"]

_LARGEST = 2**30
_PATHS = ("path", "file", "filename", "filepath", "image", "imagepath", "imagename", "picture")
_LABELS = ("label", "labels", "class", "classname", "category", "target", "y")
_SPLITS = ("split", "partition", "part", "subset", "set")
_LONGEST_LINE = 2**20
"""Letters of a line; a longer one is no line of a table, and must not fill the memory."""


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the table: its number, and its cells as they stand there."""

    line: int
    path: str
    label: str
    split: str = ""


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where path, label and part stand in a line; which columns are not used."""

    path: int = 0
    label: int = 1
    split: int | None = None
    width: int = 2
    unused: tuple[str, ...] = ()
    name: str = ""
    """What the column of the parts is called."""


class Table(DataFormat):
    """A CSV file of paths and labels."""

    keyword = "table"

    @override
    def holdings(self, place: Place) -> tuple[str, ...]:
        is_one = not place.is_folder and place.path.suffix.lower() == ".csv"
        return ("a table",) if is_one else ()

    @override
    def open(self, place: Place, wanted: Wanted) -> PictureSet:
        """The pictures that a table lists, in its order: all, or those of the part asked for.

        Raises:
            UserError: CNN801 for a table that is not understood or lists what is not there, CNN802
                for labels that the spec does not have.
        """
        path, data = place.path, place.data
        columns, rows = _read(path, data)
        splits = _splits(rows, columns, data)
        training = [row.label for row, split in zip(rows, splits, strict=True) if split == "train"]
        taken = rows
        if any(splits):
            taken = _of_part(rows, splits, columns.name, data, wanted.split)
        else:
            refuse_valid(data, wanted)
        labels = text_indices([row.label for row in taken], training, data, wanted)
        notes = list(labels.notes)
        unused = [*columns.unused, *([columns.name] if columns.name and not any(splits) else [])]
        if unused:
            are = "column {} is" if len(unused) == 1 else "columns {} are"
            notes.append(f"the {are.format(listed(unused))} not used in `{data}`")
        files = [_located(path.parent, row.path) for row in taken]
        return PictureSet(data, files, labels.indices, labels.classes, wanted, notes)


def _located(folder: Path, name: str) -> str:
    """The file of a row; file systems differ in how they write letters with marks."""
    file = os.path.join(folder, name)
    if not name.isascii() and "\0" not in name and not os.path.lexists(file):
        forms = (unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name))
        for other in (os.path.join(folder, form) for form in forms):
            if os.path.lexists(other):
                return other
    return file


# --- parts ------------------------------------------------------------------------------------


def _splits(rows: Sequence[_Row], columns: _Columns, data: str) -> list[Split | None]:
    """The part of each row; None for all of them where the table has no parts.

    A column called ``split`` says the part of every row. One called ``set``, say, may be about
    something else: it does where one of its values is a part's name.
    """
    parts = [part_named(row.split) if columns.split is not None else None for row in rows]
    splits = [None if part is None or part.others else part.split for part in parts]
    if columns.name.lower() == _SPLITS[0] or any(splits):
        for row, split in zip(rows, splits, strict=True):
            if split is None:
                what = f"the part `{shortened(row.split)}`" if row.split else "no part"
                raise not_understood(
                    f"line {row.line} of `{data}` has {what} in the column `{columns.name}`",
                    "write `train`, `valid` or `test` there, or call the column something else",
                )
    return splits


def _of_part(
    rows: Sequence[_Row], splits: Sequence[Split | None], name: str, data: str, wanted: Split
) -> list[_Row]:
    for split in FALLBACKS[wanted]:
        found = [row for row, own in zip(rows, splits, strict=True) if own == split]
        if found:
            return found
    raise no_part(data, wanted, f"`{wanted}` in the column `{name}`")


# --- lines ------------------------------------------------------------------------------------


def _read(path: Path, data: str) -> tuple[_Columns, list[_Row]]:
    lines = _lines(path, data)
    first = next(lines, None)
    if first is None:
        return _Columns(), []
    columns = _header(first[1], path.parent, data)
    rows = []
    if columns is None:
        columns = _Columns()
        rows.append(_row(first, columns, data))
    rows += [_row(line, columns, data) for line in lines]
    return columns, rows


def _lines(path: Path, data: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that are not empty, with their numbers, split at commas."""
    last = 0
    try:
        with (
            open_regular(path, most=_LARGEST) as raw,
            io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as file,
        ):
            reader = csv.reader(_short_lines(file, data), strict=True)
            for cells in reader:
                if any("\0" in cell for cell in cells):
                    raise _no_table(data, f"line {reader.line_num} has a zero byte in it")
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, [cell.strip() for cell in cells]
                last = reader.line_num
    except OSError as error:
        raise not_understood(
            f"cannot read `{data}`: {reason(error)}", "check the path and its permissions"
        ) from error
    except UnicodeDecodeError as error:
        raise _no_table(data, "it is not UTF-8 text") from error
    except csv.Error as error:
        why = str(error)
        if why == "unexpected end of data":
            why = "its quotation mark is never closed"
        raise _no_table(data, f"line {last + 1}: {why}") from error


def _short_lines(file: IO[str], data: str) -> Iterator[str]:
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise _no_table(data, f"line {number} is longer than {_LONGEST_LINE} letters")
        yield line


def _no_table(data: str, why: str) -> UserError:
    return not_understood(
        f"cannot read `{data}`: {why}", "save it as CSV in UTF-8: a path and a label a line"
    )


def _header(cells: Sequence[str], folder: Path, data: str) -> _Columns | None:
    """What the columns are, if these cells are their names and not a sample."""
    names = ["".join(part for part in cell.lower() if part.isalnum()) for cell in cells]
    paths = [at for at, name in enumerate(names) if name in _PATHS]
    labels = [at for at, name in enumerate(names) if name in _LABELS]
    first = cells[paths[0]] if paths else cells[0]
    if os.path.splitext(first)[1].lower() in PICTURE_SUFFIXES or _exists(folder, first):
        return None
    if len(cells) == 1 or not (paths or labels or _is_text(cells[1])):
        return None
    for kind, found, word in (("paths", paths, "path"), ("labels", labels, "label")):
        if len(found) > 1:
            raise not_understood(
                f"`{data}` has {len(found)} columns of {kind}:"
                f" {listed([cells[at] for at in found])}",
                f"call only one of them `{word}`, and the others something else",
            )
    if not paths or not labels:
        raise _nameless(cells, data, paths=bool(paths), labels=bool(labels))
    splits = [at for word in _SPLITS for at, name in enumerate(names) if name == word][:1]
    used = {paths[0], labels[0], *splits}
    unused = tuple(cell or str(at + 1) for at, cell in enumerate(cells) if at not in used)
    split = splits[0] if splits else None
    name = cells[splits[0]] if splits else ""
    return _Columns(paths[0], labels[0], split, len(cells), unused, name)


def _is_text(cell: str) -> bool:
    """Whether a cell may name a column: a label that is a number does not."""
    return not cell.lstrip("+-").replace(".", "").isdecimal()


def _exists(folder: Path, name: str) -> bool:
    return bool(name) and os.path.lexists(os.path.join(folder, name))


def _nameless(cells: Sequence[str], data: str, *, paths: bool, labels: bool) -> UserError:
    """The error of a first line that names columns, but not both that are needed."""
    if paths:
        return not_understood(
            f"the first line of `{data}` names a column of paths, but none of labels:"
            f" {listed(cells)}",
            "call the column of the labels `label`; a table gives each sample one label",
        )
    if labels:
        return not_understood(
            f"the first line of `{data}` names a column of labels, but none of paths:"
            f" {listed(cells)}",
            "call the column of the pictures' paths `path`",
        )
    return not_understood(
        f"the first line of `{data}` names neither a picture that is there nor columns that are"
        f" known: {listed(cells)}",
        "call the columns `path` and `label`, or correct the path",
    )


def _row(numbered: tuple[int, list[str]], columns: _Columns, data: str) -> _Row:
    line, cells = numbered
    if len(cells) != columns.width:
        values = count(len(cells), "value")
        raise _strange(line, data, f"has {values}, not {columns.width}")
    path, label = cells[columns.path], cells[columns.label]
    if not path or not label:
        raise _strange(line, data, f"has no {'label' if path else 'path'}")
    return _Row(line, path, label, "" if columns.split is None else cells[columns.split])


def _strange(line: int, data: str, what: str) -> UserError:
    return not_understood(
        f"line {line} of `{data}` {what}",
        "write a path, a comma and a label a line; of more columns, name these two in the first"
        " line: `path,label`",
    )
