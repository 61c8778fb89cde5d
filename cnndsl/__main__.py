"""The command ``cnndsl``, also as ``python -m cnndsl``: gets ready to be quick, then runs a verb.

What it leaves out was measured on ``cnndsl check lenet5`` (``benchmarks/checking.py``); a program
that embeds cnndsl as a library is not touched by any of it.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType

from cnndsl.diagnostics.exit_codes import INTERRUPTED

__all__ = ["run"]


def _interrupted(number: int, frame: FrameType | None) -> None:
    """Ctrl-C where nothing can catch it, while modules are loaded or taken apart: end at once."""
    try:
        os.write(2, b"interrupted\n")
    finally:
        os._exit(INTERRUPTED)


def _on_interrupt(action: object) -> None:
    """Set what Ctrl-C does, unless whoever started this process wants it ignored."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, action)  # type: ignore[arg-type]


def run() -> None:
    """Run the command line and exit."""
    _on_interrupt(_interrupted)
    import gc

    gc.set_threshold(500_000, 20, 20)  # imports allocate much and leave no garbage
    # Pydantic would read the metadata of every installed package to look for plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from cnndsl.cli import main

    try:
        try:
            _on_interrupt(signal.default_int_handler)
            main(prog_name="cnndsl")
        except SystemExit as end:
            _on_interrupt(_interrupted)
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
            if "numpy" not in sys.modules or status == INTERRUPTED:
                _leave(status)
            raise
    except KeyboardInterrupt:  # a second one, while the first was being told of, or after that
        _leave(INTERRUPTED)


def _leave(code: int) -> None:
    """End the process at once, with all output written.

    Taking every module apart is a tenth of the time of a check, and frees what the system frees
    anyway. Libraries that hold files, threads or devices are left to end as they wish: they come
    with NumPy.
    """
    for stream in filter(None, (sys.stdout, sys.stderr)):  # None where the caller closed it
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    run()
