"""What `%load_ext cnndsl` does: the magic `%%cnn`, and curves of training runs."""

from __future__ import annotations

from typing import Any

from cnndsl.notebook.live import LiveCurves
from cnndsl.notebook.magic import CellMagic
from cnndsl.runtime.default_listener import watch_by_default

__all__ = ["load_ipython_extension", "unload_ipython_extension"]


def load_ipython_extension(shell: Any) -> None:
    """Add the magic, and let runs without a listener of their own show themselves."""
    magic = CellMagic(shell)
    shell.register_magic_function(magic.cell, "cell", "cnn")
    # A terminal has no displays that change: there a run says nothing, as in a program.
    if getattr(shell, "kernel", None) is not None:
        watch_by_default(LiveCurves)


def unload_ipython_extension(shell: Any) -> None:
    """Take both away again."""
    shell.magics_manager.magics["cell"].pop("cnn", None)
    watch_by_default(None)
