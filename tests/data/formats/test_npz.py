"""Archives of arrays: x and y, Keras' names, MedMNIST's."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from training_data import complaint, model_input, noise, watched_stores

from cnndsl.data import members
from cnndsl.data.dataset import open_dataset
from cnndsl.data.samples import Dataset
from cnndsl.data.sources import ModelInput
from cnndsl.types import TensorType

GRAY = model_input(1, 4, 4, scale=0.5)


def save(path: Path, /, **arrays: Any) -> Path:
    numpy.savez_compressed(path, **arrays)
    return path


def save_unpacked(path: Path, /, **arrays: Any) -> Path:
    numpy.savez(path, **arrays)
    return path


def read(data: Dataset, name: str = "input") -> numpy.typing.NDArray[Any]:
    return data.read(numpy.arange(len(data)))[name]


class TestNames:
    def test_x_and_y(self, tmp_path: Path) -> None:
        file = save(tmp_path / "a.npz", x=noise(3, 4, 4), y=numpy.array([0, 2, 1]))
        for split in ("train", "test"):
            data = open_dataset(file, [GRAY], split=split)
            assert data.labels is not None
            assert data.labels.tolist() == [0, 2, 1]
            assert (read(data)[:, 0] == noise(3, 4, 4) * 0.5).all()
            assert data.name_of(2) == f"{file}[2]"

    def test_the_inputs_own_name_stands_for_x(self, tmp_path: Path) -> None:
        file = save(tmp_path / "a.npz", input=noise(3, 4, 4), y=numpy.zeros(3, int))
        assert len(open_dataset(file, [GRAY])) == 3

    def test_those_of_keras(self, tmp_path: Path) -> None:
        parts = {"train": 3, "test": 2}
        arrays = {f"x_{word}": noise(count, 4, 4, seed=count) for word, count in parts.items()}
        arrays |= {f"y_{word}": noise(count, seed=count) for word, count in parts.items()}
        file = save(tmp_path / "mnist.npz", **arrays)
        for split, count in parts.items():
            data = open_dataset(file, [GRAY], split=split)  # type: ignore[arg-type]
            assert (read(data)[:, 0] == noise(count, 4, 4, seed=count) * 0.5).all()
            assert data.name_of(1) == f"{file}:x_{split}[1]"
        with complaint(
            "CNN801",
            f"`{file}` has no part for validation: there is no array `x_val`",
            "name data that has this part",
        ):
            open_dataset(file, [GRAY], split="valid")

    def test_those_of_medmnist(self, tmp_path: Path) -> None:
        arrays = {}
        for word, count in (("train", 4), ("val", 3), ("test", 2)):
            arrays[f"{word}_images"] = noise(count, 6, 6, 3, seed=count)
            arrays[f"{word}_labels"] = numpy.arange(count, dtype=numpy.uint8)[:, None]
        file = save(tmp_path / "pathmnist.npz", **arrays)
        for split, count in (("train", 4), ("valid", 3), ("test", 2)):
            data = open_dataset(file, [model_input(3, 6, 6)], split=split)  # type: ignore[arg-type]
            assert data.labels is not None
            assert data.labels.tolist() == list(range(count))
            assert (read(data) == noise(count, 6, 6, 3, seed=count).transpose(0, 3, 1, 2)).all()

    def test_several_findings_of_medmnist_are_targets(self, tmp_path: Path) -> None:
        labels = noise(3, 14) % 2
        file = save(tmp_path / "chestmnist.npz", train_images=noise(3, 4, 4), train_labels=labels)
        data = open_dataset(file, [GRAY])
        assert data.labels is None
        assert data.targets is not None
        assert data.targets.dtype == numpy.float32
        assert (data.targets == labels).all()

    def test_volumes_of_medmnist(self, tmp_path: Path) -> None:
        file = save(
            tmp_path / "a.npz",
            train_images=noise(2, 5, 5, 5),
            train_labels=numpy.zeros((2, 1), int),
        )
        assert read(open_dataset(file, [model_input(1, 5, 5, 5)])).shape == (2, 1, 5, 5, 5)

    def test_several_inputs(self, tmp_path: Path) -> None:
        inputs = [model_input(1, 4, 4, name="left"), model_input(3, name="right")]
        right = numpy.ones((2, 3), numpy.float32)
        for end in ("", "_train"):
            arrays = {f"left{end}": noise(2, 4, 4), f"right{end}": right, f"y{end}": noise(2) % 2}
            data = open_dataset(save(tmp_path / "a.npz", **arrays), inputs)
            assert (read(data, "left")[:, 0] == noise(2, 4, 4)).all()
            assert (read(data, "right") == 1).all()

    def test_floats_are_targets_and_several_whole_numbers_places(self, tmp_path: Path) -> None:
        y = numpy.array([[0.5, 1], [2, 3]])
        data = open_dataset(save(tmp_path / "a.npz", x=noise(2, 4, 4), y=y), [GRAY])
        assert data.targets is not None
        assert (data.targets == y).all()
        y = noise(2, 4, 4)
        data = open_dataset(save(tmp_path / "a.npz", x=noise(2, 4, 4), y=y), [GRAY])
        assert data.labels is not None
        assert (data.labels == y).all()


class TestLarge:
    @pytest.mark.parametrize("values", [noise(20, 4, 4), noise(20, 6, 6), noise(20, 4, 4) / 3])
    def test_an_array_too_large_for_memory_is_read_sample_by_sample(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        values: numpy.typing.NDArray[numpy.generic],
    ) -> None:
        y = numpy.zeros(20, int)
        file = save_unpacked(tmp_path / "a.npz", a=noise(7), x=values, y=y)
        rows = numpy.array([19, 0, 3, 3])
        whole = open_dataset(file, [GRAY]).read(rows)["input"]
        monkeypatch.setattr(members, "MEMORY_LIMIT", 200)
        stores = watched_stores(monkeypatch, members)
        streamed = open_dataset(file, [GRAY])
        assert len(stores) == 1
        assert (streamed.read(rows)["input"] == whole).all()

    def test_its_fingerprint_is_its_size_and_time(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(members, "MEMORY_LIMIT", 200)
        file = save_unpacked(tmp_path / "a.npz", x=noise(20, 4, 4), y=numpy.zeros(20, int))
        prints = [open_dataset(file, [GRAY]).fingerprint for _ in range(2)]
        save_unpacked(file, x=noise(20, 4, 4, seed=1), y=numpy.zeros(20, int))
        assert prints[0] == prints[1] != open_dataset(file, [GRAY]).fingerprint

    def test_a_change_is_noticed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(members, "MEMORY_LIMIT", 200)
        file = save_unpacked(tmp_path / "a.npz", x=noise(20, 4, 4), y=numpy.zeros(20, int))
        data = open_dataset(file, [GRAY])
        with file.open("ab") as end:
            end.write(b"x")
        help = "put the file back as it was, or start again"
        changed = f"`{file}` changed after it was opened"
        with complaint("CNN804", f"{changed}: its size or its time is another one", help):
            data.read(numpy.array([0]))
        file.write_bytes(b"")
        with complaint("CNN804", f"{changed}: it has become shorter", help):
            data.read(numpy.array([0]))


class TestBroken:
    def test_samples_that_are_no_numbers_are_named(self, tmp_path: Path) -> None:
        x = numpy.zeros((100, 1, 4, 4), numpy.float32)
        x[70, 0, 1, 1] = numpy.nan
        x[99, 0, 1, 1] = -numpy.inf
        file = save(tmp_path / "a.npz", x=x, y=numpy.zeros(100, int))
        data = open_dataset(file, [GRAY])
        data.read(numpy.arange(70))
        with complaint(
            "CNN803",
            f"2 of 100 samples of `{file}` cannot be used",
            "repair what is broken or take it away, or go on without it: `--skip-broken`",
            f"`{file}[70]`: it holds NaN",
            f"`{file}[99]`: it holds an infinite number",
        ):
            data.read(numpy.array([3, 70]))

    def test_what_float32_cannot_hold_is_broken(self, tmp_path: Path) -> None:
        x = numpy.full((1, 1, 4, 4), 1e300)
        file = save(tmp_path / "a.npz", x=x, y=numpy.zeros(1, int))
        with complaint(
            "CNN803",
            f"`{file}[0]` cannot be used: it holds an infinite number",
            "repair what is broken or take it away, or go on without it: `--skip-broken`",
        ):
            open_dataset(file, [GRAY]).read(numpy.array([0]))


class TestErrors:
    def fails(
        self, file: Path, message: str, help: str, *notes: str, inputs: Any = (GRAY,)
    ) -> None:
        with complaint("CNN801", message, help, *notes):
            open_dataset(file, inputs)

    def test_no_known_names(self, tmp_path: Path) -> None:
        file = save(tmp_path / "a.npz", images=noise(2, 4, 4), labels=noise(2))
        self.fails(
            file,
            f"`{file}` has no arrays `x` and `y`",
            "name the samples `x` and the labels `y`",
            "it has `images`, `labels`",
        )

    def test_nothing_in_it(self, tmp_path: Path) -> None:
        file = save(tmp_path / "a.npz")
        self.fails(
            file,
            f"`{file}` has no arrays `x` and `y`",
            "name the samples `x` and the labels `y`",
            "it has nothing",
        )

    def test_no_labels(self, tmp_path: Path) -> None:
        file = save(tmp_path / "a.npz", x=noise(2, 4, 4))
        self.fails(file, f"`{file}` has `x`, but no labels `y`", "save the labels into it, as `y`")

    def test_one_of_two_inputs(self, tmp_path: Path) -> None:
        file = save(tmp_path / "a.npz", left=noise(2, 4, 4), y=noise(2))
        self.fails(
            file,
            f"`{file}` has no array `right` for the input `right`",
            "save it into it, as `right`",
            inputs=[model_input(1, 4, 4, name=name) for name in ("left", "right")],
        )

    def test_two_kinds_of_names(self, tmp_path: Path) -> None:
        file = save(
            tmp_path / "a.npz", x=noise(2, 4, 4), y=noise(2), x_test=noise(2, 4, 4), y_test=noise(2)
        )
        self.fails(
            file,
            f"`{file}` holds `x` and `x_test`: which to take is not clear",
            "keep one kind of arrays in a file",
        )

    @pytest.mark.parametrize(("x", "y"), [(noise(3, 4, 4), 2), (numpy.uint8(3), 2)])
    def test_numbers_of_samples_and_labels(self, tmp_path: Path, x: Any, y: int) -> None:
        file = save(tmp_path / "a.npz", x=x, y=noise(y))
        count = len(x) if x.ndim else 1
        self.fails(
            file,
            f"`{file}` has {count} samples in `x`, but 2 labels in `y`",
            "give every sample one label",
        )

    def test_python_objects_are_never_loaded(self, tmp_path: Path) -> None:
        file = save(tmp_path / "a.npz", x=noise(1, 4, 4), y=numpy.array([{}]))
        self.fails(
            file,
            f"cannot read `{file}:y`: Python objects are never loaded",
            "save the array again, as numbers",
        )

    def test_labels_of_text(self, tmp_path: Path) -> None:
        file = save(tmp_path / "a.npz", x=noise(1, 4, 4), y=numpy.array(["cat"]))
        self.fails(
            file,
            f"the labels `y` of `{file}` are `<U3`",
            "save classes as whole numbers, and targets as floating-point numbers",
        )

    def test_it_is_no_archive(self, tmp_path: Path) -> None:
        file = tmp_path / "a.npz"
        file.write_bytes(b"PK something")
        self.fails(
            file,
            f"cannot read `{file}`: it is not a whole `.npz` file (File is not a zip file)",
            "save or download the file again",
        )

    def test_an_array_that_is_cut_off(self, tmp_path: Path) -> None:
        buffer = io.BytesIO()
        numpy.save(buffer, noise(100))
        file = tmp_path / "a.npz"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("x.npy", buffer.getvalue())
            archive.writestr("y.npy", buffer.getvalue()[:-1])
        self.fails(
            file,
            f"cannot read `{file}:y`: its numbers take 100 bytes, but there are 99",
            "save the array again, as numbers",
        )

    def test_a_large_array_that_is_cut_off(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(members, "MEMORY_LIMIT", 200)
        buffer = io.BytesIO()
        numpy.save(buffer, noise(100, 4, 4))
        labels = io.BytesIO()
        numpy.save(labels, noise(100))
        file = tmp_path / "a.npz"
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("x.npy", buffer.getvalue()[:-1])
            archive.writestr("y.npy", labels.getvalue())
        self.fails(
            file,
            f"cannot read `{file}:x`: its numbers take 1600 bytes, but there are 1599",
            "save the array again, as numbers",
        )

    def test_a_target_that_is_no_number(self, tmp_path: Path) -> None:
        y = numpy.array([[1, 2], [3, numpy.nan]])
        file = save(tmp_path / "a.npz", x=noise(2, 4, 4), y=y)
        with complaint(
            "CNN802",
            f"the target of `{file}[1]` is no finite number",
            "take the sample out, or give `y` a number there",
        ):
            open_dataset(file, [GRAY])

    def test_no_samples(self, tmp_path: Path) -> None:
        file = save(tmp_path / "a.npz", x=noise(0, 4, 4), y=noise(0))
        with complaint(
            "CNN808", f"`{file}:x` holds no samples", "give data with at least one sample"
        ):
            open_dataset(file, [GRAY])

    def test_samples_of_another_shape(self, tmp_path: Path) -> None:
        file = save(tmp_path / "a.npz", x=noise(2, 5), y=noise(2))
        with complaint(
            "CNN703",
            f"`{file}:x` holds a `2x5` array, but the input `input` takes `1x4x4` or `Nx1x4x4` or"
            " `4x4` or `Nx4x4`",
            "give the array that shape",
        ):
            open_dataset(file, [GRAY])

    def test_samples_too_large_for_memory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_memory(*arguments: object, **more: object) -> None:
            raise MemoryError

        file = save(tmp_path / "a.npz", x=noise(2, 4, 4), y=noise(2))
        monkeypatch.setattr(members, "unpack", no_memory)
        self.fails(
            file,
            f"`{file}:y` is too large for the memory",
            "save it with `numpy.savez`, which does not pack: then it is read piece by piece",
        )


def test_labels_beyond_int64_are_refused_and_not_wrapped_round(tmp_path: Path) -> None:
    labels = numpy.full(3, 2**63, numpy.uint64)
    numpy.savez(tmp_path / "a.npz", x=numpy.zeros((3, 1, 2, 2), numpy.float32), y=labels)
    inputs = [ModelInput("input", TensorType((1, 2, 2)))]
    dataset = open_dataset(str(tmp_path / "a.npz"), inputs, split="train")
    assert dataset.labels is not None
    assert dataset.labels.min() == 2**63 - 1
