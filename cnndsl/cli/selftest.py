"""``cnndsl selftest``: is the network differentiated rightly? One line for each thing tested."""

from __future__ import annotations

import sys
from typing import Literal

import click

from cnndsl.cli.completion import complete_specs
from cnndsl.cli.options import color_option, device_option, parameters_option, threads_option
from cnndsl.cli.piped import checked_spec
from cnndsl.diagnostics.model import UserError

__all__ = ["selftest"]

_COLOURS = {"passed": "green", "failed": "red", "skipped": "yellow"}


@click.command(epilog="\b\nExample:\n  cnndsl selftest net.cnn")
@click.argument("spec", shell_complete=complete_specs)
@click.option(
    "--batch",
    type=click.IntRange(2, 65536),
    metavar="N",
    help="Samples in a batch.  [default: 4, or 2 for large networks]",
)
@device_option
@threads_option
@parameters_option
@color_option
def selftest(
    spec: str,
    batch: int | None,
    device: str,
    threads: int | None,
    parameters: dict[str, int | float | bool | str],
) -> None:
    """Test a network's gradients and graphs against each other, and say what was measured."""
    from cnndsl import pipeline

    network = checked_spec(spec, parameters).typed()
    failed = []
    checks = pipeline.selftest(network, batch=batch, device=device, threads=threads, told=_tell)
    for check in checks:
        _clear()
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


def _tell(name: str, done: int, total: int) -> None:
    """How far a long check is, in one line that the next one takes the place of."""
    if sys.stderr is not None and sys.stderr.isatty():
        click.echo(f"\r\x1b[K{name}: {done} of {total}", err=True, nl=False, color=True)


def _clear() -> None:
    if sys.stderr is not None and sys.stderr.isatty():
        click.echo("\r\x1b[K", err=True, nl=False, color=True)
