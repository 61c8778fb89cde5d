"""A run's folder belongs to one run, and its files are whole at any time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.run_folder import opened


def test_a_new_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    with opened(tmp_path / "runs" / "one", resume=False) as folder:
        assert folder.checkpoints.is_dir()


def test_a_folder_with_other_files_is_free(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with opened(tmp_path, resume=False) as folder:
        folder.write_text("spec.cnn", "network a\n")
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("file", ["model.onnx", "curves.png", "checkpoints/step-00000003.ckpt"])
def test_a_folder_with_a_run_is_taken_unless_that_goes_on(tmp_path: Path, file: str) -> None:
    with opened(tmp_path, resume=False):
        pass
    (tmp_path / file).write_text("old")
    with pytest.raises(UserError) as caught, opened(tmp_path, resume=False):
        pass
    assert caught.value.code == "CNN810"
    assert file in caught.value.notes[0]
    assert "--resume" in caught.value.help
    assert "--out" in caught.value.help
    assert (tmp_path / file).read_text() == "old"
    with opened(tmp_path, resume=True):
        pass


@pytest.mark.parametrize("file", ["spec.cnn", "command.txt", "model.onnx"])
def test_files_that_no_run_wrote_are_not_overwritten(tmp_path: Path, file: str) -> None:
    (tmp_path / file).write_text("mine")
    for _ in range(2):
        with pytest.raises(UserError) as caught, opened(tmp_path, resume=False) as folder:
            folder.write_text(file, "")
        assert caught.value.code == "CNN810"
    assert (tmp_path / file).read_text() == "mine"


def test_a_run_that_came_to_nothing_leaves_its_folder_free(tmp_path: Path) -> None:
    for rate in ("9", "0.1"):
        with opened(tmp_path, resume=False) as folder:
            folder.add_command(["cnndsl", "train", rate], anew=True)
            folder.write_text("spec.cnn", rate)
            folder.write_text("metrics.csv", "epoch\n")
    assert (tmp_path / "command.txt").read_text() == "cnndsl train 0.1\n"


def test_two_processes_do_not_train_into_one_folder(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from cnndsl.diagnostics.model import UserError\n"
        "from cnndsl.runtime.run_folder import opened\n"
        "try:\n"
        "    with opened(sys.argv[1], resume=True):\n"
        "        print('free')\n"
        "except UserError as error:\n"
        "    print(error.code, *error.notes)\n"
    )

    def other() -> str:
        command = [sys.executable, "-c", program, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with opened(tmp_path, resume=False):
        assert other() == f"CNN810 its number is {os.getpid()}"
    assert other() == "free"


def test_a_killed_process_leaves_no_lock_and_no_half_files(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from cnndsl.runtime.run_folder import opened\n"
        "with opened(sys.argv[1], resume=False) as folder:\n"
        "    (folder.checkpoints / '.cnndsl-00.tmp').write_text('half')\n"
        "    (folder.path / '.cnndsl-11.tmp').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == -9
    assert len([*tmp_path.rglob("*.tmp")]) == 2
    with opened(tmp_path, resume=True):
        assert not [*tmp_path.rglob("*.tmp")]


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file", "file/deeper"):
        with pytest.raises(UserError) as caught, opened(tmp_path / place, resume=False):
            pass
        assert caught.value.code == "CNN603"
        assert "--out" in caught.value.help


def test_an_error_within_a_run_is_not_one_of_its_folder(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="elsewhere"), opened(tmp_path, resume=False):
        raise OSError(5, "elsewhere")


def test_commands_are_kept_as_a_shell_takes_them(tmp_path: Path) -> None:
    with opened(tmp_path, resume=False) as folder:
        folder.add_command(
            ["cnndsl", "train", "my net.cnn", "--set", "train.lr_factor=0.1 C1"], anew=True
        )
        folder.add_command(["cnndsl", "train", "--resume"], anew=False)
    assert (tmp_path / "command.txt").read_text() == (
        "cnndsl train 'my net.cnn' --set 'train.lr_factor=0.1 C1'\ncnndsl train --resume\n"
    )


def test_a_resumed_run_does_not_overwrite_files_that_no_run_wrote(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_text("mine")
    with pytest.raises(UserError) as caught, opened(tmp_path, resume=True):
        pass
    assert caught.value.code == "CNN810"
    assert "`model.onnx`" in caught.value.message
    assert "--resume" not in caught.value.help


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").touch()
    with pytest.raises(UserError) as caught, opened(tmp_path, resume=False):
        pass
    assert caught.value.code == "CNN603"
    assert "checkpoints`: file exists" in caught.value.message
