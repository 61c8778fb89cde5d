"""``cnndsl selftest``: is the network differentiated rightly? One line for each thing tested."""

from __future__ import annotations

from typing import Literal

import click

from cnndsl.cli.completion import complete_specs
from cnndsl.cli.options import color_option, device_option, parameters_option, threads_option
from cnndsl.diagnostics.model import UserError

__all__ = ["selftest"]

_COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow"}


@click.command()
@click.argument("spec", shell_complete=complete_specs)
@click.option(
    "--batch",
    type=click.IntRange(2, 65536),
    default=4,
    show_default=True,
    metavar="N",
    help="Samples in a batch.",
)
@device_option
@threads_option
@parameters_option
@color_option
def selftest(
    spec: str,
    batch: int,
    device: str,
    threads: int | None,
    parameters: dict[str, int | float | bool | str],
) -> None:
    """Test a network's gradients and graphs against each other, and say what was measured."""
    from cnndsl import pipeline
    from cnndsl.runtime import selftest as bench

    network = pipeline.load(spec, parameters)
    failed = []
    for check in bench.selftest(network, batch=batch, device=device, threads=threads):
        verdict: Literal["passed", "failed", "skipped"] = check.verdict
        click.echo(
            f"{click.style(f'{verdict:<8}', fg=_COLOURS[verdict])} {check.name}: {check.measured}"
        )
        if verdict == "failed":
            failed.append(check.name)
    if failed:
        raise UserError(
            "CNN811",
            f"`{network.name}` failed {len(failed)} of its checks: {', '.join(failed)}",
            help="run it again with `--batch 8`; if it fails again, report it with the spec",
        )
