"""Formats of other packages: found by their entry points, asked after ours."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import ModuleType

import numpy
import pytest
from typing_extensions import override

import cnndsl
from cnndsl.data.arraysets import ArraySet
from cnndsl.data.dataset import open_dataset
from cnndsl.data.formats.base import DataFormat, Place
from cnndsl.data.formats.memory import open_arrays
from cnndsl.data.sources import ModelInput
from cnndsl.data.splits import Wanted
from cnndsl.diagnostics.model import UserError
from cnndsl.registry import Registry
from cnndsl.types import TensorType

GROUP = "cnndsl.formats"


class Sums(DataFormat):
    """Lines of four numbers and a class: ``1 0 2 1; 0``."""

    keyword = "sums"

    @override
    def holdings(self, place: Place) -> tuple[str, ...]:
        return ("sums",) if place.path.suffix in (".sums", ".csv") else ()

    @override
    def open(self, place: Place, wanted: Wanted) -> ArraySet:
        lines = [line.split(";") for line in place.path.read_text("utf-8").splitlines()]
        samples = numpy.array([line[0].split() for line in lines], numpy.float32)
        labels = numpy.array([int(line[1]) for line in lines])
        return open_arrays((samples, labels), wanted, place.data)


class Squares(DataFormat):
    """A data set that has a name instead of a file."""

    keyword = "squares"
    dataset = "the squares of mathematics"

    @override
    def open(self, place: Place, wanted: Wanted) -> ArraySet:
        samples = numpy.arange(16, dtype=numpy.float32).reshape(4, 4) ** 2
        return open_arrays((samples, numpy.arange(4) % 2), wanted, place.data)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    module = ModuleType("formats_of_others")
    vars(module).update(Sums=Sums, Squares=Squares)
    monkeypatch.setitem(sys.modules, "formats_of_others", module)

    def install(**named: str) -> None:
        points = [EntryPoint(name, value, GROUP) for name, value in named.items()]
        fresh: Registry[DataFormat] = Registry(
            "data format",
            "cnndsl.data.formats.base:DataFormat",
            package="cnndsl.data.formats",
            group=GROUP,
            code="CNN801",
        )
        monkeypatch.setattr("cnndsl.data.dataset.FORMATS", fresh)
        monkeypatch.setattr(
            "importlib.metadata.entry_points",
            lambda group: EntryPoints(points if group == GROUP else []),
        )

    return install


INPUTS = [ModelInput("x", TensorType((4,)))]


def test_a_network_learns_from_a_format_of_another_package(
    install: Callable[..., None], tmp_path: Path
) -> None:
    rng = numpy.random.default_rng(0)
    rows = rng.normal(size=(60, 4))
    lines = [f"{' '.join(map(str, row))}; {int(sum(row) > 0)}" for row in rows.tolist()]
    (tmp_path / "data.sums").write_text("\n".join(lines), "utf-8")
    install(sums="formats_of_others:Sums")
    (tmp_path / "n.cnn").write_text(
        "input 4\ndense 2\ntrain {\n  optimizer adam lr 0.1\n  epochs 20\n  batch 20\n}\n", "utf-8"
    )
    training = cnndsl.load(tmp_path / "n.cnn").train(
        tmp_path / "data.sums", valid=0.2, out=tmp_path / "run", device="cpu"
    )
    assert training.records[-1].loss < training.records[0].loss / 2


def test_a_data_set_of_another_package_is_called_by_its_name(
    install: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    install(squares="formats_of_others:Squares")
    assert len(open_dataset("squares", INPUTS)) == 4
    (tmp_path / "squares").mkdir()
    with pytest.raises(UserError, match="`squares` means the squares of mathematics, but there is"):
        open_dataset("squares", INPUTS)


def test_ours_are_asked_first(install: Callable[..., None], tmp_path: Path) -> None:
    install(sums="formats_of_others:Sums")
    (tmp_path / "a.csv").write_text("1 0 2 1; 0\n", "utf-8")
    with pytest.raises(UserError, match="has 1 value, not 2"):
        open_dataset(tmp_path / "a.csv", INPUTS)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nowhere_at_all:Sums", "the data format `sums` of `nowhere_at_all:Sums` does not load"),
        ("math:pi", "`math:pi` is not a data format called `sums`"),
    ],
)
def test_a_broken_one_is_named(
    install: Callable[..., None], tmp_path: Path, value: str, message: str
) -> None:
    install(sums=value)
    (tmp_path / "a.sums").write_text("1 0 2 1; 0\n", "utf-8")
    with pytest.raises(UserError, match=message) as caught:
        open_dataset(tmp_path / "a.sums", INPUTS)
    assert caught.value.code == "CNN801"
