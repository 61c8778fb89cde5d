"""The command ``cnndsl``, also as ``python -m cnndsl``: gets ready to be quick, then runs a verb.

What it leaves out was measured on ``cnndsl check lenet5`` (``benchmarks/checking.py``); a program
that embeds cnndsl as a library is not touched by any of it.
"""

from __future__ import annotations

import gc
import sys
from types import ModuleType

__all__ = ["run"]


def run() -> None:
    """Run the command line and exit."""
    gc.set_threshold(500_000, 20, 20)  # imports allocate much and leave no garbage
    _skip_plugin_search()
    from cnndsl.cli import main

    main(prog_name="cnndsl")


def _skip_plugin_search() -> None:
    """Tell pydantic that it has no plugins.

    It looks for them when it builds its first validator, by reading the metadata of every installed
    package; that and the import of ``importlib.metadata`` cost more than the check itself, and its
    variable PYDANTIC_DISABLE_PLUGINS spares only the former.
    """
    name = "pydantic.plugin._loader"
    if name not in sys.modules:
        loader = ModuleType(name)
        vars(loader)["get_plugins"] = tuple
        sys.modules[name] = loader


if __name__ == "__main__":
    run()
