"""The part of a command that several processes do together: ``--workers``, and what MPI starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click
from typing_extensions import override

from cnndsl.cli.options import LINE
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count

if TYPE_CHECKING:
    from cnndsl.runtime.workers.communicator import Communicator

__all__ = [
    "WORKERS",
    "alike",
    "device_for",
    "launched",
    "sharing",
    "team",
    "timeout_option",
    "workers_option",
]

T = TypeVar("T")


class _Workers(click.ParamType):  # type: ignore[type-arg]  # newer ones are generic
    """A number of processes, or ``gpus``."""

    name = "workers"

    @override
    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Literal["gpus"]:
        if value == "gpus":
            return "gpus"
        if not str(value).isdecimal() or not 0 < int(value) < 2**16:
            self.fail(f"'{value}' is neither a number of processes nor 'gpus'", param, ctx)
        return int(value)


WORKERS = _Workers()


def launched(
    workers: int | Literal["gpus"] | None,
    *,
    restarts: int = 0,
    again: Callable[[Sequence[str]], Iterable[str]] | None = None,
) -> int | None:
    """The exit status of the workers of the command line, where it is to start some; None in each.

    ``again`` makes of its words those that go on where it ended, where that can be.

    Raises:
        UserError: CNN879 where MPI has started another number of them, and what starting raises.
    """
    if workers is None:
        return None
    from cnndsl.runtime.workers.launcher import count_of, launch
    from cnndsl.runtime.workers.started import started_as

    started, wanted = started_as(), count_of(workers)
    if started is None and wanted > 1:
        words = click.get_current_context().meta[LINE]
        resuming = words if again is None else [*again(words)]
        return launch(words, wanted, restarts=restarts, again=resuming, resumes=again is not None)
    if started is not None and started.count != wanted:
        raise UserError(
            "CNN879",
            f"`{started.by}` has started {count(started.count, 'process', 'processes')}, and"
            f" `--workers {workers}` asks for {wanted}",
            help="leave `--workers` out: those that are there are the workers",
        )
    return None


workers_option = click.option(
    "--workers",
    type=WORKERS,
    metavar="N|gpus",
    help="How many processes of this machine share the work, one for each GPU with `gpus`: by MPI,"
    " which the extra `mpi` brings. What `mpirun` or `srun` starts needs no --workers.",
)
"""``--workers N|gpus`` of what answers for a list."""

timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=600.0,
    metavar="SECONDS",
    help="How long a worker may be without any progress before all are ended.  [default: 600]",
)
"""``--timeout SECONDS`` of what workers share."""


@contextmanager
def sharing(timeout: float) -> Iterator[Communicator]:
    """The workers that answer together for a list; the one that leads prints for all of them."""
    with team(timeout, resumes=False) as workers, ExitStack() as silent:
        if not workers.worker.leads:
            nowhere = silent.enter_context(open(os.devnull, "wb"))
            nothing = silent.enter_context(TextIOWrapper(nowhere, "utf-8"))
            silent.enter_context(redirect_stdout(nothing))
            silent.enter_context(redirect_stderr(nothing))
        yield workers


@contextmanager
def team(timeout: float, *, resumes: bool = True) -> Iterator[Communicator]:
    """The workers that this process is one of, watched; it alone, where MPI has started none.

    With ``resumes``, what they do can go on with ``--resume`` where one is lost.

    Raises:
        UserError: CNN870 where several were started that cannot speak to each other.
    """
    from cnndsl.runtime.workers.started import started_as

    if started_as() is None:
        from cnndsl.runtime.workers.communicator import ALONE

        yield ALONE
        return
    from cnndsl.runtime.workers.environment import joined
    from cnndsl.runtime.workers.watchdog import watching

    with watching(joined(), timeout, resumes=resumes) as watched:
        yield watched


def device_for(device: str, workers: Communicator) -> str:
    """Where a worker computes that was told so; ``cuda`` is a GPU for each of a machine."""
    if workers.worker.count == 1:
        return device
    from cnndsl.runtime.workers.environment import device_of

    return device_of(device, workers.worker)


def alike(workers: Communicator, work: Callable[[], T]) -> T:
    """What every worker must be able to do; one by itself needs nothing of the others for it.

    Raises:
        CnndslError: in all of them where one fails.
    """
    if workers.worker.count == 1:
        return work()
    from cnndsl.runtime.workers.agreement import agreed

    return agreed(workers, work)
