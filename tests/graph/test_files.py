"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.files import write_atomically


def the_only_file(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


def refused(path: Path | str, content: bytes = b"new") -> UserError:
    with pytest.raises(UserError) as caught:
        write_atomically(path, content)
    assert caught.value.code == "CNN603"
    return caught.value


def test_writes_pieces_in_order_and_gives_the_size(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    assert write_atomically(path, (b"ab", memoryview(b"cde"))) == 5
    assert path.read_bytes() == b"abcde"
    assert the_only_file(tmp_path) == path


def test_replaces_an_older_file_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_atomically(tmp_path / "model.onnx", b"new")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "model.onnx").stat().st_mode) == 0o640


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real.onnx").write_bytes(b"old")
    link = tmp_path / "link.onnx"
    link.symlink_to("real.onnx")
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert (tmp_path / "real.onnx").read_bytes() == b"new"


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, failing, full)
    error = refused(path)
    assert error.message == f"cannot write `{path}`: no space left on device"
    assert the_only_file(tmp_path).read_bytes() == b"old"


def test_a_real_limit_of_the_system_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    program = (
        "import resource, sys\n"
        "from cnndsl.diagnostics.model import UserError\n"
        "from cnndsl.graph.files import write_atomically\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_atomically(sys.argv[1], (b'x' * 600 for _ in range(3)))\n"
        "except UserError as error: print(error)\n"
    )
    done = run(program, path)
    assert done.stdout == f"cannot write `{path}`: file too large\n"
    assert the_only_file(tmp_path).read_bytes() == b"old"


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_kill_before_the_end_leaves_the_old_file(tmp_path: Path, moment: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    program = (
        "import os, signal, sys\n"
        "from cnndsl.graph.files import write_atomically\n"
        f"os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_atomically(sys.argv[1], b'new' * 1000)\n"
    )
    assert run(program, path).returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    write_atomically(path, b"next")
    assert path.read_bytes() == b"next"


def run(program: str, path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


@pytest.mark.parametrize("problem", [KeyboardInterrupt, ValueError])
def test_whatever_stops_it_no_temporary_file_stays(
    tmp_path: Path, problem: type[BaseException]
) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"half"
        raise problem

    with pytest.raises(problem):
        write_atomically(tmp_path / "model.onnx", pieces())
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_named_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "none" / "model.onnx"
    error = refused(path)
    assert error.message == f"cannot write `{path}`: no such file or directory"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path).message.endswith("it is a folder")


def test_a_file_used_as_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert refused(tmp_path / "file" / "model.onnx").message.endswith("not a directory")


def test_a_device_or_pipe_is_refused_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert refused(pipe).message.endswith("it is not a regular file")
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_name_that_cannot_be_one_is_refused() -> None:
    assert "null" in refused("a\0b").message


def test_a_read_only_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    path.chmod(0o444)
    if os.access(path, os.W_OK):  # root may write anything
        monkeypatch.setattr(os, "access", lambda *_: False)
    assert refused(path).message.endswith("the file is read-only")
    assert path.read_bytes() == b"old"


def test_a_read_only_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", denied)
    assert refused(tmp_path / "model.onnx").message.endswith("permission denied")
