"""The layer computes its formula, its gradients are right, and a network with it learns."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy

import cnndsl

PAGE = Path(__file__).parents[1] / "README.md"
SPEC = """
network waves
input 3x8
snake frequency 2
conv 4@3 padding 1 -> snake
globalavgpool -> dense 1
train {
  loss mse
  optimizer adam lr 0.02
  batch 16
  epochs 30
}
"""


def test_the_page_is_right():
    assert cnndsl.check(PAGE) == []


def test_the_package_is_found():
    assert "snake" in entry_points(group="cnndsl.layers").names
    assert "Sin" in entry_points(group="cnndsl.gradients").names


def test_it_computes_its_formula():
    model = cnndsl.parse("input 3x4x5\nsnake frequency 2\n").compile(device="cpu")
    x = numpy.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype(numpy.float32)
    numpy.testing.assert_allclose(model.run(x), x + numpy.sin(2 * x) ** 2 / 2, rtol=1e-5, atol=1e-6)


def test_its_gradients_are_those_of_differences(tmp_path):
    """`cnndsl selftest` compares the gradients of all weights with differences of the loss."""
    (tmp_path / "waves.cnn").write_text(SPEC)
    command = [sys.executable, "-m", "cnndsl", "selftest", "waves.cnn"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed   gradients against differences" in done.stdout


def test_a_network_with_it_learns(tmp_path):
    random = numpy.random.default_rng(0)
    phase = random.uniform(0, 6, 400)
    x = numpy.sin(phase[:, None, None] + numpy.arange(24).reshape(3, 8) / 2).astype(numpy.float32)
    y = numpy.cos(phase)[:, None].astype(numpy.float32)
    training = cnndsl.parse(SPEC).train((x, y), out=tmp_path / "run", device="cpu", seed=1)
    first, last = training.records[0], training.records[-1]
    assert last.loss < 0.2 * first.loss


def test_checking_loads_neither_numpy_nor_onnx():
    program = (
        f"import sys, cnndsl; cnndsl.check({SPEC!r}); print({{'numpy', 'onnx'}} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
