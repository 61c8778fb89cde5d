"""Writes down what happens in a training run: a log is one class in one file, a listener of events.

``metrics`` and ``figures`` are those that every run has; others are asked for by their keyword,
ours or those of another package in the group ``cnndsl.logs``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnndsl.registry import Registry

if TYPE_CHECKING:
    from cnndsl.runtime.logs.base import Log

__all__ = ["LOGS"]

LOGS: Registry[Log] = Registry(
    "log",
    "cnndsl.runtime.logs.base:Log",
    package="cnndsl.runtime.logs",
    group="cnndsl.logs",
    code="CNN862",
)
"""The logs, by keyword."""
