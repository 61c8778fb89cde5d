"""Turns measurements into figures, with Matplotlib: loaded here, and only where one is drawn."""

import contextlib
import logging
import os

_log = logging.getLogger("matplotlib")
_level, _backend = _log.level, os.environ.pop("MPLBACKEND", None)
# Where it may keep its cache of fonts is no matter of whoever trains a network, and a backend that
# does not exist no reason to fail: figures become files without one.
_log.setLevel(logging.ERROR)
try:
    import matplotlib.figure
finally:
    _log.setLevel(_level)
    if _backend is not None:
        os.environ["MPLBACKEND"] = _backend
        with contextlib.suppress(ValueError):
            matplotlib.rcParams["backend"] = _backend
