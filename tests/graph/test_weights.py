"""Safetensors files: read with all that does not fit said at once, written the same every time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from cnndsl import pipeline
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.initializers import initialise
from cnndsl.graph.weight_files import read_weights
from cnndsl.graph.weights import Array, not_finite, write_weights
from cnndsl.layers.activation import Relu
from cnndsl.layers.base import Init


@pytest.fixture
def weights(residual: TypedNetwork) -> dict[str, Array]:
    return initialise(residual, 0, Init("he"))


def refused(path: Path, typed: TypedNetwork, code: str) -> UserError:
    with pytest.raises(UserError) as caught:
        read_weights(path, typed)
    assert caught.value.code == code
    return caught.value


def test_what_is_written_is_read_back(
    tmp_path: Path, residual: TypedNetwork, weights: dict[str, Array]
) -> None:
    path = tmp_path / "w.safetensors"
    size = write_weights(path, weights, {"epoch": "3"})
    assert size == path.stat().st_size
    read = read_weights(path, residual)
    assert list(read) == list(weights)
    for name, array in weights.items():
        assert numpy.array_equal(read[name], array)


def test_the_safetensors_library_reads_what_is_written(
    tmp_path: Path, weights: dict[str, Array]
) -> None:
    path = tmp_path / "w.safetensors"
    odd = {**weights, "é.weight": weights["dense1.weight"].T}
    write_weights(path, odd, {})
    for name, array in load_file(path).items():
        assert numpy.array_equal(odd[name], array)
    write_weights(path, {}, {"nothing": "yes"})
    assert load_file(path) == {}


def test_what_the_safetensors_library_writes_is_read(
    tmp_path: Path, residual: TypedNetwork, weights: dict[str, Array]
) -> None:
    save_file(weights, tmp_path / "w.safetensors", {"format": "np"})
    read = read_weights(tmp_path / "w.safetensors", residual)
    assert numpy.array_equal(read["dense1.weight"], weights["dense1.weight"])


def test_the_same_weights_and_metadata_give_the_same_bytes(tmp_path: Path) -> None:
    program = (
        "import sys, numpy\n"
        "from cnndsl.graph.weights import write_weights\n"
        "write_weights(sys.argv[1], {n: numpy.ones(3, 'f4') for n in set('abcdef')},\n"
        "              {n: n for n in set('uvwxyz')})\n"
    )
    contents = []
    for seed in ("1", "2"):
        path = tmp_path / seed
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        }
        subprocess.run([sys.executable, "-c", program, str(path)], check=True, env=environment)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]


def test_all_that_does_not_fit_is_said_in_one_error(
    tmp_path: Path, residual: TypedNetwork, weights: dict[str, Array]
) -> None:
    path = tmp_path / "w.safetensors"
    wrong: dict[str, NDArray[Any]] = {
        **weights,
        "conv2.weight": numpy.zeros((4, 4, 3, 3), numpy.float32),
        "bn.mean": weights["bn.mean"].astype(numpy.int32),
        "fc.weight": numpy.zeros(1, numpy.float32),
    }
    del wrong["conv1.weight"], wrong["dense1.bias"]
    save_file(wrong, path)
    error = refused(path, residual, "CNN601")
    assert error.message == (
        f"the weights in `{path}` do not fit the network `residual`:"
        " 2 missing, 1 surplus, 1 wrongly shaped, 1 of another type"
    )
    assert error.notes == (
        "missing: `conv1.weight`",
        "missing: `dense1.bias`",
        "surplus: `fc.weight`",
        "wrongly shaped: `conv2.weight` is 4x4x3x3 in the file, 4x2x3x3 in the spec",
        "of another type: `bn.mean` is I32 in the file, F32 in the spec",
    )
    assert error.help == "give the spec the sizes that these weights were trained with"


def test_long_lists_are_cut_and_counted(tmp_path: Path, lenet: TypedNetwork) -> None:
    path = tmp_path / "w.safetensors"
    save_file({f"x{n:03}": numpy.zeros(1, numpy.float32) for n in range(500)}, path)
    error = refused(path, lenet, "CNN601")
    assert ": 10 missing, 500 surplus" in error.message
    assert len(error.notes) == 10 + 11
    assert error.notes[-1] == "surplus: and 490 more"
    assert error.help == "name every tensor after its layer in the spec, as `C1.weight`"


def test_names_from_a_file_cannot_write_to_the_terminal(
    tmp_path: Path, residual: TypedNetwork, weights: dict[str, Array]
) -> None:
    path = tmp_path / "w.safetensors"
    one = numpy.zeros(1, numpy.float32)
    save_file({**weights, "\x1b[2J\n": one, "y" * 10_000: one}, path)
    notes = refused(path, residual, "CNN601").notes
    assert notes == ("surplus: `\\x1b[2J\\n`", f"surplus: `{'y' * 80}…`")


def test_weights_of_layers_that_no_output_needs_may_be_there(
    tmp_path: Path, residual: TypedNetwork, weights: dict[str, Array]
) -> None:
    path = tmp_path / "w.safetensors"
    save_file({**weights, "unread.bias": numpy.zeros(7, numpy.float32)}, path)
    assert "unread.bias" not in read_weights(path, residual)


def test_a_network_without_weights_reads_an_empty_file(
    tmp_path: Path, build: Callable[..., TypedNetwork]
) -> None:
    path = tmp_path / "w.safetensors"
    save_file({}, path)
    assert read_weights(path, build(("relu1", Relu()))) == {}


def test_a_cut_or_foreign_file_is_unreadable(
    tmp_path: Path, residual: TypedNetwork, weights: dict[str, Array]
) -> None:
    path = tmp_path / "w.safetensors"
    write_weights(path, weights, {})
    whole = path.read_bytes()
    header = json.dumps({"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}})
    foreign = (b"", b"network x\n", b"\x80\x02}q\x00.", b"\xff" * 100, whole[:-1], whole[:5])
    lying = len(header).to_bytes(8, "little") + header.encode() + b"1234"
    for content in (*foreign, lying):
        path.write_bytes(content)
        assert "not a whole safetensors file" in refused(path, residual, "CNN602").message


def test_a_file_that_cannot_be_opened_is_named_with_the_reason(
    tmp_path: Path, residual: TypedNetwork
) -> None:
    path = tmp_path / "none.safetensors"
    error = refused(path, residual, "CNN602")
    assert error.message == f"cannot read the weights in `{path}`: no such file or directory"
    assert "is a directory" in refused(tmp_path, residual, "CNN602").message
    assert "null" in refused(Path("a\0b"), residual, "CNN602").message


@pytest.mark.parametrize("odd", [numpy.nan, numpy.inf, -numpy.inf])
def test_numbers_that_are_not_finite_are_found(odd: float) -> None:
    wrong = numpy.zeros((3, 4), numpy.float32)
    wrong[1, 2] = odd
    assert not_finite({"fine": numpy.ones(3, numpy.float32), "wrong": wrong}) == ("wrong",)


@pytest.mark.parametrize("odd", [numpy.nan, numpy.inf, -numpy.inf])
def test_reading_refuses_numbers_that_are_not_finite(tmp_path: Path, odd: float) -> None:
    path = tmp_path / "w.safetensors"
    typed = pipeline.load("lenet5")
    weights = initialise(typed, 3, Init("he"))
    weights["C3.weight"][2, 1, 0, 0] = weights["F6.bias"][0] = odd
    write_weights(path, weights, {})
    with pytest.raises(UserError, match=r"the weight `C3\.weight` in") as caught:
        read_weights(path, typed)
    assert (caught.value.code, caught.value.notes) == ("CNN601", ("so do `F6.bias`",))


def test_an_npz_file_of_numpy_gives_the_weights_too(tmp_path: Path) -> None:
    typed = pipeline.load("lenet5")
    weights = initialise(typed, 3, Init("he"))
    numpy.savez(tmp_path / "w.npz", **weights)  # type: ignore[arg-type]  # names are names
    found = read_weights(tmp_path / "w.npz", typed)
    assert all((found[name] == weights[name]).all() for name in weights)


@pytest.mark.parametrize("content", [b"PK\3\4 no", b"", b"x"])
def test_a_broken_npz_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "w.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"it is not a whole `\.npz` file") as caught:
        read_weights(tmp_path / "w.npz", pipeline.load("lenet5"))
    assert caught.value.code == "CNN602"


def test_numbers_of_an_npz_file_must_be_floating_point(tmp_path: Path) -> None:
    typed = pipeline.load("lenet5")
    weights: dict[str, Any] = dict(initialise(typed, 3, Init("he")))
    weights["C1.bias"] = weights["C1.bias"].astype(numpy.int64)
    numpy.savez(tmp_path / "w.npz", **weights)
    with pytest.raises(UserError) as caught:
        read_weights(tmp_path / "w.npz", typed)
    assert caught.value.notes == ("of another type: `C1.bias` is I64 in the file, F32 in the spec",)


def test_a_model_of_another_tool_in_place_of_weights_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08")
    with pytest.raises(UserError, match="was not compiled by cnndsl") as caught:
        read_weights(tmp_path / "model.onnx", pipeline.load("lenet5"))
    assert caught.value.code == "CNN604"
