"""Models in int8: near to float32, refused where slower, and read by whoever reads models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from click.testing import CliRunner
from oracle import draw, relative_error
from PIL import Image
from safetensors.numpy import save_file

import cnndsl
from cnndsl import pipeline
from cnndsl.cli import main
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime import quantize as quantizing
from cnndsl.runtime.model import Model
from cnndsl.runtime.quantize import Quantized, quantize

SPEC = """\
network small
input 3x8x8 { scale 1/255  mean 0.5 }
classes "a", "b", "c"
conv 8@3 bias no -> batchnorm -> relu -> shortcut: maxpool 2
conv 8@3 padding same -> add(identity, shortcut) -> relu
flatten -> dense 3 -> softmax
"""

FASTER, SLOWER = (2e-3, 1e-3), (1e-3, 2e-3)


def pictures(count: int) -> Any:
    return numpy.random.default_rng(0).integers(0, 256, (count, 3, 8, 8), numpy.uint8)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("small.cnn").write_text(SPEC, encoding="utf-8")
    numpy.savez("data.npz", x=pictures(60), y=numpy.arange(60) % 3)
    Path("photos").mkdir()
    for at, picture in enumerate(pictures(5)):
        Image.fromarray(picture.transpose(1, 2, 0)).save(f"photos/{at}.png")
    save_file(draw(cnndsl.parse(SPEC).weights), "weights.safetensors")
    return tmp_path


def made(
    data: Any,
    text: str = SPEC,
    seconds: tuple[float, float] = FASTER,
    *,
    allow_slower: bool = False,
    **options: Any,
) -> Quantized:
    network = pipeline.typed(pipeline.check_text(text))
    weights = None if text != SPEC else Path("weights.safetensors")
    plain, folded = (
        pipeline.compile(network, weights=weights, form=form, **options)
        for form in ("plain", "folded")
    )
    return quantize(
        network, plain, folded, data, allow_slower=allow_slower, timer=lambda *_: seconds
    )


def test_answers_are_near_to_those_of_float32(data: Path) -> None:
    found = made("data.npz")
    plain = cnndsl.parse(SPEC).compile("weights.safetensors", device="cpu")
    answers = Model(found.model, device="cpu").run(pictures(20))
    assert relative_error(answers, plain.run(pictures(20))) < 0.06
    assert found.before is not None
    assert found.after is not None
    assert abs(found.after.loss - found.before.loss) < 0.1
    assert found.count == 60
    assert found.speed == 2


def test_weights_are_bytes_with_a_scale_for_each_filter(data: Path) -> None:
    model = made("data.npz").model
    assert model.manifest.precision == "int8"
    onnx.checker.check_model(model.to_proto(), full_check=True)
    kinds = {name: array.dtype for name, array in model.weights.items()}
    assert kinds["conv1.weight_quantized"] == numpy.int8
    assert model.weights["conv1.weight_scale"].shape == (8,)
    assert not [node for node in model.graph_only.graph.node if node.domain]
    assert numpy.abs(model.weights["conv1.weight_quantized"]).max() <= 64
    softmax = [one for one in model.graph_only.graph.node if one.op_type == "Softmax"]
    assert softmax[0].output[0] == "output"


def test_ranges_are_those_of_the_data(data: Path) -> None:
    """With ranges of darkness, light is cut off."""
    dark = numpy.zeros((20, 3, 8, 8), numpy.uint8)
    dark[:, :, 0] = 3
    numpy.savez("dark.npz", x=dark, y=numpy.arange(20) % 3)
    plain = cnndsl.parse(SPEC).compile("weights.safetensors", device="cpu").run(pictures(20))
    near, far = (
        relative_error(Model(made(name).model, device="cpu").run(pictures(20)), plain)
        for name in ("data.npz", "dark.npz")
    )
    assert far > 4 * near


def test_a_slower_model_is_refused_with_the_figures(data: Path) -> None:
    with pytest.raises(UserError, match="in int8 on this machine: 2 ms for a sample, in float32 1"):
        made("data.npz", seconds=SLOWER)
    assert made("data.npz", seconds=SLOWER, allow_slower=True).speed == 0.5
    with pytest.raises(UserError, match="for a batch of 4,"):
        made("data.npz", seconds=SLOWER, batch=4)


def test_without_labels_it_says_how_often_the_answers_agree(data: Path) -> None:
    found = made("photos")
    assert (found.before, found.after, found.difference) == (None, None, None)
    assert found.count == 5
    assert found.agreement is not None
    assert found.agreement >= 0.8


def test_of_values_it_says_how_far_they_are_apart(data: Path) -> None:
    found = made(
        "photos", "input 3x8x8\nconv 4@3 -> relu -> flatten -> dense 2\ntrain { loss mse }\n"
    )
    assert found.agreement is None
    assert found.difference is not None
    assert 0 < found.difference < 0.1


def test_a_network_without_products_is_refused(data: Path) -> None:
    with pytest.raises(UserError) as caught:
        made("photos", "input 3x8x8\nglobalavgpool -> softmax\n")
    assert caught.value.code == "CNN613"


# --- the command ------------------------------------------------------------------------------


def run(*words: str, fails: bool = False) -> str:
    done = CliRunner().invoke(main, list(words))
    assert (done.exit_code != 0) == fails, done.output
    return done.output


def timed(monkeypatch: pytest.MonkeyPatch, seconds: tuple[float, float]) -> None:
    def timer(*_: Any) -> tuple[float, float]:
        return seconds

    monkeypatch.setattr(quantizing, "side_by_side", timer)


QUANTIZE = ("compile", "small.cnn", "--weights", "weights.safetensors", "--quantize", "int8")


def test_the_command_says_what_it_costs_and_gains(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed(monkeypatch, FASTER)
    said = run(*QUANTIZE, "--calibrate", "data.npz", "-o", "int8.onnx")
    assert "int8.onnx: " in said
    assert "float32: top1 " in said
    assert "; int8: top1 " in said
    assert "; 60 samples\n" in said
    assert "2 ms for a sample in float32, 1 ms in int8: 2.00 times as fast\n" in said
    said = run(*QUANTIZE, "--calibrate", "photos", "-o", "int8.onnx")
    assert "the same answer in float32 and int8 for " in said


def test_run_and_eval_take_the_model(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, FASTER)
    run(*QUANTIZE, "--calibrate", "data.npz", "-o", "int8.onnx")
    run("compile", "small.cnn", "--weights", "weights.safetensors", "-o", "plain.onnx")
    assert "photos" in run("run", "int8.onnx", "photos", "--device", "cpu")
    int8, plain = (cnndsl.evaluate([f"{name}.onnx"], "data.npz") for name in ("int8", "plain"))
    assert int8.loss != plain.loss
    assert int8.loss == pytest.approx(plain.loss, rel=0.1)
    assert "conv 8@3" in run("show", "int8.onnx")
    assert "CNN611" in run("compile", "small.cnn", "--weights", "int8.onnx", fails=True)


def test_the_help_of_a_refusal_works(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed(monkeypatch, SLOWER)
    words = (*QUANTIZE, "--calibrate", "data.npz", "-o", "int8.onnx")
    said = run(*words, fails=True)
    assert "error[CNN612]" in said
    assert not Path("int8.onnx").exists()
    assert "0.50 times as fast" in run(*words, "--allow-slower")


REFUSED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "no data": ((*QUANTIZE,), "--quantize needs samples: add --calibrate DATA"),
    "no quantize": (
        ("compile", "small.cnn", "--calibrate", "data.npz"),
        "--calibrate is for --quantize: leave it out, or add that",
    ),
    "slower alone": (
        ("compile", "small.cnn", "--allow-slower"),
        "--allow-slower is for --quantize",
    ),
    **{
        option: (
            (*QUANTIZE, "--calibrate", "data.npz", option),
            f"--quantize makes a model of its own: leave out {option}",
        )
        for option in ("--raw", "--float16", "--training")
    },
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_go_together_is_refused(
    data: Path, words: tuple[str, ...], message: str
) -> None:
    assert message in " ".join(run(*words, fails=True).split())
