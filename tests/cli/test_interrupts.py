"""Ctrl-C at any moment ends a command with 130 and one line, never with a traceback."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="it has no such signals")


def interrupted(after: float, *words: str, times: int = 1) -> tuple[int, str]:
    """Start cnndsl with Ctrl-C as a terminal leaves it; press it after some seconds."""
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from cnndsl.__main__ import run;"
        f"import sys; sys.argv = ['cnndsl', *{list(words)!r}];"
        "print('ready', flush=True); run()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.02 + after)
        for _ in range(times):
            process.send_signal(signal.SIGINT)
            time.sleep(0.002)
        _, errors = process.communicate(timeout=120)
    return process.returncode, errors


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize("after", [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6])
def test_ctrl_c_gives_no_traceback(after: float, times: int) -> None:
    code, errors = interrupted(after, "summary", "resnet152", "--batch", "7", times=times)
    assert "Traceback" not in errors
    assert code in (0, 130)
    assert code == 0 or errors.splitlines().count("interrupted") == 1


def test_ctrl_c_while_modules_are_loaded_is_told_in_one_line(tmp_path: Path) -> None:
    slow = (
        "import builtins, os, signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from cnndsl.__main__ import run\n"
        "real = builtins.__import__\n"
        "def load(name, *rest, **more):\n"
        "    if name.startswith('cnndsl.cli'): os.kill(os.getpid(), signal.SIGINT)\n"
        "    return real(name, *rest, **more)\n"
        "builtins.__import__ = load\n"
        "run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", slow], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_ctrl_c_while_python_shuts_down_is_told_in_one_line(tmp_path: Path) -> None:
    late = (
        "import atexit, os, signal, sys, numpy\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "from cnndsl.__main__ import run\n"
        "sys.argv = ['cnndsl', 'check', 'lenet5']\n"
        "run()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", late], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


def test_next_to_nothing_is_loaded_before_ctrl_c_is_handled() -> None:
    """Until then a Ctrl-C is Python's to tell of, with a traceback."""
    code = "import sys, cnndsl.__main__; print(*sys.modules)"
    words = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        f"sys = __import__('sys'); sys.path[:] = {sys.path!r}; {code}",
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert {"typing", "re", "click"}.isdisjoint(done.stdout.split())


def test_ctrl_c_between_the_end_and_the_exit_gives_no_traceback() -> None:
    late = (
        "import sys; import cnndsl.__main__ as program\n"
        "calls = []\n"
        "def press(action):\n"
        "    calls.append(action)\n"
        "    if len(calls) == 3: raise KeyboardInterrupt\n"
        "program._on_interrupt = press\n"
        "sys.argv = ['cnndsl', '--version']\n"
        "program.run()\n"
    )
    done = subprocess.run([sys.executable, "-c", late], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")
