"""The selftest passes what is right, and each of its checks notices what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx_ir
import pytest
from click.testing import CliRunner

from cnndsl import pipeline
from cnndsl.autodiff.rules import RULES, Rule, VjpContext
from cnndsl.cli import main
from cnndsl.layers.activation import Tanh
from cnndsl.pipeline import selftest
from cnndsl.runtime.selftest import Check
from cnndsl.runtime.train_step import TrainStep

SPEC = """input 1x8x8
conv 3@3 -> batchnorm -> tanh -> dropout 0.2 -> maxpool 2 -> flatten -> dense 4 -> softmax
train {
  optimizer sgd lr 0.1 momentum 0.9
  batch 4
}
"""


def checks(spec: str = SPEC) -> dict[str, Check]:
    network = pipeline.typed(pipeline.check_text(spec))
    return {check.name: check for check in selftest(network, device="cpu", threads=1)}


def verdicts(spec: str = SPEC) -> dict[str, str]:
    return {name.split()[0]: check.verdict for name, check in checks(spec).items()}


def test_a_right_network_passes() -> None:
    found = verdicts()
    assert found.pop("CPU") in ("passed", "skipped")
    assert found == {
        "gradients": "passed",
        "inference": "passed",
        "save": "passed",
        "one": "passed",
    }


@pytest.mark.parametrize("loss", ["mse", "binarycrossentropy", "hinge"])
def test_every_loss_can_be_tested(loss: str) -> None:
    found = verdicts(SPEC.replace("batch 4", f"batch 4\n  loss {loss}"))
    assert "failed" not in (found["gradients"], found["inference"], found["save"])


def test_a_normalisation_is_known_whatever_its_label() -> None:
    """It is the layers before it whose weights the inference graph is compared by."""
    labelled = SPEC.replace("dense 4 -> softmax", "dense 4\nlast: batchnorm\nsoftmax")
    assert verdicts(labelled)["inference"] == "passed"


@pytest.mark.parametrize(
    "body",
    [
        "conv 3@3 -> relu -> stochasticpool 2",
        "conv 3@3 -> fractionalmaxpool 4",
        "flatten -> dropconnect 5",
        "spatialdropout 0.3 -> conv 3@3 -> alphadropout 0.2 -> droppath 0.3",
    ],
)
def test_layers_that_draw_are_compared_without_chance(body: str) -> None:
    found = verdicts(f"input 1x8x8\n{body} -> flatten -> dense 4 -> softmax\n")
    assert [found[name] for name in ("gradients", "inference", "save", "one")] == ["passed"] * 4


def test_a_training_form_that_is_not_drawn_is_compared() -> None:
    found = verdicts("input 1x4x4\nflatten -> rbf 4 -> softmax\ntrain { optimizer sgd lr 0.1 }\n")
    assert found["inference"] == "passed"


def test_a_network_of_normalisations_alone_has_nothing_to_compare() -> None:
    alone = SPEC.replace("conv 3@3 -> batchnorm", "batchnorm").replace("dense 4 -> ", "")
    assert verdicts(alone)["inference"] == "skipped"


def test_it_says_what_it_measured() -> None:
    found = checks()
    assert found["save and resume"].measured.endswith(" weights after 2 steps: bit-equal")
    assert found["gradients against differences"].measured.startswith("worst ")


UNET = """input 1x32x32
a = conv 8@3 padding same -> relu
maxpool 2
conv 16@3 padding same -> relu
upconv 8@2 stride 2 -> relu
concat(identity, a)
conv CHANNELS@1
train { loss LOSS }
"""


@pytest.mark.parametrize(
    ("loss", "channels"),
    [
        ("crossentropy", 2),
        ("crossentropy", 10),
        ("binarycrossentropy", 1),
        ("mse", 1),
        ("hinge", 3),
    ],
)
def test_a_network_with_an_answer_for_each_place_learns_labels_that_it_can_express(
    loss: str, channels: int
) -> None:
    """1,024 random labels for a sample would be more than its weights can hold."""
    spec = UNET.replace("LOSS", loss).replace("CHANNELS", str(channels))
    assert checks(spec)["one batch overfitted"].verdict == "passed"


def test_a_head_that_is_no_output_has_labels_that_it_can_express() -> None:
    spec = UNET.replace("-> relu\nconcat", "-> relu\nside: conv 3@1\nconv 8@1\nconcat")
    spec = spec.replace("{ loss LOSS }", "{\n  loss crossentropy\n  loss side mse\n}")
    assert checks(spec.replace("CHANNELS", "2"))["one batch overfitted"].verdict == "passed"


@pytest.mark.parametrize("spec", ["input 4\ndense 2\n", "input 3\ndense 4 -> tanh -> dense 2\n"])
def test_a_small_network_takes_larger_steps(spec: str) -> None:
    assert (
        checks(f"{spec}train {{ loss crossentropy }}\n")["one batch overfitted"].verdict == "passed"
    )


def test_a_network_with_an_answer_for_each_place_that_learns_nothing_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rules = ("Conv", "ConvTranspose")

    def wrong(right: Rule) -> Rule:
        def negated(backward: VjpContext) -> list[onnx_ir.Value | None]:
            parts = right(backward)
            return [None if part is None else backward.op("Neg", part) for part in parts]

        return negated

    for name in rules:
        monkeypatch.setitem(RULES, name, wrong(RULES[name]))
    found = checks(UNET.replace("LOSS", "mse").replace("CHANNELS", "1"))
    assert found["one batch overfitted"].verdict == "failed"


@pytest.fixture
def wrong_tanh(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient of tanh is half of what it should be."""
    right = RULES["Tanh"]

    def half(backward: VjpContext) -> Iterator[onnx_ir.Value | None]:
        for part in right(backward):
            yield None if part is None else backward.op("Mul", part, backward.scalar(0.5))

    monkeypatch.setitem(RULES, "Tanh", lambda backward: [*half(backward)])


@pytest.mark.usefixtures("wrong_tanh")
def test_a_wrong_gradient_is_noticed() -> None:
    assert checks()["gradients against differences"].verdict == "failed"


def test_a_training_form_that_is_another_network_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lower = Tanh.lower
    monkeypatch.setattr(
        Tanh, "lower", lambda self, emit, context: emit.op("Sigmoid", *context.inputs)
    )
    monkeypatch.setattr(Tanh, "lower_training", lower)
    spec = SPEC.replace(" -> dropout 0.2", "")
    assert checks(spec)["inference graph against training graph"].verdict == "failed"


def test_a_state_that_is_lost_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def empty(train_step: TrainStep) -> dict[str, object]:
        return {name: 0 * array for name, array in state(train_step).items()}

    state = TrainStep.state
    monkeypatch.setattr(TrainStep, "state", empty)
    found = checks()["save and resume"]
    assert found.verdict == "failed"
    assert found.measured.endswith("differs")


def test_a_network_that_learns_nothing_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    run = TrainStep.run

    def idle(train_step: TrainStep, *arguments: object) -> object:
        inputs, labels, _, number, seed = arguments
        return run(train_step, inputs, labels, 0.0, number, seed)  # type: ignore[arg-type]

    monkeypatch.setattr(TrainStep, "run", idle)
    assert checks()["one batch overfitted"].verdict == "failed"


@pytest.mark.usefixtures("wrong_tanh")
def test_the_command_fails_with_its_code(tmp_path: Path) -> None:
    path = tmp_path / "net.cnn"
    path.write_text(SPEC)
    result = CliRunner().invoke(main, ["selftest", str(path), "--device", "cpu"])
    assert result.exit_code == 1
    assert "failed   gradients against differences: worst " in result.output
    assert "error[CNN811]: `net` failed " in result.output


def test_the_command_prints_a_line_for_each_check(tmp_path: Path) -> None:
    path = tmp_path / "net.cnn"
    path.write_text(SPEC)
    result = CliRunner().invoke(main, ["selftest", str(path), "--device", "cpu"])
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split(":")[0][9:] for line in lines] == [*checks()]
