"""What becomes training data and what validation data."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy
import pytest
from PIL import Image
from training_data import write_idx

from cnndsl.data.training_data import named_as, open_part, open_training_data
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.canonical import canonical_text
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.pipeline import check_text, typed

SPEC = "network tiny\ninput 1x4x4\nflatten\ndense 2\ntrain { seed %d }\n"


def network(seed: int = 0) -> TypedNetwork:
    return typed(check_text(SPEC % seed))


@pytest.fixture
def arrays(tmp_path: Path) -> Callable[[str, int], str]:
    """Write an .npz of so many samples, of two classes in turn."""

    def write(name: str, count: int) -> str:
        x = numpy.zeros((count, 1, 4, 4), numpy.float32)
        numpy.savez(tmp_path / name, x=x, y=numpy.arange(count) % 2)
        return str(tmp_path / name)

    return write


def test_a_share_is_kept_aside_as_the_seed_decides(arrays: Callable[[str, int], str]) -> None:
    data = arrays("data.npz", 20)
    training, valid = open_training_data(network(), data, 0.3)
    assert valid is not None
    assert (len(training), len(valid)) == (14, 6)
    assert open_part(network(), data, "train", 0.3).fingerprint == valid.fingerprint
    assert open_part(network(5), data, "train", 0.3).fingerprint != valid.fingerprint


def test_data_without_parts_has_no_validation_of_its_own(arrays: Callable[[str, int], str]) -> None:
    training, valid = open_training_data(network(), arrays("data.npz", 20), None)
    assert len(training) == 20
    assert valid is None


def picture_parts(folder: Path, **counts: int) -> str:
    for shade, (part, count) in enumerate(counts.items()):
        for at, name in enumerate(("a", "b")):
            (folder / part / name).mkdir(parents=True)
            for number in range(count):
                picture = Image.new("L", (4, 4), 100 * at + 10 * shade + number)
                picture.save(folder / part / name / f"{number}.png")
    return str(folder)


def test_the_part_for_validation_that_data_has_is_taken(tmp_path: Path) -> None:
    data = picture_parts(tmp_path / "data", train=5, val=2, test=3)
    training, valid = open_training_data(network(), data, None)
    assert valid is not None
    assert (len(training), len(valid)) == (10, 4)


def test_a_share_goes_before_the_part_that_data_has(tmp_path: Path) -> None:
    data = picture_parts(tmp_path / "data", train=5, val=2)
    training, valid = open_training_data(network(), data, 0.2)
    assert valid is not None
    assert (len(training), len(valid)) == (8, 2)


@pytest.mark.parametrize(
    ("parts", "count"), [({"train": 5, "val": 2, "test": 3}, 4), ({"train": 5, "test": 3}, 6)]
)
def test_of_other_data_the_part_for_validation_is_taken_else_that_for_testing(
    tmp_path: Path, parts: dict[str, int], count: int
) -> None:
    other = picture_parts(tmp_path / "other", **parts)
    _, valid = open_training_data(network(), picture_parts(tmp_path / "data", train=4), other)
    assert valid is not None
    assert len(valid) == count


def test_of_other_data_without_parts_all_is_taken(arrays: Callable[[str, int], str]) -> None:
    data, other = arrays("data.npz", 20), arrays("other.npz", 8)
    _, valid = open_training_data(network(), data, other)
    assert valid is not None
    assert len(valid) == 8


def test_data_cannot_validate_itself(arrays: Callable[[str, int], str]) -> None:
    data = arrays("data.npz", 20)
    with pytest.raises(UserError, match="both training and validation data") as caught:
        open_training_data(network(), data, data)
    assert caught.value.code == "CNN801"
    assert "--valid 0.2" in caught.value.help


def test_broken_samples_are_left_out_of_both_where_asked(tmp_path: Path) -> None:
    data = picture_parts(tmp_path / "data", train=5, val=2)
    for name in ("train/a/1.png", "val/b/0.png"):
        (tmp_path / "data" / name).write_bytes(b"no picture")
    said: list[str] = []
    training, valid = open_training_data(network(), data, None, skip_broken=True, tell=said.append)
    assert valid is not None
    assert (len(training), len(valid)) == (9, 3)
    assert "1 of 10 samples" in said[0]
    assert "1.png" in said[1]
    assert "1 of 4 samples" in said[2]
    assert "0.png" in said[3]


def test_at_most_ten_broken_samples_are_named(tmp_path: Path) -> None:
    data = picture_parts(tmp_path / "data", train=8)
    for path in (tmp_path / "data/train/a").iterdir():
        path.write_bytes(b"no picture")
    for number in range(4):
        (tmp_path / "data/train/b" / f"{number}.png").write_bytes(b"no picture")
    said: list[str] = []
    training, _ = open_training_data(network(), data, 0.25, skip_broken=True, tell=said.append)
    assert len(training) == 3
    assert said[0].startswith("9 of 12 samples")
    assert said[10].startswith("3 of 4 samples")
    assert len(said) == 14
    data = picture_parts(tmp_path / "more", train=20)
    for path in (tmp_path / "more/train/a").iterdir():
        path.write_bytes(b"no picture")
    said.clear()
    open_training_data(network(), data, 0.25, skip_broken=True, tell=said.append)
    assert said[0].startswith("15 of 30 samples")
    assert said[11] == "and 5 more"


def test_the_same_samples_are_kept_aside_whatever_is_broken(tmp_path: Path) -> None:
    """Else a run that goes on without broken ones validates with what it has learnt."""
    data = picture_parts(tmp_path / "data", train=20)
    _, before = open_training_data(network(), data, 0.25)
    (tmp_path / "data/train/a/3.png").write_bytes(b"no picture")
    training, after = open_training_data(network(), data, 0.25, skip_broken=True)
    assert before is not None
    assert after is not None
    assert len(training) + len(after) == 39
    names = {before.name_of(at) for at in range(len(before))}
    assert {after.name_of(at) for at in range(len(after))} <= names
    assert not {training.name_of(at) for at in range(len(training))} & names


# --- the names of classes ---------------------------------------------------------------------


def named_folders(folder: Path, *names: str) -> str:
    for name in names:
        (folder / name).mkdir(parents=True)
        for number in range(4):
            Image.new("L", (4, 4), 10 * number + len(folder.name)).save(
                folder / name / f"{number}.png"
            )
    return str(folder)


def test_a_network_without_names_gets_those_of_the_data(tmp_path: Path) -> None:
    names = ('say "hi" \\', "gr\u00fcn")
    training, _ = open_training_data(network(), named_folders(tmp_path / "data", *names), None)
    named = named_as(network(), training)
    assert named.network.classes == training.classes == ("gr\u00fcn", 'say "hi" \\')
    again = check_text(canonical_text(named.network))
    assert typed(again).network.classes == named.network.classes
    assert named_as(named, training) is named


def test_validation_data_of_other_classes_is_refused(tmp_path: Path) -> None:
    data = named_folders(tmp_path / "data", "cat", "dog")
    other = named_folders(tmp_path / "other", "cat", "fox")
    with pytest.raises(UserError) as caught:
        open_training_data(network(), data, other)
    assert caught.value.code == "CNN802"
    assert "`fox`" in caught.value.message


@pytest.mark.parametrize("name", ["new\nline", os.fsdecode(b"\xff")])
def test_a_name_that_no_spec_can_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        open_training_data(network(), named_folders(tmp_path / "data", "a", name), None)
    assert caught.value.code == "CNN802"
    assert ascii(name) in caught.value.message


# --- names or indices, for all parts alike ----------------------------------------------------


def pictures(folder: Path, *rows: str) -> str:
    """A table with a row for each label, and a picture for each row."""
    folder.mkdir(exist_ok=True)
    for at in range(len(rows)):
        Image.new("L", (4, 4), 10 * at + len(folder.name)).save(folder / f"{at}.png")
    (folder / "t.csv").write_text("".join(f"{at}.png,{row}\n" for at, row in enumerate(rows)))
    return str(folder / "t.csv")


def labels_of(data: object) -> list[int]:
    return [int(label) for label in getattr(data, "labels")]  # noqa: B009


@pytest.mark.parametrize("units", [1, 2])
def test_validation_has_the_classes_of_training_also_where_it_lacks_some(
    tmp_path: Path, units: int
) -> None:
    one = typed(check_text(f"network tiny\ninput 1x4x4\nflatten\ndense {units}\n"))
    training, valid = open_training_data(
        one, pictures(tmp_path / "a", "cat", "dog"), pictures(tmp_path / "other", "dog")
    )
    assert labels_of(training) == [0, 1]
    assert labels_of(valid) == [1]


def test_numbers_are_names_in_validation_where_training_has_names(tmp_path: Path) -> None:
    said: list[str] = []
    training, valid = open_training_data(
        network(),
        pictures(tmp_path / "a", "1", "x"),
        pictures(tmp_path / "other", "1", "1"),
        tell=said.append,
    )
    assert (labels_of(training), labels_of(valid)) == ([0, 1], [0, 0])
    assert "in this order: `1`, `x`" in said[0]
    assert "other/t.csv` are names of classes" in said[1]


def test_names_in_validation_are_refused_where_training_has_indices(tmp_path: Path) -> None:
    data = pictures(tmp_path / "a", "0", "1")
    for other in (
        pictures(tmp_path / "other", "cat", "dog"),
        named_folders(tmp_path / "b", "x", "y"),
    ):
        with pytest.raises(UserError, match="are names of classes") as caught:
            open_training_data(network(), data, other)
        assert caught.value.code == "CNN802"
    _, valid = open_training_data(network(), data, named_folders(tmp_path / "c", "1", "0"))
    assert labels_of(valid) == [0] * 4 + [1] * 4 or labels_of(valid) == [1] * 4 + [0] * 4


def test_arrays_are_labelled_by_the_names_of_the_training_folders(
    tmp_path: Path, arrays: Callable[[str, int], str]
) -> None:
    data = named_folders(tmp_path / "data", "1", "2")
    with pytest.raises(UserError, match="have also `0`"):
        open_training_data(network(), data, arrays("other.npz", 4))
    data = named_folders(tmp_path / "more", "1", "0")
    _, valid = open_training_data(network(), data, arrays("other.npz", 4))
    assert labels_of(valid) == [0, 1, 0, 1]


def test_every_kind_of_numbers_is_read_by_the_names_of_the_spec(tmp_path: Path) -> None:
    """Arrays, idx files, CIFAR's batches, digits, and tables give the same classes."""
    names = [str(number) for number in range(9, -1, -1)]
    text = ", ".join(f'"{name}"' for name in names)
    spec = f"network tiny\ninput 1x4x4 {{ fit resize }}\nclasses {text}\nflatten\ndense 10\n"
    one = typed(check_text(spec))
    numbers = numpy.arange(10, dtype=numpy.uint8)
    x = numpy.zeros((10, 4, 4), numpy.uint8)
    numpy.savez(tmp_path / "a.npz", x=x, y=numbers)
    write_idx(tmp_path / "idx" / "train-images-idx3-ubyte", x)
    write_idx(tmp_path / "idx" / "train-labels-idx1-ubyte", numbers)
    (tmp_path / "cifar").mkdir()
    records = numpy.zeros((10, 3073), numpy.uint8)
    records[:, 0] = numbers
    (tmp_path / "cifar" / "data_batch_1.bin").write_bytes(records.tobytes())
    table = pictures(tmp_path / "table", *map(str, range(10)))
    for data in (tmp_path / "a.npz", tmp_path / "idx", tmp_path / "cifar", table):
        assert labels_of(open_part(one, data, "train")) == list(range(9, -1, -1))
    digits = open_part(one, "digits", "train")
    assert labels_of(digits)[:3] == [9, 8, 7]
    assert digits.label_of(3) == "3"
