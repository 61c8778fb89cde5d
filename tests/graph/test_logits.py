"""What stands before an output's last activation is handed over by lowering."""

from __future__ import annotations

import onnx_ir
import pytest

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.builder import GraphBuilder
from cnndsl.graph.lower import Forward, lower_into
from cnndsl.pipeline import check_text, typed
from cnndsl.recipe.losses.base import Loss
from cnndsl.recipe.losses.binarycrossentropy import BinaryCrossEntropy
from cnndsl.recipe.losses.crossentropy import CrossEntropy
from cnndsl.recipe.losses.hinge import Hinge
from cnndsl.recipe.losses.mse import MeanSquaredError
from cnndsl.typecheck.scores import scores

ALL = [CrossEntropy(), BinaryCrossEntropy(), Hinge(), MeanSquaredError()]


def lowered(text: str) -> tuple[TypedNetwork, Forward]:
    network = typed(check_text(text))
    emit = GraphBuilder()
    forward = lower_into(
        emit,
        network,
        network.network.outputs,
        lambda node, context: node.layer.lower(emit, context),
    )
    return network, forward


@pytest.mark.parametrize(
    ("ending", "activation"),
    [
        ("softmax", "softmax"),
        ("softmax -> identity", "softmax"),
        ("softmax -> dropout 0 -> flatten", "softmax"),
        ("sigmoid", "sigmoid"),
        ("tanh", "tanh"),
        ("relu", "relu"),
    ],
)
def test_the_value_that_the_last_activation_took(ending: str, activation: str) -> None:
    network, forward = lowered(f"input 6\ns: dense 4 -> {ending}\n")
    found = forward.logits[network.network.main_output]
    assert found is not None
    assert found.activation == activation
    assert found.source.name == "s"
    assert forward.scores(network.network.main_output, activation) is found.source


@pytest.mark.parametrize(
    "ending",
    ["identity", "dropout 0.5", "softmax -> dropout 0.1", "softmax -> dense 3"],
)
def test_where_no_activation_made_the_output_there_are_none(ending: str) -> None:
    network, forward = lowered(f"input 6\ns: dense 4 -> {ending}\n")
    at = network.network.main_output
    assert forward.logits == {at: None}
    assert forward.scores(at, "softmax") is forward.values[at]


def test_a_loss_about_another_activation_takes_the_output() -> None:
    network, forward = lowered("input 6\ndense 4 -> sigmoid\n")
    at = network.network.main_output
    assert forward.scores(at, "softmax") is forward.values[at]
    assert forward.scores(at, "") is forward.values[at]


def test_places_that_were_flattened_are_no_distribution() -> None:
    network, forward = lowered("input 3x2x2\nconv 4@1 -> softmax -> flatten\n")
    assert forward.logits == {network.network.main_output: None}


def test_only_outputs_and_heads_can_be_asked_for() -> None:
    """Else a loss behind a softmax could take probabilities for scores, in silence."""
    network, forward = lowered("input 6\ndense 4 -> softmax -> dense 3\n")
    with pytest.raises(KeyError):
        forward.scores(network.network.main_output - 1, "softmax")


def test_each_output_has_its_own() -> None:
    text = "input 6\na: dense 4\nside = a -> softmax\nb: dense 2 -> sigmoid\noutput side\n"
    network, forward = lowered(text)
    found = {name: forward.logits[position] for name, position in network.network.outputs.items()}
    named = {name: (one.activation, one.source.name) for name, one in found.items() if one}
    assert named["side"] == ("softmax", "a")
    assert ("sigmoid", "b") in named.values()


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize(
    "ending", ["softmax", "sigmoid -> flatten", "softmax -> noise 0.1", "relu"]
)
def test_lowering_and_checking_speak_of_the_same_numbers(ending: str, loss: Loss) -> None:
    network, forward = lowered(f"input 6\ns: dense 4 -> {ending}\n")
    value: onnx_ir.Value = forward.scores(network.network.main_output, loss.activation)
    assert value is forward.values[scores(network, loss)]
