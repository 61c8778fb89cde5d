"""Options that several verbs share, and from what was typed to values."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

import click

from cnndsl.cli.completion import complete_files
from cnndsl.limits import processors

if TYPE_CHECKING:
    from cnndsl.graph.manifest import Manifest

__all__ = [
    "LINE",
    "TRAINED",
    "batch_option",
    "color_option",
    "crops_option",
    "data_option",
    "device_option",
    "epochs_option",
    "figures_option",
    "flip_option",
    "parameters_option",
    "precision_option",
    "seed_option",
    "skip_broken_option",
    "tell_device",
    "tell_of_no_checksum",
    "threads_option",
    "valid_option",
    "verify_option",
    "wants_color",
    "weights_option",
]

LINE = "cnndsl.line"
"""Where a verb's context keeps the words of the command line behind the program's name."""


def _set_color(ctx: click.Context, option: click.Parameter, when: str | None) -> None:
    """Tell click whether to keep colours; None leaves it to whether there is a terminal."""
    root = ctx.find_root()
    if when is not None:
        root.color = {"always": True, "never": False}.get(when)
    if root.color is None and os.environ.get("NO_COLOR"):
        root.color = False
    ctx.color = root.color


color_option = click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    expose_value=False,
    is_eager=True,
    callback=_set_color,
    help="Colours: where there is a terminal (unless NO_COLOR is set), always, or never.",
)
"""``--color``; the choice is read by :func:`wants_color` and by :func:`click.echo`."""


def wants_color(stream: TextIO | None) -> bool:
    """Whether to write colours to a stream (None where it is closed), as the user chose."""
    if stream is None:
        return False
    ctx = click.get_current_context(silent=True)
    choice = ctx.find_root().color if ctx else None
    return stream.isatty() if choice is None else choice


def _parameters(
    ctx: click.Context, option: click.Parameter, pairs: tuple[str, ...]
) -> dict[str, int | float | bool | str]:
    values: dict[str, int | float | bool | str] = {}
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not name or not equals or not text:
            raise click.BadParameter(f"'{pair}' is not name=value, as in -D classes=10")
        value = _value(text)
        if value in (float("inf"), float("-inf")):
            raise click.BadParameter(f"the value of '{name}' is too large")
        values[name] = value
    return values


def _value(text: str) -> int | float | bool | str:
    """A number or yes/no where the text is one, as a spec would write it."""
    if text in ("yes", "no"):
        return text == "yes"
    if set(text) <= set("+-.eE0123456789"):
        for kind in (int, float):
            try:
                return kind(text)
            except ValueError:  # also an int of too many digits, which is infinite as a float
                continue
    return text


parameters_option = click.option(
    "-D",
    "parameters",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_parameters,
    help="Set a `param` of the spec; may be given several times.",
)
"""``-D name=value``, handed over as a dictionary called ``parameters``."""

crops_option = click.option(
    "--crops",
    type=click.Choice(["1", "5", "10"]),
    default="1",
    show_default=True,
    callback=lambda ctx, option, text: int(text),
    help="Ask about the middle and the corners of each picture, and of 10 about their mirror"
    " images too: the mean of the answers counts.",
)
"""``--crops 1|5|10``."""

flip_option = click.option(
    "--flip", is_flag=True, help="Ask about each picture and its mirror image."
)
"""``--flip``."""

device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda|cuda:N",
    help="Where to run; auto takes CUDA where it really works.",
)
"""``--device``; what it names is checked where it is used."""


precision_option = click.option(
    "--precision",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    help="What convolutions and matrix products of a training step are computed in, not the"
    " recipe's; weights stay float32. For GPUs: a CPU only emulates the others.",
)
"""``--precision``."""


def _threads(ctx: click.Context, option: click.Parameter, threads: int | None) -> int | None:
    """No more threads than processors; said where more were asked for."""
    most = processors()
    if threads is None or threads <= most:
        return threads
    click.echo(f"note: `--threads {threads}` is more than this machine has: {most}", err=True)
    return most


threads_option = click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    callback=_threads,
    help="Threads for one operator on the CPU, at most as many as there are processors; by default"
    " ONNX Runtime decides.",
)
"""``--threads N``."""

verify_option = click.option(
    "--verify/--no-verify",
    default=True,
    show_default=True,
    help="Compare the checksum of a compiled model, or of weights, with its content first.",
)
"""``--no-verify``, handed over as ``verify``."""


def data_option(
    help: str = "Labelled data, as `cnndsl train` takes it.",
) -> Callable[[Any], Any]:
    """``--data DATA``, which must be given."""
    return click.option(
        "--data",
        shell_complete=complete_files(words=("digits",)),
        required=True,
        metavar="DATA",
        help=help,
    )


def _valid(ctx: click.Context, option: click.Parameter, text: str | None) -> float | str | None:
    """A share of the data where it is a number, else the path of other data."""
    if text is None or os.path.exists(text):
        return text
    try:
        share = float(text)
    except ValueError:
        return text
    if not 0 < share < 1:
        raise click.BadParameter(f"'{text}' is neither data nor a share between 0 and 1, as 0.2")
    return share


valid_option = click.option(
    "--valid",
    shell_complete=complete_files(),
    metavar="DATA|FRACTION",
    callback=_valid,
    help="Data to validate with after each epoch: other data, or a share of DATA, as 0.2.",
)
"""``--valid`` of what trains: a share is handed over as a number, other data as its path."""

epochs_option = click.option(
    "--epochs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Passes over the data, not the recipe's.",
)
"""``--epochs N``."""

batch_option = click.option(
    "--batch", type=click.IntRange(min=1), metavar="N", help="Samples in a step, not the recipe's."
)
"""``--batch N`` of what trains."""


def seed_option(help: str) -> Callable[[Any], Any]:
    """``--seed N`` of what trains; each verb says what begins with it."""
    return click.option("--seed", type=click.IntRange(0, 2**32 - 1), metavar="N", help=help)


def figures_option(help: str) -> Callable[[Any], Any]:
    """``--figures``; each verb says what it draws."""
    return click.option(
        "--figures",
        type=click.Choice(["png", "svg", "pdf"]),
        default="png",
        show_default=True,
        help=help,
    )


skip_broken_option = click.option(
    "--skip-broken", is_flag=True, help="Go on without pictures that cannot be read."
)
"""``--skip-broken`` of what trains."""


TRAINED = (
    "Trained weights, named after the spec: a safetensors or .npz file or a compiled model; without"
    " them the weights are drawn at random."
)
"""What ``--weights`` is for where a spec is made a model of."""


def weights_option(help: str) -> Callable[[Any], Any]:
    """``--weights FILE``; each verb says what it takes them for."""
    return click.option(
        "--weights",
        shell_complete=complete_files(".safetensors", ".onnx"),
        metavar="FILE",
        help=help,
    )


def tell_of_no_checksum(path: str, manifest: Manifest) -> None:
    """A note on standard error, where damage to a model would not be noticed."""
    if not manifest.has_checksum:
        click.echo(
            f"note: `{path}` was compiled by an older cnndsl and has no checksum: damage to it"
            " goes unnoticed; compile it again to give it one",
            err=True,
        )


def tell_device(device: str) -> None:
    """Say where a network runs and why, to whoever left the choice to `auto`.

    Without NVIDIA's driver there was no choice: `cnndsl doctor` says all of it.
    """
    if device != "auto":
        return
    from cnndsl.runtime.device import choose, read_driver

    chosen = choose(device)
    if chosen.name != "cpu" or read_driver() is not None:
        click.echo(f"running on {chosen.name}: {chosen.reason}", err=True)
