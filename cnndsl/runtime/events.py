"""What a training run tells whoever watches it: plain facts, no text for people.

The files that a run writes about itself are watchers too (``runtime/logs/``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from typing_extensions import override

if TYPE_CHECKING:
    from cnndsl.runtime.evaluation import Evaluation
    from cnndsl.training.metrics import Measure

__all__ = ["EpochRecord", "FigureFormat", "Listener", "Outcome", "Progress", "RunFacts", "Start"]

FigureFormat: TypeAlias = Literal["png", "svg", "pdf"]
"""What the figures of a run may be."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What does not change in a run, for those who write it down.

    ``spec`` is the canonical spec with all that was set for this run, ``recipe`` its settings as a
    spec writes them, by name. ``measure`` is what the main loss is measured by, ``further`` are the
    heads and measures that records have beside it. ``figures`` is the format of what is drawn.
    """

    folder: Path
    spec: str
    recipe: Mapping[str, str]
    measure: Measure = "accuracy"
    further: tuple[tuple[str, str], ...] = ()
    figures: FigureFormat = "png"


@dataclass(frozen=True, slots=True)
class Start:
    """What is about to happen: sizes, the device, and where it begins (epoch 1 unless resumed).

    ``shards`` are those of a batch, ``workers`` the processes that share them. ``records`` are
    those of the epochs before, where the run was resumed.
    """

    network: str
    device: str
    samples: int
    valid_samples: int
    epochs: int
    steps: int
    batch: int
    epoch: int = 1
    step: int = 0
    records: tuple[EpochRecord, ...] = ()
    facts: RunFacts | None = None
    shards: int = 1
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is, after a step.

    ``epoch`` and ``step`` count from 1; ``steps`` are those of one epoch. ``loss`` and what the
    loss is measured by (``accuracy``, or ``mae`` where numbers are to be met; the other one is
    None) are means over the epoch so far, ``rate`` is in samples per second, ``seconds_left`` the
    estimated time to the end of the last epoch. ``number`` counts the steps of all epochs,
    ``step_loss`` and ``lr`` are this step's own loss and learning rate.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    accuracy: float | None
    rate: float
    seconds_left: float
    mae: float | None = None
    number: int = 0
    step_loss: float = 0.0
    lr: float = 0.0


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One line of the metrics: an epoch's means over training and validation data.

    The validation's numbers are None where there is none. Where numbers are to be met there are
    errors, ``mae`` (the mean absolute one) and ``rmse`` (the root of the mean of the squares), and
    no accuracy. ``lr`` is the last step's learning rate, ``seconds`` the epoch's time with its
    evaluation; ``best`` says whether it is the best epoch so far.

    Where several heads have losses, ``loss`` is their weighted sum, and ``outputs`` has each one's
    own numbers by the names used here.
    """

    epoch: int
    step: int
    loss: float
    accuracy: float | None
    valid_loss: float | None
    valid_accuracy: float | None
    lr: float
    seconds: float
    rate: float
    best: bool
    mae: float | None = None
    rmse: float | None = None
    valid_mae: float | None = None
    valid_rmse: float | None = None
    outputs: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: ``finished``, ``stopped early`` or ``interrupted``, and its best epoch.

    ``skipped`` is how many steps changed nothing, as their gradients overflowed.
    """

    how: str
    records: tuple[EpochRecord, ...]
    best: EpochRecord | None
    seconds: float
    skipped: int = 0

    @override
    def __repr__(self) -> str:
        best = f", the best is {self.best.epoch}" if self.best else ""
        return f"<Outcome: {self.how}, epochs {len(self.records)}{best}>"


class Listener:
    """Whoever watches a run. All methods are called on the thread that trains.

    A class that inherits from it overrides what it wants to know. One that does not must have the
    others, but may leave out ``best`` and ``close``.
    """

    def start(self, start: Start) -> None:
        """Before the first step."""

    def progress(self, progress: Progress) -> None:
        """After every step."""

    def best(self, record: EpochRecord, evaluation: Evaluation | None) -> None:
        """After an epoch that is better than all before, with how it did on validation data.

        The best weights and the model are written by then. Also at the end of a resumed run.
        """

    def epoch(self, record: EpochRecord) -> None:
        """After every epoch and its evaluation."""

    def note(self, text: str) -> None:
        """Something that whoever trains should know: class imbalance, dead units."""

    def end(self, outcome: Outcome) -> None:
        """After the last step; all files are written by then."""

    def close(self) -> None:
        """Last of all, however the run ended."""
