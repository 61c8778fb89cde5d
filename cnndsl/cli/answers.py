"""From a network's answers for a sample to what a user reads of them: lines, or plain data.

Classes that exclude each other come best first; labels and quantities in the output's order, all
of them; of feature maps and long vectors the range is shown, and of small maps their numbers too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy
from typing_extensions import TypedDict

from cnndsl.diagnostics.render.characters import visible

if TYPE_CHECKING:
    from cnndsl.data.sources import Array
    from cnndsl.runtime.prediction import Answer, Prediction

__all__ = [
    "AnswerJson",
    "ArrayJson",
    "PredictionJson",
    "PredictionsJson",
    "ResultsJson",
    "aligned",
    "as_json",
    "as_lines",
    "nans",
    "sizes",
]

_LISTED = 100
"""Unranked numbers are listed up to so many; of more, the range is shown."""

_LISTED_JSON = 10_000

_INLINE = 8
"""Up to so many numbers of a further output stand in its line."""

_IN_ROWS = 200
"""Feature maps of up to so many numbers are shown as rows of numbers."""

_WIDEST = 80
"""No row of numbers is wider than a terminal."""


AnswerJson = TypedDict("AnswerJson", {"index": int, "class": str | None, "score": float | None})
"""A number of the main output; one that is none is null."""


class ArrayJson(TypedDict):
    """An output or layer: its sizes and range; what is no number is null."""

    shape: list[int]
    min: float | None
    mean: float | None
    max: float | None


class PredictionJson(TypedDict):
    """What a network answers for one input."""

    input: str
    kind: str | None
    ranked: bool | None
    answers: list[AnswerJson]
    nan: int
    outputs: dict[str, ArrayJson]
    layers: dict[str, ArrayJson]


PredictionsJson = list[PredictionJson]
"""What ``cnndsl run --format json`` prints."""


class ResultsJson(TypedDict):
    """What ``cnndsl run -o FILE --format json`` prints: what was written where."""

    file: str
    inputs: int
    arrays: dict[str, list[int]]


def as_lines(prediction: Prediction, top: int) -> Iterator[str]:
    """What is shown of one input: its answers, and the range of everything else."""
    answers = _listed(prediction, top, _LISTED)
    name = visible(prediction.name)
    if answers:
        yield f"{name}: {_heading(prediction)}"
        numbers = aligned([answer.score for answer in answers])
        for answer, number in zip(answers, numbers, strict=True):
            yield f"  {number:>10}  {visible(_label(prediction, answer))}"
    else:
        yield f"{name}:"
    if lost := nans(prediction.main):
        yield f"  {lost:,} of {prediction.main.size:,} numbers of the answer are NaN"
    for output, array in prediction.outputs.items():
        if array is prediction.main and answers:
            continue
        yield f"  {visible(output)} {sizes(array.shape)}: {_shown(array)}"
        yield from _rows(array)
    for layer, array in prediction.layers.items():
        yield f"  {visible(layer)} {sizes(array.shape)}: {_shown(array)}"
        yield from _rows(array)


def as_json(prediction: Prediction, top: int) -> PredictionJson:
    """The answers as plain data; ``docs/train-command.md`` says what each key is."""
    answers: list[AnswerJson] = [
        {
            "index": answer.index,
            "class": answer.name if len(prediction.classes) == len(prediction.main) else None,
            "score": _number(answer.score),
        }
        for answer in _listed(prediction, top, _LISTED_JSON)
    ]
    return {
        "input": prediction.name,
        "kind": prediction.meaning.kind if answers else None,
        "ranked": prediction.meaning.ranked if answers else None,
        "answers": answers,
        "nan": nans(prediction.main),
        "outputs": {name: _about(array) for name, array in prediction.outputs.items()},
        "layers": {name: _about(array) for name, array in prediction.layers.items()},
    }


def _listed(prediction: Prediction, top: int, most: int) -> tuple[Answer, ...]:
    """The answers to list: the best classes, or all numbers where they are not ranked."""
    if prediction.meaning.ranked:
        return prediction.top(top)
    return prediction.in_order() if prediction.main.size <= most else ()


def _heading(prediction: Prediction) -> str:
    meaning = prediction.meaning
    if meaning.ranked or len(prediction.main) == 1:
        return meaning.kind
    return "values" if meaning.kind == "value" else f"{meaning.kind} of each label"


def _label(prediction: Prediction, answer: Answer) -> str:
    """What an answer is called; a single number without a name is the output itself."""
    if len(prediction.main) == 1 and not prediction.classes:
        return prediction.main_name
    return answer.name


# --- numbers ------------------------------------------------------------------------------------


def aligned(values: Sequence[float]) -> list[str]:
    """Numbers with four places, or all with an exponent where that would not show them.

    >>> aligned([0.25, -0.00001, 12.0])
    ['0.2500', '0.0000', '12.0000']
    >>> aligned([3e-6, 0.0, -2e38])
    ['3.0000e-06', '0.0000e+00', '-2.0000e+38']
    """
    finite = [abs(value) for value in values if math.isfinite(value)]
    largest = max(finite, default=0.0)
    plain = largest < 1e6 and (largest >= 1e-3 or largest == 0)
    return [_plain(value) if plain else f"{value:.4e}" for value in values]


def _whole(values: Sequence[float]) -> list[str] | None:
    """Numbers without places, where none has any; not where they are too long to be read."""
    if all(value.is_integer() and abs(value) < 1e6 for value in values):
        return [str(int(value)) for value in values]
    return None


def _plain(value: float) -> str:
    text = f"{value:.4f}"
    return text.removeprefix("-") if text == "-0.0000" else text


def _shown(array: Array) -> str:
    """A further output or a layer: its numbers where it is a short vector, else their range."""
    if array.ndim == 1 and array.size <= _INLINE:
        return "  ".join(aligned([float(value) for value in array]))
    return _range_text(array)


def _rows(array: Array) -> Iterator[str]:
    """Small feature maps row by row, an empty line before each but the first; nothing of others."""
    if array.ndim < 2 or array.size > _IN_ROWS:
        return
    values = [float(value) for value in array.flat]
    texts = _whole(values) or aligned(values)
    width = max(map(len, texts)) + 2
    across, down = array.shape[-1], array.shape[-2]
    if 2 + across * width > _WIDEST:
        return
    for row, start in enumerate(range(0, len(texts), across)):
        if row and row % down == 0:
            yield ""
        yield "  " + "".join(text.rjust(width) for text in texts[start : start + across])


def _range_text(array: Array) -> str:
    low, mean, high = _range(array)
    return f"from {low:.4g} to {high:.4g}, mean {mean:.4g}"


def _range(array: Array) -> tuple[float, float, float]:
    """The smallest value, the mean and the largest one."""
    with numpy.errstate(invalid="ignore", over="ignore"):
        return float(array.min()), float(array.mean(dtype="float64")), float(array.max())


def _about(array: Array) -> ArrayJson:
    low, mean, high = map(_number, _range(array))
    return {"shape": list(array.shape), "min": low, "mean": mean, "max": high}


def nans(array: Array) -> int:
    """How many numbers of an array are NaN."""
    return int(numpy.isnan(array).sum())


def _number(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else None


def sizes(shape: Sequence[int]) -> str:
    """A shape as a spec writes it: ``3x8x8``."""
    return "x".join(map(str, shape))
