"""Tells several watchers of a run what happens; those of others may fail without ending it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from typing_extensions import override

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.evaluation import Evaluation
from cnndsl.runtime.events import EpochRecord, Listener, Outcome, Progress, Start
from cnndsl.runtime.logs import LOGS
from cnndsl.runtime.logs.base import Log

__all__ = ["Listeners", "logs_named"]


def logs_named(keywords: Sequence[str]) -> tuple[Log, ...]:
    """The logs of these keywords, each once, ready for a run.

    Raises:
        UserError: CNN862 for a keyword that no log has, or whose class is of no use; CNN863 where
            a package is missing.
    """
    found = []
    for keyword in dict.fromkeys(keywords):
        kind = LOGS.find(keyword)
        if kind is None:
            from cnndsl.diagnostics.words import closest, quoted

            known = LOGS.keywords()
            near = closest(keyword, known)
            help = f"did you mean `{near[0]}`?" if near else f"there are {quoted(known)}"
            raise UserError("CNN862", f"there is no log `{keyword}`", help=help)
        found.append(kind())
    return tuple(found)


class Listeners(Listener):
    """The files of the run first, then the logs that were asked for, then whoever asked.

    A log that fails is left out from then on, and a note says so: what is learnt is worth more.
    An error of ours, as of a full disk, ends the run.
    """

    def __init__(self, own: Sequence[Log], logs: Sequence[Log], asking: Listener) -> None:
        self._own = (*own,)
        self._logs = [*logs]
        self._asking = asking

    @override
    def start(self, start: Start) -> None:
        self._tell(lambda one: one.start(start))
        self._asking.start(start)

    @override
    def progress(self, progress: Progress) -> None:
        if self._logs:
            self._tell(lambda one: one.progress(progress))
        self._asking.progress(progress)

    @override
    def best(self, record: EpochRecord, evaluation: Evaluation | None) -> None:
        self._tell(lambda one: one.best(record, evaluation))
        if hasattr(self._asking, "best"):
            self._asking.best(record, evaluation)

    @override
    def epoch(self, record: EpochRecord) -> None:
        self._tell(lambda one: one.epoch(record))
        self._asking.epoch(record)

    @override
    def note(self, text: str) -> None:
        self._tell(lambda one: one.note(text))
        self._asking.note(text)

    @override
    def end(self, outcome: Outcome) -> None:
        self._tell(lambda one: one.end(outcome))
        self._asking.end(outcome)

    @override
    def close(self) -> None:
        for one in (*self._own, *self._logs):
            with contextlib.suppress(Exception):
                one.close()
        if hasattr(self._asking, "close"):
            self._asking.close()

    def _tell(self, event: Callable[[Log], None]) -> None:
        for one in self._own:
            event(one)
        for one in [*self._logs]:
            try:
                event(one)
            except UserError:
                raise
            except Exception as error:
                self._logs.remove(one)
                with contextlib.suppress(Exception):
                    one.close()
                why = " ".join(str(error).split()) or type(error).__name__
                self._asking.note(f"the log `{one.keyword}` fails, and is left out: {why}")
