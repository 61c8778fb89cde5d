"""What CI says of the tests that had no PyTorch to compare with."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT

TESTS = {
    "test_some.py": """
        import pytest

        @pytest.mark.parametrize("number", [1, 2])
        @pytest.mark.parametrize("word", ["a b", "c"])
        def test_compares(number, word):
            pytest.importorskip("torch.nn")

        def test_compares_too():
            pytest.importorskip("torch")

        def test_has_no_lock():
            pytest.skip("no locks here")

        def test_passes():
            pass
        """,
    "test_whole.py": """
        import pytest

        torch = pytest.importorskip("torch")

        def test_is_not_reached():
            pass
        """,
}


@pytest.mark.skipif(shutil.which("bash") is None, reason="`.ci/run` is a program for bash")
def test_ci_lists_what_was_skipped_for_want_of_pytorch(tmp_path: Path) -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    options = re.search(r'^export PYTEST_ADDOPTS="(.*)"$', script, re.MULTILINE)
    function = re.search(r"^uncompared\(\) \{\n.*?^\}$", script, re.MULTILINE | re.DOTALL)
    assert options
    assert function
    for name, text in TESTS.items():
        lines = text.splitlines()
        (tmp_path / name).write_text("\n".join(line[8:] for line in lines), encoding="utf-8")
    (tmp_path / "conftest.py").write_text("import sys\n\nsys.modules['torch'] = None\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = -q\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options[1].split()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    (tmp_path / "log").write_text(done.stdout, encoding="utf-8")
    shell = ["bash", "-euo", "pipefail", "-c", f"{function[0]}\nuncompared log"]
    said = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert [line.split() for line in said.stdout.splitlines()] == [
        ["4", "test_some.py::test_compares"],
        ["1", "test_some.py::test_compares_too"],
        ["1", "test_whole.py"],
    ]
