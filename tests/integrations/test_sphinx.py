"""The directive `cnn`, built by Sphinx itself."""

from __future__ import annotations

import re
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="there is no Sphinx")

CONF = "extensions = ['cnndsl.integrations.sphinx']\nproject = 'a'\n"
WRONG = """\
Title
=====

.. cnn::
   :table:

   input 3x224x224
   conv 96@11 stride 4
"""
RIGHT = """\
Title
=====

.. cnn::
   :file: parts.cnn

   block unit(n) { conv n@3 -> relu }

.. cnn::
   :table:
   :draw:
   :caption: A network
   :name: small

   import "parts"
   network small
   input 1x8x8
   unit(4)
   flatten -> dense 2 -> softmax

.. cnn:: lenet5

.. cnn:: nets/own.cnn

See :ref:`small`.
"""


CROSSED = """\
input 4x8x8
a: conv 4@1
x = a -> conv 4@3 padding 1
y = a -> conv 4@1
add(add(x, y) -> relu, multiply(x, y), a)
"""


def build(
    folder: Path, page: str, *, builder: str = "html", conf: str = CONF, name: str = "index.rst"
) -> tuple[int, str, str]:
    """Build a page; gives the exit code, what was said, and the output's text."""
    folder.mkdir(exist_ok=True)
    (folder / "nets").mkdir(exist_ok=True)
    (folder / "nets" / "own.cnn").write_text("input 1x8x8\nconv 7@3\n", encoding="utf-8")
    (folder / "conf.py").write_text(conf, encoding="utf-8")
    (folder / name).write_text(page, encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-E", "-b", builder]
    done = subprocess.run(
        [*command, ".", "out"], cwd=folder, capture_output=True, text=True, check=False
    )
    results = {"html": "out/index.html", "text": "out/index.txt", "latex": "out/a.tex"}
    result = folder / results[builder]
    text = result.read_text(encoding="utf-8") if result.is_file() else ""
    return done.returncode, done.stdout + done.stderr, text


def test_specs_are_shown_with_their_table_and_picture(tmp_path: Path) -> None:
    code, said, page = build(tmp_path, RIGHT)
    assert (code, said) == (0, "")
    assert "4x6x6" in page
    assert '<table class="cnndsl-layers' in page
    [source] = re.findall(r'<img[^>]*src="(data:image/svg\+xml;base64,[^"]{1000})', page)
    assert source
    assert 'id="small"' in page
    assert "A network" in page
    assert "LeNet-5 (LeCun" in re.sub(r"<[^>]*>", "", page)
    assert "7@3" in re.sub(r"<[^>]*>", "", page)


def test_what_is_wrong_fails_the_build_on_its_line(tmp_path: Path) -> None:
    code, said, page = build(tmp_path, WRONG)
    assert code == 1
    assert f"{tmp_path / 'index.rst'}:8: WARNING: error[CNN301]: the kernel does not tile" in said
    assert "(change the input to 3x227x227" in said
    assert "96x?x?" in page
    conf = CONF + "suppress_warnings = ['cnndsl']\n"
    assert build(tmp_path, WRONG, conf=conf)[:2] == (0, "")


def test_mistakes_can_be_shown(tmp_path: Path) -> None:
    claimed = WRONG.replace("stride 4", "stride 4    # error: CNN301")
    assert build(tmp_path, claimed)[:2] == (0, "")
    assert build(tmp_path, WRONG.replace(":table:", ":fails:"))[:2] == (0, "")
    _, said, _ = build(tmp_path, claimed.replace("CNN301", "CNN302"))
    assert "index.rst:8: WARNING: error[CNN690]: this line has no error `CNN302`" in said
    right = WRONG.replace("224", "227")
    assert "WARNING: error[CNN691]" in build(tmp_path, right.replace(":table:", ":fails:"))[1]


@pytest.mark.parametrize(
    ("directive", "words"),
    [
        (".. cnn:: lenet6\n", "WARNING: error[CNN010]: there is no file and no shipped spec"),
        (".. cnn::\n", "give the name of a spec, or its text below the directive"),
        (".. cnn:: lenet5\n\n   input 4\n", "give the name of a spec, or its text"),
        (".. cnn::\n   :draw: circles\n\n   input 4\n   dense 2\n", '"circles"'),
    ],
)
def test_what_is_meant_by_nothing_is_said(tmp_path: Path, directive: str, words: str) -> None:
    code, said, _ = build(tmp_path, f"Title\n=====\n\n{directive}")
    assert code == 1
    assert words in said
    assert "Traceback" not in said


def test_other_builders_take_it_too(tmp_path: Path) -> None:
    code, said, page = build(tmp_path / "text", RIGHT, builder="text")
    assert (code, said) == (0, "")
    assert "[the network small]" in page
    code, said, page = build(tmp_path / "latex", RIGHT, builder="latex")
    assert (code, said) == (0, "")
    [name] = re.findall(r"sphinxincludegraphics\{\{(cnndsl-\w+)\}\.pdf\}", page)
    assert (tmp_path / "latex" / "out" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_pages_in_markdown_have_it_by_myst(tmp_path: Path) -> None:
    pytest.importorskip("myst_parser", reason="there is no MyST")
    conf = CONF.replace("['", "['myst_parser', '")
    page = "# Title\n\n```{cnn}\n:table:\n\ninput 3x224x224\nconv 96@11 stride 4\n```\n"
    code, said, _ = build(tmp_path, page, conf=conf, name="index.md")
    assert code == 1
    assert "index.md:7: WARNING: error[CNN301]" in said
    right = page.replace("224", "227")
    code, said, text = build(tmp_path, right, conf=conf, name="index.md")
    assert (code, said) == (0, "")
    assert "96x55x55" in text


def test_a_page_is_made_again_when_its_spec_changes(tmp_path: Path) -> None:
    build(tmp_path, RIGHT)
    own = tmp_path / "nets" / "own.cnn"
    own.write_text("input 1x8x8\nconv 7@9\n", encoding="utf-8")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", ".", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "own.cnn:2: WARNING: error[CNN302]" in done.stderr


def test_a_network_can_be_drawn_as_volumes(tmp_path: Path) -> None:
    page = RIGHT.replace(":draw:", ":draw: volumes")
    code, said, html = build(tmp_path, page)
    assert (code, said) == (0, "")
    [source] = re.findall(r'<img[^>]*src="data:image/svg\+xml;base64,([^"]*)"', html)
    assert b"small as volumes" in b64decode(source)
    code, said, tex = build(tmp_path / "tex", page, builder="latex")
    assert code == 0, said
    [name] = re.findall(r"sphinxincludegraphics\{\{(cnndsl-\w+)\}\.pdf\}", tex)
    assert (tmp_path / "tex" / "out" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_a_network_that_is_no_chain_as_volumes_is_told(tmp_path: Path) -> None:
    (tmp_path / "crossed.cnn").write_text(CROSSED, encoding="utf-8")
    page = "T\n=\n\n.. cnn:: crossed.cnn\n   :draw: volumes\n"
    code, said, html = build(tmp_path, page)
    assert code == 1
    assert "index.rst:4: WARNING: error[CNN622]: `crossed` is no chain of feature maps" in said
    assert "Traceback" not in said
    assert "conv" in html
