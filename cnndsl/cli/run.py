"""``cnndsl run``: a spec or a compiled model and pictures in, its answers out."""

from __future__ import annotations

import contextlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from cnndsl.cli.options import (
    color_option,
    parameters_option,
    tell_of_no_checksum,
    verify_option,
)

if TYPE_CHECKING:
    from cnndsl.data.sources import Array
    from cnndsl.runtime.model import Model, Prediction

__all__ = ["run"]

Parameters: TypeAlias = Mapping[str, int | float | bool | str]


def _layers(ctx: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in (text or "").split(","))))


@click.command()
@click.argument("spec", metavar="SPEC|MODEL.onnx")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "--weights",
    metavar="W.safetensors",
    help="Trained weights, named after the spec; without them the weights are drawn at random.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Where the random weights start.")
@click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N",
    help="Where to run; auto takes CUDA where it really works.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="How many classes to show for each input.",
)
@click.option(
    "--output",
    metavar="OUT.npz",
    help="Write all outputs and layers asked for into a file instead of showing answers.",
)
@click.option(
    "--layers",
    metavar="NAME,...",
    callback=_layers,
    help="Layers whose feature maps are wanted too.",
)
@click.option(
    "--batch",
    type=click.IntRange(min=1, max=65536),
    default=16,
    show_default=True,
    help="How many inputs to run at once.",
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
    device: str,
    top: int,
    output: str | None,
    layers: tuple[str, ...],
    batch: int,
    style: str,
    verify: bool,
    parameters: Parameters,
) -> None:
    """Let a network answer for each INPUT.

    An INPUT is a picture, a .npy or .npz file, or a folder, which is searched to the bottom. With
    --format json, a list comes out with one object for each input.
    """
    _look_at(inputs)
    model = _model(spec, weights, seed, parameters, device, verify)
    if model.manifest.seed is not None:
        _say(f"weights are untrained (seed {model.manifest.seed}): the answers mean nothing yet")
    if device == "auto":
        _say(f"running on {model.device.name}: {model.device.reason}")
    with _progress(inputs) as watch:
        predictions = map(watch, model.predict(inputs, layers=layers, batch=batch))
        if output is not None:
            _write(output, predictions, style)
        elif style == "json":
            _print_json(predictions, top)
        else:
            for prediction in predictions:
                click.echo("\n".join(_lines(prediction, top)))


def _look_at(inputs: tuple[str, ...]) -> None:
    """Tell at once of a path that is not there, before anything slow."""
    from cnndsl.data.sources import find_files

    for path in inputs:
        next(find_files([path]))


def _model(
    spec: str,
    weights: str | None,
    seed: int | None,
    parameters: Parameters,
    device: str,
    verify: bool,
) -> Model:
    from cnndsl.runtime.model import Model

    if weights is not None and seed is not None:
        raise click.UsageError("--seed is for random weights: leave it out, or --weights")
    if spec.lower().endswith(".onnx"):
        if weights is not None or seed is not None or parameters:
            raise click.UsageError(
                "a compiled model has its weights and parameters in it:"
                " --weights, --seed and -D are for a spec"
            )
        model = Model(spec, device=device, verify=verify)
        tell_of_no_checksum(spec, model.manifest)
        return model
    from cnndsl import pipeline

    artifact = pipeline.compile(
        pipeline.load(spec, parameters),
        weights=None if weights is None else Path(weights),
        seed=seed,
    )
    for warning in artifact.warnings:
        _say(f"warning: {warning}")
    return Model(artifact, device=device)


def _say(line: str) -> None:
    click.echo(line, err=True)


@contextlib.contextmanager
def _progress(inputs: tuple[str, ...]) -> Iterator[Callable[[Prediction], Prediction]]:
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

        def watch(prediction: Prediction) -> Prediction:
            nonlocal last
            if prediction.source != last:
                last = prediction.source
                bar.advance(task)
            return prediction

        yield watch


# --- into a file ------------------------------------------------------------------------------


def _write(path: str, predictions: Iterator[Prediction], style: str) -> None:
    from cnndsl.data.results import ResultsFile

    with ResultsFile(path) as results:
        for prediction in predictions:
            arrays = {**prediction.outputs, **prediction.layers}
            results.add([prediction.name], {name: one[None] for name, one in arrays.items()})
        results.finish()
    shapes = {name: list(shape) for name, shape in results.shapes.items()}
    if style == "json":
        click.echo(json.dumps({"file": path, "inputs": results.count, "arrays": shapes}))
    else:
        listed = ", ".join(f"{name} {_sizes(shape)}" for name, shape in shapes.items())
        click.echo(f"{path}: {results.count} inputs; {listed}")


# --- text -------------------------------------------------------------------------------------


def _lines(prediction: Prediction, top: int) -> Iterator[str]:
    """What is shown of one input: its best classes, and the range of everything else."""
    answers = prediction.top(top)
    if answers:
        yield f"{prediction.name}: {_kind(prediction)}"
        yield from (f"  {answer.score:10.4f}  {answer.name}" for answer in answers)
    else:
        yield f"{prediction.name}:"
    outputs = dict(prediction.outputs)
    if answers:
        outputs.pop(next(iter(outputs)))
    for name, array in {**outputs, **prediction.layers}.items():
        low, mean, high = _range(array)
        yield f"  {name} {_sizes(array.shape)}: from {low:.4g} to {high:.4g}, mean {mean:.4g}"


def _kind(prediction: Prediction) -> str:
    return "probability" if prediction.is_distribution else "score"


def _range(array: Array) -> tuple[float, float, float]:
    """The smallest value, the mean and the largest one."""
    return float(array.min()), float(array.mean(dtype="float64")), float(array.max())


def _sizes(shape: tuple[int, ...] | list[int]) -> str:
    return "x".join(map(str, shape))


# --- json -------------------------------------------------------------------------------------


def _print_json(predictions: Iterator[Prediction], top: int) -> None:
    """A list, one object a line as it comes; closed also where an input is broken."""
    separator = "[\n"
    try:
        for prediction in predictions:
            click.echo(
                separator + json.dumps(_plain(prediction, top), ensure_ascii=False), nl=False
            )
            separator = ",\n"
    finally:
        click.echo("[]" if separator == "[\n" else "\n]")


def _plain(prediction: Prediction, top: int) -> dict[str, object]:
    answers = [
        {
            "index": answer.index,
            "class": answer.name if prediction.classes else None,
            "score": _number(answer.score),
        }
        for answer in prediction.top(top)
    ]
    return {
        "input": prediction.name,
        "kind": _kind(prediction) if answers else None,
        "answers": answers,
        "outputs": {name: _about(array) for name, array in prediction.outputs.items()},
        "layers": {name: _about(array) for name, array in prediction.layers.items()},
    }


def _about(array: Array) -> dict[str, object]:
    low, mean, high = map(_number, _range(array))
    return {"shape": list(array.shape), "min": low, "mean": mean, "max": high}


def _number(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return value if math.isfinite(value) else None
