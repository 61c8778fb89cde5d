"""Datasets as such: broken samples, views, fingerprints."""

from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from training_data import array_set, complaint, model_input, noise, write_picture

from cnndsl.data import samples
from cnndsl.data.arraysets import ArraySet, as_column
from cnndsl.data.dataset import open_dataset
from cnndsl.data.loader import evaluation_batches
from cnndsl.data.samples import Dataset, Subset, find_broken, without

HELP = "repair what is broken or take it away, or go on without it: `--skip-broken`"
CUT = "image file is truncated"
UNKNOWN = "it is no picture of a kind that is read"


def pictures(folder: Path, count: int, broken: tuple[int, ...] = ()) -> Dataset:
    """A class of pictures, of which some are no pictures."""
    for number in range(count):
        file = write_picture(folder / "a" / f"{number}.png", noise(8, 8))
        if number in broken:
            file.write_bytes(b"no picture")
    return open_dataset(folder, [model_input(1, 8, 8)])


class TestBroken:
    def test_one_is_named_with_what_is_wrong(self, tmp_path: Path) -> None:
        data = pictures(tmp_path, 5, broken=(3,))
        data.read(numpy.array([0, 1, 2, 4]))
        with complaint("CNN803", f"`{tmp_path}/a/3.png` cannot be used: {UNKNOWN}", HELP):
            data.read(numpy.array([2, 3]))

    def test_a_picture_cut_off_is_broken(self, tmp_path: Path) -> None:
        file = write_picture(tmp_path / "a" / "1.png", noise(64, 64))
        file.write_bytes(file.read_bytes()[:2000])
        data = open_dataset(tmp_path, [model_input(1, 8, 8)])
        [broken] = find_broken(data)
        assert (broken.index, broken.name) == (0, str(file))
        assert broken.why.startswith(CUT)

    def test_several_are_listed_though_one_was_met(self, tmp_path: Path) -> None:
        data = pictures(tmp_path, 200, broken=(3, 150, 199))
        with complaint(
            "CNN803",
            f"3 of 200 samples of `{tmp_path}` cannot be used",
            HELP,
            *(f"`{tmp_path}/a/{number}.png`: {UNKNOWN}" for number in (3, 150, 199)),
        ):
            list(evaluation_batches(data, 50))

    def test_many_are_counted_and_ten_are_named(self, tmp_path: Path) -> None:
        data = pictures(tmp_path, 13, broken=tuple(range(1, 13)))
        with complaint(
            "CNN803",
            f"12 of 13 samples of `{tmp_path}` cannot be used",
            HELP,
            *(f"`{tmp_path}/a/{number}.png`: {UNKNOWN}" for number in range(1, 11)),
            "and 2 more",
        ):
            data.read(numpy.array([12]))

    def test_a_search_that_takes_too_long_says_how_far_it_came(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(samples, "SCAN_SECONDS", 0.0)
        data = pictures(tmp_path, 100, broken=(2, 70, 99))
        with complaint(
            "CNN803",
            f"at least 2 of 100 samples of `{tmp_path}` cannot be used",
            HELP,
            f"`{tmp_path}/a/2.png`: {UNKNOWN}",
            f"`{tmp_path}/a/99.png`: {UNKNOWN}",
            "the search ended after 64 samples; there may be more",
        ):
            data.read(numpy.array([99]))
        with complaint(
            "CNN803",
            f"at least 1 of 98 samples of `{tmp_path}` cannot be used",
            HELP,
            f"`{tmp_path}/a/99.png`: {UNKNOWN}",
            "the search ended after 64 samples; there may be more",
        ):
            without(data, [2, 70]).read(numpy.array([97]))

    def test_those_found_can_be_left_out(self, tmp_path: Path) -> None:
        data = pictures(tmp_path, 100, broken=(3, 70))
        found = find_broken(data)
        assert [broken.index for broken in found] == [3, 70]
        rest = without(data, [broken.index for broken in found])
        assert len(rest) == 98
        assert find_broken(rest) == []
        assert sum(len(batch.indices) for batch in evaluation_batches(rest, 10)) == 98

    def test_a_view_speaks_of_its_own_samples_only(self, tmp_path: Path) -> None:
        view = Subset(pictures(tmp_path, 10, broken=(3, 7)), numpy.array([9, 7, 0]))
        assert [broken.index for broken in find_broken(view)] == [1]
        with complaint("CNN803", f"`{tmp_path}/a/7.png` cannot be used: {UNKNOWN}", HELP):
            view.read(numpy.array([1]))

    def test_leaving_all_out_leaves_nothing_to_train(self) -> None:
        with complaint("CNN808", "`set` holds no samples", "give data with at least one sample"):
            without(array_set([0, 1]), [0, 1])


class TestViews:
    def test_a_view_of_a_view_reads_the_right_samples(self) -> None:
        whole = array_set([4, 5, 6, 7, 8])
        view = Subset(Subset(whole, numpy.array([4, 2, 0])), numpy.array([1, 0]))
        assert view.read(numpy.array([0, 1]))["input"].tolist() == [[2], [4]]
        assert view.labels is not None
        assert view.labels.tolist() == [6, 8]
        assert [view.name_of(at) for at in range(2)] == ["set[2]", "set[4]"]
        assert view.label_of(0) == "6"

    def test_a_label_is_called_by_its_class(self) -> None:
        data = array_set([1, 0, 2], ["cat", "dog"])
        assert [data.label_of(at) for at in range(3)] == ["dog", "cat", "2"]


def arrays(labels: tuple[int, ...] = (0, 1), seed: int = 0, classes: tuple[str, ...] = ()) -> str:
    column = as_column(noise(2, 1, 4, 4, seed=seed), model_input(1, 4, 4), "set")
    numbers = numpy.array(labels)
    return ArraySet("set", {"input": column}, labels=numbers, classes=classes).fingerprint


class TestFingerprint:
    def test_equal_arrays_have_equal_ones(self) -> None:
        assert arrays() == arrays()

    @pytest.mark.parametrize(
        "other", [{"labels": (1, 1)}, {"seed": 1}, {"classes": ("a", "b")}], ids=str
    )
    def test_other_arrays_have_others(self, other: dict[str, object]) -> None:
        assert arrays(**other) != arrays()  # type: ignore[arg-type]

    @pytest.mark.parametrize("place", [0, 1999])
    def test_every_number_counts(self, place: int) -> None:
        values = numpy.zeros((2000, 3), numpy.float32)
        labels = numpy.zeros(2000, int)
        before = ArraySet("set", {"input": as_column(values, model_input(3), "set")}, labels=labels)
        assert before.fingerprint == before.fingerprint
        values = values.copy()
        values[place, 2] = 1
        after = ArraySet("set", {"input": as_column(values, model_input(3), "set")}, labels=labels)
        assert before.fingerprint != after.fingerprint

    def test_a_view_has_another_one_than_the_whole(self) -> None:
        whole = array_set([0, 1, 2])
        prints = [
            whole.fingerprint,
            Subset(whole, numpy.array([0, 1])).fingerprint,
            Subset(whole, numpy.array([0, 2])).fingerprint,
        ]
        assert len(set(prints)) == 3
        assert Subset(array_set([0, 1, 2]), numpy.array([0, 2])).fingerprint == prints[2]

    @pytest.mark.parametrize(
        "change",
        [
            lambda folder: write_picture(folder / "a" / "9.png"),
            lambda folder: (folder / "a" / "1.png").unlink(),
            lambda folder: (folder / "a" / "1.png").rename(folder / "a" / "7.png"),
            lambda folder: write_picture(folder / "a" / "1.png", noise(20, 20)),
        ],
    )
    def test_another_folder_has_another_one(
        self, tmp_path: Path, change: Callable[[Path], object]
    ) -> None:
        before = pictures(tmp_path, 3).fingerprint
        same = open_dataset(tmp_path, [model_input(1, 8, 8)]).fingerprint
        change(tmp_path)
        assert before == same != open_dataset(tmp_path, [model_input(1, 8, 8)]).fingerprint
