"""Picture files as a dataset: read when asked for, noticed when they change, flat in memory."""

import os
import re
import tracemalloc
from pathlib import Path

import numpy
import pytest
from training_data import complaint, model_input, noise, write_picture

from cnndsl import resources
from cnndsl.data.dataset import open_dataset
from cnndsl.data.images import read_picture
from cnndsl.data.loader import epoch_order, feed
from cnndsl.data.samples import Dataset, find_broken
from cnndsl.diagnostics.model import UserError

HELP = "put the file back as it was, or start again"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(12):
        write_picture(tmp_path / "ab"[number % 2] / f"{number}.png", noise(9, 7, 3, seed=number))
    return tmp_path


def opened(folder: Path) -> Dataset:
    return open_dataset(folder, [model_input(3, 8, 8, scale=1 / 255, fit="crop")])


def test_a_batch_holds_what_reading_each_file_gives(folder: Path) -> None:
    data = opened(folder)
    values = data.read(numpy.array([5, 0]))["input"]
    assert values.dtype == numpy.float32
    for row, name in zip(values, ("a/10.png", "a/0.png"), strict=True):
        assert (row == read_picture(folder / name, data.inputs[0])).all()


@pytest.mark.parametrize("threads", [2, 5])
def test_batches_are_the_same_bits_whatever_the_number_of_threads(
    folder: Path, threads: int
) -> None:
    order = epoch_order(12, 0, 0)
    alone = list(feed(opened(folder), order, 3, threads=1))
    together = list(feed(opened(folder), order, 3, threads=threads))
    assert len(alone) == 4
    for one, other in zip(alone, together, strict=True):
        assert one.inputs["input"].tobytes() == other.inputs["input"].tobytes()
        assert (one.labels == other.labels).all()


def test_the_page_shows_the_message_about_a_change(tmp_path: Path) -> None:
    file = write_picture(tmp_path / "cat" / "1.png")
    data = opened(tmp_path)
    file.write_bytes(b"12 bytes now")
    with pytest.raises(UserError) as caught:
        data.read(numpy.array([0]))
    page = (resources.docs() / "errors" / "CNN804.md").read_text(encoding="utf-8")
    shown = caught.value.message.replace(str(tmp_path), "pictures")
    assert f"error[CNN804]: {re.sub('had [0-9]+', 'had 820', shown)}\n" in page
    assert f"help: {caught.value.help}\n" in page


class TestChanges:
    def test_a_file_that_is_gone_is_named(self, folder: Path) -> None:
        data = opened(folder)
        file = folder / "a" / "0.png"
        content, status = file.read_bytes(), file.stat()
        file.unlink()
        with complaint(
            "CNN804",
            f"`{file}` changed after the data was opened: no such file or directory",
            HELP,
        ):
            data.read(numpy.array([1, 0]))
        file.write_bytes(content)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        data.read(numpy.array([1, 0]))

    def test_a_file_of_another_size_is_named(self, folder: Path) -> None:
        data = opened(folder)
        file = folder / "a" / "0.png"
        size = file.stat().st_size
        file.write_bytes(b"short")
        with complaint(
            "CNN804",
            f"`{file}` changed after the data was opened: it had {size} bytes and has 5",
            HELP,
        ):
            list(feed(data, numpy.arange(12), 4))

    def test_a_file_written_again_is_named(self, folder: Path) -> None:
        data = opened(folder)
        file = folder / "b" / "1.png"
        os.utime(file, ns=(0, 0))
        with complaint(
            "CNN804",
            f"`{file}` changed after the data was opened: it has been written again",
            HELP,
        ):
            data.read(numpy.array([6]))
        data.read(numpy.array([7]))

    def test_a_picture_the_input_refuses_is_no_broken_one(self, folder: Path) -> None:
        data = open_dataset(folder, [model_input(3, 8, 8, fit="exact")])
        with complaint(
            "CNN703",
            f"`{folder}/a/0.png` has 9x7 pixels (height x width), but the input takes exactly 8x8",
            "give a picture of that size, or write `fit resize` in the spec's input",
        ):
            data.read(numpy.array([0]))


def peak(folder: Path) -> int:
    """The most memory that a pass over a folder takes."""
    tracemalloc.start()
    data = open_dataset(folder, [model_input(3, 64, 64)])
    count = 0
    for batch in feed(data, epoch_order(len(data), 0, 0), 8, threads=2):
        count += len(batch.indices)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == len(data)
    return most


def test_memory_is_flat_on_a_folder_ten_times_larger(tmp_path: Path) -> None:
    original = write_picture(tmp_path / "picture.png", noise(16, 16, 3))
    for name, count in (("small", 40), ("large", 400)):
        (tmp_path / name / "a").mkdir(parents=True)
        for number in range(count):
            os.link(original, tmp_path / name / "a" / f"{number}.png")
    peak(tmp_path / "small")  # What is loaded on first use counts for neither.
    # 360 pictures more would take 17 MB if they were held; their names take 0.1. How many batches
    # wait at once is for the threads to settle: they take 3 MB at most.
    assert peak(tmp_path / "large") < peak(tmp_path / "small") + 5e6


def test_a_link_that_leads_nowhere_is_a_broken_sample(folder: Path) -> None:
    """Nobody wrote its path into a list: there is none to correct."""
    [some, *_] = sorted(path for path in folder.rglob("*.png"))
    dead = some.with_name("dead.png")
    dead.symlink_to("nowhere.png")
    data = opened(folder)
    with complaint(
        "CNN803",
        f"`{dead}` cannot be used: no such file or directory",
        "repair what is broken or take it away, or go on without it: `--skip-broken`",
    ):
        data.read(numpy.arange(len(data)))
    [broken] = find_broken(data)
    assert broken.name == str(dead)
    (dead.parent / "nowhere.png").write_bytes(some.read_bytes())
    with complaint(
        "CNN804",
        f"`{dead}` changed after the data was opened: it led nowhere and is there now",
        "put the file back as it was, or start again",
    ):
        data.read(numpy.array([broken.index]))
