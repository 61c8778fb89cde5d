"""Finds out which of its own forms ONNX Runtime computes rightly on this machine's CPU.

Nothing is assumed: a small model of all the forms runs for each size that blocks may have, against
the definition in NumPy. What was found is kept in a file, by the CPU and ONNX Runtime's version,
so that it is asked once for each. A file that is damaged or cannot be written costs another trial.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import sys
from functools import cache
from pathlib import Path
from typing import TypedDict

import numpy

from cnndsl.autodiff.rules import Target
from cnndsl.diagnostics.model import UserError
from cnndsl.files import read_regular
from cnndsl.graph.files import write_atomically
from cnndsl.runtime import library
from cnndsl.runtime.device import target_of
from cnndsl.runtime.start import CPU, TRAINING, start
from cnndsl.training.host import Host
from cnndsl.training.host.trial import trial_data, trial_model
from cnndsl.version import __version__

__all__ = ["BLOCKS", "Form", "cache_file", "form_of", "form_on", "found_host"]

BLOCKS = (16, 8, 4)
"""How many channels a block may have: ONNX Runtime's sizes for AVX-512, for AVX2 and for NEON."""

_FORMS = 2
"""Grows with what the trial computes: what was found of fewer forms says nothing of the others."""

_TOLERANCE = 1e-4
_LARGEST_FILE = 2**20


@cache
def found_host() -> Host | None:
    """What this machine has, from the file or by trial; None where no form is right here.

    Raises:
        UserError: CNN705, where there is no ONNX Runtime.
    """
    key, file = _key(), cache_file()
    known = _read(file)
    if key in known:
        return Host(known[key]) if known[key] else None
    host = next((host for block in BLOCKS if _is_right(host := Host(block))), None)
    with contextlib.suppress(UserError, OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        known[key] = host.block if host else 0
        write_atomically(file, json.dumps(known, indent=1).encode())
    return host


class Form(TypedDict):
    """What ``build_step`` takes of a target: with `host`, what was found of this machine."""

    target: Target
    host: Host | None


def form_of(target: Target) -> Form:
    """A target, with what it needs to know of this machine.

    Raises:
        UserError: CNN717, where `host` is asked for and nothing was found.
    """
    if target != "host":
        return Form(target=target, host=None)
    host = found_host()
    if host is None:
        raise UserError(
            "CNN717",
            "there are no forms for `host` here: ONNX Runtime"
            f" {library.load().__version__} has none that give the right numbers on this CPU",
            help="use `--target cpu`, whose operators every ONNX Runtime has",
        )
    return Form(target=target, host=host)


def form_on(device: str) -> Form:
    """The target of what trains on a device: on the CPU `host`, where there is something for it."""
    if device == "cpu" and (host := found_host()):
        return Form(target="host", host=host)
    return Form(target=target_of(device), host=None)


def cache_file() -> Path:
    """Where what was found is kept, by the custom of the system."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        base = "~/Library/Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "cnndsl" / "host.json"


def _is_right(host: Host) -> bool:
    given, expected = trial_data()
    try:
        session = start(trial_model(host), CPU, TRAINING, threads=1)
        results = session.run(list(expected), dict(given))
    except Exception:  # It does not know the operators, or not with blocks of this size.
        return False
    return all(
        numpy.abs(result - right).max() <= _TOLERANCE * numpy.abs(right).max()
        for result, right in zip(results, expected.values(), strict=True)
    )


def _read(file: Path) -> dict[str, int]:
    try:
        known = json.loads(read_regular(file, _LARGEST_FILE))
        return {str(key): known[key] for key in known if known[key] in (0, *BLOCKS)}
    except (OSError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return {}


def _key() -> str:
    """This CPU, by its name and what it can do, ONNX Runtime's version and our own."""
    facts = [platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        wanted = ("model name", "flags", "Features", "CPU part")
        facts += sorted({line for line in lines if line.startswith(wanted)})
    digest = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    runtime = f"ONNX Runtime {library.load().__version__}"
    return f"cnndsl {__version__}, forms {_FORMS}, {runtime}, CPU {digest}"
