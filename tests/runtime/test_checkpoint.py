"""A checkpoint comes back bit for bit, or is refused by name with what is wrong."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy
import pytest
from safetensors import safe_open

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.checkpoint import (
    Checkpoint,
    Position,
    choose_checkpoint,
    list_checkpoints,
    read_checkpoint,
    remove_leftovers,
    write_checkpoint,
)
from cnndsl.runtime.events import EpochRecord
from cnndsl.training.schedules import Patience

RECORD = EpochRecord(1, 10, 0.1 + 0.2, 0.7, 1 / 3, None, 0.01, 1.5, 99.0, True)


def checkpoint(number: int = 7, *, best: str = "apart") -> Checkpoint:
    random = numpy.random.default_rng(number)
    weights = {
        "C1.weight": random.normal(size=(2, 1, 3, 3)).astype(numpy.float32),
        "C1.bias": numpy.array([-0.0, 1e-45], numpy.float32),
    }
    others = {name: array + 1 for name, array in weights.items()}
    return Checkpoint(
        fingerprint={"the network": "tiny", "train.batch": 8, "train.clip": None},
        environment={"cnndsl": "1"},
        position=Position(
            epoch=1,
            step=3,
            number=number,
            loss=0.1 + 0.7,
            metrics={"correct": 12},
            plateau=Patience(0.3, 1, 2),
            early_stop=Patience(0.25, 3),
            records=(RECORD,),
            best=0,
        ),
        weights=weights,
        state={"C1.weight.velocity": weights["C1.weight"] * 2},
        best={"apart": others, "present": dict(weights), "none": None}[best],
    )


@pytest.mark.parametrize("best", ["apart", "present", "none"])
def test_everything_comes_back_bit_for_bit(tmp_path: Path, best: str) -> None:
    written = checkpoint(best=best)
    path = write_checkpoint(tmp_path, written)
    assert path.name == "step-00000007.ckpt"
    found = read_checkpoint(path)
    assert found.position == written.position
    assert found.fingerprint == written.fingerprint
    assert found.environment == written.environment
    for old, new in (
        (written.weights, found.weights),
        (written.state, found.state),
        (written.best or {}, found.best or {}),
    ):
        assert set(old) == set(new)
        for name, array in old.items():
            assert new[name].tobytes() == array.tobytes()
            assert new[name].shape == array.shape
    assert (found.best is None) == (best == "none")


def test_best_weights_that_are_the_present_ones_are_stored_once(tmp_path: Path) -> None:
    once = write_checkpoint(tmp_path, checkpoint(1, best="present")).stat().st_size
    twice = write_checkpoint(tmp_path, checkpoint(2, best="apart")).stat().st_size
    assert twice > once + 80


def test_other_tools_can_read_the_tensors(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, checkpoint())
    with safe_open(os.fspath(path), framework="numpy") as file:
        assert file.get_tensor("weight/C1.weight").shape == (2, 1, 3, 3)
        assert "state/C1.weight.velocity" in file.keys()  # noqa: SIM118  # it is no dictionary


def test_any_changed_bit_is_noticed(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, checkpoint())
    whole = path.read_bytes()
    random = numpy.random.default_rng(0)
    places = [*range(12), *random.choice(len(whole), 150, replace=False).tolist(), len(whole) - 1]
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(UserError) as caught:
            read_checkpoint(path)
        assert caught.value.code == "CNN806", place
        assert str(path) in caught.value.message
    path.write_bytes(whole)
    read_checkpoint(path)


@pytest.mark.parametrize("size", [0, 1, 7, 8, 100, -4, -1])
def test_a_checkpoint_that_is_cut_off_is_refused(tmp_path: Path, size: int) -> None:
    path = write_checkpoint(tmp_path, checkpoint())
    whole = path.read_bytes()
    path.write_bytes(whole[:size])
    with pytest.raises(UserError) as caught:
        read_checkpoint(path)
    assert caught.value.code == "CNN806"
    if size < 0:
        assert f"{len(whole) + size:,} of {len(whole):,} bytes" in caught.value.message
    path.write_bytes(whole + b"x")
    with pytest.raises(UserError, match="bytes"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "content",
    [b"PK\x03\x04" + bytes(300), bytes(300), b"\x02" + bytes(7) + b"{}", b"\xff" * 40],
)
def test_another_file_is_no_checkpoint(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "step-00000001.ckpt"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        read_checkpoint(path)
    assert caught.value.code == "CNN806"


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file") as caught:
        read_checkpoint(tmp_path / "mine.ckpt")
    assert caught.value.code == "CNN806"


def test_the_message_names_the_one_before(tmp_path: Path) -> None:
    paths = [write_checkpoint(tmp_path, checkpoint(number)) for number in (5, 9, 12)]
    for path, before in ((paths[2], paths[1]), (paths[1], paths[0]), (paths[0], None)):
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(UserError) as caught:
            read_checkpoint(path)
        wanted = f"`--resume {before}`" if before else "another `--out`"
        assert caught.value.help.endswith(wanted)


def test_only_the_last_ones_are_kept(tmp_path: Path) -> None:
    for number in (1, 2, 30, 4000, 123456789):
        write_checkpoint(tmp_path, checkpoint(number), keep=3)
    names = [path.name for path in list_checkpoints(tmp_path)]
    assert names == ["step-00000030.ckpt", "step-00004000.ckpt", "step-123456789.ckpt"]


def test_a_run_that_went_back_forgets_the_future_it_gave_up(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_checkpoint(tmp_path, checkpoint(number), keep=3)
    write_checkpoint(tmp_path, checkpoint(2), keep=3)
    assert [path.name[-6:-5] for path in list_checkpoints(tmp_path)] == ["1", "2"]


def test_the_previous_one_is_chosen_only_when_asked(tmp_path: Path) -> None:
    assert choose_checkpoint(tmp_path, "latest") is None
    first = write_checkpoint(tmp_path, checkpoint(1))
    with pytest.raises(UserError) as caught:
        choose_checkpoint(tmp_path, "previous")
    assert caught.value.code == "CNN806"
    second = write_checkpoint(tmp_path, checkpoint(2))
    assert choose_checkpoint(tmp_path, "latest") == second
    assert choose_checkpoint(tmp_path, "previous") == first
    assert choose_checkpoint(tmp_path, str(first)) == first
    second.write_bytes(b"")
    assert choose_checkpoint(tmp_path, "latest") == second


def test_a_disk_that_fills_up_costs_no_older_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        write_checkpoint(tmp_path, checkpoint(number), keep=3)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(UserError, match="no space left on device") as caught:
            write_checkpoint(tmp_path, checkpoint(4), keep=3)
    assert caught.value.code == "CNN603"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_a_killed_process_left_behind_is_removed(tmp_path: Path) -> None:
    kept = write_checkpoint(tmp_path, checkpoint())
    (tmp_path / ".cnndsl-0123456789abcdef.tmp").write_bytes(b"half")
    (tmp_path / "mine.tmp").write_bytes(b"mine")
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {kept.name, "mine.tmp"}
