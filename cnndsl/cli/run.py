"""``cnndsl run``: a spec or a compiled model and pictures in, its answers out."""

from __future__ import annotations

import contextlib
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from cnndsl.cli.completion import complete_files, complete_models
from cnndsl.cli.explanations import Why, explain_options, print_explanations
from cnndsl.cli.maps import check_drawing, print_maps
from cnndsl.cli.models import (
    Given,
    Parameters,
    best_option,
    is_compiled,
    tell_of_the_mean,
    with_members,
)
from cnndsl.cli.options import (
    TRAINED,
    color_option,
    crops_option,
    device_option,
    flip_option,
    parameters_option,
    tell_device,
    threads_option,
    verify_option,
    weights_option,
)
from cnndsl.cli.workers import device_for, launched, sharing, timeout_option, workers_option
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.render.characters import visible

if TYPE_CHECKING:
    from cnndsl.data.views import Crops
    from cnndsl.runtime.ensemble import Ensemble
    from cnndsl.runtime.explainer import Explanation, Method
    from cnndsl.runtime.model import Model
    from cnndsl.runtime.prediction import Prediction

__all__ = ["run"]

T = TypeVar("T")

_TOP = 5
"""How many classes are shown unless a user asks for another number."""


def _layers(ctx: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in (text or "").split(","))))


# Long, because its parameters are the options of the command.
@click.command(epilog="\b\nExample:\n  cnndsl run net.onnx pictures/ --top 3")
@click.argument("spec", metavar="SPEC|MODEL.onnx...|SWEEP", shell_complete=complete_models)
@click.argument(
    "inputs", metavar="INPUT...", nargs=-1, required=True, shell_complete=complete_files()
)
@weights_option(TRAINED)
@click.option("--seed", type=click.IntRange(min=0), help="Where the random weights start.")
@best_option
@crops_option
@flip_option
@device_option
@threads_option
@workers_option
@timeout_option
@click.option(
    "--top",
    type=click.IntRange(min=1),
    help="How many classes to show for each input, the best first.  [default: 5]",
)
@click.option(
    "-o",
    "--output",
    metavar="OUT.npz|HEAT.png",
    help="Write all outputs and layers asked for into a file instead of showing answers; with"
    " --explain, the figure: .png, .svg or .pdf.",
)
@click.option(
    "--layers",
    metavar="NAME,...",
    callback=_layers,
    help="Layers whose feature maps are wanted too.",
)
@click.option(
    "--draw",
    metavar="MAPS.png",
    help="Draw the feature maps of --layers: a .png, .svg or .pdf file for each input and layer.",
)
@explain_options
@click.option(
    "--batch",
    type=click.IntRange(min=1, max=65536),
    default=16,
    show_default=True,
    help="How many inputs to run at once.",
)
@click.option(
    "--skip-broken",
    is_flag=True,
    help="Leave out inputs that cannot be read, and say which.",
)
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@verify_option
@parameters_option
@color_option
def run(
    spec: str,
    inputs: tuple[str, ...],
    weights: str | None,
    seed: int | None,
    best: int | None,
    crops: Crops,
    flip: bool,
    device: str,
    threads: int | None,
    workers: int | Literal["gpus"] | None,
    timeout: float,
    top: int | None,
    output: str | None,
    layers: tuple[str, ...],
    draw: str | None,
    method: Method | None,
    target: str | None,
    layer: str | None,
    batch: int,
    skip_broken: bool,
    style: str,
    verify: bool,
    parameters: Parameters,
) -> int:
    """Let a network answer for each INPUT.

    An INPUT is a picture, a .npy or .npz file, a .txt file with rows of numbers, or a folder, which
    is searched to the bottom. Of several models, and of those in the folder of a SWEEP, the mean
    counts. With --format json, a list comes
    out with one object for each input.
    """
    models, inputs = _divided(spec, inputs)
    if (ended := launched(workers)) is not None:
        return ended
    with sharing(timeout) as others:
        device = device_for(device, others)
        models = with_members(models, best)
        given = Given(models, weights, seed, parameters, device, threads, verify)
        given.check()
        check_drawing(draw, layers, output)
        why = Why(method, target, layer, output)
        why.check()
        if (layers or method) and (len(models) > 1 or crops > 1 or flip):
            flag = "--layers shows feature maps of" if layers else "--explain is about"
            raise click.UsageError(
                f"{flag} one view by one model: leave out --crops and --flip, and name one model"
            )
        if method and layers:
            raise click.UsageError(
                "--explain and --layers are two questions: leave out one of them"
            )
        if method and others.worker.count > 1:
            raise click.UsageError("--explain is for one process: leave out --workers")
        _look_at(inputs, output, draw)
        model = given.together()
        if top is not None and (draw or method):
            _say("`--top` does not apply: figures are drawn, and no answers shown")
        elif top is not None and not model.meaning.ranked:
            _say("`--top` does not apply: the outputs are no ranking of classes")
        tell_device(device)
        tell_of_the_mean(crops, flip, len(models), model.meaning.kind)
        asked: dict[str, Any] = {"layers": layers} if layers else {"crops": crops, "flip": flip}
        left_out = _LeftOut()
        on_broken = left_out.add if skip_broken else None
        how: dict[str, Any] = {"batch": batch, "on_broken": on_broken, "tell": _note}
        with _progress(inputs) as watch:
            if method is not None and output is not None:
                about = {"method": method, "target": target, "layer": layer or "", "device": device}
                shown = map(watch, _explained(model, inputs, {**how, **about}))
                print_explanations(left_out.tell_behind(shown), output, style)
                return 0
            found = model.predict(inputs, **how, **asked, workers=others)
            if not others.worker.leads:
                list(found)  # which is empty, once this worker has done its part
                return 0
            predictions = left_out.tell_behind(map(watch, found))
            if draw is not None:
                print_maps(predictions, draw, style)
            elif output is not None:
                _write(output, predictions, style)
            elif style == "json":
                _print_json(predictions, top or _TOP)
            else:
                _print_text(predictions, top or _TOP)
    return 0


def _explained(
    model: Model | Ensemble, inputs: tuple[str, ...], how: dict[str, Any]
) -> Iterator[Explanation]:
    from cnndsl import inspection
    from cnndsl.runtime.model import Model

    assert isinstance(model, Model), "several models have been refused"
    return inspection.explain(model, inputs, **how)


def _note(text: str) -> None:
    _say(f"note: {visible(text)}")


def _divided(first: str, others: tuple[str, ...]) -> tuple[list[str], tuple[str, ...]]:
    """The models, which come first, and the inputs."""
    models = [first, *itertools.takewhile(is_compiled, others)]
    inputs = others[len(models) - 1 :]
    if not inputs:
        raise click.UsageError("Missing argument 'INPUT...': all that is given are models")
    return models, inputs


_LISTED = 10
"""How many broken inputs are named."""


@dataclass
class _LeftOut:
    """The inputs that were broken: how many, and the first few."""

    count: int = 0
    first: list[UserError] = field(default_factory=list)

    def add(self, error: UserError) -> None:
        self.count += 1
        if len(self.first) < _LISTED:
            self.first.append(error)

    def tell_behind(self, predictions: Iterator[T]) -> Iterator[T]:
        """The same predictions or explanations; at their end, what was left out is said.

        Raises:
            UserError: CNN702 where everything was broken.
        """
        is_any = False
        for prediction in predictions:
            is_any = True
            yield prediction
        if self.first and not is_any:
            raise self.first[0]
        for error in self.first:
            _say(f"left out: {visible(error.message)}")
        if self.count > len(self.first):
            _say(f"left out: {self.count - len(self.first)} more that are broken")


def _look_at(inputs: tuple[str, ...], *written: str | None) -> None:
    """Tell at once of a path that is not there, or would be written over, before anything slow."""
    from cnndsl.data.sources import find_files

    files = [Path(name) for name in written if name is not None]
    for path in inputs:
        next(find_files([path]))
        for file in files:
            if file.exists() and file.samefile(path):
                raise click.UsageError(f"'{path}' is an INPUT: write into another file")


def _say(line: str) -> None:
    click.echo(line, err=True)


@contextlib.contextmanager
def _progress(inputs: tuple[str, ...]) -> Iterator[Callable[[Any], Any]]:
    """A progress bar over the files, on standard error, where there is a terminal and many."""
    if not sys.stderr.isatty():
        yield lambda prediction: prediction
        return
    from cnndsl.data.sources import find_files

    files = sum(1 for _ in find_files(inputs))
    if files < 2:
        yield lambda prediction: prediction
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress

    console = Console(stderr=True)
    columns = (*Progress.get_default_columns(), MofNCompleteColumn())
    # Answers that go to the same terminal must pass through the bar's console.
    bar = Progress(*columns, console=console, transient=True, redirect_stdout=sys.stdout.isatty())
    with bar:
        task = bar.add_task("running", total=files)
        last = None

        def watch(prediction: Any) -> Any:
            nonlocal last
            if prediction.source != last:
                last = prediction.source
                bar.advance(task)
            return prediction

        yield watch


# --- into a file ------------------------------------------------------------------------------


def _write(path: str, predictions: Iterator[Prediction], style: str) -> None:
    from cnndsl.cli.answers import ResultsJson, nans, sizes
    from cnndsl.data.results import ResultsFile

    lost = 0
    with ResultsFile(path) as results:
        for prediction in predictions:
            lost += bool(nans(prediction.main))
            arrays = {**prediction.outputs, **prediction.layers}
            results.add([prediction.name], {name: one[None] for name, one in arrays.items()})
        results.finish()
    if lost:
        _say(f"{lost:,} of {results.count:,} answers hold NaN")
    shapes = {name: list(shape) for name, shape in results.shapes.items()}
    if style == "json":
        said: ResultsJson = {"file": path, "inputs": results.count, "arrays": shapes}
        click.echo(json.dumps(said))
    else:
        listed = ", ".join(f"{name} {sizes(shape)}" for name, shape in shapes.items())
        click.echo(f"{path}: {results.count} inputs; {listed}")


# --- on standard output ------------------------------------------------------------------------


def _print_text(predictions: Iterator[Prediction], top: int) -> None:
    from cnndsl.cli.answers import as_lines

    for prediction in predictions:
        click.echo("\n".join(as_lines(prediction, top)))


def _print_json(predictions: Iterator[Prediction], top: int) -> None:
    """A list, one object a line as it comes; closed also where an input is broken."""
    from cnndsl.cli.answers import as_json

    separator = "[\n"
    try:
        for prediction in predictions:
            click.echo(
                separator + json.dumps(as_json(prediction, top), ensure_ascii=False), nl=False
            )
            separator = ",\n"
    finally:
        click.echo("[]" if separator == "[\n" else "\n]")
