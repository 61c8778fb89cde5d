import os
import tracemalloc
from pathlib import Path

import numpy
import pytest
from PIL import Image

from cnndsl.data.reading import read_samples
from cnndsl.data.results import ResultsFile
from cnndsl.data.sources import ModelInput, Sample, batches, find_files, stack
from cnndsl.diagnostics.model import UserError
from cnndsl.types import TensorType


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


class TestFindFiles:
    def test_folders_are_searched_to_the_bottom_in_natural_order(self, tmp_path: Path) -> None:
        names = ["img1.png", "img2.JPG", "img10.png", "sub/a.npy", "z.npz"]
        for name in reversed(names):
            touch(tmp_path / name)
        assert list(find_files([tmp_path])) == [tmp_path / name for name in names]

    def test_other_and_hidden_files_are_passed_over(self, tmp_path: Path) -> None:
        for name in ("a.png", "notes.txt", ".b.png", ".git/c.png", "d.png~"):
            touch(tmp_path / name)
        assert list(find_files([tmp_path])) == [tmp_path / "a.png"]

    def test_a_link_to_the_folder_itself_does_not_go_round_for_ever(self, tmp_path: Path) -> None:
        touch(tmp_path / "a.png")
        os.symlink(tmp_path, tmp_path / "again")
        assert list(find_files([tmp_path])) == [tmp_path / "a.png"]

    def test_a_file_named_by_itself_may_be_called_anything(self, tmp_path: Path) -> None:
        assert list(find_files([touch(tmp_path / "picture")])) == [tmp_path / "picture"]

    def test_an_empty_folder_is_an_error(self, tmp_path: Path) -> None:
        touch(tmp_path / "sub/readme.md")
        with pytest.raises(UserError) as caught:
            list(find_files([tmp_path]))
        assert caught.value.code == "CNN706"

    def test_a_missing_path_is_an_error(self, tmp_path: Path) -> None:
        for name in ("nothing.png", "a\0b"):
            with pytest.raises(UserError) as caught:
                list(find_files([tmp_path / name]))
            assert caught.value.code == "CNN702"

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read all")
    def test_a_locked_folder_is_an_error(self, tmp_path: Path) -> None:
        tmp_path.chmod(0)
        with pytest.raises(UserError, match="permission denied"):
            list(find_files([tmp_path]))
        tmp_path.chmod(0o700)


def sample(number: int) -> Sample:
    return Sample(str(number), Path("x"), {"input": numpy.full(3, number, numpy.float32)})


def test_batches_keep_order_and_the_rest() -> None:
    groups = list(batches(map(sample, range(7)), 3))
    assert [len(group) for group in groups] == [3, 3, 1]
    assert stack(groups[1])["input"].tolist() == [[3] * 3, [4] * 3, [5] * 3]


class TestResultsFile:
    def test_it_holds_all_rows_and_names(self, tmp_path: Path) -> None:
        rows = numpy.random.default_rng(0).random((7, 2, 3), dtype=numpy.float32)
        with ResultsFile(tmp_path / "out.npz") as results:
            results.add(["a", "b", "c", "d"], {"y": rows[:4], "ids": numpy.arange(4)})
            results.add(["e", "f", "ß"], {"y": rows[4:], "ids": numpy.arange(4, 7)})
            size = results.finish()
        assert size == (tmp_path / "out.npz").stat().st_size
        with numpy.load(tmp_path / "out.npz") as stored:
            assert (stored["y"] == rows).all()
            assert stored["ids"].tolist() == list(range(7))
            assert stored["names"].tolist() == list("abcdefß")

    def test_what_is_not_finished_leaves_no_trace(self, tmp_path: Path) -> None:
        (tmp_path / "out.npz").write_bytes(b"old")
        with ResultsFile(tmp_path / "out.npz") as results:
            results.add(["a"], {"y": numpy.ones((1, 2))})
        assert [path.name for path in tmp_path.iterdir()] == ["out.npz"]
        assert (tmp_path / "out.npz").read_bytes() == b"old"

    def test_a_folder_that_is_not_there_is_an_error(self, tmp_path: Path) -> None:
        with (
            ResultsFile(tmp_path / "no" / "out.npz") as results,
            pytest.raises(UserError) as caught,
        ):
            results.add(["a"], {"y": numpy.ones((1, 2))})
        assert caught.value.code == "CNN603"

    def test_a_layer_called_names_keeps_its_name(self, tmp_path: Path) -> None:
        with ResultsFile(tmp_path / "out.npz") as results:
            results.add(["a"], {"names": numpy.ones((1, 2))})
            results.finish()
        with numpy.load(tmp_path / "out.npz") as stored:
            assert stored["names"].tolist() == [[1, 1]]
            assert stored["names_"].tolist() == ["a"]


class TestMemory:
    """Ten times the data must not need more memory."""

    INPUT = ModelInput("input", TensorType((3, 64, 64)))

    def peak(self, files: list[Path], out: Path) -> int:
        tracemalloc.start()
        with ResultsFile(out) as results:
            samples = (sample for (sample,) in read_samples(files, [[self.INPUT]]))
            for group in batches(samples, 8):
                results.add([one.name for one in group], stack(group))
            results.finish()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    def test_pictures(self, tmp_path: Path) -> None:
        Image.new("RGB", (128, 128), "red").save(tmp_path / "a.png")
        few = self.peak([tmp_path / "a.png"] * 30, tmp_path / "out.npz")
        many = self.peak([tmp_path / "a.png"] * 300, tmp_path / "out.npz")
        assert many < 1.2 * few + 500_000  # 270 prepared pictures would be 13 MB

    @pytest.mark.parametrize("save", [numpy.savez, numpy.savez_compressed])
    def test_one_large_archive(self, tmp_path: Path, save: object) -> None:
        assert callable(save)
        peaks = []
        for count in (30, 300):
            save(tmp_path / "x.npz", numpy.zeros((count, 3, 64, 64), numpy.float32))
            peaks.append(self.peak([tmp_path / "x.npz"], tmp_path / "out.npz"))
        assert peaks[1] < 1.2 * peaks[0] + 500_000
