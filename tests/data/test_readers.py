"""Processes that read pictures: the same bits, and nothing left of them, whatever happens."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy
import numpy.typing
import pytest
from training_data import model_input, noise, write_picture

from cnndsl.data import images, loader, readers
from cnndsl.data.augment import Augmenter
from cnndsl.data.loader import Batch, feed
from cnndsl.data.pictures import PictureSet
from cnndsl.data.readers import Elsewhere, Readers
from cnndsl.data.samples import Subset
from cnndsl.data.sources import Array
from cnndsl.data.splits import Wanted
from cnndsl.diagnostics.model import UserError
from cnndsl.recipe.augmentations.crop import Crop
from cnndsl.recipe.augmentations.flip import Flip
from cnndsl.recipe.augmentations.noise import Noise

pytestmark = pytest.mark.skipif(
    not hasattr(os, "memfd_create"), reason="memory without a name is a matter of Linux"
)

COUNT = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("pictures")
    for at in range(COUNT):
        write_picture(made / f"{at}.png", noise(9 + at % 3, 11, 3, seed=at))
    return made


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two processes also for few pictures and one processor, three of which make a piece."""
    monkeypatch.setattr(readers, "WORTH", 1)
    monkeypatch.setattr(readers, "processors", lambda: 2)
    monkeypatch.setattr(loader, "_PIECE", 3 * 3 * 8 * 8)
    yield
    gc.collect()


def pictures(folder: Path) -> PictureSet:
    one = model_input(3, 8, 8, fit="crop", scale=1 / 255, mean=(0.4,), std=(0.2,))
    files = [str(folder / f"{at}.png") for at in range(COUNT)]
    return PictureSet("set", files, numpy.arange(COUNT), [], Wanted((one,)))


def started(data: PictureSet) -> Readers:
    """Its processes, all of them ready."""
    found = readers.readers_for(data, COUNT)
    assert found is not None
    for reader in found._starting:
        while not reader.has_spoken():
            time.sleep(0.01)
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: list[int]) -> bool:
    end = time.monotonic() + 5
    while any(map(alive, pids)) and time.monotonic() < end:
        time.sleep(0.01)
    return not any(map(alive, pids))


def batches(data: Any, augment: Augmenter | None, **how: Any) -> list[Batch]:
    order = numpy.random.default_rng(0).permutation(len(data))
    return list(feed(data, order, 8, augment=augment, epoch=3, drop_last=False, **how))


def told(work: Callable[[], object]) -> UserError:
    with pytest.raises(UserError) as caught:
        work()
    return caught.value


def same(one: list[Batch], other: list[Batch]) -> bool:
    return all(
        numpy.array_equal(a.inputs["input"], b.inputs["input"])
        and numpy.array_equal(a.labels, b.labels)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.usefixtures("few")
def test_processes_give_the_bits_of_threads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pictures(folder)
    half = Subset(data, numpy.arange(1, COUNT, 2))
    started(data)
    asked: list[bool] = []
    read = Readers.read

    def counted(*args: Any) -> bool:
        asked.append(read(*args))
        return asked[-1]

    monkeypatch.setattr(Readers, "read", counted)
    for piece in (3, 8):  # a part of a batch, and all of it
        monkeypatch.setattr(loader, "_PIECE", piece * 3 * 8 * 8)
        for changes in ([Crop(padding=2), Flip(), Noise()], []):
            augment = Augmenter(changes, 5, data.inputs) if changes else None
            asked.clear()
            assert same(batches(data, augment), batches(data, augment, threads=1))
            assert asked == [True] * (-(-8 // piece) * 3), "processes have read every piece"
            assert same(batches(half, augment), batches(half, augment, threads=1))


@pytest.mark.usefixtures("few")
def test_they_end_with_the_data_and_are_shared_until_then(folder: Path) -> None:
    data, other = pictures(folder), pictures(folder)
    found = started(data)
    assert readers.readers_for(other, COUNT) is found
    pids = [reader._process.pid for reader in found._all]
    descriptors = [f"/proc/self/fd/{reader._descriptor}" for reader in found._all]
    del found, data
    gc.collect()
    assert all(map(alive, pids))
    del other
    gc.collect()
    assert gone(pids)
    assert not any(map(os.path.lexists, descriptors))


@pytest.mark.usefixtures("few")
def test_a_process_that_is_ended_is_an_error_that_says_so(folder: Path) -> None:
    data = pictures(folder)
    found = started(data)
    with closing(feed(data, numpy.arange(COUNT), 8)) as source:
        for reader in found._all:
            os.kill(reader._process.pid, signal.SIGKILL)
            reader._process.wait()
        error = told(lambda: list(source))
    assert error.code == "CNN813"
    assert error.message == "a process that read pictures was ended by the signal SIGKILL"


@pytest.mark.usefixtures("few")
def test_broken_and_changed_files_are_reported_as_ever(tmp_path: Path) -> None:
    for at in range(COUNT):
        write_picture(tmp_path / f"{at}.png", noise(9, 11, 3, seed=at))
    broken = tmp_path / "5.png"
    broken.write_bytes(broken.read_bytes()[:60])
    data = pictures(tmp_path)
    expected = told(lambda: batches(data, None, threads=1))
    started(data)
    assert told(lambda: batches(data, None)).message == expected.message
    good = pictures(tmp_path)
    write_picture(broken, noise(30, 30, 3))
    started(good)
    error = told(lambda: batches(good, None))
    assert error.code == "CNN804"


@pytest.mark.usefixtures("few")
def test_of_large_pictures_this_process_reads_one_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pictures(folder)
    one = data.inputs[0]
    monkeypatch.setattr(images, "_LARGE", 1)
    with pytest.raises(images.LargePictureError):
        images.read_picture(folder / "0.png", one, large=False)
    assert images.read_picture(folder / "0.png", one).shape == (3, 8, 8)


class Unsendable:
    """An augmentation of the caller's own, which is no module's."""

    def __init__(self) -> None:
        self.secret: Callable[[Array], Array] = lambda x: x + 1

    def __call__(self, arrays: dict[str, Array], epoch: int, indices: Any) -> dict[str, Array]:
        return {name: self.secret(array) for name, array in arrays.items()}


@pytest.mark.usefixtures("few")
def test_what_cannot_be_sent_is_done_here(folder: Path) -> None:
    data = pictures(folder)
    started(data)
    assert Elsewhere(data, Unsendable(), 0, COUNT).count == 0
    expected = batches(data, Unsendable(), threads=1)  # type: ignore[arg-type]
    assert same(batches(data, Unsendable()), expected)  # type: ignore[arg-type]


def test_few_pictures_are_worth_no_processes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "processors", lambda: 2)
    data = pictures(folder)
    assert readers.readers_for(data, readers.WORTH - 1) is None
    monkeypatch.setenv("CNNDSL_LIMITS", "readers=1")
    assert readers.readers_for(data, readers.WORTH) is None


PROGRAM = """
import sys, time
import numpy
from cnndsl.data import readers
from cnndsl.data.pictures import PictureSet
from cnndsl.data.sources import ModelInput
from cnndsl.data.splits import Wanted
from cnndsl.types import TensorType

readers.WORTH, readers.processors = 1, lambda: 2
data = PictureSet("set", [sys.argv[1]], numpy.zeros(1, int), [],
                  Wanted((ModelInput("input", TensorType((3, 8, 8))),)))
found = readers.readers_for(data, 9)
print(*(one._process.pid for one in found._all), flush=True)
if sys.argv[2] == "wait":
    time.sleep(60)
"""


@pytest.mark.parametrize("how", ["end", "kill"])
def test_they_end_with_the_program_however_it_ends(folder: Path, how: str) -> None:
    # Without a guard around its main part, and as no file at all.
    wait = "wait" if how == "kill" else "end"
    command = [sys.executable, "-c", PROGRAM, str(folder / "0.png"), wait]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        pids = [int(word) for word in program.stdout.readline().split()]
        if how == "kill":
            program.kill()
    assert len(pids) == 2
    assert gone(pids)


def test_a_readers_error_tells_a_code_from_a_signal() -> None:
    class Ended:
        def __init__(self, code: int) -> None:
            self.code = code

        def end(self) -> int:
            return self.code

    def error(code: int) -> UserError:
        return readers._ended(Ended(code))  # type: ignore[arg-type]

    assert error(3).message.endswith("was ended with code 3")
    assert error(-11).message.endswith("by the signal SIGSEGV")
