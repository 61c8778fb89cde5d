"""`cnndsl fmt`: files, folders and pipes; what is written whole, and what is never touched."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cnndsl.cli import main

LOOSE = "input 1x8x8 # picture\nconv 4 @ 3->relu\n"
LAID = "input 1x8x8   # picture\nconv 4@3 -> relu\n"


def fmt(*arguments: str, piped: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["fmt", *arguments], input=piped)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "net.cnn"
    path.write_bytes(LOOSE.encode())
    return path


def test_a_file_is_laid_out(spec: Path) -> None:
    result = fmt(str(spec))
    assert result.exit_code == 0
    assert result.stdout == f"formatted {spec}\n"
    assert result.stderr == "1 file formatted, 0 left as they are\n"
    assert spec.read_text() == LAID
    again = fmt(str(spec))
    assert again.stdout == ""
    assert again.stderr == "0 files formatted, 1 left as it is\n"


def test_check_names_files_and_changes_none(spec: Path) -> None:
    result = fmt("--check", str(spec))
    assert result.exit_code == 1
    assert result.stdout == f"{spec}: not in the canonical layout\n"
    assert spec.read_text() == LOOSE
    spec.write_text(LAID)
    assert fmt("--check", str(spec)).exit_code == 0


def test_diff_shows_what_would_change(spec: Path) -> None:
    result = fmt("--diff", str(spec))
    assert result.exit_code == 0
    assert result.stdout == (
        f"--- {spec}\n+++ {spec}\n@@ -1,2 +1,2 @@\n"
        "-input 1x8x8 # picture\n-conv 4 @ 3->relu\n"
        "+input 1x8x8   # picture\n+conv 4@3 -> relu\n"
    )
    assert spec.read_text() == LOOSE
    assert fmt("--diff", "--check", str(spec)).exit_code == 1


def test_a_diff_says_where_the_last_line_has_no_end(spec: Path) -> None:
    spec.write_text("conv   4@3")
    assert fmt("--diff", str(spec)).stdout.endswith(
        "-conv   4@3\n\\ No newline at end of file\n+conv 4@3\n"
    )


def test_a_pipe_is_a_filter() -> None:
    result = fmt("-", piped=LOOSE)
    assert (result.exit_code, result.stdout, result.stderr) == (0, LAID, "")
    result = fmt("--check", "-", piped=LOOSE)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "<stdin>: not in the canonical layout\n"
    broken = fmt("-", piped="conv 3@@\n")
    assert (broken.exit_code, broken.stdout) == (1, "")
    assert "error[CNN001]" in broken.stderr


def test_folders_are_walked(tmp_path: Path) -> None:
    for name in ("b.cnn", "a.cnn", "in/c.cnn", ".hidden/d.cnn", "in/.e.cnn", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(LOOSE)
    result = fmt(str(tmp_path), str(tmp_path / "a.cnn"))
    names = [Path(line.removeprefix("formatted ")) for line in result.stdout.splitlines()]
    assert [name.relative_to(tmp_path).as_posix() for name in names] == [
        "a.cnn",
        "b.cnn",
        "in/c.cnn",
    ]
    assert (tmp_path / "notes.txt").read_text() == LOOSE
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "error[CNN012]" in fmt(str(empty)).stderr


def test_a_file_with_mistakes_stays_and_the_others_are_formatted(spec: Path) -> None:
    broken = spec.parent / "broken.cnn"
    broken.write_text("conv 3@@ # ?\n   relu\n")
    result = fmt(str(broken), str(spec), str(spec.parent / "missing.cnn"))
    assert result.exit_code == 1
    assert broken.read_text() == "conv 3@@ # ?\n   relu\n"
    assert spec.read_text() == LAID
    assert "error[CNN001]" in result.stderr
    assert "error[CNN005]" in result.stderr


def test_a_shipped_network_is_no_file_to_lay_out() -> None:
    result = fmt("lenet5")
    assert result.exit_code == 1
    assert "`lenet5` is a shipped network" in result.stderr


def test_what_is_wrong_with_the_network_is_no_matter(spec: Path) -> None:
    spec.write_text("konv  3\n")
    assert fmt(str(spec)).exit_code == 0
    assert spec.read_text() == "konv 3\n"


@pytest.mark.parametrize("content", [b"input 1x8x8\n\xff", b"input 1x8x8\n\0"])
def test_what_is_no_text_is_refused(spec: Path, content: bytes) -> None:
    spec.write_bytes(content)
    result = fmt(str(spec))
    assert result.exit_code == 1
    assert "error[CNN005]" in result.stderr
    assert spec.read_bytes() == content


def test_rights_line_ends_links_and_the_byte_order_mark_stay(spec: Path) -> None:
    spec.write_bytes(b"\xef\xbb\xbf" + LOOSE.replace("\n", "\r\n").encode())
    spec.chmod(0o640)
    link = spec.parent / "link.cnn"
    link.symlink_to(spec)
    assert fmt(str(link)).exit_code == 0
    assert spec.read_bytes() == b"\xef\xbb\xbf" + LAID.replace("\n", "\r\n").encode()
    assert spec.stat().st_mode & 0o777 == 0o640
    assert link.is_symlink()
    assert sorted(os.listdir(spec.parent)) == ["link.cnn", "net.cnn"]


def test_a_pipe_keeps_its_line_ends() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cnndsl", "fmt", "-"],
        input=LOOSE.replace("\n", "\r\n").encode(),
        capture_output=True,
        check=True,
    )
    assert done.stdout == LAID.replace("\n", "\r\n").encode()


def test_where_nothing_can_be_written_the_file_stays(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cnndsl.cli.rewrite.write_whole", full)
    result = fmt(str(spec))
    assert result.exit_code == 1
    assert f"error[CNN603]: cannot write `{spec}`: no space left on device" in result.stderr
    assert spec.read_text() == LOOSE


def test_a_result_that_would_mean_something_else_is_not_written(
    spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cnndsl.syntax.formatter.print_module", lambda *_: "input 1x8x9\n")
    result = fmt(str(spec))
    assert result.exit_code == 70
    assert "would change it" in result.stderr
    assert spec.read_text() == LOOSE


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_that_leads_nowhere_is_told_to_be_one(tmp_path: Path) -> None:
    link = tmp_path / "net.cnn"
    for target in ("gone.cnn", "net.cnn"):
        link.symlink_to(target)
        for verb in (["expand"], ["check"], ["explain"]):
            word = f"{link}:1" if verb == ["explain"] else str(link)
            result = CliRunner().invoke(main, [*verb, word])
            assert result.exit_code == 1
            assert "is a link that leads nowhere" in result.stderr
        link.unlink()


# --- pages --------------------------------------------------------------------------------------

PAGE = """\
# A page

> ```cnn
> input 1x8x8 # a
>
>
> conv 4 @ 3->relu
>
> ```

- in a list

  ```cnn
  add(relu,
  tanh)
  ```

```{cnn}
:file: a.cnn

relu->tanh
```

```cnn fails
conv  (
```

```cnn
let a  =   # error: CNN004
```

```python
x  = 1
```
"""

LAID_PAGE = (
    PAGE.replace("8x8 # a\n>\n>\n> conv 4 @ 3->relu\n>\n", "8x8   # a\n>\n> conv 4@3 -> relu\n")
    .replace("add(relu,\n  tanh)", "add(\n    relu,\n    tanh\n  )")
    .replace("relu->tanh", "relu -> tanh")
)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_the_blocks_of_a_page_are_laid_out(tmp_path: Path, end: str, last: str) -> None:
    page = tmp_path / "README.md"
    page.write_bytes((PAGE.rstrip() + last).replace("\n", end).encode())
    assert fmt("--check", str(page)).exit_code == 1
    assert fmt(str(page)).stdout == f"formatted {page}\n"
    assert page.read_bytes().decode() == (LAID_PAGE.rstrip() + last).replace("\n", end)
    assert fmt("--check", str(page)).exit_code == 0


def test_a_page_with_a_block_that_cannot_be_read_stays_as_it_is(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"{PAGE}\n> ```cnn\n> let a =\n> ```\n")
    before = page.read_bytes()
    result = fmt(str(page))
    assert result.exit_code == 1
    assert f" --> {page}:{PAGE.count(chr(10)) + 3}:9\n" in result.stderr
    assert page.read_bytes() == before


@pytest.mark.parametrize(
    "text", ["", "# none\n", "```cnn\n```\n", "```cnn\n\n\n```\n", "```cnn\nrelu"]
)
def test_pages_without_text_in_blocks_stay(tmp_path: Path, text: str) -> None:
    page = tmp_path / "a.md"
    page.write_text(text)
    assert fmt("--check", str(page)).exit_code == 0
