"""``cnndsl sweep``: a spec and values of its parameters and settings in, a table of runs out."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Literal, cast

import click

from cnndsl.cli.completion import complete_specs
from cnndsl.cli.options import (
    LINE,
    batch_option,
    color_option,
    data_option,
    device_option,
    epochs_option,
    figures_option,
    precision_option,
    seed_option,
    skip_broken_option,
    threads_option,
    valid_option,
    verify_option,
    weights_option,
)
from cnndsl.diagnostics.exit_codes import FAILED, INTERRUPTED
from cnndsl.diagnostics.model import UserError

if TYPE_CHECKING:
    from cnndsl.recipe.settings import PrecisionWord
    from cnndsl.sweeps.pool import Hands
    from cnndsl.sweeps.result import Sweep
    from cnndsl.sweeps.sweep import SweepOptions

__all__ = ["sweep"]


def _lists(ctx: click.Context, option: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    """Values by name, as they were written."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, text = (part.strip() for part in pair.partition("="))
        if not name or not equals:
            example = "-D width=8,16" if option.name == "params" else "--set train.batch=16,32"
            raise click.BadParameter(f"'{pair}' is not NAME=VALUE,…, as in {example}")
        if name in found:
            raise UserError(
                "CNN880",
                f"`{name}` is given twice: `{name}={found[name]}` and `{pair}`",
                help=f"list all of its values together: `{name}={found[name]},{text}`",
            )
        found[name] = text
    return found


# Long, because its parameters are the options of the command.
@click.command(
    epilog=(
        "\b\nExample:"
        "\n  cnndsl sweep lenet5 --data digits --epochs 1 --set train.batch=32,128"
        "\n  cnndsl sweep lenet5 --data digits --epochs 1 --sample 2 --set train.batch=16..64"
    )
)
@click.argument("spec", shell_complete=complete_specs)
@data_option()
@valid_option
@click.option(
    "-D",
    "params",
    multiple=True,
    metavar="NAME=VALUE,…",
    callback=_lists,
    help="The values of a `param` of the spec; may be given for several.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="train.KEY=VALUE,…",
    callback=_lists,
    help="The values of a setting of the recipe, as train.optimizer.lr=0.1,0.01; may be given for"
    " several.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Runs at each point, each with a seed of its own.",
)
@seed_option("The first seed, not the recipe's; also what --sample draws by.")
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    metavar="N",
    help="Draw N points at random instead of taking all, also from ranges: 8..64, 0..0.9,"
    " '0.001..0.1 log'.",
)
@click.option(
    "--by",
    type=click.Choice(["accuracy", "loss", "mae", "rmse"]),
    help="What the table is sorted by.  [default: accuracy, or loss where there is none]",
)
@click.option("--out", metavar="DIR", help="The sweep's folder.  [default: sweeps/NETWORK]")
@click.option(
    "--resume", is_flag=True, help="Go on with the sweep in DIR: what is trained is kept."
)
@click.option("--dry-run", is_flag=True, help="Check and list the points, and train nothing.")
@epochs_option
@batch_option
@weights_option("Begin all runs with what fits by name of these weights.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Train N runs at once, by MPI, each with its share of the processors.  [default: 1]",
)
@figures_option("The format of all figures.")
@click.option(
    "--log",
    "logs",
    multiple=True,
    metavar="csv|tensorboard|mlflow",
    help="Write each run down in a further way, as `cnndsl train` does.",
)
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="How many checkpoints of each run to keep.",
)
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@verify_option
@skip_broken_option
@precision_option
@device_option
@threads_option
@color_option
def sweep(
    spec: str,
    data: str,
    valid: float | str | None,
    params: dict[str, str],
    settings: dict[str, str],
    seeds: int,
    seed: int | None,
    sample: int | None,
    by: str | None,
    out: str | None,
    resume: bool,
    dry_run: bool,
    epochs: int | None,
    batch: int | None,
    weights: str | None,
    workers: int | None,
    figures: Literal["png", "svg", "pdf"],
    logs: tuple[str, ...],
    keep: int,
    style: str,
    verify: bool,
    skip_broken: bool,
    precision: PrecisionWord | None,
    device: str,
    threads: int | None,
) -> int:
    """Train the network of a SPEC at many points, and say which is best.

    A point is a value for each -D and each --set; without --sample all combinations are taken. All
    points are checked before the first one is trained. Each run has a folder of its own in DIR, and
    one that fails does not end the others. Ctrl-C stops between two steps; --resume goes on there.
    """
    from cnndsl.cli.sweep_progress import watching_sweep
    from cnndsl.cli.sweep_table import dry_text
    from cnndsl.sweeps.pool import leading, serve
    from cnndsl.sweeps.result import Sweep
    from cnndsl.sweeps.sweep import planned_sweep

    options: SweepOptions = {
        "seeds": seeds,
        "seed": seed,
        "sample": sample,
        "valid": valid,
        "out": out,
        "resume": resume,
        "measure": by,
        "epochs": epochs,
        "batch": batch,
        "precision": precision,
        "weights": weights,
        "verify": verify,
        "device": device,
        "threads": threads,
        "skip_broken": skip_broken,
        "keep": keep,
        "figures": figures,
        "logs": logs,
    }
    hands = _hands(workers)
    if hands is not None and not hands.leads:
        serve(hands)
        return 0
    options["workers"] = workers or 1
    with leading(hands):
        planned = planned_sweep(spec, data, params, settings, options, hands)
        if dry_run:
            found = Sweep.untrained(planned.plan)
            click.echo(_json(found) if style == "json" else dry_text(planned.plan))
            return 0
        with watching_sweep(as_text=style == "text", auto=device == "auto") as listener:
            found = planned.carried_out(listener)
    return _ended(found, style, resume=resume)


def _hands(workers: int | None) -> Hands | None:
    """The processes that MPI has started, this one among them; None where it has not."""
    from cnndsl.runtime.workers.started import started_as

    if started_as() is None:
        return None
    from cnndsl.sweeps.pool import Hands

    hands = Hands()
    if workers is not None and hands.leads:
        train = f"the {hands.workers} that MPI has started train"
        click.echo(f"note: `--workers` does not apply: {train}", err=True)
    return hands


def _ended(found: Sweep, style: str, *, resume: bool) -> int:
    """Say what came of it all, and what to do next."""
    from cnndsl.cli.sweep_table import failures, final_text

    click.echo(_json(found) if style == "json" else final_text(found))
    if text := failures(found):
        click.echo(text, err=True)
    if found.is_interrupted:
        words = cast("tuple[str, ...]", click.get_current_context().meta[LINE])
        again = [*words, *([] if resume else ["--resume"])]
        click.echo(f"interrupted; what is trained is saved in {found.folder}. Go on with", err=True)
        click.echo(f"\n  {shlex.join(['cnndsl', *again])}", err=True)
        return INTERRUPTED
    return FAILED if found.failed else 0


def _json(found: Sweep) -> str:
    return json.dumps(found.to_json(), ensure_ascii=False)
