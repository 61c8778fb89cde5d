"""``--log tensorboard``: scalars of steps and epochs, the spec, and figures, in event files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from cnndsl.runtime.events import EpochRecord, Outcome, Progress, Start
from cnndsl.runtime.logs.base import Log, facts_of
from cnndsl.runtime.logs.scalars import scalars

if TYPE_CHECKING:
    from cnndsl.runtime.evaluation import Evaluation

__all__ = ["TensorBoardLog"]


class TensorBoardLog(Log):
    """Event files in the run's folder ``tensorboard``, for ``tensorboard --logdir runs``.

    Steps are ``step/loss`` and ``step/lr``; epochs ``loss/train``, ``loss/valid`` and the like, at
    the number of their last step. Where a run goes on, the viewer forgets the steps that are done
    again. The package that writes them is tensorboardX.
    """

    keyword = "tensorboard"

    def __init__(self) -> None:
        self._package = self.needs("tensorboardX", "tensorboard")
        self._writer: Any = None
        self._network = ""

    @override
    def start(self, start: Start) -> None:
        facts = facts_of(start)
        done = (start.epoch - 1) * start.steps + start.step
        self._network = start.network
        place = facts.folder / "tensorboard"
        # A run that was killed before its first checkpoint, and began anew, has left steps too.
        again = done + 1 if place.exists() else None
        # Its files are named by the second, and one of the same second would be overwritten.
        self._writer = self._package.SummaryWriter(
            str(place), purge_step=again, filename_suffix=f".{done:09}"
        )
        self._writer.add_text("spec", _code(facts.spec), done)
        rows = "\n".join(f"| {name} | {value} |" for name, value in facts.recipe.items())
        self._writer.add_text("recipe", f"| setting | value |\n|---|---|\n{rows}", done)

    @override
    def progress(self, progress: Progress) -> None:
        self._writer.add_scalar("step/loss", progress.step_loss, progress.number)
        self._writer.add_scalar("step/lr", progress.lr, progress.number)

    @override
    def best(self, record: EpochRecord, evaluation: Evaluation | None) -> None:
        if evaluation is not None and evaluation.confusion is not None:
            from cnndsl.plots.confusion_matrix import draw_confusion

            names = evaluation.class_names
            figure = draw_confusion(evaluation.confusion, names, self._network)
            self._writer.add_image("confusion", _pixels(figure), record.step, dataformats="HWC")

    @override
    def epoch(self, record: EpochRecord) -> None:
        for name, value in scalars(record):
            self._writer.add_scalar(name, value, record.step)
        self._writer.flush()

    @override
    def end(self, outcome: Outcome) -> None:
        self._writer.flush()

    @override
    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _code(text: str) -> str:
    """A text as a block of code in Markdown."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def _pixels(figure: Any) -> Any:
    """A figure as an array of ``height x width x 3`` bytes."""
    import numpy
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    return numpy.asarray(canvas.buffer_rgba())[..., :3]
