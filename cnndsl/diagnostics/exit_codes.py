"""What the command, and each worker that it starts, exits with.

0 is a command that did what it was asked to.
"""

from __future__ import annotations

__all__ = ["FAILED", "INTERRUPTED", "LOST", "MISTAKE", "MISUSED"]

FAILED = 1
"""Something that the user can mend, and that the command has said."""

MISUSED = 2
"""The command was used wrongly, as click says it."""

MISTAKE = 70
"""A mistake in cnndsl itself (``EX_SOFTWARE`` of ``sysexits.h``)."""

LOST = 75
"""A worker was lost: trying again may help (``EX_TEMPFAIL``)."""

INTERRUPTED = 130
"""Ctrl-C, or a signal that asks for a stop: as shells say of SIGINT."""
