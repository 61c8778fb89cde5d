"""Networks with shared weights against PyTorch, where one module is called on several streams.

The PyTorch side is written by hand: it knows nothing of owners.
"""

from __future__ import annotations

from typing import Any

import numpy
import pytest
from oracle import Array, relative_error
from training_steps import StepTrainer

from cnndsl import pipeline
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.initializers import initialise
from cnndsl.recipe.recipe import Recipe
from cnndsl.training.step import build_step

torch: Any = pytest.importorskip("torch")
nn: Any = torch.nn

STEPS = 20

SPEC = """\
input left 1x10x10
input right 1x7x8
block tower() { conv 4@3 padding 1 bias no -> batchnorm -> relu -> globalavgpool }
one = left -> a: tower() -> fold: dense 3
two = right -> b: tower() share a -> dense 3 share fold
concat(maximum(one, two), multiply(one, two)) -> head: dense 2 -> softmax
train {
  batch 6
  optimizer sgd lr 0.05 momentum 0.9
  RECIPE
}
"""

NAMES = {
    "a.conv1.weight": "conv.weight",
    "a.batchnorm1.scale": "norm.weight",
    "a.batchnorm1.bias": "norm.bias",
    "a.batchnorm1.mean": "norm.running_mean",
    "a.batchnorm1.var": "norm.running_var",
    "fold.weight": "fold.weight",
    "fold.bias": "fold.bias",
    "head.weight": "head.weight",
    "head.bias": "head.bias",
}
"""Our names of weights, and PyTorch's."""


class Twin(nn.Module):  # type: ignore[misc]
    """One tower for two pictures of unlike sizes, one dense layer for what it gives."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.fold = nn.Linear(4, 3)
        self.head = nn.Linear(6, 2)

    def tower(self, x: Any) -> Any:
        return torch.relu(self.norm(self.conv(x))).mean((2, 3))

    def forward(self, left: Any, right: Any) -> Any:
        one, two = self.fold(self.tower(left)), self.fold(self.tower(right))
        return self.head(torch.cat([torch.maximum(one, two), one * two], 1))


def load(recipe: str = "") -> TypedNetwork:
    return pipeline.typed(pipeline.check_text(SPEC.replace("RECIPE", recipe)))


def twin(weights: dict[str, Array]) -> Any:
    """The module with our weights, in float64."""
    module = Twin().double()
    state = {NAMES[name]: torch.tensor(array).double() for name, array in weights.items()}
    assert set(state) == {*module.state_dict()} - {"norm.num_batches_tracked"}
    module.load_state_dict(state, strict=False)
    return module


def compare(typed: TypedNetwork, rates: dict[str, float], frozen: tuple[str, ...] = ()) -> None:
    """Train both for twenty steps, and hold losses, weights and running statistics together."""
    recipe = typed.network.recipe or Recipe()
    weights = initialise(typed, 0, recipe.init)
    assert set(weights) == set(NAMES)
    ours = StepTrainer(build_step(typed, recipe), weights)
    module = twin(dict(weights))
    groups = [
        {"params": [value], "lr": 0.05 * rates.get(name.partition(".")[0], 1.0)}
        for name, value in module.named_parameters()
        if name.partition(".")[0] not in frozen
    ]
    optimizer = torch.optim.SGD(groups, lr=0.05, momentum=0.9)
    if "norm" in frozen:
        module.norm.eval()
    random = numpy.random.default_rng(3)
    for at in range(STEPS):
        left, right = (
            random.standard_normal((6, *node.type.dims), numpy.float32)
            for node in typed.network.inputs
        )
        labels = random.integers(2, size=6)
        loss, _ = ours.step({"left": left, "right": right}, labels, 0.05)
        optimizer.zero_grad()
        scores = module(*(torch.tensor(one).double() for one in (left, right)))
        expected = nn.functional.cross_entropy(scores, torch.tensor(labels))
        expected.backward()
        optimizer.step()
        assert loss == pytest.approx(float(expected.detach()), rel=1e-4), f"the loss of step {at}"
    state = module.state_dict()
    for name, theirs in NAMES.items():
        assert relative_error(ours.values[name], numpy.asarray(state[theirs])) < 1e-3, name


def test_twenty_steps_of_a_siamese_network_are_those_of_pytorch() -> None:
    compare(load(), {})


def test_the_rate_of_shared_weights_is_their_owners() -> None:
    compare(load("lr_factor a 0.1\n  lr_factor fold 3"), {"conv": 0.1, "norm": 0.1, "fold": 3.0})


def test_frozen_shared_layers_are_as_in_inference_in_every_use() -> None:
    compare(load("freeze a"), {}, frozen=("conv", "norm"))


def test_the_gradient_of_a_shared_weight_is_the_sum_over_its_uses() -> None:
    typed = load()
    weights = initialise(typed, 0, Recipe().init)
    ours = StepTrainer(build_step(typed), weights, double=True)
    module = twin(dict(weights))
    random = numpy.random.default_rng(5)
    left, right = (random.standard_normal((6, *node.type.dims)) for node in typed.network.inputs)
    labels = random.integers(2, size=6)
    ours.step({"left": left, "right": right}, labels, 0.1)
    scores = module(torch.tensor(left), torch.tensor(right))
    nn.functional.cross_entropy(scores, torch.tensor(labels)).backward()
    gradients = {name: value.grad for name, value in module.named_parameters()}
    for name, theirs in NAMES.items():
        if theirs in gradients:
            found = ours.values[f"{name}.velocity"]
            assert relative_error(found, numpy.asarray(gradients[theirs])) < 1e-6, name
