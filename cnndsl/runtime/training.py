"""Turns what a caller asks of training into a run, and its folder into what the caller gets."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypedDict

import typing_extensions

from cnndsl.data.formats.memory import ArrayData
from cnndsl.data.samples import Dataset
from cnndsl.data.sources import Array
from cnndsl.data.training_data import named_as, open_training_data
from cnndsl.diagnostics.words import count
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.elaborate.overrides import override
from cnndsl.graph.weight_files import read_weights
from cnndsl.recipe.settings import PrecisionWord
from cnndsl.runtime.evaluation import Evaluation
from cnndsl.runtime.events import EpochRecord, FigureFormat, Listener
from cnndsl.runtime.logs.listeners import logs_named
from cnndsl.runtime.model import Model
from cnndsl.runtime.plan import TrainingRequest
from cnndsl.runtime.workers.communicator import ALONE, Communicator
from cnndsl.typecheck.spans import setting_labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "NOBODY",
    "Place",
    "Training",
    "TrainingOptions",
    "default_folder",
    "says_shards",
    "training_request",
]

Place: TypeAlias = "str | os.PathLike[str]"


class TrainingOptions(TypedDict, total=False):
    """What may be asked of a training run; all of it may be left out."""

    valid: Place | ArrayData | float | None
    """Other data to validate with, or the share of the data to keep aside for it; by default the
    data's own part for validation, where it has one."""

    out: Place | None
    """The folder for all that comes out, by default ``runs/NAME``."""

    epochs: int | None
    """Passes over the data, instead of the recipe's."""

    batch: int | None
    """Samples in a step, instead of the recipe's."""

    seed: int | None
    """Where all chance starts, instead of the recipe's: the same seed gives the same run."""

    precision: PrecisionWord | None
    """What products are computed in, instead of the recipe's: ``float32``, ``float16`` or
    ``bfloat16``."""

    settings: Sequence[str]
    """Changes of the recipe: ``["train.optimizer.lr=0.1"]``."""

    weights: Place | None
    """A safetensors or ``.npz`` file or a compiled model; what fits of it by name is what training
    begins with."""

    verify: bool
    """Whether to compare the checksum of ``weights`` with their content, by default yes."""

    resume: bool | Place
    """Go on with the run in the folder: from its last checkpoint, or where this is ``"previous"``
    from the one before it, or from the checkpoint of this path."""

    device: str
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""

    threads: int | None
    """How many threads one operator may use; by default ONNX Runtime decides."""

    skip_broken: bool
    """Leave out samples that cannot be read, which are an error otherwise."""

    keep: int
    """How many checkpoints stay, by default 3."""

    tune: bool
    """Time the forms of convolutions that are near each other on this CPU, by default no."""

    figures: FigureFormat
    """The format of the curves and the confusion matrix in the folder, by default ``png``."""

    logs: Sequence[str]
    """Further ways to write the run down, by their words: ``csv``, ``tensorboard``, ``mlflow``, or
    one of another package."""

    workers: Communicator
    """Those that do the run together, each with its part of every batch; by default those that MPI
    has started, if this process is one of several."""

    command: Sequence[str]
    """The words that the folder notes as the command that was run."""


@dataclass(frozen=True, eq=False)
class Training:
    """A run that is over, or was interrupted.

    ``how`` is ``finished``, ``stopped early`` or ``interrupted``; ``records`` has the numbers of
    every epoch, ``best`` is the one whose weights the model has, None before the first epoch's
    end.
    """

    folder: Path
    how: str
    records: tuple[EpochRecord, ...]
    best: EpochRecord | None
    seconds: float
    network: TypedNetwork
    """What was trained, with its recipe as it was set for this run."""
    valid: Dataset | None = None
    device: str = "auto"
    skipped: int = 0
    """How many steps changed nothing, as their gradients overflowed float16."""
    measure: Callable[[Mapping[str, Array], Dataset], Evaluation] | None = None
    """How weights of the network are judged by data."""

    @typing_extensions.override
    def __repr__(self) -> str:
        best = "" if self.best is None else f", the best is epoch {self.best.epoch}"
        if self.best is not None:
            best += f": loss {self.best.loss:.4g}"
            if self.best.valid_loss is not None:
                best += f", validation loss {self.best.valid_loss:.4g}"
        epochs = count(len(self.records), "epoch")
        return f"<Training of {self.network.name}: {self.how} after {epochs}{best}>"

    @cached_property
    def model(self) -> Model:
        """The trained network, with the best epoch's weights.

        Raises:
            UserError: CNN604 where the run was interrupted before there was one.
        """
        return Model(self.folder / "model.onnx", device=self.device, network=self.network)

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """How good the best weights are on the validation data; None where there is none."""
        if self.valid is None or self.best is None or self.measure is None:
            return None
        weights = read_weights(self.folder / "best.safetensors", self.network)
        return self.measure(weights, self.valid)

    def draw_curves(self, path: Place) -> None:
        """Draw the loss and the accuracy (or the error) of every epoch into a file.

        Raises:
            UserError: CNN609 where the path does not end in ``.png``, ``.svg`` or ``.pdf``,
                CNN603 where the file cannot be written.
        """
        from cnndsl.plots.figure import save_figure

        save_figure(path, self.curves())

    def curves(self) -> Figure:
        """The figure of the loss and the accuracy (or the error) of every epoch."""
        from cnndsl.plots.curves import draw_curves

        return draw_curves(self.records, self.network.name)

    def _repr_html_(self) -> str:
        from cnndsl.display.html import titled
        from cnndsl.display.results import figure_html

        parts = [titled(f"Training of {self.network.name}", [repr(self).partition(": ")[2][:-1]])]
        if self.records:
            parts.append(figure_html(self.curves(), "loss and accuracy", 720))
        return "".join(parts)


def default_folder(network: TypedNetwork) -> Path:
    """Where a run goes that is not told where."""
    return Path("runs") / network.name


def training_request(
    network: TypedNetwork, data: Place | ArrayData, listener: Listener, options: TrainingOptions
) -> TrainingRequest:
    """What is to be trained, by what a caller asks: the recipe is set, the data opened.

    Raises:
        UserError: for data and settings that do not fit.
        TypeError: for an option that there is not.
        ValueError: where no checkpoint is to be kept.
    """
    for name in options:
        if name not in TrainingOptions.__annotations__:
            raise TypeError(f"training has no option `{name}`")
    if options.get("keep", 3) < 1:
        raise ValueError("at least one checkpoint must be kept")
    logs = logs_named(options.get("logs", ()))
    network = override(network, _settings(options))
    training, validation = open_training_data(
        network,
        data,
        options.get("valid"),
        skip_broken=options.get("skip_broken", False),
        tell=listener.note,
    )
    resume = options.get("resume", False)
    weights = options.get("weights")
    return TrainingRequest(
        network=named_as(network, training),
        data=training,
        valid=validation,
        folder=Path(options.get("out") or default_folder(network)),
        weights=None if weights is None else Path(weights),
        verify=options.get("verify", True),
        device=options.get("device", "auto"),
        threads=options.get("threads"),
        resume="latest" if resume is True else os.fspath(resume) if resume else "",
        command=tuple(options.get("command", ())),
        keep=options.get("keep", 3),
        figures=options.get("figures", "png"),
        tune=options.get("tune", False),
        logs=logs,
        workers=options.get("workers", ALONE),
    )


def says_shards(network: TypedNetwork, options: TrainingOptions) -> bool:
    """Whether the spec or the caller says in how many shards a batch is computed."""
    said = any(one.startswith("train.shards") for one in options.get("settings", ()))
    return said or any(True for _ in setting_labels(network.network, "shards"))


def _settings(options: TrainingOptions) -> list[str]:
    """All changes of the recipe as settings; those with an option of their own go last."""
    settings = list(options.get("settings", ()))
    own = {name: options.get(name) for name in ("epochs", "batch", "seed", "precision")}
    return settings + [f"train.{name}={value}" for name, value in own.items() if value is not None]


class _Nobody(Listener):
    """Hears nothing."""


NOBODY: Listener = _Nobody()
"""A listener that lets everything pass."""
