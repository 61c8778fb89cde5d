"""A folder of idx files: MNIST's four and their kin."""

import gzip
import struct
from pathlib import Path

import numpy
import pytest
from training_data import complaint, model_input, noise, watched_stores, write_idx

from cnndsl.data.dataset import open_dataset
from cnndsl.data.formats import idx
from cnndsl.data.samples import Dataset
from cnndsl.data.splits import Split
from cnndsl.diagnostics.model import UserError

GRAY = model_input(1, 6, 6, fit="pad")
AGAIN = "download the file again"


def mnist(folder: Path, end: str = "", stem: str = "") -> Path:
    """Five pictures for training, and two for testing."""
    for word, count in (("train", 5), ("t10k", 2)):
        write_idx(folder / f"{stem}{word}-images-idx3-ubyte{end}", noise(count, 4, 4, seed=count))
        write_idx(folder / f"{stem}{word}-labels-idx1-ubyte{end}", numpy.arange(count, dtype="u1"))
    return folder


def opened(folder: Path, split: Split = "train") -> Dataset:
    return open_dataset(folder, [GRAY], split=split)


@pytest.mark.parametrize("end", ["", ".gz"])
def test_training_takes_one_pair_and_testing_the_other(tmp_path: Path, end: str) -> None:
    mnist(tmp_path, end)
    for split, count in (("train", 5), ("test", 2)):
        data = opened(tmp_path, split)  # type: ignore[arg-type]
        assert data.labels is not None
        assert data.labels.tolist() == list(range(count))
        values = data.read(numpy.arange(count))["input"]
        assert values.shape == (count, 1, 6, 6)
        assert (values[:, 0, 1:5, 1:5] == noise(count, 4, 4, seed=count)).all()
        assert values.sum() == noise(count, 4, 4, seed=count).sum()


def test_a_sample_is_named_by_its_place_in_the_file(tmp_path: Path) -> None:
    data = opened(mnist(tmp_path))
    assert data.name_of(3) == f"{tmp_path}/train-images-idx3-ubyte[3]"
    assert data.label_of(3) == "3"


@pytest.mark.parametrize(
    "names",
    [
        ("emnist-letters-train-images-idx3-ubyte.gz", "emnist-letters-train-labels-idx1-ubyte.gz"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("Train-Images-IDX3-ubyte", "Train-Labels-IDX1-ubyte"),
    ],
)
def test_other_names_of_the_kind_are_known(tmp_path: Path, names: tuple[str, str]) -> None:
    write_idx(tmp_path / names[0], noise(2, 4, 4))
    write_idx(tmp_path / names[1], numpy.array([1, 0], "u1"))
    assert len(opened(tmp_path)) == 2


def test_a_part_is_told_by_a_whole_word(tmp_path: Path) -> None:
    write_idx(tmp_path / "contest-train-images-idx3-ubyte", noise(2, 4, 4))
    write_idx(tmp_path / "contest-train-labels-idx1-ubyte", noise(2))
    assert len(opened(tmp_path)) == 2
    with pytest.raises(UserError, match="no part for testing"):
        opened(tmp_path, "test")


def test_pictures_of_emnist_are_turned(tmp_path: Path) -> None:
    picture = opened(mnist(tmp_path, stem="emnist-mnist-")).read(numpy.array([0]))["input"]
    stored = noise(5, 4, 4, seed=5)[0]
    assert (picture[0, 0, 1:5, 1:5] == stored.T).all()


def test_of_a_file_and_its_packed_copy_the_file_is_read(tmp_path: Path) -> None:
    mnist(tmp_path)
    for name in ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"):
        (tmp_path / name).write_bytes(b"")
    assert opened(tmp_path).name_of(0).endswith("ubyte[0]")


def test_a_file_too_large_for_memory_is_read_sample_by_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = numpy.array([4, 0, 4, 2])
    whole = opened(mnist(tmp_path)).read(rows)["input"]
    monkeypatch.setattr(idx, "MEMORY_LIMIT", 5 * 16 - 1)
    stores = watched_stores(monkeypatch, idx)
    streamed = opened(tmp_path)
    assert (streamed.read(rows)["input"] == whole).all()
    assert len(stores) == 1


class TestErrors:
    def test_no_training_pair(self, tmp_path: Path) -> None:
        mnist(tmp_path)
        for file in tmp_path.glob("train*"):
            file.unlink()
        with complaint(
            "CNN801",
            f"`{tmp_path}` has no part for training: there is no `train-images-idx3-ubyte`",
            "name data that has this part",
        ):
            opened(tmp_path)

    def test_no_test_pair(self, tmp_path: Path) -> None:
        mnist(tmp_path)
        for file in tmp_path.glob("t10k*"):
            file.unlink()
        with complaint(
            "CNN801",
            f"`{tmp_path}` has no part for testing: there is no `t10k-images-idx3-ubyte` or"
            " `test-images-idx3-ubyte`",
            "name data that has this part",
        ):
            opened(tmp_path, "test")

    def test_no_validation_pair(self, tmp_path: Path) -> None:
        with complaint(
            "CNN801",
            f"`{mnist(tmp_path)}` has no part for validation: there is no"
            " `valid-images-idx3-ubyte`",
            "name data that has this part",
        ):
            opened(tmp_path, "valid")

    def test_labels_missing(self, tmp_path: Path) -> None:
        (mnist(tmp_path) / "train-labels-idx1-ubyte").unlink()
        with complaint(
            "CNN801",
            f"`{tmp_path}` has the pictures of `train`, but not its labels",
            "put `train-labels-idx1-ubyte` (or the same with `.gz`) beside them",
        ):
            opened(tmp_path)
        write_idx(tmp_path / "train-labels-idx1-ubyte.gz", numpy.arange(5, dtype="u1"))
        opened(tmp_path)

    def test_pictures_missing(self, tmp_path: Path) -> None:
        (mnist(tmp_path) / "t10k-images-idx3-ubyte").unlink()
        with complaint(
            "CNN801",
            f"`{tmp_path}` has the labels of `t10k`, but not its pictures",
            "put `t10k-images-idx3-ubyte` (or the same with `.gz`) beside them",
        ):
            opened(tmp_path, "test")

    def test_several_sets(self, tmp_path: Path) -> None:
        mnist(mnist(tmp_path, stem="emnist-letters-"), stem="emnist-digits-")
        with complaint(
            "CNN801",
            f"`{tmp_path}` holds several sets of idx files: `emnist-digits-train`,"
            " `emnist-letters-train`",
            "give each set a folder of its own",
        ):
            opened(tmp_path)

    def test_numbers_of_pictures_and_labels_differ(self, tmp_path: Path) -> None:
        write_idx(mnist(tmp_path) / "train-labels-idx1-ubyte", numpy.arange(4, dtype="u1"))
        with complaint(
            "CNN801",
            "`train-images-idx3-ubyte` holds 5 pictures, but `train-labels-idx1-ubyte` 4 labels",
            "take both files from one download",
        ):
            opened(tmp_path)

    @pytest.mark.parametrize("end", ["", ".gz"])
    def test_cut_off_pictures(self, tmp_path: Path, end: str) -> None:
        file = mnist(tmp_path, end) / f"train-images-idx3-ubyte{end}"
        content = gzip.decompress(file.read_bytes()) if end else file.read_bytes()
        for rest, said in ((content[:-3], "there are 77"), (content + b"\0", "there are more")):
            file.write_bytes(gzip.compress(rest) if end else rest)
            with complaint(
                "CNN801",
                f"cannot read `{file}`: its 5 pictures of 4x4 take 80 bytes, but {said}",
                AGAIN,
            ):
                opened(tmp_path)

    def test_cut_off_labels(self, tmp_path: Path) -> None:
        file = mnist(tmp_path) / "train-labels-idx1-ubyte"
        file.write_bytes(file.read_bytes()[:-1])
        with complaint(
            "CNN801", f"cannot read `{file}`: its 5 labels take 5 bytes, but there are 4", AGAIN
        ):
            opened(tmp_path)

    def test_cut_off_header(self, tmp_path: Path) -> None:
        file = mnist(tmp_path) / "train-images-idx3-ubyte"
        file.write_bytes(file.read_bytes()[:9])
        with complaint("CNN801", f"cannot read `{file}`: it ends within its header", AGAIN):
            opened(tmp_path)

    def test_a_header_that_promises_the_moon(self, tmp_path: Path) -> None:
        file = mnist(tmp_path, ".gz") / "train-images-idx3-ubyte.gz"
        file.write_bytes(gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, *[2**32 - 1] * 3)))
        with complaint(
            "CNN801",
            f"`{file.name}` holds {2**32 - 1} pictures, but `train-labels-idx1-ubyte.gz` 5 labels",
            "take both files from one download",
        ):
            opened(tmp_path)
        file.write_bytes(gzip.compress(struct.pack(">BBBB3I", 0, 0, 8, 3, 5, *[2**32 - 1] * 2)))
        with complaint(
            "CNN703",
            f"`{file}` holds pictures of {2**32 - 1}x{2**32 - 1} pixels (height x width), more than"
            " 134,217,728",
            "make the pictures smaller",
        ):
            opened(tmp_path)

    def test_wrong_magic_number(self, tmp_path: Path) -> None:
        file = mnist(tmp_path) / "train-images-idx3-ubyte"
        file.write_bytes((tmp_path / "train-labels-idx1-ubyte").read_bytes())
        with complaint(
            "CNN801",
            f"`{file}` is not an idx file of pictures: it begins with `00000801`, not `00000803`",
            AGAIN,
        ):
            opened(tmp_path)

    def test_packed_data_that_is_broken(self, tmp_path: Path) -> None:
        file = mnist(tmp_path, ".gz") / "train-images-idx3-ubyte.gz"
        file.write_bytes(file.read_bytes()[:-9])
        with complaint(
            "CNN801",
            f"cannot read `{file}`: its packed data is broken (it ends too early)",
            AGAIN,
        ):
            opened(tmp_path)

    def test_no_pictures_at_all(self, tmp_path: Path) -> None:
        write_idx(tmp_path / "train-images-idx3-ubyte", noise(0, 4, 4))
        write_idx(tmp_path / "train-labels-idx1-ubyte", noise(0))
        with complaint(
            "CNN808",
            f"`{tmp_path}/train-images-idx3-ubyte` holds no samples",
            "give data with at least one sample",
        ):
            opened(tmp_path)

    @pytest.mark.parametrize("end", ["", ".gz"])
    def test_pictures_of_no_size(self, tmp_path: Path, end: str) -> None:
        write_idx(tmp_path / f"train-images-idx3-ubyte{end}", noise(5, 0, 8))
        write_idx(tmp_path / f"train-labels-idx1-ubyte{end}", noise(5))
        with complaint(
            "CNN703",
            f"`{tmp_path}/train-images-idx3-ubyte{end}` holds pictures of 0x8 pixels (height x"
            " width): there is nothing in them",
            "save the pictures again",
        ):
            opened(tmp_path)

    def test_a_network_that_takes_no_pictures(self, tmp_path: Path) -> None:
        mnist(tmp_path)
        with complaint(
            "CNN703",
            f"`{tmp_path}/train-images-idx3-ubyte` holds pictures, but the input `input` takes"
            " `16`",
            "give the data as arrays of that shape in a `.npz` file",
        ):
            open_dataset(tmp_path, [model_input(16)])

    def test_a_network_of_several_inputs(self, tmp_path: Path) -> None:
        mnist(tmp_path)
        with complaint(
            "CNN703",
            f"`{tmp_path}` gives one input, but the network has 2: `left`, `right`",
            "put the data into a `.npz` file with the arrays `left`, `right` and `y`",
        ):
            open_dataset(tmp_path, [model_input(1, 4, 4, name=name) for name in ("left", "right")])


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    mnist(tmp_path)
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(b"")
    with complaint("CNN801", f"`{file}` is empty", "download the file again"):
        opened(tmp_path)
