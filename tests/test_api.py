"""Arguments of the Python API that are none are refused in words, before anything is computed."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

import cnndsl

SPEC = "network tiny\ninput 1x2x2\nflatten -> dense 2\n"


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_has_samples(tmp_path: Path, batch: int) -> None:
    network = cnndsl.parse(SPEC)
    with pytest.raises(ValueError, match=f"^`batch` must be 1 or more, not {batch}$"):
        network.compile(batch=batch)
    with pytest.raises(ValueError, match=f"^`batch` must be 1 or more, not {batch}$"):
        network.compile_training(batch=batch)
    with pytest.raises(ValueError, match=f"^`batch` must be 1 or more, not {batch}$"):
        network.evaluate("nothing.npz", "nothing.safetensors", batch=batch)
    with pytest.raises(ValueError, match=f"^`batch` must be 1 or more, not {batch}$"):
        network.summary(batch=batch)


def test_a_whole_step_is_two_files_and_a_cut_one_three(tmp_path: Path) -> None:
    network = cnndsl.parse(SPEC)
    whole = network.compile_training(seed=3).save(tmp_path / "step.onnx")
    cut = network.compile_training(seed=3, split=True).save(tmp_path / "cut.onnx")
    assert [path.name for path in whole] == ["step.onnx", "step.init.onnx"]
    assert [path.name for path in cut] == ["cut.gradient.onnx", "cut.update.onnx", "cut.init.onnx"]
    assert {path: path.stat().st_size for path in (*whole, *cut)} == {**whole, **cut}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        path.name for path in (*whole, *cut)
    )


def test_a_part_that_there_is_not_is_named(tmp_path: Path) -> None:
    network = cnndsl.parse(SPEC)
    network.compile(device="cpu").save(tmp_path / "m.onnx")
    data = (numpy.zeros((3, 1, 2, 2), numpy.float32), [0, 1, 0])
    with pytest.raises(ValueError, match=r"^`split` must be train, valid, test, not 'tests'$"):
        network.evaluate(data, tmp_path / "m.onnx", split="tests")  # type: ignore[arg-type]


def test_every_error_can_be_printed() -> None:
    """A path that is no UTF-8 stays in the message as it is, for whoever opens it."""
    with pytest.raises(cnndsl.UserError) as caught:
        cnndsl.load("no\udcff.onnx")
    assert "no\udcff.onnx" in caught.value.message
    assert str(caught.value).encode()
    assert "no\\udcff.onnx" in str(caught.value)
