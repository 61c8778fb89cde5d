"""What an output's numbers mean follows from the last layers and the loss."""

import pytest

from cnndsl.pipeline import check_text, typed
from cnndsl.typecheck.answers import Answers, answers_of


def meanings(body: str, loss: str = "") -> dict[str, Answers]:
    train = f"train {{\n  loss {loss}\n}}\n" if loss else ""
    return answers_of(typed(check_text(f"network n\ninput 1x4x4\n{body}\n{train}")))


@pytest.mark.parametrize(
    ("last", "loss", "kind", "ranked"),
    [
        ("flatten -> dense 3 -> softmax", "", "probability", True),
        ("flatten -> dense 3 -> softmax -> dropout 0.1", "", "probability", True),
        ("flatten -> dense 3 -> softmax", "mse", "probability", True),
        ("conv 3@4 -> softmax -> flatten", "", "probability", True),
        ("conv 3@3 -> softmax", "", "probability", True),
        ("conv 3@3 -> softmax -> flatten", "binarycrossentropy", "probability", False),
        ("flatten -> dense 3 -> logsoftmax", "", "score", True),
        ("flatten -> dense 3 -> logsoftmax", "crossentropy", "score", True),
        ("flatten -> dense 3 -> logsoftmax", "mse", "value", False),
        ("conv 3@3 -> logsoftmax -> flatten", "", "score", False),
        ("flatten -> dense 3 -> hardsigmoid", "", "probability", False),
        ("flatten -> dense 3 -> sigmoid", "", "probability", False),
        ("flatten -> dense 3 -> sigmoid", "binarycrossentropy", "probability", False),
        ("flatten -> dense 3 -> sigmoid -> identity", "mse", "value", False),
        ("flatten -> dense 3", "mse", "value", False),
        ("flatten -> dense 3", "binarycrossentropy", "score", False),
        ("flatten -> dense 3", "hinge", "score", True),
        ("flatten -> dense 3", "", "score", True),
        ("flatten -> dense 3 -> relu", "crossentropy", "score", True),
    ],
)
def test_the_last_layer_and_the_loss_decide(last: str, loss: str, kind: str, ranked: bool) -> None:
    found = meanings(last, loss)["output"]
    assert (found.kind, found.ranked) == (kind, ranked)


@pytest.mark.parametrize(
    ("last", "places"),
    [
        ("conv 3@3 -> softmax -> flatten", (2, 2)),
        ("conv 3@3 -> flatten -> sigmoid", (2, 2)),
        ("conv 3@3 -> softmax", ()),
        ("conv 3@4 -> softmax -> flatten", ()),
        ("flatten -> dense 4", ()),
    ],
)
def test_a_map_that_was_flattened_keeps_its_places(last: str, places: tuple[int, ...]) -> None:
    assert meanings(last)["output"].places == places


def test_further_outputs_have_meanings_of_their_own() -> None:
    body = "flatten\na: dense 4\ndense 5\nb: sigmoid\ndense 3 -> softmax\noutput a\noutput b"
    found = meanings(body, "crossentropy")
    assert list(found) == ["output", "a", "b"]
    assert found["output"] == Answers("probability", ranked=True)
    assert found["a"] == Answers("value")
    assert found["b"] == Answers("probability")


@pytest.mark.parametrize("answers", [Answers(), Answers("probability", ranked=True)])
def test_a_meaning_comes_back_from_its_plain_data(answers: Answers) -> None:
    assert Answers.from_json(answers.to_json()) == answers
    with pytest.raises(ValueError, match="no answers of the kind"):
        Answers.from_json({**answers.to_json(), "kind": "guess"})
