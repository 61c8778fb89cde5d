"""``cnndsl eval``: a network with its weights and labelled data in, how good it is out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

import click

from cnndsl.cli.completion import complete_models
from cnndsl.cli.models import Parameters, best_option, is_compiled, with_members
from cnndsl.cli.options import (
    color_option,
    crops_option,
    data_option,
    device_option,
    flip_option,
    parameters_option,
    tell_device,
    tell_of_no_checksum,
    threads_option,
    verify_option,
    weights_option,
)
from cnndsl.cli.workers import device_for, launched, sharing, timeout_option, workers_option
from cnndsl.diagnostics.render.characters import visible

if TYPE_CHECKING:
    from cnndsl.api import Network
    from cnndsl.data.splits import Split
    from cnndsl.data.views import Crops
    from cnndsl.runtime.evaluation import Evaluation

__all__ = ["eval"]


# Long, because its parameters are the options of the command.
@click.command(
    epilog=(
        "\b\nExample:"
        "\n  cnndsl eval net.onnx --data pictures/"
        "\n  cnndsl eval net.cnn --weights net.safetensors --data pictures/"
    )
)
@click.argument(
    "models",
    metavar="MODEL.onnx|SPEC|SWEEP...",
    nargs=-1,
    required=True,
    shell_complete=complete_models,
)
@data_option()
@click.option(
    "--split",
    type=click.Choice(["train", "valid", "test"]),
    help="The part to take of data that comes in parts.  [default: test]",
)
@click.option(
    "--valid",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="FRACTION",
    help="Take only what `cnndsl train --valid FRACTION` kept aside.",
)
@best_option
@crops_option
@flip_option
@weights_option("The weights of a SPEC: a safetensors or .npz file or a compiled model.")
@click.option(
    "--confusion",
    metavar="FILE",
    help="Draw what is mistaken for what: a .png, .svg or .pdf file.",
)
@click.option("--skip-broken", is_flag=True, help="Leave out pictures that cannot be read.")
@device_option
@click.option(
    "--batch",
    type=click.IntRange(1, 65536),
    default=64,
    show_default=True,
    metavar="N",
    help="How many samples to run at once.",
)
@threads_option
@workers_option
@timeout_option
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@verify_option
@parameters_option
@color_option
def eval(
    models: tuple[str, ...],
    data: str,
    split: Split | None,
    valid: float | None,
    best: int | None,
    crops: Crops,
    flip: bool,
    weights: str | None,
    confusion: str | None,
    skip_broken: bool,
    device: str,
    batch: int,
    threads: int | None,
    workers: int | Literal["gpus"] | None,
    timeout: float,
    style: str,
    verify: bool,
    parameters: Parameters,
) -> int:
    """Say how good a network is on labelled DATA.

    That is: its loss, and what the loss is measured by. For classes: how often it is right (top1)
    or nearly so (top5), precision, recall and F1 of each, and what it mistakes for what; for
    labels that do not exclude each other also their AUC, for values their errors.

    Of several models, of those in the folder of a SWEEP, and of --crops and --flip, the mean of the
    answers counts; what each model and one view are worth by themselves is shown beside it.
    """
    if valid is not None and split is not None:
        raise click.UsageError("--valid is a share of the training part: leave out --split")
    if (ended := launched(workers)) is not None:
        return ended
    with sharing(timeout) as others:
        device = device_for(device, others)
        models = tuple(with_members(models, best))
        model = models[0]
        compiled = is_compiled(model)
        if compiled and (weights is not None or parameters):
            raise click.UsageError(
                "a compiled model has its weights and parameters in it: --weights and -D are for a"
                " spec"
            )
        if not compiled and weights is None:
            raise click.UsageError(
                "a spec has no weights: give them with --weights, or give a compiled MODEL.onnx"
            )
        for other in models[1:]:
            if not is_compiled(other):
                raise click.UsageError(
                    f"'{other}' is no compiled model: only the first of several may be a spec"
                )
        if confusion is not None:
            from cnndsl.plots.figure import format_of

            format_of(confusion)  # now: an evaluation may take long
        networks = [
            _network(one, parameters, compiled=is_compiled(one), verify=verify) for one in models
        ]
        tell_device(device)
        from cnndsl import inspection

        evaluation = inspection.evaluate(
            [
                (network, weights if weights is not None and at == 0 else one, one)
                for at, (one, network) in enumerate(zip(models, networks, strict=True))
            ],
            data,
            split=split or "test",
            valid=valid,
            crops=crops,
            flip=flip,
            device=device,
            batch=batch,
            threads=threads,
            verify=verify and not compiled,  # a MODEL was verified before
            workers=others,
            skip_broken=skip_broken,
            tell=lambda note: click.echo(f"note: {visible(note)}", err=True),
        )
        from cnndsl.cli.scores import as_text

        if not others.worker.leads:
            return 0
        if confusion is not None:
            _draw(evaluation, confusion, networks[0].name)
        if style == "json":
            from cnndsl.cli.scores_json import AskedJson, as_json

            part = "train" if valid is not None else split or "test"
            what: AskedJson = {"model": model, "data": data, "split": part, "valid": valid}
            if len(models) > 1:
                what["models"] = list(models)
            click.echo(json.dumps({**what, **as_json(evaluation)}, ensure_ascii=False))
        else:
            click.echo(as_text(evaluation))
    return 0


def _draw(evaluation: Evaluation, file: str, title: str) -> None:
    """Draw the confusion matrix; where there is none, say so and go on."""
    if evaluation.confusion is None:
        note = "note: nothing is drawn: answers are not one class of several"
        click.echo(note, err=True)
        return
    evaluation.draw_confusion(file, title)


def _network(model: str, parameters: Parameters, *, compiled: bool, verify: bool) -> Network:
    from cnndsl import api, pipeline

    if not compiled:
        return api.Network(pipeline.check(model, parameters))
    from cnndsl.graph.artifact import read_artifact

    manifest = read_artifact(model, verify=verify)
    tell_of_no_checksum(model, manifest)
    if manifest.untrained:
        click.echo(f"weights are untrained (seed {manifest.seed})", err=True)
    return api.load(model, verify=False)
