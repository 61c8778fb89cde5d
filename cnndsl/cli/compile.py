"""``cnndsl compile``: a spec in, an ONNX model out, and one line that says what it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from cnndsl.cli.completion import complete_files, complete_specs
from cnndsl.cli.options import (
    TRAINED,
    color_option,
    parameters_option,
    precision_option,
    verify_option,
    weights_option,
)
from cnndsl.cli.piped import checked_spec, file_stem
from cnndsl.cli.quantization import check_quantize, comparison, quantized
from cnndsl.cli.writing_verb import WritingVerb
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.emit import STAGES, TAKES, Stage, emit

if TYPE_CHECKING:
    from cnndsl.autodiff.salience import Salience
    from cnndsl.elaborate.network import TypedNetwork
    from cnndsl.graph.artifact import Artifact
    from cnndsl.recipe.settings import PrecisionWord
    from cnndsl.training.export import TrainingFiles
    from cnndsl.typecheck.checked import Checked

__all__ = ["compile"]


def _batch(ctx: click.Context, option: click.Parameter, text: str) -> int | None:
    if text == "dynamic":
        return None
    if not text.isdecimal() or not 0 < int(text) < 2**31:
        raise click.BadParameter(f"'{text}' is neither a positive whole number nor 'dynamic'")
    return int(text)


# Long, because its parameters are the options of the command.
@click.command(
    cls=WritingVerb,
    epilog=("\b\nExample:\n  cnndsl compile net.cnn --weights net.safetensors -o net.onnx"),
)
@click.argument("spec", shell_complete=complete_specs)
@click.option("-o", "output", metavar="MODEL.onnx", help="The file to write; by default SPEC.onnx.")
@weights_option(TRAINED)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Where the random weights start; by default the recipe's seed, or 0.",
)
@click.option(
    "--batch",
    default="dynamic",
    show_default=True,
    metavar="N|dynamic",
    callback=_batch,
    help="Fix the size of a batch, or leave it free; a training step has the recipe's.",
)
@click.option(
    "--raw",
    is_flag=True,
    help="Take pictures as bytes, N x height x width x channels: the model prepares them itself.",
)
@click.option(
    "--salience",
    metavar="CLASS",
    help="Let the model say which places of its input made its answer too, by its output"
    " `salience`: for the class of this name or index, or for `answer`, whichever that is.",
)
@click.option(
    "--layer",
    metavar="NAME|last",
    help="Weight the feature maps of this layer (Grad-CAM) for --salience, and not the slopes of"
    " the input; `last` is the last convolution.",
)
@click.option(
    "--float16",
    is_flag=True,
    help="Let the model compute in float16, for CUDA, in a file half as large; what it takes and"
    " gives stays float32.",
)
@click.option(
    "--quantize",
    type=click.Choice(["int8"]),
    help="Let convolutions and products compute with bytes, for CPUs; says what that costs and"
    " gains, and refuses where it is slower.",
)
@click.option(
    "--calibrate",
    shell_complete=complete_files(words=("digits",)),
    metavar="DATA",
    help="What --quantize takes the numbers' ranges from, and measures by: labelled data as"
    " `cnndsl eval` takes it, or pictures and arrays without labels.",
)
@click.option("--allow-slower", is_flag=True, help="Make a model with --quantize in any case.")
@click.option(
    "--training",
    is_flag=True,
    help="Make a training step: STEP.onnx, and STEP.init.onnx with what it begins with.",
)
@click.option(
    "--split",
    is_flag=True,
    help="Make two models of the step: NAME.gradient.onnx, and NAME.update.onnx for the sums of"
    " what many machines give.",
)
@click.option(
    "--target",
    type=click.Choice(["cpu", "cuda", "host"]),
    help="Where the training step is to be fast; it runs on both `cpu` and `cuda`. By default cpu,"
    " and cuda in mixed precision, which cpu emulates. `host` is this CPU as `train` uses it: tied"
    " to ONNX Runtime and to CPUs of this kind.",
)
@precision_option
@click.option("--opset", type=int, default=18, show_default=True, help="The ONNX opset: 18 to 21.")
@click.option(
    "--emit",
    "stage",
    type=click.Choice(STAGES),
    help="Show what a stage makes of the spec, as text: on standard output, or in the file of -o.",
)
@verify_option
@parameters_option
@color_option
@click.pass_context
def compile(
    ctx: click.Context,
    spec: str,
    output: str | None,
    weights: str | None,
    seed: int | None,
    batch: int | None,
    raw: bool,
    salience: str | None,
    layer: str | None,
    float16: bool,
    quantize: str | None,
    calibrate: str | None,
    allow_slower: bool,
    training: bool,
    split: bool,
    target: Literal["cpu", "cuda", "host"] | None,
    precision: PrecisionWord | None,
    opset: int,
    stage: Stage | None,
    verify: bool,
    parameters: dict[str, int | float | bool | str],
) -> None:
    """Make a standard ONNX model of SPEC: a path, the name of a shipped spec, or - for stdin."""
    options = {} if stage is None else _options_of(ctx, stage)
    if weights is not None and seed is not None:
        raise click.UsageError("--seed is for random weights: leave it out, or --weights")
    if stage is None and target is not None and not training:
        raise click.UsageError("--target is for training steps: leave it out, or add --training")
    if stage is None and precision is not None and not training:
        raise click.UsageError("--precision is for training steps: leave it out, or add --training")
    if split and not training:
        raise click.UsageError("--split is for training steps: leave it out, or add --training")
    if raw and training:
        raise click.UsageError("--raw is for models that answer: leave it out, or --training")
    if float16 and (training or salience is not None):
        other = "--training" if training else "--salience"
        raise click.UsageError(f"--float16 is for models that answer: leave it out, or {other}")
    wanted = _salience(salience, layer, other=raw or training)
    if quantize is not None:
        check_quantize(ctx, calibrate)
    elif calibrate is not None or allow_slower:
        other = "--allow-slower" if calibrate is None else "--calibrate"
        raise click.UsageError(f"{other} is for --quantize: leave it out, or add that")
    from cnndsl import pipeline

    checked = checked_spec(spec, parameters)
    if stage is not None:
        _show(stage, checked, output, options)
        return
    network = checked.typed()
    stem = file_stem(spec, network.name)
    path = output or f"{stem}.onnx"
    if calibrate is not None:
        how = {"verify": verify, "seed": seed, "batch": batch, "opset": opset}
        found = quantized(checked, calibrate, weights, allow_slower=allow_slower, **how)
        _write(found.model, path, opset)
        for line in comparison(found):
            click.echo(line)
        return
    if training:
        from cnndsl.elaborate.overrides import in_precision

        network = in_precision(network, precision)
        trained = None if weights is None else Path(weights)
        files = pipeline.compile_training(
            network,
            weights=trained,
            verify=verify,
            seed=seed,
            batch=batch,
            opset=opset,
            target=target or _usual_target(network),
            split=split,
        )
        ending = ".onnx" if split else ".step.onnx"
        _write_training(files, Path(output or f"{stem}{ending}"))
        return
    artifact = pipeline.compile(
        network,
        weights=None if weights is None else Path(weights),
        verify=verify,
        seed=seed,
        batch=batch,
        opset=opset,
        raw=raw,
        salience=wanted,
        form="float16" if float16 else "plain",
    )
    _write(artifact, path, opset)


def _write(artifact: Artifact, path: str, opset: int) -> None:
    size = artifact.write(path)
    for warning in artifact.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{path}: {_bytes(size)}, {artifact.manifest.learnable:,} parameters, opset {opset}")
    for port in artifact.graph_only.graph.input:
        if port.name in artifact.manifest.raw:
            dims = port.type.tensor_type.shape.dim
            sizes = "x".join(dim.dim_param or str(dim.dim_value) for dim in dims)
            click.echo(f"raw input `{port.name}`: uint8 {sizes}")


def _usual_target(network: TypedNetwork) -> Literal["cpu", "cuda"]:
    """A step in mixed precision is made for a GPU."""
    recipe = network.network.recipe
    return "cpu" if recipe is None or recipe.precision == "float32" else "cuda"


def _salience(target: str | None, layer: str | None, *, other: bool) -> Salience | None:
    """What ``--salience`` and ``--layer`` ask for.

    Raises:
        click.UsageError: for options that do not belong together.
    """
    if target is None:
        if layer is not None:
            raise click.UsageError("--layer is for --salience: leave it out, or add that")
        return None
    if other:
        raise click.UsageError(
            "--salience makes a model of its own: leave out --raw and --training"
        )
    from cnndsl.autodiff.salience import Salience

    if layer is None:
        return Salience(target)
    return Salience(target, "gradcam", "" if layer == "last" else layer)


def _options_of(ctx: click.Context, stage: Stage) -> dict[str, Any]:
    """The options that were written, which must be some that the stage takes."""
    written = {
        name: value
        for name, value in ctx.params.items()
        if name not in ("spec", "output", "stage", "parameters")
        and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    }
    for name in written:
        if name not in TAKES[stage]:
            flag = "--no-verify" if name == "verify" else f"--{name}"
            raise click.UsageError(f"{flag} changes nothing in --emit {stage}: leave it out")
    if "weights" in written:
        written["weights"] = Path(written["weights"])
    return written


def _show(stage: Stage, checked: Checked, output: str | None, options: dict[str, Any]) -> None:
    text = emit(checked, stage, **options)
    if output is None:
        click.echo(text, nl=False)
    else:
        from cnndsl.graph.files import write_atomically

        write_atomically(output, text.encode(errors="backslashreplace"))
    if checked.failed:  # a text with mistakes has a tree too
        raise CompileError(checked.diagnostics)


def _write_training(files: TrainingFiles, target: Path) -> None:
    for warning in files.warnings:
        click.echo(f"warning: {warning}", err=True)
    if host := files.steps[0].host:
        click.echo(
            f"warning: the step computes convolutions {host}: ONNX Runtime alone runs it, and on"
            " CPUs with blocks of another size its numbers are wrong",
            err=True,
        )
    signature = files.steps[0].signature
    gradients = signature.gradients
    weights = f"{len(signature.weights)} weights to begin with"
    if gradients:
        numbers = sum(one.elements for one in gradients)
        first = f"{numbers:,} numbers in {len(gradients)} gradients of batches of {signature.batch}"
        said = [first, "the update by the gradients", weights]
    else:
        said = [f"a training step for batches of {signature.batch}", weights]
    for (path, size), what in zip(files.save(target).items(), said, strict=True):
        click.echo(f"{path}: {_bytes(size)}, {what}")


def _bytes(size: int) -> str:
    """A size in decimal units, as files are sold: ``247.8 kB``."""
    if size < 1000:
        return f"{size} bytes"
    for unit, scale in (("kB", 1e3), ("MB", 1e6)):
        if size < 999.95 * scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size / 1e9:.2f} GB"
