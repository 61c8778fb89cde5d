"""From an evaluation to what a user reads of it: numbers per class, and what is mistaken for what.

Rows of a confusion matrix are the true classes, columns the answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from cnndsl.cli.columns import Column, cut, table, width
from cnndsl.cli.gains import parts_table, percent
from cnndsl.cli.progress import number
from cnndsl.cli.scores_json import matrix_of
from cnndsl.diagnostics.render.characters import visible
from cnndsl.diagnostics.words import count

if TYPE_CHECKING:
    from cnndsl.runtime.evaluation import Evaluation

__all__ = ["as_text"]

_WHOLE = 20
"""Up to so many classes, labels or values are shown; of more, what is worth a look."""

_WORST = 10
"""How many of the worst classes and pairs are shown where there are many classes."""

_HEADING = 4
"""Columns of the matrix are headed by the classes' names where none is wider, else by indices."""

_NAME = 30
"""Wider names are cut."""


def as_text(evaluation: Evaluation) -> str:
    """The numbers as aligned lines; where several outputs have losses, those of one after another.

    What they come to together stands first.
    """
    if evaluation.outputs:
        samples = count(evaluation.count, "sample", commas=True)
        total = "\n".join(
            [f"loss {number(evaluation.loss).strip()}  {samples}", *parts_table(evaluation)]
        )
        heads = (f"{visible(name)}: {as_text(one)}" for name, one in evaluation.outputs.items())
        return "\n\n".join((total, *heads))
    lines = ["  ".join([*_facts(evaluation), count(evaluation.count, "sample", commas=True)])]
    lines += parts_table(evaluation)
    if evaluation.nan:
        verb = "is" if evaluation.nan == 1 else "are"
        lines.append(f"{count(evaluation.nan, 'answer', commas=True)} {verb} NaN and wrong")
    if evaluation.confusion is not None:
        lines += _classes(evaluation)
    elif evaluation.labels:
        lines += _labels(evaluation)
    elif 1 < len(evaluation.values) <= _WHOLE:
        lines += ["", *_values(evaluation)]
    return "\n".join(lines)


def _facts(evaluation: Evaluation) -> Iterator[str]:
    """The first line's numbers."""
    yield f"loss {number(evaluation.loss).strip()}"
    for name, share in (("top1", evaluation.top1), ("top5", evaluation.top5)):
        if share is not None:
            yield f"{name} {percent(share)}"
    if evaluation.top1 is None and evaluation.accuracy is not None:
        yield f"accuracy {percent(evaluation.accuracy)}"
    if len(evaluation.labels) > 1 and evaluation.exact_match is not None:
        yield f"exact match {percent(evaluation.exact_match)}"
    if len(evaluation.labels) == 1 and evaluation.labels[0].auc is not None:
        yield f"AUC {evaluation.labels[0].auc:.4f}"
    if evaluation.mean_iou is not None:
        yield f"mean IoU {percent(evaluation.mean_iou)}"
    if evaluation.mae is not None and evaluation.rmse is not None:
        yield f"MAE {number(evaluation.mae).strip()}"
        yield f"RMSE {number(evaluation.rmse).strip()}"
        yield f"R2 {_decimal(evaluation.r2)}"


# --- classes ------------------------------------------------------------------------------------


def _classes(evaluation: Evaluation) -> Iterator[str]:
    """Each class's numbers and what it is taken for; of many classes, the worst."""
    matrix = matrix_of(evaluation)
    names = _shown(evaluation.class_names)
    if len(matrix) <= _WHOLE:
        short = max(map(width, names)) <= _HEADING
        heads = names if short else [str(at) for at in range(len(names))]
        labels = names if short else [f"{at} {name}" for at, name in enumerate(names)]
        yield ""
        yield from _class_table(evaluation, labels, range(len(names)))
        yield ""
        yield from _confusions(labels, heads, matrix)
        return
    if not evaluation.classes:
        names = [f"class {at}" for at in range(len(matrix))]
    yield ""
    yield from _worst_classes(evaluation, names)
    yield ""
    yield from _worst_pairs(names, matrix)


def _class_table(
    evaluation: Evaluation, names: Sequence[str], which: Iterable[int]
) -> Iterator[str]:
    every = evaluation.class_scores
    scores = [every[at] for at in which]
    columns = [
        Column("class", [names[at] for at in which], left=True),
        Column("places" if evaluation.places else "samples", [f"{one.count:,}" for one in scores]),
        Column("precision", [percent(one.precision) for one in scores]),
        Column("recall", [percent(one.recall) for one in scores]),
        Column("F1", [percent(one.f1) for one in scores]),
    ]
    if evaluation.places:
        columns.append(Column("IoU", [percent(one.iou) for one in scores]))
    return table(columns)


def _confusions(
    labels: Sequence[str], heads: Sequence[str], matrix: Sequence[Sequence[int]]
) -> Iterator[str]:
    """A row for each class: what it was taken for."""
    counts = [
        Column(head, [str(row[at] or ".") for row in matrix]) for at, head in enumerate(heads)
    ]
    wide = max(one.width for one in counts)
    return table([Column("taken for", labels, left=True), *(one.at_least(wide) for one in counts)])


def _worst_classes(evaluation: Evaluation, names: Sequence[str]) -> Iterator[str]:
    """The classes that are missed most often."""
    missed = [
        (one.recall, at)
        for at, one in enumerate(evaluation.class_scores)
        if one.recall is not None and one.correct < one.count
    ]
    yield f"the least accurate of {len(names):,} classes, {len(missed):,} of which have mistakes"
    worst = [at for _, at in sorted(missed)[:_WORST]]
    if worst:
        yield from _class_table(evaluation, names, worst)


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
    for wrong, true, answer in sorted(pairs)[:_WORST]:
        yield f"  {-wrong:>5,} of {names[true]} taken for {names[answer]}"


# --- labels and values --------------------------------------------------------------------------


def _labels(evaluation: Evaluation) -> Iterator[str]:
    """Each label's numbers; of many labels, those of the worst."""
    labels = evaluation.labels
    which = list(range(len(labels)))
    yield ""
    if len(labels) > _WHOLE:
        yield f"the least F1 of {len(labels):,} labels"
        which = sorted(which, key=lambda at: (-1.0 if labels[at].f1 is None else labels[at].f1, at))
        which = which[:_WORST]
    names = _shown(evaluation.label_names)
    scores = [labels[at] for at in which]
    columns = [
        Column("label", [names[at] for at in which], left=True),
        Column("positive", [f"{one.positive:,}" for one in scores]),
        Column("accuracy", [percent(one.accuracy) for one in scores]),
        Column("precision", [percent(one.precision) for one in scores]),
        Column("recall", [percent(one.recall) for one in scores]),
        Column("F1", [percent(one.f1) for one in scores]),
        Column("IoU", [percent(one.iou) for one in scores])
        if evaluation.places
        else Column("AUC", [_decimal(one.auc) for one in scores]),
    ]
    yield from table(columns)


def _values(evaluation: Evaluation) -> Iterator[str]:
    """Each channel's errors."""
    scores = evaluation.values
    return table(
        [
            Column("value", _shown(evaluation.value_names), left=True),
            Column("MAE", [number(one.mae).strip() for one in scores]),
            Column("RMSE", [number(one.rmse).strip() for one in scores]),
            Column("R2", [_decimal(one.r2) for one in scores]),
        ]
    )


def _shown(names: Sequence[str]) -> list[str]:
    return [cut(visible(name), _NAME) for name in names]


def _decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
