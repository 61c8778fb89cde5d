"""What a network gave for one sample, and what its numbers mean."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy
from typing_extensions import override

from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.typecheck.answers import Answers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Answer", "Prediction", "maps_figure", "meaning_of"]

_LISTED = 20
"""A notebook shows unranked numbers up to so many."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One number of an output: its place, what it is called, and how large it is.

    The name is that of its class, or where there are no names the place.
    """

    index: int
    name: str
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """What a network gave for one sample.

    ``outputs`` are its outputs by name, the main one first, ``layers`` the feature maps that were
    asked for; both without a batch dimension. ``source`` is the sample's file. ``answers`` says
    what each output's numbers are.
    """

    name: str
    source: Path
    outputs: Mapping[str, Array]
    layers: Mapping[str, Array]
    classes: tuple[str, ...] = ()
    answers: Mapping[str, Answers] = field(default_factory=dict)

    @override
    def __repr__(self) -> str:
        shapes = (f"{name} {'x'.join(map(str, one.shape))}" for name, one in self.outputs.items())
        best = "".join(f", best {one.name} ({one.score:.4g})" for one in self.top(1))
        return f"<Prediction for {self.name}: {', '.join(shapes)}{best}>"

    @property
    def main(self) -> Array:
        """The main output: the stream at the end of the spec."""
        return self.outputs[self.main_name]

    @property
    def main_name(self) -> str:
        """The name of the main output."""
        return next(iter(self.outputs))

    @property
    def meaning(self) -> Answers:
        """What the main output's numbers are: probabilities, scores or values."""
        return meaning_of(self.answers, self.main_name, self.classes)

    def top(self, count: int) -> tuple[Answer, ...]:
        """The best classes, the best first; none where the main output's are not ranked.

        A NaN is worse than any number.
        """
        if self.main.ndim != 1 or not self.meaning.ranked:
            return ()
        scores = numpy.asarray(self.main, numpy.float64)
        best = numpy.argsort(-scores, kind="stable")[:count]
        return tuple(self._answer(int(at)) for at in best)

    def in_order(self) -> tuple[Answer, ...]:
        """The numbers of the main output, as they come; none where it is not a vector."""
        return tuple(map(self._answer, range(len(self.main)))) if self.main.ndim == 1 else ()

    def draw(self, layer: str, path: str | os.PathLike[str]) -> None:
        """Draw a layer's feature maps, which were asked for, as a ``.png``, ``.svg`` or ``.pdf``.

        Raises:
            UserError: CNN714 for a layer that gives a vector, CNN609 for another ending, CNN603
                where the file cannot be written.
            KeyError: for a layer that was not asked for.
        """
        from cnndsl.plots.figure import save_figure

        save_figure(path, self.feature_maps(layer))

    def feature_maps(self, layer: str) -> Figure:
        """The figure of a layer's feature maps, which were asked for.

        Raises:
            UserError: CNN714 for a layer that gives a vector.
            KeyError: for a layer that was not asked for.
        """
        return maps_figure(self.layers[layer], layer, self.name)

    def _repr_html_(self) -> str:
        from cnndsl.display.results import answers_html

        best = self.top(5) or (self.in_order() if len(self.main) <= _LISTED else ())
        rest = [
            f"{name}: {'x'.join(map(str, one.shape))}"
            for name, one in self.outputs.items()
            if name != self.main_name or not best
        ]
        return answers_html(self.name, self.source, best, self.meaning.kind, rest)

    def _answer(self, at: int) -> Answer:
        named = len(self.classes) == len(self.main)
        return Answer(at, self.classes[at] if named else str(at), float(self.main[at]))


def maps_figure(maps: Array, layer: str, sample: str) -> Figure:
    """The figure of one sample's feature maps.

    Raises:
        UserError: CNN714 for a vector.
    """
    from cnndsl.plots.feature_maps import draw_maps

    if maps.ndim not in (2, 3, 4):
        raise UserError(
            "CNN714",
            f"`{layer}` gives `{'x'.join(map(str, maps.shape))}`, which are no feature maps",
            help="name a layer whose output has places: a convolution or a pooling",
        )
    return draw_maps(maps, layer, sample)


def meaning_of(answers: Mapping[str, Answers], output: str, classes: Sequence[str]) -> Answers:
    """What an output's numbers are; of a model that does not say it, what is sure."""
    return answers.get(output) or Answers("score", ranked=bool(classes))
