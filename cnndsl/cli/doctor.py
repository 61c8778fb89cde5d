"""``cnndsl doctor``: looks at the installation, and says what mends it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from cnndsl.cli.options import color_option
from cnndsl.diagnostics.exit_codes import FAILED

if TYPE_CHECKING:
    from cnndsl.runtime.doctor import Checkup

__all__ = ["doctor"]


@click.command(epilog="\b\nExample:\n  cnndsl doctor")
@click.option(
    "--format", "style", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@color_option
def doctor(style: str) -> None:
    """Report versions and devices, and what is missing.

    Each device is tried with a real network. The exit code is 0 where networks can run on the
    CPU, whatever is amiss with CUDA, and 1 otherwise.
    """
    from cnndsl.runtime.doctor import examine

    checkup = examine()
    if style == "json":
        click.echo(json.dumps(checkup.to_json(), indent=2))
    else:
        click.echo("\n".join(_lines(checkup)))
    sys.exit(0 if checkup.healthy else FAILED)


def _lines(checkup: Checkup) -> Iterator[str]:
    rows = [("python", checkup.python), ("platform", checkup.platform)]
    rows += [(name, version or "not installed") for name, version in checkup.versions.items()]
    rows.append(("NVIDIA driver", _driver(checkup)))
    rows += [
        (one.name.removesuffix("ExecutionProvider"), f"{_works(one.works)}{_more(one.detail)}")
        for one in checkup.providers
    ]
    if checkup.host:
        rows.append(("convolutions", checkup.host))
    rows += _workers(checkup)
    width = max(len(name) for name, _ in rows)
    yield from (f"{name:{width}}  {text}" for name, text in rows)
    for problem in checkup.problems:
        yield ""
        yield f"{'error' if problem.serious else 'warning'}: {problem.message}"
        yield from (f"  note: {note}" for note in problem.notes)
        yield f"  help: {problem.help}"


def _driver(checkup: Checkup) -> str:
    driver = checkup.driver
    if driver is None:
        return "none"
    gpus = ", ".join(driver.gpus) or driver.error or "no GPU"
    return f"for CUDA {driver.cuda[0]}.{driver.cuda[1]}: {gpus}"


def _workers(checkup: Checkup) -> Iterator[tuple[str, str]]:
    found = checkup.workers
    if not found.mpi4py:
        yield "workers", 'none without MPI: run `pip install "cnndsl[mpi]"` for them'
        return
    yield "mpi4py", found.mpi4py
    yield "mpiexec", found.mpiexec or "not found"
    if found.milliseconds is None:
        yield "workers", "do not work"
        return
    yield "MPI", found.mpi
    yield "workers", f"2 of them add 1 MB in {found.milliseconds:.2g} ms"
    if checkup.staged:
        yield "", "what GPUs compute goes through the host's memory"


def _works(works: bool) -> str:
    return "works" if works else "does not work"


def _more(detail: str) -> str:
    return f": {detail}" if detail and detail != "works" else ""
