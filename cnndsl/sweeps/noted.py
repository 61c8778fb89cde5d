"""Reads what earlier starts of a sweep noted in its folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cnndsl.files import read_regular

__all__ = ["RESULTS", "noted", "noted_threads"]

RESULTS = "results.json"
"""The file of a sweep's results: what ``--format json`` prints."""

_LARGEST = 2**28


def noted(folder: Path) -> dict[str, Any]:
    """The results as they stand in a folder; nothing where there are none that can be read."""
    try:
        data = json.loads(read_regular(folder / RESULTS, _LARGEST))
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def noted_threads(folder: Path) -> tuple[bool, int | None]:
    """Whether a sweep is there already, and how many threads each of its runs has used."""
    data = noted(folder)
    threads = data.get("threads")
    if isinstance(threads, int) and not isinstance(threads, bool) and threads > 0:
        return True, threads
    return "threads" in data, None
