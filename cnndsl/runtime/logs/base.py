"""What a log of a training run is: a listener with a keyword, made before the run begins."""

from __future__ import annotations

from importlib import import_module
from typing import Any, ClassVar

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.events import Listener, RunFacts, Start

__all__ = ["Log", "facts_of"]


class Log(Listener):
    """A listener that writes down a run.

    One is made, without arguments, before anything is computed: what it lacks, it says then. All
    else it learns from the events; ``start.facts`` says where the run's folder is.
    """

    keyword: ClassVar[str]
    """The word that asks for it."""

    @classmethod
    def needs(cls, module: str, extra: str) -> Any:
        """A module of another package, which is installed by an extra of cnndsl's.

        Raises:
            UserError: CNN863 where it is not there.
        """
        try:
            return import_module(module)
        except ImportError as error:
            raise UserError(
                "CNN863",
                f"the log `{cls.keyword}` needs the package `{module}`: {error}",
                help=f'install it: `pip install "cnndsl[{extra}]"`',
            ) from error


def facts_of(start: Start) -> RunFacts:
    """The facts of a run; a run of ours always has them."""
    assert start.facts is not None
    return start.facts
