"""Fine-tuning takes what fits by name, and says what became of everything else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy
import pytest
from training_runs import Array, network

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.weights import write_weights
from cnndsl.runtime.fine_tuning import Start, start_from

Shapes = dict[str, tuple[int, ...]]


def ones(shapes: Shapes, value: float = 1.0) -> dict[str, Array]:
    return {name: numpy.full(shape, value, numpy.float32) for name, shape in shapes.items()}


DRAWN: Shapes = {"C1.weight": (2, 1, 3, 3), "C1.bias": (2,), "F2.weight": (3, 8), "F2.bias": (3,)}


TYPED = network("", "input 1x6x6\nC1: conv 2@3x3\nflatten\nF2: dense 3\n")


def begin(path: Path, drawn: Mapping[str, Array] = MappingProxyType({})) -> Start:
    return start_from(path, drawn or ones(DRAWN, 0.0), TYPED)


def saved(folder: Path, arrays: dict[str, Array]) -> Path:
    path = folder / "old.safetensors"
    write_weights(path, arrays, {})
    return path


def test_what_fits_is_taken_and_the_rest_is_told(tmp_path: Path) -> None:
    path = saved(
        tmp_path,
        ones({"C1.weight": (2, 1, 3, 3), "C1.bias": (2,), "F2.weight": (10, 8), "F3.bias": (7,)}),
    )
    start = begin(path)
    assert {name: float(array.max()) for name, array in start.weights.items()} == {
        "C1.weight": 1.0,
        "C1.bias": 1.0,
        "F2.weight": 0.0,
        "F2.bias": 0.0,
    }
    assert start.taken == ("C1.weight", "C1.bias")
    assert list(start.notes(path)) == [
        f"2 of 4 weights are taken from `{path}`",
        "not in the file, so they begin anew: `F2.bias`",
        "of another kind in the file, so they begin anew: `F2.weight` (10x8, not 3x8)",
        "in the file, but not in the network: `F3.bias`",
    ]


def test_a_whole_fit_is_one_line(tmp_path: Path) -> None:
    path = saved(tmp_path, ones(DRAWN))
    assert list(begin(path).notes(path)) == [f"4 of 4 weights are taken from `{path}`"]


def test_nothing_that_fits_is_an_error(tmp_path: Path) -> None:
    path = saved(tmp_path, ones({"conv1.weight": (2, 1, 3, 3)}))
    with pytest.raises(UserError, match="nothing in") as caught:
        begin(path)
    assert caught.value.code == "CNN601"
    assert any("`conv1.weight`" in note for note in caught.value.notes)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    arrays = ones(DRAWN)
    arrays["C1.bias"][1] = numpy.nan
    with pytest.raises(UserError, match=r"`C1\.bias`.*not finite") as caught:
        begin(saved(tmp_path, arrays))
    assert caught.value.code == "CNN601"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        begin(tmp_path / "none.safetensors")
    assert caught.value.code == "CNN602"


def test_long_lists_are_cut(tmp_path: Path) -> None:
    many = {f"L{number}.bias": (1,) for number in range(20)}
    path = saved(tmp_path, ones({**DRAWN, **many}))
    last = list(begin(path).notes(path))[-1]
    assert last.endswith("and 12 more")
