"""Says which pixels of a picture made a model's answer.

``gradient`` and ``gradcam`` come from a graph that the compiler differentiated
(:mod:`cnndsl.autodiff.salience`); ``smoothgrad`` is the first of them, with the mean slope over 50
copies of the picture with noise of 0.15 of its range (Smilkov et al. 2017); ``occlusion`` needs no
slope: a gray square of an eighth of the shorter side is slid over the picture by half its side, and
at each pixel the mean drop counts (Zeiler and Fergus 2014).
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy
from typing_extensions import override

from cnndsl.data.normalize import gray_of, prepared_values, shown_picture
from cnndsl.data.reading import read_samples
from cnndsl.data.sources import Array, ModelInput, find_files
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count, quoted
from cnndsl.runtime.batching import run_batch
from cnndsl.runtime.inference import Member, Paths, check_classes, one_or_more
from cnndsl.runtime.prediction import meaning_of
from cnndsl.runtime.session import Session
from cnndsl.typecheck.answers import Answers, class_index

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["METHODS", "Explainer", "Explanation", "Method", "Slopes"]

Method: TypeAlias = Literal["gradient", "smoothgrad", "gradcam", "occlusion"]

METHODS: tuple[Method, ...] = get_args(Method)
"""How a picture is explained."""

_COPIES, _NOISE, _SEED = 50, 0.15, 0
_SQUARE = 8
"""What part of the shorter side the gray square is."""


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Which pixels of one picture speak for a class.

    ``salience`` is a number for each pixel, ``[height, width]``; the larger, the more it matters.
    ``picture`` is what the network saw, as bytes ``[height, width]`` or ``[height, width, 3]``.
    ``answer`` is the number that the network gave for the class.
    """

    name: str
    source: Path
    method: Method
    index: int
    class_name: str
    answer: float
    meaning: Answers
    picture: Array
    salience: Array

    @property
    def largest(self) -> float:
        """The largest number of the salience; where it is 0 or less, no pixel speaks for the class.

        NaN where it is not finite.
        """
        found = float(self.salience.max())
        return found if math.isfinite(found) else math.nan

    @override
    def __repr__(self) -> str:
        height, width = self.salience.shape
        return f"<Explanation of {self.name}: {self.method} {height}x{width} of {self.class_name}>"

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Draw the salience over the picture into a ``.png``, ``.svg`` or ``.pdf`` file.

        Raises:
            UserError: CNN609 for another ending, CNN603 where the file cannot be written.
        """
        from cnndsl.plots.figure import save_figure

        save_figure(path, self.figure())

    def figure(self) -> Figure:
        """The salience over the picture."""
        from cnndsl.plots.salience import draw_salience

        kind = "" if self.meaning.kind == "value" else f"{self.meaning.kind} "
        of = f"{self.method}: {self.class_name} ({kind}{self.answer:.4g})"
        return draw_salience(self.picture, self.salience, self.name, of, self.method)

    def _repr_html_(self) -> str:
        from cnndsl.display.results import figure_html

        return figure_html(self.figure(), repr(self))


@dataclass(frozen=True, slots=True, eq=False)
class Slopes:
    """A session of a graph with a salience map, and the names of what it takes and gives."""

    session: Session
    data: str
    target: str
    salience: str
    gradient: str


class Explainer:
    """Explains a model's answers.

    Args:
        member: the model.
        name: what errors call it.
        method: how; all but ``occlusion`` need ``slopes``.
        target: the name or index of the class that is explained; by default, of each picture, the
            answer.
        slopes: the differentiated graph.
        batch: how many pictures are run at once, with a square each.

    Raises:
        UserError: CNN711 for a model that takes no single picture, CNN713 for a class that there is
            not.
    """

    def __init__(
        self,
        member: Member,
        name: str,
        method: Method,
        target: str | int | None,
        slopes: Slopes | None,
        batch: int,
    ) -> None:
        self._member, self._method, self._slopes, self._batch = member, method, slopes, batch
        self._input = _only_picture(member, name)
        check_classes(member)
        main = member.outputs[0]
        sizes = [size for size in main.shape[1:] if isinstance(size, int)]
        self._target = None if target is None else class_index(target, member.classes, sizes[0])

    def explain(
        self,
        paths: Paths,
        on_broken: Callable[[UserError], None] | None = None,
        tell: Callable[[str], None] = lambda note: None,
    ) -> Iterator[Explanation]:
        """Explain every picture in files and folders, one after another.

        Raises:
            UserError: CNN702, CNN703 and CNN706 for what the paths hold.
        """
        member = self._member
        files = find_files(one_or_more(paths), tell)
        for (sample,) in read_samples(files, [member.inputs], on_broken):
            values = sample.arrays[self._input.name]
            scores = self._scores(values[None])[0]
            index = int(numpy.argmax(scores)) if self._target is None else self._target
            named = len(member.classes) == len(scores)
            yield Explanation(
                sample.name,
                sample.source,
                self._method,
                index,
                member.classes[index] if named else str(index),
                float(scores[index]),
                meaning_of(member.answers, member.outputs[0].name, member.classes),
                shown_picture(values, self._input),
                self._salience(values, index),
            )

    def _scores(self, batch: Array) -> Array:
        """The main output's numbers by class; of several places, their mean."""
        main = self._member.outputs[0].name
        found = run_batch(self._member.session, {self._input.name: batch}, [main])[main]
        return numpy.asarray(found.reshape(len(batch), found.shape[1], -1).mean(axis=2))

    def _salience(self, values: Array, index: int) -> Array:
        if self._slopes is None:
            return self._occluded(values, index)
        values = prepared_values(values, self._input)
        if self._method == "smoothgrad":
            slope = self._mean_slope(values, index, self._slopes)
            return numpy.asarray(numpy.abs(slope).max(axis=0))
        name = self._slopes.salience
        return self._run(values, index, self._slopes, name)

    def _run(self, values: Array, index: int, slopes: Slopes, output: str) -> Array:
        feeds = {slopes.data: values[None], slopes.target: numpy.array([index], numpy.int64)}
        found: Array = slopes.session.run(feeds, [output])[output][0]
        return found

    def _mean_slope(self, values: Array, index: int, slopes: Slopes) -> Array:
        """The mean slope over copies of a picture with noise; the same noise for every picture."""
        random = numpy.random.default_rng(_SEED)
        deviation = _NOISE * float(values.max() - values.min())
        total = numpy.zeros(values.shape, numpy.float64)
        for _ in range(_COPIES):
            noise = random.normal(0, deviation, values.shape).astype(numpy.float32)
            total += self._run(values + noise, index, slopes, slopes.gradient)
        return total / _COPIES

    def _occluded(self, values: Array, index: int) -> Array:
        """How much less the class's number is where a gray square hides a pixel, on average."""
        one = self._input
        height, width = one.type.spatial
        side = max(1, round(min(height, width) / _SQUARE))
        places = [(top, left) for top in _steps(height, side) for left in _steps(width, side)]
        gray = gray_of(one)
        gray = gray if one.is_raw else gray[:, None, None]
        whole = self._scores(values[None])[0, index]
        drops = numpy.zeros((height, width))
        seen = numpy.zeros((height, width))
        for start in range(0, len(places), self._batch):
            group = places[start : start + self._batch]
            batch = numpy.repeat(values[None], len(group), axis=0)
            for at, (top, left) in enumerate(group):
                view = batch[at] if one.is_raw else batch[at].transpose(1, 2, 0)
                view[top : top + side, left : left + side] = gray.reshape(-1)
            found = self._scores(batch)[:, index]
            for (top, left), number in zip(group, found, strict=True):
                square = slice(top, top + side), slice(left, left + side)
                drops[square] += whole - number
                seen[square] += 1
        return drops / seen


def _steps(size: int, side: int) -> list[int]:
    """Where a square begins along a side: half a square further each time, the last at the end."""
    return sorted({*range(0, size - side, max(1, side // 2)), size - side})


def _only_picture(member: Member, name: str) -> ModelInput:
    """The model's one input; raise CNN711 where it takes no picture."""
    if len(member.inputs) > 1:
        raise UserError(
            "CNN711",
            f"`{name}` has {count(len(member.inputs), 'input')}"
            f" ({quoted(one.name for one in member.inputs)}): salience is of a single picture",
            help="explain a network that has one input",
        )
    [only] = member.inputs
    if only.preparation.layout_for(only.type) is None:
        raise UserError(
            "CNN711",
            f"`{name}` takes `{only.type}`, and salience is drawn over a picture",
            help="explain a network for pictures: 1 or 3 channels x height x width",
        )
    return only
