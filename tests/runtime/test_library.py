"""Tests that ONNX Runtime, as it is loaded here, tells nobody that it is used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from cnndsl import load

SESSION = """
import sys
from cnndsl.runtime.start import ANSWERING, CPU, start
start(open(sys.argv[1], "rb").read(), CPU, ANSWERING)
"""


def test_nothing_is_kept_or_sent_about_its_use(tmp_path: Path) -> None:
    model, home = tmp_path / "lenet5.onnx", tmp_path / "home"
    load("lenet5").compile().save(model)
    home.mkdir()
    # Where it is tested, as it finds by other variables, it would keep quiet by itself.
    known = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME"), str(home))
    environment = {name: os.environ[name] for name in known if name in os.environ} | places
    run = [sys.executable, "-c", SESSION, str(model)]
    subprocess.run(run, env=environment, cwd=home, check=True, timeout=100)
    assert list(home.rglob("*")) == []
