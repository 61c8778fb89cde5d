"""All that one check comes by: what a spec's author is told, and what tools look up in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cnndsl.elaborate.draft import Draft
from cnndsl.frozen import frozen
from cnndsl.syntax.ast import Module
from cnndsl.typecheck.checked import Checked
from cnndsl.typecheck.facts import Inference

__all__ = ["Analysis"]


@frozen
class Analysis:
    """What a check found, and what it worked out on the way.

    ``modules`` are the files that were read, by resolved path, the spec's own among them.
    """

    checked: Checked
    draft: Draft
    modules: Mapping[Path, Module]

    @property
    def inference(self) -> Inference | None:
        """What is known of each value; None where a limit was reached before there were types."""
        return self.checked.inference
