"""The plug-in `cnndsl`, run by MkDocs itself."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from base64 import b64decode
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from documents import ROOT

pytest.importorskip("mkdocs", reason="there is no MkDocs")

CONFIG = "site_name: a\nplugins:\n  - cnndsl{options}\n"
PAGE = """\
# Title

```cnn file=parts.cnn
block unit(n) { conv n@3 -> relu }
```

```{ .cnn table draw }
import "parts"
network small
input 1x8x8
unit(4)
flatten -> dense 2 -> softmax
```

```cnn
input 3x224x224
conv 96@11 stride 4       # error: CNN301
```

```python
print("left alone")
```
"""


CROSSED = """\
input 4x8x8
a: conv 4@1
x = a -> conv 4@3 padding 1
y = a -> conv 4@1
add(add(x, y) -> relu, multiply(x, y), a)
"""


def build(folder: Path, page: str, options: str = "") -> tuple[int, str, str]:
    """Build a site of one page; gives the exit code, what was said, and the page's HTML."""
    (folder / "docs").mkdir(exist_ok=True)
    (folder / "docs" / "index.md").write_text(page, encoding="utf-8")
    (folder / "mkdocs.yml").write_text(CONFIG.format(options=options), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    result = folder / "site" / "index.html"
    text = result.read_text(encoding="utf-8") if result.is_file() else ""
    return done.returncode, done.stdout + done.stderr, text


@pytest.fixture(autouse=True)
def is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MkDocs finds plug-ins by entry points: those of the checkout, however it was installed."""
    if "cnndsl" in entry_points(group="mkdocs.plugins").names:
        return
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    points = tomllib.loads(text)["project"]["entry-points"]["mkdocs.plugins"]
    info = tmp_path / "site-packages" / "cnndsl_now-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cnndsl-now\nVersion: 1.0\n")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[mkdocs.plugins]\n{lines}", encoding="utf-8")
    paths = [str(info.parent), str(ROOT), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))


def test_blocks_are_shown_with_their_table_and_picture(tmp_path: Path) -> None:
    code, said, page = build(tmp_path, PAGE)
    assert code == 0, said
    assert "WARNING" not in said
    assert page.count('<code class="language-cnn">') == 3
    assert "4x6x6" in page
    assert len(re.findall(r'<img[^>]*src="data:image/svg\+xml;base64,', page)) == 1
    assert "file=" not in page
    assert '<code class="language-python">' in page


def test_what_is_wrong_fails_a_strict_build_on_its_line(tmp_path: Path) -> None:
    page = "---\ntitle: a\n---\n" + PAGE.replace("       # error: CNN301", "")
    code, said, _ = build(tmp_path, page)
    assert code == 1
    assert "index.md:20: error[CNN301]: the kernel does not tile the input" in said
    assert "(change the input to 3x227x227" in said


def test_all_blocks_can_have_a_table(tmp_path: Path) -> None:
    _, _, page = build(tmp_path, PAGE, ":\n      table: true\n      draw: blocks")
    assert page.count('<table style="') == 2
    assert "96x?x?" in page
    assert page.count("<img") == 1  # the other two have no network


@pytest.mark.parametrize("options", ["", ":\n      draw: volumes"])
def test_a_network_can_be_drawn_as_volumes(tmp_path: Path, options: str) -> None:
    page = PAGE.replace("table draw", "" if options else "draw=volumes")
    code, said, html = build(tmp_path, page, options)
    assert code == 0, said
    [source] = re.findall(r'<img[^>]*src="data:image/svg\+xml;base64,([^"]*)"', html)
    assert b"small as volumes" in b64decode(source)


def test_a_network_that_is_no_chain_as_volumes_is_told(tmp_path: Path) -> None:
    page = f"```{{ .cnn draw=volumes }}\n{CROSSED}```\n"
    code, said, _ = build(tmp_path, page)
    assert code == 1
    assert "index.md:1: error[CNN622]: `index` is no chain of feature maps" in said
    assert "Traceback" not in said


def test_a_style_that_is_none_is_refused(tmp_path: Path) -> None:
    code, said, _ = build(tmp_path, PAGE, ":\n      draw: circles")
    assert code == 1
    assert "circles" in said


def test_attributes_of_others_are_left_to_them() -> None:
    from cnndsl.diagnostics.source import Source
    from cnndsl.integrations.mkdocs import _words
    from cnndsl.markdown.fences import fences

    [fence] = fences(Source("a.md", '```cnn file=a.cnn title="A b" fails x .y\ninput 1\n```\n'))
    assert _words(fence) == '{ .cnn title="A b" .y }'


def test_blocks_in_admonitions_keep_their_margins() -> None:
    from cnndsl.diagnostics.source import Source
    from cnndsl.integrations.mkdocs import CnndslPlugin
    from cnndsl.markdown.check import check_page_text

    plugin = CnndslPlugin()
    plugin.load_config({})
    text = "!!! note\n\n    ```cnn table\n    input 1x8x8\n    conv 4@3\n    ```\n\n    more\n"
    checked = check_page_text(text)
    [fence], [block] = checked.fences, checked.blocks
    lines = plugin._written(text, fence, block).splitlines()
    assert lines[2] == "    ```cnn"
    assert lines[5] == "    ```"
    assert lines[7].startswith("    <div><div")
    assert lines[-1] == "    more"
    assert Source("", text).line(5) == lines[4]
