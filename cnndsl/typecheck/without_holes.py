"""Turns a draft into a network: as it is, or with numbers found for its holes."""

from __future__ import annotations

from cnndsl.diagnostics.model import Report
from cnndsl.elaborate.draft import Draft
from cnndsl.elaborate.network import Network
from cnndsl.limits import Limits

__all__ = ["without_holes"]


def without_holes(draft: Draft, report: Report, limits: Limits) -> Network:
    """The network of a draft, with the numbers that fit in place of its holes."""
    if not draft.is_open:
        return draft.network()
    from cnndsl.typecheck.holes import fill  # a spec without holes does not need it

    return fill(draft, report, limits)
