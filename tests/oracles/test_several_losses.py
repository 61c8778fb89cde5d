"""Networks with a loss for each of several heads against PyTorch, whose side is written by hand."""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from oracle import Array, relative_error

from cnndsl import pipeline
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.initializers import initialise
from cnndsl.graph.lower import network_weights
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.train_step import TrainStep
from cnndsl.training.step import build_step
from cnndsl.typecheck.heads import heads_of

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn
F: Any = torch.nn.functional

STEPS = 20

GOOGLENET = """\
import "std/inception"
input 2x14x14
stem: conv 6@3 padding 1 -> relu
one: inception(3, 2, 3, 2, 3, 2)
aux1_features = globalavgpool -> a: dense 8 -> relu
aux1_features -> aux1: dense 3 -> softmax
one -> two: inception(2, 2, 3, 2, 2, 2)
corners = globalavgpool -> box: dense 4
two -> globalavgpool -> head: dense 3 -> softmax
output corners
train {
  batch 5
  optimizer sgd lr 0.05 momentum 0.9
  loss crossentropy smoothing 0.1
  loss softmax1 crossentropy weight 0.3
  loss corners mse weight 2
}
"""
"""An auxiliary head that only training has, and a second output with labels of its own."""


class Inception(nn.Module):  # type: ignore[misc]
    """The module of the GoogLeNet paper: four branches, joined by their channels."""

    def __init__(self, inputs: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pool = sizes
        self.branch1 = nn.Conv2d(inputs, one, 1)
        self.reduce3 = nn.Conv2d(inputs, reduce3, 1)
        self.branch3 = nn.Conv2d(reduce3, three, 3, padding=1)
        self.reduce5 = nn.Conv2d(inputs, reduce5, 1)
        self.branch5 = nn.Conv2d(reduce5, five, 5, padding=2)
        self.pool = nn.Conv2d(inputs, pool, 1)

    def forward(self, x: Any) -> Any:
        branches = (
            self.branch1(x),
            self.branch3(torch.relu(self.reduce3(x))),
            self.branch5(torch.relu(self.reduce5(x))),
            self.pool(F.max_pool2d(x, 3, 1, 1)),
        )
        return torch.relu(torch.cat(branches, 1))


class Net(nn.Module):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.one = Inception(6, (3, 2, 3, 2, 3, 2))
        self.a = nn.Linear(11, 8)
        self.aux1 = nn.Linear(8, 3)
        self.two = Inception(11, (2, 2, 3, 2, 2, 2))
        self.box = nn.Linear(9, 4)
        self.head = nn.Linear(9, 3)

    def forward(self, x: Any) -> tuple[Any, Any, Any]:
        one = self.one(torch.relu(self.stem(x)))
        two = self.two(one).mean((2, 3))
        aux = self.aux1(torch.relu(self.a(one.mean((2, 3)))))
        return self.head(two), aux, self.box(two)


def names(typed: TypedNetwork) -> dict[str, str]:
    """PyTorch's name of each of our weights; the convolutions of a module are in one order."""
    order = [
        *("branch1", "reduce3", "branch3", "reduce5", "branch5", "pool"),
    ]
    found = {}
    heads = [head.position for head in heads_of(typed.network)]
    counts = {"one": 0, "two": 0}
    for name in network_weights(typed, heads):
        scope, kind = name.split(".")[0], name.rpartition(".")[2]
        if scope in counts:
            found[name] = f"{scope}.{order[counts[scope] // 2]}.{kind}"
            counts[scope] += 1
        else:
            found[name] = name
    return found


def test_twenty_steps_with_three_losses_are_those_of_pytorch() -> None:
    typed = pipeline.typed(pipeline.check_text(GOOGLENET))
    recipe = typed.network.recipe or Recipe()
    heads = heads_of(typed.network)
    assert [head.name for head in heads] == ["output", "softmax1", "corners"]
    weights = initialise(typed, 0, recipe.init, [head.position for head in heads])
    step = build_step(typed)
    ours = TrainStep(step, weights, device="cpu", threads=1)
    module = Net().double()
    known = names(typed)
    module.load_state_dict(
        {known[name]: torch.tensor(one).double() for name, one in weights.items()}
    )
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    random = numpy.random.default_rng(2)
    for at in range(STEPS):
        x = random.standard_normal((5, 2, 14, 14), numpy.float32)
        classes = random.integers(3, size=5)
        boxes = random.standard_normal((5, 4), numpy.float32)
        labels: dict[str, Array] = {"output": classes, "softmax1": classes, "corners": boxes}
        found = ours.run({"input": x}, labels, 0.05, at, 0)
        optimizer.zero_grad()
        main, aux, box = module(torch.tensor(x).double())
        truth = torch.tensor(classes)
        parts = {
            "loss.output": F.cross_entropy(main, truth, label_smoothing=0.1),
            "loss.softmax1": F.cross_entropy(aux, truth),
            "loss.corners": F.mse_loss(box, torch.tensor(boxes).double()),
        }
        total = parts["loss.output"] + 0.3 * parts["loss.softmax1"] + 2 * parts["loss.corners"]
        total.backward()
        optimizer.step()
        assert found.loss == pytest.approx(float(total.detach()), rel=1e-4), f"step {at}"
        for name, part in parts.items():
            assert found.metrics[name] == pytest.approx(float(part.detach()), rel=1e-4), name
        assert found.metrics["correct"] == int((main.argmax(1) == truth).sum())
        assert found.metrics["correct.softmax1"] == int((aux.argmax(1) == truth).sum())
        error = float((box - torch.tensor(boxes)).abs().mean().detach())
        assert found.metrics["absolute_error.corners"] == pytest.approx(error, rel=1e-4)
    state = module.state_dict()
    after = ours.weights()
    assert set(after) == set(known)
    for name, theirs in known.items():
        assert relative_error(after[name], numpy.asarray(state[theirs])) < 1e-3, name


def test_a_head_named_only_in_losses_is_not_in_the_inference_model() -> None:
    typed = pipeline.typed(pipeline.check_text(GOOGLENET))
    assert [*typed.network.outputs] == ["output", "corners"]
    inference = set(network_weights(typed))
    training = set(network_weights(typed, [head.position for head in heads_of(typed.network)]))
    assert training - inference == {"a.weight", "a.bias", "aux1.weight", "aux1.bias"}
    from cnndsl.graph.lower import lower

    assert set(lower(typed).graph.initializers) == inference
