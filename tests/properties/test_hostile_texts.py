"""Texts meant to hurt end in an answer, after little computing and within 500 MB."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from documents import ROOT

SECONDS = 60
"""Of computing: what no text needs on the slowest and busiest machine, and what a text that is gone
through again and again soon exceeds. On a quiet machine the worst takes two."""
MEGABYTES = 500

HEAD = "network hostile\ninput 3x32x32\n"
DEEP = 100_000

TEXTS: dict[str, str] = {
    "parentheses": f"{HEAD}conv {'(' * DEEP}8{')' * DEEP}@3\n",
    "open parentheses": f"{HEAD}conv {'(' * DEEP}\n",
    "brackets": f"{HEAD}conv 8@{'[' * DEEP}3{']' * DEEP}\n",
    "open brackets": f"{HEAD}let k = {'[' * DEEP}\n",
    "closing brackets": HEAD + ")]}" * DEEP,
    "mixed brackets": HEAD + "([{" * DEEP + ")]}" * DEEP,
    "joins": f"{HEAD}{'add(identity, ' * DEEP}relu{')' * DEEP}\n",
    "minima": f"{HEAD}conv {'min(1, ' * DEEP}8{')' * DEEP}@3\n",
    "repeats": f"{HEAD}{'repeat 2 { ' * DEEP}relu{' }' * DEEP}\n",
    "repeats on lines": HEAD + "repeat 1 {\n" * 30_000 + "relu\n",
    "branches": f"{HEAD}{'if yes { ' * DEEP}relu{' }' * DEEP}\n",
    "else after else": f"{HEAD}if no {{ relu }}{' else if no { relu }' * DEEP}\n",
    "loops": f"{HEAD}{'for i in 1..2 { ' * DEEP}relu{' }' * DEEP}\n",
    "conditionals": f"{HEAD}let k = {'1 if yes else ' * DEEP}2\nconv k@1\n",
    "signs": f"{HEAD}let k = {'- ' * DEEP}2\n",
    "negations": f"{HEAD}if {'not ' * DEEP}yes {{ relu }}\n",
    "sums": f"{HEAD}let k = {'1 + ' * DEEP}2\nconv k@1\n",
    "powers by products": f"{HEAD}let k = {'9 * ' * DEEP}2\nconv k@1\n",
    "a long chain": f"{HEAD}{'relu -> ' * DEEP}relu\n",
    "blocks in blocks": HEAD
    + "".join(f"block b{i}() {{ b{i + 1}() }}\n" for i in range(5_000))
    + "block b5000() { relu }\nb0()\n",
    "blocks that double": HEAD
    + "".join(f"block b{i}() {{ b{i + 1}() -> b{i + 1}() }}\n" for i in range(50))
    + "block b50() { relu }\nb0()\n",
    "blocks without layers that double": HEAD
    + "".join(f"block b{i}() {{ b{i + 1}() -> b{i + 1}() }}\n" for i in range(50))
    + "block b50() { identity }\nif no { b0() }\nb0()\n",
    "repeat 1e9": f"{HEAD}repeat 1000000000 {{ conv 8@3 padding 1 }}\n",
    "repeat nested": f"{HEAD}repeat 90000 {{ repeat 90000 {{ repeat 90000 {{ relu }} }} }}\n",
    "repeat of nothing": f"{HEAD}repeat 90000 {{ repeat 90000 {{ }} }}\nrelu\n",
    "for over a huge range": f"{HEAD}for i in 1..1000000000000 {{ relu }}\n",
    "for over a list of ranges": f"{HEAD}for i in [1..9223372036854775807] {{ conv i@1 }}\n",
    "a huge range as a value": f"{HEAD}let r = 1..9223372036854775807\nconv r@1\n",
    "huge ranges compared": f"{HEAD}if 1..{2**63 - 1} == 2..{2**63 - 1} {{ relu }}\n",
    "sizes of 1e18": "input 1000000000000000000x1000000000000000000\nrelu\n",
    "largest sizes": "input 2147483647x2147483647x2147483647\nflatten\ndense 2147483647\n",
    "a size of many numbers": f"input {'x'.join(['3'] * DEEP)}\nrelu\n",
    "large strides": f"{HEAD}conv 2147483647@2147483647 stride 2147483647 padding 2147483647\n",
    "large dilations": f"{HEAD}maxpool 3 dilation 2147483647 padding 2147483647\n",
    "large groups": f"{HEAD}conv 2147483646@1 groups 1073741823\n",
    "a number of a million digits": f"{HEAD}conv {'9' * 1_000_000}@3\n",
    "an exponent of a million": f"{HEAD}conv 1e1000000@3\n",
    "a fraction of a million digits": f"{HEAD}dropout 0.{'3' * 1_000_000}\n",
    "one constant again and again": HEAD + "let k = 3\n" * 30_000,
    "a list that grows": HEAD
    + "let a0 = [1, 1]\n"
    + "".join(f"let a{i + 1} = [a{i}, a{i}]\n" for i in range(60))
    + "conv a60@3\n",
    "a list that grows and is shown": HEAD
    + "let a0 = [1, 1]\n"
    + "".join(f"let a{i + 1} = [a{i}, a{i}]\n" for i in range(60))
    + "for a in a60 { conv 8@a }\n",
    "a list that grows and is compared": HEAD
    + "let a0 = [1, 1]\nlet b0 = [1, 1]\n"
    + "".join(f"let a{i + 1} = [a{i}, a{i}]\nlet b{i + 1} = [b{i}, b{i}]\n" for i in range(60))
    + "if a60 == b60 { relu }\n",
    "a list that grows in a claim": HEAD
    + "let a0 = [1, 1]\n"
    + "".join(f"let a{i + 1} = [a{i}, a{i}]\n" for i in range(60))
    + "relu => [a60]\n",
    **{
        f"{size}{name}": HEAD + piece * (count // len(piece))
        for size, count in (("", 390_000), ("megabytes of ", 4_000_000))
        for name, piece in {
            "garbage of signs": "@#$%^&*(){}[]<>?/|\\~`",
            "garbage of letters": "lorem ipsum dolor ",
            "garbage of lines": "lorem ipsum\n",
            "garbage of brackets": ")(",
            "one long word": "a",
            "one long dotted word": "a.",
            "one long comment": "#",
            "blank lines": "\n",
            "spaces": " ",
            "tabs and returns": "\t\r",
            "quotes": '"',
            "single quotes": "'",
            "backslashes": "\\",
            "dots": ".",
            "digits": "9",
            "digits and x": "3x",
            "holes": "?x",
            "arrows": "->",
            "minus signs": "-",
            "commas": ",",
            "colons": "a:",
            "zero width joiners": "\u200d",
            "combining marks": "\u0301",
            "emoji": "🦆",
            "marks that turn the text about": "\u202e",
            "labels without layers": "a: ",
            "braces": "{ } ",
            "opening braces on lines": "x {\n",
            "indented braces": "   {\n  }\n",
        }.items()
    },
    "one long string": f'classes "{"a" * 390_000}"\n',
    "one open string": f'classes "{"a" * 390_000}\n',
    "nul bytes": HEAD + "\0" * 1_000_000,
    "escapes of the terminal": f"{HEAD}\x1b[2J\x1b[31m" * 20_000,
    "many unknown names": HEAD + "".join(f"n{i} -> relu\n" for i in range(50_000)),
    "many labels": HEAD + "".join(f"n{i}: relu\n" for i in range(9_000)) + "m1 -> relu\n",
    "many misspelled labels": HEAD
    + "".join(f"label{i}: relu\n" for i in range(3_000))
    + "".join(f"labl{i} -> relu\n" for i in range(3_000)),
    "many constants": HEAD + "".join(f"let n{i} = {i}\n" for i in range(50_000)) + "relu\n",
    "many blocks": HEAD + "".join(f"block n{i}() {{ relu }}\n" for i in range(30_000)) + "relu\n",
    "many parameters": HEAD
    + f"block b({', '.join(f'p{i}' for i in range(50_000))}) {{ relu }}\nb(1)\n",
    "many arguments": f"{HEAD}add({', '.join(['relu'] * 30_000)})\n",
    "many attributes": f"{HEAD}conv 8@3 {'stride 1 ' * 50_000}\n",
    "many claims": f"{HEAD}relu {'=> 3x32x32 ' * 50_000}\n",
    "many wrong claims": f"{HEAD}relu {'=> 3x32x31 ' * 50_000}\n",
    "many outputs": f"{HEAD}a: relu\noutput {', '.join(['a'] * 50_000)}\n",
    "many classes": HEAD + "flatten -> dense 2\nclasses " + ", ".join(['"a"'] * 100_000),
    "many expectations": f"{HEAD}relu\n" + "expect params 1\nexpect receptive_field 3\n" * 5_000,
    "many settings": f"{HEAD}relu\ntrain {{\n" + "augment flip\n" * 50_000 + "}\n",
    "many frozen layers": f"{HEAD}a: relu\ntrain {{ freeze {'a ' * 50_000} }}\n",
    "many holes": HEAD + "conv ?@? padding ? stride ? dilation ?\n" * 20 + "relu => 8x5x5\n",
    "many holes in the input": "input ?x?x?\n" + "conv 8@?\n" * 20 + "relu => 8x5x5\n",
    "a hole over many layers": HEAD + "conv 8@3 padding ?\n" + "relu\n" * 9_000,
    "holes over many layers": HEAD
    + ("conv 8@3 padding ?\n" + "relu\n" * 50) * 50
    + "relu => 8x9x9\n",
    "many remainders": "input 3x224x224\n" + "conv 8@3 stride 2 padding 1\n" * 1_500,
    "many kernels too large": "input 3x4x4\n" + "conv 8@9\n" * 5_000,
    "a remainder deep down": "input 3x224x224\n" + "conv 8@3 padding 1\n" * 3_000 + "maxpool 5\n",
    "many joins that differ": HEAD + "add(conv 8@1, conv 9@1)\n" * 2_500,
    "wide concatenations": HEAD + "concat(identity, identity)\n" * 60,
    "deep additions": HEAD + "add(identity, identity)\n" * 4_000,
    "many imports": 'import "std/residual"\n' * 50_000 + HEAD + "relu\n",
    "many missing imports": "".join(f'import "n{i}"\n' for i in range(20_000)) + HEAD + "relu\n",
    "an import of a long path": f'import "{"../" * 100_000}x"\n{HEAD}relu\n',
    "an import of a long name": f'import "{"x" * 500}"\n{HEAD}relu\n',
    "an import of a nul": f'import "a\\0b"\n{HEAD}relu\n',
    "classes from a long name": f'classes from "{"x" * 500}"\n{HEAD}relu\n',
}

_LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, ({bytes}, {bytes}))
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
sys.argv[0] = "cnndsl"
from cnndsl.cli import main
main()
"""


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    """`cnndsl` in a process of its own that may use so much time and memory, no more."""
    program = _LIMITED.format(bytes=MEGABYTES * 2**20, seconds=SECONDS)
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "CNNDSL_LIMITS": ""},
        capture_output=True,
        timeout=1_800,
        check=False,
    )


def answer(folder: Path, *arguments: str) -> str:
    """What `cnndsl check` says of a file that it must find something wrong with, or right."""
    done = run("check", *arguments, folder=folder)
    said = done.stdout.decode("utf-8", "replace") + done.stderr.decode("utf-8", "replace")
    assert done.returncode in (0, 1, 2), f"exit {done.returncode}: {said[-600:]}"
    assert "internal error" not in said
    return said


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_is_answered(name: str, tmp_path: Path) -> None:
    (tmp_path / "hostile.cnn").write_text(TEXTS[name], encoding="utf-8")
    answer(tmp_path, "hostile.cnn", "--format", "concise")


@pytest.mark.parametrize(
    "name",
    ["garbage of lines", "one long word", "many unknown names", "emoji", "nul bytes"],
)
@pytest.mark.parametrize("format", ["text", "json", "sarif", "github"])
def test_a_hostile_text_is_shown_in_every_format(name: str, format: str, tmp_path: Path) -> None:
    (tmp_path / "hostile.cnn").write_text(TEXTS[name], encoding="utf-8")
    assert len(answer(tmp_path, "hostile.cnn", "--format", format)) < 1_000_000


# --- bytes that are no text -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("input 3x8x8\nrelu # é".encode("latin-1"), "CNN005"),
        ("input 3x8x8\nrelu".encode("utf-16"), "CNN005"),
        ("input 3x8x8\nrelu".encode("utf-32"), "CNN005"),
        (b"\x7fELF\x02\x01\x01\0" + bytes(range(256)) * 100, "CNN005"),
        (b"\xed\xa0\x80", "CNN005"),
        (b"\xff" * 1_000_000, "CNN005"),
        (b"input 3x8x8\n\0relu", "CNN005"),
        (b"x" * 20_000_000, "CNN901"),
        (b"", "CNN105"),
    ],
)
def test_bytes_that_are_no_spec_are_refused(content: bytes, code: str, tmp_path: Path) -> None:
    (tmp_path / "hostile.cnn").write_bytes(content)
    assert code in answer(tmp_path, "hostile.cnn")


# --- files that are none --------------------------------------------------------------------------


def spec_importing(folder: Path, path: str) -> None:
    (folder / "main.cnn").write_text(f'import "{path}"\n{HEAD}relu\n', encoding="utf-8")


def test_imports_that_leave_the_folder_are_refused(tmp_path: Path) -> None:
    outside = tmp_path / "secret.cnn"
    outside.write_text("block stolen() { relu }\n", encoding="utf-8")
    folder = tmp_path / "spec"
    (folder / "sub").mkdir(parents=True)
    (folder / "link.cnn").symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    for path in (
        "../secret",
        "sub/../../secret.cnn",
        str(outside),
        "link",
        "linked/secret",
        "std/../../../../../../../../etc/passwd",
        "std/../alexnet/../../pyproject",
        "/dev/zero",
        "/etc/passwd",
        "~/x",
    ):
        spec_importing(folder, path)
        said = answer(folder, "main.cnn")
        assert "CNN109" in said or "CNN107" in said, path
        assert "stolen" not in said


def test_imports_of_what_is_no_file_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.cnn")
    (tmp_path / "folder.cnn").mkdir()
    (tmp_path / "circle.cnn").symlink_to("circle.cnn")
    (tmp_path / "zero.cnn").symlink_to("/dev/zero")
    (tmp_path / "broken.cnn").symlink_to("nowhere.cnn")
    for name in ("pipe", "folder", "circle", "zero", "broken"):
        spec_importing(tmp_path, name)
        said = answer(tmp_path, "main.cnn")
        assert "CNN107" in said or "CNN109" in said, name


def test_class_names_come_from_plain_files_only(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "folder.txt").mkdir()
    (tmp_path / "circle.txt").symlink_to("circle.txt")
    (tmp_path / "zero.txt").symlink_to("/dev/zero")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9\n")
    (tmp_path / "large.txt").write_bytes(b"x\n" * 10_000_000)
    for name in ("pipe", "folder", "circle", "zero", "latin", "large", "missing"):
        text = f'classes from "{name}.txt"\n{HEAD}flatten -> dense 2\n'
        (tmp_path / "main.cnn").write_text(text, encoding="utf-8")
        said = answer(tmp_path, "main.cnn")
        assert any(code in said for code in ("CNN005", "CNN109", "CNN901")), name


def test_a_chain_of_imports_ends(tmp_path: Path) -> None:
    for number in range(2_000):
        text = f'import "n{number + 1}"\nblock b{number}() {{ relu }}\n'
        (tmp_path / f"n{number}.cnn").write_text(text, encoding="utf-8")
    (tmp_path / "n2000.cnn").write_text("block last() { relu }\n", encoding="utf-8")
    spec_importing(tmp_path, "n0")
    answer(tmp_path, "main.cnn")


def test_imports_that_all_import_each_other_end(tmp_path: Path) -> None:
    for number in range(60):
        imports = "".join(f'import "n{other}"\n' for other in range(60) if other != number)
        (tmp_path / f"n{number}.cnn").write_text(imports, encoding="utf-8")
    spec_importing(tmp_path, "n0")
    assert "CNN108" in answer(tmp_path, "main.cnn")


def test_imports_that_together_are_too_much_end(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"n{number}.cnn").write_text("# \n" * 30_000, encoding="utf-8")
    imports = "".join(f'import "n{number}"\n' for number in range(50))
    (tmp_path / "main.cnn").write_text(f"{imports}{HEAD}relu\n", encoding="utf-8")
    assert "CNN901" in answer(tmp_path, "main.cnn")


@pytest.mark.parametrize("name", ["folder.cnn", "missing.cnn", "circle.cnn", "x" * 300, "a\nb"])
def test_a_spec_that_is_no_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.cnn").mkdir()
    (tmp_path / "circle.cnn").symlink_to("circle.cnn")
    assert "CNN0" in answer(tmp_path, name)


def test_the_limits_of_the_process_are_real(tmp_path: Path) -> None:
    program = _LIMITED.format(bytes=MEGABYTES * 2**20, seconds=1).replace("main()", "")
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nbytearray({MEGABYTES * 2**20})"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert b"MemoryError" in done.stderr
    done = subprocess.run(
        [sys.executable, "-c", f"{program}\nwhile True: pass"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode in (-signal.SIGXCPU, -signal.SIGKILL)
