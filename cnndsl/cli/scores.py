"""From an evaluation to what a user reads of it: numbers per class, and what is mistaken for what.

Rows of a confusion matrix are the true classes, columns the answers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cnndsl.cli.progress import number
from cnndsl.diagnostics.render.characters import visible

if TYPE_CHECKING:
    from cnndsl.runtime.evaluate import Evaluation

__all__ = ["as_json", "as_text"]

_WHOLE = 20
"""Up to so many classes the matrix is shown; of more, what is worth a look."""

_WORST = 10
"""How many of the worst classes and pairs are shown where there are many classes."""

_HEADING = 4
"""Columns of the matrix are headed by the classes' names where none is longer, else by indices."""

_NAME = 30
"""Longer names are cut."""


def as_json(evaluation: Evaluation) -> dict[str, object]:
    """The numbers as plain data; ``docs/train-command.md`` says what each is."""
    matrix, names = _matrix(evaluation), _names(evaluation)
    return {
        "count": evaluation.count,
        "loss": evaluation.loss if math.isfinite(evaluation.loss) else None,
        "top1": evaluation.top1,
        "top5": evaluation.top5,
        "classes": [
            {
                "index": index,
                "class": names[index] if names else None,
                "count": sum(row),
                "correct": row[index],
                "accuracy": row[index] / sum(row) if any(row) else None,
            }
            for index, row in enumerate(matrix)
        ],
        "confusion": matrix or None,
    }


def as_text(evaluation: Evaluation) -> str:
    """The numbers as aligned lines."""
    facts = [f"loss {number(evaluation.loss).strip()}", f"top1 {_percent(evaluation.top1)}"]
    if evaluation.top5 is not None:
        facts.append(f"top5 {_percent(evaluation.top5)}")
    lines = ["  ".join([*facts, _images(evaluation.count)])]
    matrix = _matrix(evaluation)
    names = [_cut(name) for name in _names(evaluation)]
    if 0 < len(matrix) <= _WHOLE:
        lines += ["", *_table(names or [str(at) for at in range(len(matrix))], matrix)]
    elif matrix:
        names = names or [f"class {at}" for at in range(len(matrix))]
        lines += ["", *_worst_classes(names, matrix), "", *_worst_pairs(names, matrix)]
    return "\n".join(lines)


def _matrix(evaluation: Evaluation) -> list[list[int]]:
    matrix = evaluation.confusion
    return [] if matrix is None else [[int(cell) for cell in row] for row in matrix]


def _names(evaluation: Evaluation) -> tuple[str, ...]:
    """The names of the classes; none where there is not one for each row."""
    named = len(evaluation.classes) == len(_matrix(evaluation))
    return evaluation.classes if named else ()


def _table(names: Sequence[str], matrix: Sequence[Sequence[int]]) -> Iterator[str]:
    """A row for each class: how often it was right, and what it was taken for."""
    short = max(map(len, names)) <= _HEADING
    heads = list(names) if short else [str(at) for at in range(len(names))]
    labels = list(names) if short else [f"{at} {name}" for at, name in enumerate(names)]
    wide = max(5, *map(len, labels))
    cell = max(len(text) for text in (*heads, *(str(one) for row in matrix for one in row)))
    yield f"{'class':{wide}}  images  accuracy  taken for"
    yield " " * (wide + 18) + "".join(f"  {head:>{cell}}" for head in heads)
    for at, (label, row) in enumerate(zip(labels, matrix, strict=True)):
        accuracy = _percent(row[at] / sum(row)) if any(row) else "-"
        cells = "".join(f"  {one or '.':>{cell}}" for one in row)
        yield f"{label:{wide}}  {sum(row):>6,}  {accuracy:>8}{cells}"


def _worst_classes(names: Sequence[str], matrix: Sequence[Sequence[int]]) -> Iterator[str]:
    """The classes that are missed most often."""
    shares = [(row[at] / sum(row), at) for at, row in enumerate(matrix) if row[at] < sum(row)]
    worst = sorted(shares)[:_WORST]
    wide = max((len(names[at]) for _, at in worst), default=0)
    yield f"the least accurate of {len(names):,} classes, {len(shares):,} of which have mistakes"
    for share, at in worst:
        yield f"  {names[at]:{wide}}  {_percent(share):>7} of {sum(matrix[at]):,}"


def _worst_pairs(names: Sequence[str], matrix: Sequence[Sequence[int]]) -> Iterator[str]:
    """What is taken for what most often."""
    pairs = [
        (-count, true, answer)
        for true, row in enumerate(matrix)
        for answer, count in enumerate(row)
        if count and answer != true
    ]
    if not pairs:
        yield "no mistakes"
        return
    yield "the most frequent mistakes"
    for count, true, answer in sorted(pairs)[:_WORST]:
        yield f"  {-count:>5,} {_noun(-count):6} of {names[true]} taken for {names[answer]}"


def _images(count: int) -> str:
    return f"{count:,} {_noun(count)}"


def _noun(count: int) -> str:
    return "image" if count == 1 else "images"


def _percent(share: float) -> str:
    """Two places, as test sets have thousands of images; 100% stands for nothing less than all."""
    return "100%" if share == 1 else f"{min(100 * share, 99.99):.2f}%"


def _cut(name: str) -> str:
    text = visible(name)
    return text if len(text) <= _NAME else f"{text[: _NAME - 1]}…"
