"""Which numbers a loss takes: the output, or what stands before its softmax or sigmoid."""

from __future__ import annotations

import pytest

from cnndsl.pipeline import check_text, typed
from cnndsl.recipe.losses.base import Loss
from cnndsl.recipe.losses.binarycrossentropy import BinaryCrossEntropy
from cnndsl.recipe.losses.crossentropy import CrossEntropy
from cnndsl.recipe.losses.hinge import Hinge
from cnndsl.recipe.losses.mse import MeanSquaredError
from cnndsl.typecheck.scores import scores

CE, BCE, HINGE, MSE = CrossEntropy(), BinaryCrossEntropy(), Hinge(), MeanSquaredError()

BEFORE_SOFTMAX = [
    "s: dense 4 -> softmax",
    "s: dense 4 -> softmax -> identity",
    "s: dense 4 -> softmax -> flatten",
    "s: dense 4 -> softmax -> dropout 0 -> noise 0 -> identity",
    "s: dense 4\nanswer()",
    "s: dense 4 -> relu -> softmax",
    "s: dense 4 -> softmax -> softmax",
    "s: dense 4 -> logsoftmax",
    "s: dense 4 -> logsoftmax -> identity",
]
AS_IT_IS = [
    "dense 4 -> softmax -> dropout 0.1",
    "dense 4 -> softmax -> noise 0.1",
    "dense 4 -> softmax -> relu",
    "dense 4 -> logsoftmax -> relu",
    "dense 4\nconcat(softmax, softmax)",
    "dense 4\nadd(softmax, identity)",
    "dense 4 -> sigmoid",
    "dense 4",
]
BLOCK = "block answer() { softmax -> identity }\n"


def taken(body: str, loss: Loss, size: str = "6") -> str:
    network = typed(check_text(f"{BLOCK}input {size}\n{body}\n"))
    return network.network.nodes[scores(network, loss)].name


def output(body: str, size: str = "6") -> str:
    network = typed(check_text(f"{BLOCK}input {size}\n{body}\n"))
    return network.network.nodes[network.network.outputs["output"]].name


@pytest.mark.parametrize("body", BEFORE_SOFTMAX)
def test_crossentropy_takes_what_the_last_softmax_was_given(body: str) -> None:
    expected = {"-> relu": "relu1", "-> softmax -> softmax": "softmax1"}
    name = next((name for part, name in expected.items() if part in body), "s")
    assert taken(body, CE) == name


@pytest.mark.parametrize("body", AS_IT_IS)
@pytest.mark.parametrize("loss", [CE, HINGE, MSE], ids=lambda loss: str(loss.keyword))
def test_where_no_softmax_made_the_output_it_is_taken_as_it_is(body: str, loss: Loss) -> None:
    assert taken(body, loss) == output(body)


@pytest.mark.parametrize("body", BEFORE_SOFTMAX)
@pytest.mark.parametrize("loss", [HINGE, MSE, BCE], ids=lambda loss: str(loss.keyword))
def test_other_losses_do_not_look_behind_a_softmax(body: str, loss: Loss) -> None:
    assert taken(body, loss) == output(body)


def test_binarycrossentropy_takes_what_the_last_sigmoid_was_given() -> None:
    assert taken("s: dense 4 -> sigmoid", BCE) == "s"
    assert taken("s: dense 4 -> sigmoid -> identity", BCE) == "s"
    assert taken("s: conv 2@1 -> sigmoid -> flatten", BCE, "3x4x4") == "s"
    assert taken("dense 4 -> sigmoid -> dropout 0.1", BCE) == "dropout1"


def test_a_softmax_over_channels_is_none_over_the_flattened_places() -> None:
    assert taken("s: conv 4@1 -> softmax -> flatten", CE, "3x2x2") == "flatten1"
    assert taken("s: conv 4@1 -> softmax", CE, "3x2x2") == "s"
    assert taken("s: conv 4@2 -> softmax -> flatten", CE, "3x2x2") == "s"
