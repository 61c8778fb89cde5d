"""A disk that is full at any moment costs nothing that was there, and the message says where.

The disk is one that takes half of a file and then nothing more; where a whole process is to meet
one, the system takes no byte into any file of it.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result
from training_runs import results

from cnndsl.cli import main
from cnndsl.graph import files

SPEC = """\
network tiny
input 1x4x4
classes "dark", "light"
C1: conv 3@3 padding 1 -> relu
flatten
OUTPUT: dense 2 -> softmax

train {
  optimizer sgd lr 0.1 momentum 0.9
  batch 8
  epochs 2
}
"""

TRAIN = ("train", "tiny.cnn", "--data", "data.npz", "--valid", "0.25", "--device", "cpu")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.cnn").write_text(SPEC)
    x = numpy.random.default_rng(1).normal(size=(40, 1, 4, 4)).astype(numpy.float32)
    numpy.savez("data.npz", x=x, y=(x.sum(axis=(1, 2, 3)) > 0).astype(numpy.int64))
    numpy.save("x.npy", x)


def cnndsl(*words: str) -> Result:
    return CliRunner().invoke(main, list(words))


def said(result: Result) -> tuple[str, str]:
    """The file that could not be written, and the help."""
    assert result.exit_code == 1, result.output
    found = re.search(
        r"error\[CNN603\]: cannot write `(.*)`: no space left on device\n(?:.*note: .*\n)*"
        r"  = help: (.*)\n",
        result.stderr,
    )
    assert found, result.stderr
    return found[1], found[2]


@pytest.fixture
def full_from(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int | None], None]]:
    """A function that lets the disk be full from some file on, counted from 1, or not any more."""
    whole = files._write
    written = 0
    last: int | None = None

    def write(temporary: Path, pieces: Iterable[bytes | memoryview], mode: int | None) -> int:
        nonlocal written
        written += 1
        if last is None or written < last:
            return whole(temporary, pieces, mode)
        content = b"".join(bytes(piece) for piece in pieces)
        whole(temporary, [content[: len(content) // 2]], mode)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def set_to(number: int | None) -> None:
        nonlocal written, last
        written, last = 0, number

    monkeypatch.setattr(files, "_write", write)
    yield set_to
    set_to(None)


def whole_files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_a_run_loses_nothing_wherever_the_disk_is_full(
    full_from: Callable[[int | None], None],
) -> None:
    full_from(None)
    assert cnndsl(*TRAIN, "--out", "whole").exit_code == 0
    places: list[str] = []
    for number in range(1, 100):
        out = f"full{number}"
        full_from(number)
        result = cnndsl(*TRAIN, "--out", out)
        if result.exit_code == 0:
            break
        name, help = said(result)
        assert name.startswith(out)
        assert help == "make room, or see that it may be written there; then go on with `--resume`"
        places.append(Path(name).relative_to(out).as_posix())
        assert not list(Path().rglob("*.tmp"))
        full_from(None)
        again = cnndsl(*TRAIN, "--out", out, "--resume")
        assert again.exit_code == 0, again.output
        assert {
            key: value for key, value in results(Path(out)).items() if key != "command"
        } == results(Path("whole"))
    # Every kind of file was one that the disk did not take.
    assert set(places) >= {
        "spec.cnn", "command.txt", "metrics.csv", "metrics.jsonl", "best.safetensors", "model.onnx",
        "confusion.csv", "last.safetensors", "checkpoints/step-00000003.ckpt", "curves.png",
        "confusion.png",
    }  # fmt: skip


def test_what_is_there_stays_where_resuming_finds_no_room(
    full_from: Callable[[int | None], None],
) -> None:
    full_from(None)
    assert cnndsl(*TRAIN, "--out", "run").exit_code == 0
    before = whole_files(Path("run"))
    full_from(1)
    said(cnndsl(*TRAIN, "--out", "run", "--resume", "--epochs", "4"))
    assert whole_files(Path("run")) == before


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["compile", "tiny.cnn", "-o", "out.onnx"], "out.onnx"),
        (["compile", "tiny.cnn", "--training", "-o", "out.onnx"], "out.init.onnx"),
        (["run", "tiny.cnn", "x.npy", "--device", "cpu", "--output", "out.npz"], "out.npz"),
    ],
)
def test_commands_leave_the_old_file_and_name_it(
    full_from: Callable[[int | None], None], words: list[str], name: str
) -> None:
    Path(name).write_bytes(b"old")
    before = whole_files(Path())
    full_from(1)
    assert said(cnndsl(*words)) == (
        name,
        "make room on the disk, or choose another place for the file",
    )
    assert whole_files(Path()) == before


# --- a whole process ----------------------------------------------------------------------------

_NO_BYTE = """
import resource, sys
from cnndsl.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs setrlimit")
@pytest.mark.parametrize(
    ("words", "name"),
    [
        ([*TRAIN, "--out", "run"], "run/.lock"),
        (["compile", "tiny.cnn", "-o", "out.onnx"], "out.onnx"),
        (["run", "tiny.cnn", "x.npy", "--device", "cpu", "--output", "out.npz"], "out.npz"),
        (["check", "wrong.cnn", "--fix"], "wrong.cnn"),
    ],
)
def test_a_process_that_may_write_no_byte_says_where_and_leaves_nothing(
    words: list[str], name: str
) -> None:
    Path("wrong.cnn").write_text("input 1x4x4\nflatten\ndens 2\n")
    before = whole_files(Path())
    done = subprocess.run(
        [sys.executable, "-c", _NO_BYTE, *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 1, done.stderr
    assert f"error[CNN603]: cannot write `{name}`: file too large" in done.stderr
    assert "= help: make room on the disk" in done.stderr
    assert "Traceback" not in done.stderr
    assert whole_files(Path()) == before
    assert not Path("run").exists()
