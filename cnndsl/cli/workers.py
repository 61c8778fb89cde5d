"""The part of a command that several processes do together: ``--workers``, and what MPI starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click
from typing_extensions import override

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count

if TYPE_CHECKING:
    from cnndsl.runtime.workers.communicator import Communicator

__all__ = ["WORKERS", "alike", "launched", "team"]

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
    verb: str,
    words: Sequence[str],
    workers: int | Literal["gpus"] | None,
    *,
    restarts: int = 0,
    again: Iterable[str] = (),
) -> int | None:
    """The exit status of a command's workers, where it is to start some; None in each of them.

    ``words`` are those of the command behind its verb, ``again`` those that go on where it ended.

    Raises:
        UserError: CNN879 where MPI has started another number of them, and what starting raises.
    """
    if workers is None:
        return None
    from cnndsl.runtime.workers.launcher import count_of, launch
    from cnndsl.runtime.workers.started import started_as

    started, wanted = started_as(), count_of(workers)
    if started is None and wanted > 1:
        return launch([verb, *words], wanted, restarts=restarts, again=[verb, *again])
    if started is not None and started.count != wanted:
        raise UserError(
            "CNN879",
            f"`{started.by}` has started {count(started.count, 'process', 'processes')}, and"
            f" `--workers {workers}` asks for {wanted}",
            help="leave `--workers` out: those that are there are the workers",
        )
    return None


@contextmanager
def team(timeout: float) -> Iterator[Communicator]:
    """The workers that this process is one of, watched; it alone, where MPI has started none.

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

    with watching(joined(), timeout) as watched:
        yield watched


def alike(workers: Communicator, work: Callable[[], T]) -> T:
    """What every worker must be able to do; one by itself needs nothing of the others for it.

    Raises:
        CnndslError: in all of them where one fails.
    """
    if workers.worker.count == 1:
        return work()
    from cnndsl.runtime.workers.agreement import agreed

    return agreed(workers, work)
