"""``cnndsl train``: a spec and labelled data in, a folder with the trained model out."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeAlias

import click
from typing_extensions import override

from cnndsl.cli.completion import complete_specs
from cnndsl.cli.options import (
    LINE,
    batch_option,
    color_option,
    data_option,
    device_option,
    epochs_option,
    figures_option,
    parameters_option,
    precision_option,
    seed_option,
    skip_broken_option,
    threads_option,
    valid_option,
    verify_option,
    weights_option,
)
from cnndsl.cli.progress import duration, number, percent, watching
from cnndsl.cli.workers import WORKERS, alike, launched, team, timeout_option
from cnndsl.diagnostics.exit_codes import INTERRUPTED
from cnndsl.diagnostics.words import count

if TYPE_CHECKING:
    from cnndsl.api import Network
    from cnndsl.recipe.settings import PrecisionWord
    from cnndsl.runtime.training import Training

__all__ = ["train"]

Parameters: TypeAlias = Mapping[str, int | float | bool | str]


class _TrainCommand(click.Command):
    """A command whose ``--resume`` may stand without a value."""

    @override
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_with_resume_value(args)))


def _with_resume_value(words: Sequence[str]) -> Iterator[str]:
    """Join ``--resume`` to its value, or to ``latest`` where what follows is something else."""
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--resume":
            valued = left and (left[0] in _CHECKPOINTS or left[0].endswith(".ckpt"))
            word = f"--resume={left.pop(0) if valued else _CHECKPOINTS[0]}"
        yield word


_CHECKPOINTS = ("latest", "previous")


def _resume(ctx: click.Context, option: click.Parameter, text: str | None) -> str | None:
    if text is None or text in _CHECKPOINTS or text.endswith(".ckpt"):
        return text
    raise click.BadParameter(f"'{text}' is neither 'previous' nor a .ckpt file")


# Long, because its parameters are the options of the command.
@click.command(
    cls=_TrainCommand,
    epilog=(
        "\b\nExample:"
        "\n  cnndsl train net.cnn --data pictures/ --valid 0.2"
        "\n  cnndsl train net.cnn --data pictures/ --valid 0.2 --resume"
        "\n  cnndsl train lenet5 --data digits --epochs 2 --set train.optimizer.lr=0.02"
    ),
)
@click.argument("spec", shell_complete=complete_specs)
@data_option(
    "Labelled data: `digits`, a folder with a folder of pictures per class, a folder of idx,"
    " CIFAR or Tiny-ImageNet files, an .npz file, or a .csv file of paths and labels."
)
@valid_option
@click.option(
    "--out", metavar="DIR", help="Where all that comes out goes.  [default: runs/NETWORK]"
)
@epochs_option
@batch_option
@seed_option("Where all chance starts, not the recipe's: the same seed gives the same run.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="train.KEY=VALUE",
    help="Change the recipe: train.optimizer.lr=0.1, say; may be given several times.",
)
@weights_option(
    "Begin with what fits by name of these weights (a safetensors or .npz file or a compiled"
    " model), instead of with drawn ones."
)
@click.option(
    "--resume",
    metavar="[previous|FILE.ckpt]",
    callback=_resume,
    help="Go on with the run in DIR: from its last checkpoint, the one before it, or this one.",
)
@figures_option("The format of the curves and the confusion matrix in DIR.")
@click.option(
    "--log",
    "logs",
    multiple=True,
    metavar="csv|tensorboard|mlflow",
    help="Write the run down in a further way: each step in DIR/steps.csv, event files for"
    " TensorBoard, a run of MLflow, or a log of another package; may be given several times.",
)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    metavar="N",
    help="How many checkpoints to keep.",
)
@click.option(
    "--workers",
    type=WORKERS,
    metavar="N|gpus",
    help="Train with N processes of this machine, or with one for each of its GPUs, by MPI; the"
    " shards of the recipe are divided among them. What `mpirun` or `srun` starts needs no"
    " --workers.",
)
@click.option(
    "--restarts",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="K",
    help="How often --workers starts again, from the last checkpoint, where a worker was lost.",
)
@timeout_option
@verify_option
@skip_broken_option
@click.option(
    "--tune",
    is_flag=True,
    help="On the CPU, time two forms of a convolution where they are near, and take the faster.",
)
@precision_option
@device_option
@threads_option
@parameters_option
@color_option
def train(
    spec: str,
    data: str,
    valid: float | str | None,
    out: str | None,
    epochs: int | None,
    batch: int | None,
    seed: int | None,
    settings: tuple[str, ...],
    weights: str | None,
    verify: bool,
    resume: str | None,
    figures: Literal["png", "svg", "pdf"],
    logs: tuple[str, ...],
    keep: int,
    skip_broken: bool,
    tune: bool,
    precision: PrecisionWord | None,
    device: str,
    threads: int | None,
    workers: int | Literal["gpus"] | None,
    restarts: int,
    timeout: float,
    parameters: Parameters,
) -> int:
    """Train the network of a SPEC on labelled DATA.

    How it learns is written in the spec, in `train { }`. The model, the weights, the metrics and
    the curves are in DIR, from the first epoch on. Ctrl-C stops between two steps; --resume goes
    on there as if it had never stopped.
    """
    if (ended := launched(workers, restarts=restarts, again=_resuming)) is not None:
        return ended
    words = click.get_current_context().meta[LINE]
    with team(timeout) as others:
        network = alike(others, lambda: _network(spec, parameters))
        with watching(auto=device == "auto") as listener:
            training = network.train(
                data,
                listener,
                valid=valid,
                out=out,
                epochs=epochs,
                batch=batch,
                seed=seed,
                precision=precision,
                settings=settings,
                weights=weights,
                verify=verify,
                resume=resume or False,
                device=device,
                threads=threads,
                skip_broken=skip_broken,
                tune=tune,
                keep=keep,
                figures=figures,
                logs=logs,
                workers=others,
                command=("cnndsl", *words),
            )
    if not others.worker.leads:
        return INTERRUPTED if training.how == "interrupted" else 0
    if training.how == "interrupted":
        click.echo("\n".join(_interrupted(training, words)))
        return INTERRUPTED
    click.echo("\n".join(_finished(training, data, valid, figures)))
    return 0


def _network(spec: str, parameters: Parameters) -> Network:
    from cnndsl import api, pipeline

    return api.Network(pipeline.check(spec, parameters))


# --- the end ------------------------------------------------------------------------------------


def _finished(
    training: Training, data: str, valid: float | str | None, figures: str
) -> Iterator[str]:
    """How it went, where the model is, and what to do next."""
    epochs = count(len(training.records), "epoch")
    yield f"{training.how} after {epochs} in {duration(training.seconds)}{_best(training)}"
    if training.skipped:
        steps = count(training.skipped, "step")
        yield f"{steps} changed nothing: the gradients overflowed float16, and the scale was halved"
    model = str(training.folder / "model.onnx")
    yield f"the model is {model}; beside it are its weights, metrics.csv and curves.{figures}"
    yield ""
    yield f"  cnndsl run {shlex.quote(model)} INPUT"
    words = ["cnndsl", "eval", model, "--data", valid if isinstance(valid, str) else data]
    if isinstance(valid, float):
        words += ["--valid", repr(valid)]
    yield f"  {shlex.join(words)}"


def _best(training: Training) -> str:
    best = training.best
    if best is None:
        return ""
    text = f"; the best is epoch {best.epoch}"
    if best.valid_loss is not None:
        text += f": validation loss {number(best.valid_loss).strip()}"
        if best.valid_accuracy is not None:
            text += f", accuracy {percent(best.valid_accuracy).strip()}"
        if best.valid_mae is not None:
            text += f", mae {number(best.valid_mae).strip()}"
    return text


def _interrupted(training: Training, words: Sequence[str]) -> Iterator[str]:
    """What is safe, and the whole command that goes on."""
    yield f"interrupted; everything up to here is saved in {training.folder}. Go on with"
    yield ""
    yield f"  {shlex.join(['cnndsl', *_resuming(words)])}"


def _resuming(words: Sequence[str]) -> Iterator[str]:
    """The words of a command that goes on where the one of these words ended."""
    yield from (word for word in _with_resume_value(words) if not word.startswith("--resume="))
    yield "--resume"
