"""Only regular files are read, wherever a user may name one; no input holds a command up."""

from __future__ import annotations

import ast
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner
from documents import ROOT
from training_data import write_picture

from cnndsl.cli import main
from cnndsl.files import check_regular, open_regular, read_regular

PACKAGE = ROOT / "cnndsl"

# --- the function -----------------------------------------------------------------------------


def test_a_regular_file_and_a_link_to_one_are_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("a")
    for name in ("a", "link"):
        with open_regular(tmp_path / name) as file:
            assert file.read() == b"abc"
        assert read_regular(tmp_path / name, 3) == b"abc"


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match="it is a pipe, and only regular files are read"):
            check_regular(tmp_path / name)


def test_devices_and_sockets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="it is a device"):
        open_regular("/dev/zero")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(tmp_path / "s"))
        with pytest.raises(OSError, match="it is a socket"):
            open_regular(tmp_path / "s")


def test_a_folder_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)


def test_what_has_too_many_bytes_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(OSError, match="it has more than 1,000 bytes"):
        open_regular(tmp_path / "holes", most=1000)
    with pytest.raises(OSError, match="it has more than 1,000 bytes"):
        read_regular(tmp_path / "holes", 1000)


def test_a_name_that_no_file_can_have_is_an_error_of_the_system() -> None:
    with pytest.raises(OSError, match="null"):
        open_regular("a\0b")


# --- no other way -----------------------------------------------------------------------------

# Files that come with the package, files that are written, and file objects that are read from.
OWN = {
    "cnndsl/files.py",
    "cnndsl/layers/reference.py",
    "cnndsl/layers/__init__.py",
    "cnndsl/syntax/grammar.py",
    "cnndsl/syntax/parser_data.py",
    "cnndsl/cli/explain.py",
    "cnndsl/cli/errors.py",
    "cnndsl/graph/files.py",
    "cnndsl/data/results.py",
    "cnndsl/diagnostics/render/sarif.py",
    "cnndsl/importers/weights/shipped_maps.py",
    "cnndsl/language_server/hover.py",
}
OPENERS = {"open", "read_bytes", "read_text", "ZipFile", "is_zipfile", "safe_open", "fromfile"}
LOADERS = {"numpy", "onnx", "Image", "tarfile", "gzip", "os", "io", "codecs", "zipfile", "np"}


def openings(path: Path) -> Iterator[str]:
    """The calls in a module that open files by what may be a path."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id=name) if name in OPENERS:
                yield ast.unparse(node)
            case ast.Attribute(value=ast.Name(id=module), attr="open" | "load" | "memmap") if (
                module in LOADERS
            ):
                yield ast.unparse(node)
            case ast.Attribute(value=value, attr=name) if name in OPENERS and ast.unparse(value):
                yield ast.unparse(node)
            case _:
                pass


# Each takes a file that is open already, or a path that has been checked just before.
JUDGED = {
    "Image.open(file, formats=_formats(path))",
    "Image.open(file, formats=['PNG'])",
    "zipfile.ZipFile(file)",
    "zipfile.is_zipfile(file)",
    "ZipFile(file)",
    "ZipFile(stack.enter_context(open_regular(path)))",
    "ZipFile(sink, 'w', ZIP_STORED)",  # written
    "archive.open(_info(f'data/{number}'), 'w', force_zip64=True)",
    "Path('/proc/cpuinfo').read_text(encoding='utf-8', errors='replace')",  # the system's own
    "onnx.load(file)",
    "onnx.load(target)",  # written just before, into a folder of our own
    "onnx.load(file, load_external_data=False)",
    "onnx.load(str(optimized), load_external_data=False)",  # ONNX Runtime has just written both
    "recording.read_bytes()",
    "Path(f'/proc/{process}/stat').read_text(errors='replace')",  # the system's own
    "os.open(os.devnull, os.O_WRONLY)",
    "open(os.devnull, 'wb')",
    "open(number, 'rb')",  # a pipe of our own
    "open(0, 'rb', closefd=False)",  # what was started here has these for it
    "open(1, 'wb', buffering=0, closefd=False)",
    "file.read_text(errors='replace')",  # a control group's, of the system
    "file.read_text(encoding='utf-8-sig')",  # of a revision, in a folder of our own
    "Path(page.file.abs_src_path).read_text('utf-8-sig')",  # a page that MkDocs has read
    "open(name, 'wb')",  # into a folder of our own
    "open(self._path, 'a', encoding='utf-8', newline='', buffering=1)",  # just made anew
    "self.project.open(item.uri, item.text, item.version)",  # a text, no file
    "safe_open(os.fspath(path), framework='numpy')",  # behind check_regular
    "safe_open(path, framework='numpy')",  # behind open_regular
    "self.archive.open(self.member)",  # members of an open archive
    "self.archive.open(name)",
    "archive.open('config.json')",
    "archive.open('model.weights.h5')",
    "archive.open(member)",
    "archive.open(name)",
    "Member.open(archive, path, members[labels], f'{data}:{labels}')",
    "Member.open(archive, path, members[name], f'{data}:{name}')",
    "_Stored.open(file, str(path), model_input)",
    "_Stored.open(file, _called(path, name, labelled, inputs), one, labelled=labelled)",
    "_format_of(place).open(place, wanted)",  # a format's own, which opens by these
    "kind.open(Place(Path(data), data), wanted)",
    "open(folder / LOCK, 'a+b', buffering=0)",  # written, and no pipe: see below
}


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_every_file_of_a_user_is_opened_in_one_place(path: Path) -> None:
    if str(path.relative_to(ROOT)) in OWN:
        return
    found = set(openings(path)) - JUDGED
    assert {call for call in found if not call.startswith("read_text(")} == set()


# --- what a user names ------------------------------------------------------------------------


class _WaitedError(Exception):
    pass


@contextlib.contextmanager
def no_waiting() -> Iterator[None]:
    """Stop what waits for a pipe, so that the test fails instead of never ending."""

    def stop(*_: object) -> None:
        raise _WaitedError

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def refusal(words: Sequence[str], monkeypatch: pytest.MonkeyPatch, folder: Path) -> str:
    """What a command that fails says."""
    monkeypatch.chdir(folder)
    with no_waiting():
        done = CliRunner().invoke(main, words)
    assert done.exit_code in (1, 2), (words, done.output, done.exception)
    return done.stderr


SPEC = 'input 1x2x2\nclasses "a", "b"\nflatten -> dense 2\ntrain { loss crossentropy\nepochs 1 }\n'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with a spec, data of two classes, and a pipe that nobody writes into."""
    (tmp_path / "s.cnn").write_text(SPEC)
    os.mkfifo(tmp_path / "pipe")
    for name in ("a", "b"):
        for number in range(4):
            write_picture(tmp_path / "data" / name / f"{number}.png")
    return tmp_path


REFUSED = "it is a pipe, and only regular files are read"


@pytest.mark.parametrize("end", ["", ".png", ".npy", ".npz", ".csv", ".cnn", ".onnx"])
def test_no_kind_of_argument_is_waited_for(
    place: Path, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = f"pipe{end}"
    for name in {pipe, "pipe.onnx"} - {"pipe"}:
        os.mkfifo(place / name)
    for words in (
        ("check", pipe),
        ("run", "s.cnn", pipe, "data"),
        ("train", "s.cnn", "--data", pipe),
        ("train", "s.cnn", "--data", "data", "--weights", pipe),
        ("run", "s.cnn", "data", "--weights", pipe),
        ("eval", "s.cnn", "--weights", pipe, "--data", "data"),
        ("eval", "pipe.onnx", "--data", "data"),
        ("show", pipe),
    ):
        said = refusal(words, monkeypatch, place)
        assert REFUSED in said or (end == "" and "no file and no shipped" in said), words


def test_a_pipe_among_pictures_is_a_broken_picture(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(place / "data" / "a" / "x.png")
    for words in (("train", "s.cnn", "--data", "data"), ("run", "s.cnn", "data")):
        assert REFUSED in refusal(words, monkeypatch, place)


def test_a_pipe_in_a_table_or_as_a_file_of_data_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "t.csv").write_text("pipe,a\ndata/b/0.png,b\n")
    assert REFUSED in refusal(("train", "s.cnn", "--data", "t.csv"), monkeypatch, place)
    for names in (
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("data_batch_1.bin", "test_batch.bin"),
        ("wnids.txt", "words.txt"),
    ):
        folder = place / names[0].split(".")[0]
        folder = folder.with_name(f"{folder.name}{len(names[0])}")
        folder.mkdir()
        for name in names:
            os.mkfifo(folder / name)
        words = ("train", "s.cnn", "--data", str(folder))
        assert REFUSED in refusal(words, monkeypatch, place), names


def test_endless_devices_are_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for words in (
        ("check", "/dev/zero"),
        ("run", "s.cnn", "/dev/zero"),
        ("train", "s.cnn", "--data", "/dev/zero"),
        ("train", "s.cnn", "--data", "data", "--weights", "/dev/zero"),
    ):
        said = refusal(words, monkeypatch, place)
        assert "it is a device, and only regular files are read" in said, words


# --- no other program -------------------------------------------------------------------------


def test_no_picture_starts_another_program(place: Path) -> None:
    eps = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 2 2\n%%EndComments\nshowpage\n%%EOF\n"
    trap = place / "bin"
    trap.mkdir()
    for program in ("gs", "gswin32c"):
        (trap / program).write_text(f"#!/bin/sh\ntouch '{place}/started'\n")
        (trap / program).chmod(0o755)
    for name in ("x.eps", "x.png", "x.wmf", "x.fits"):
        (place / name).write_bytes(eps)
        done = subprocess.run(
            [sys.executable, "-m", "cnndsl", "run", "s.cnn", name],
            cwd=place,
            env={**os.environ, "PATH": f"{trap}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "it is no picture of a kind that is read" in done.stderr
    assert not (place / "started").exists()


def test_what_becomes_a_pipe_between_looking_and_opening_is_refused_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    regular = os.stat(__file__)

    def waited(number: int, frame: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("cnndsl.files.os.stat", lambda path: regular)
    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(20)
    try:
        with pytest.raises(OSError, match="it is a pipe"):
            open_regular(tmp_path / "pipe")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
