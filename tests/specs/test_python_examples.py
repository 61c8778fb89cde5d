"""The Python examples of the documentation run, and give what stands below them."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT, documents, fences, name_of
from PIL import Image

PAGES = [page for page in documents() if any(">>>" in f.text for f in fences(page, "python"))]


def failures(text: str, name: str) -> str:
    """Run the examples of a page, all in one session; what they say that they should not."""
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    report: list[str] = []
    doctest.DocTestRunner().run(example, out=report.append)
    return "".join(report)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_examples_of_a_page_hold(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "\n".join(fence.text for fence in fences(page, "python"))
    assert failures(text, name_of(page)) == ""


def test_the_pages_with_examples_are_found() -> None:
    assert {"README.md", "docs/api.md"} <= {name_of(page) for page in PAGES}


def test_an_example_can_fail() -> None:
    assert failures(">>> 1 + 1\n2\n", "right") == ""
    assert "Expected" in failures(">>> 1 + 1\n3\n", "wrong")


def test_the_compiled_model_runs_without_cnndsl(tmp_path: Path) -> None:
    """The program in docs/model-format.md, word for word, in a process that lacks cnndsl."""
    import cnndsl

    cnndsl.load("lenet5").compile(device="cpu").save(tmp_path / "lenet5.onnx")
    Image.new("L", (28, 28), 200).save(tmp_path / "digit.png")
    [program] = fences(ROOT / "docs" / "model-format.md", "python")
    blocked = "import sys\nsys.modules['cnndsl'] = None\n"
    done = subprocess.run(
        [sys.executable, "-c", blocked + program.text],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert 0 <= int(done.stdout) <= 9
