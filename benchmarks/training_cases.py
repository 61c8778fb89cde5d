"""The networks and batches of the training benchmark, and what each step must come to.

They are shipped specs. Where one asks for more than a CPU does in a second or two, a row takes it
with a smaller input, which its name says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy

from cnndsl import pipeline, resources
from cnndsl.analysis.cost import macs_of, total
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.initializers import initialise
from cnndsl.recipe.losses.base import LabelKind
from cnndsl.recipe.recipe import Recipe
from cnndsl.typecheck.heads import head_positions, heads_of

__all__ = [
    "CASES",
    "Case",
    "Setup",
    "batch_of",
    "case_of",
    "load",
    "recipe_of",
    "step_flops",
    "weights_of",
]


@dataclass(frozen=True)
class Case:
    """A row: a shipped spec, a batch, and how many times PyTorch's speed the step must have.

    ``eager`` is the bound against PyTorch's eager mode, ``channels_last`` that against the same
    with tensors in that layout. ``input`` is put in the place of the spec's own; ``parameters``
    are the spec's.
    """

    network: str
    batch: int
    eager: float = 1.0
    channels_last: float = 1.0
    input: str = ""
    parameters: tuple[tuple[str, object], ...] = ()

    @property
    def key(self) -> str:
        """How the command line asks for it: ``lenet5:64``."""
        return f"{self.network}:{self.batch}"

    @property
    def title(self) -> str:
        """What the table calls it."""
        smaller = f", {self.input}" if self.input else ""
        return f"{self.network}{smaller}, batch {self.batch}"


@dataclass(frozen=True)
class Setup:
    """What a side trains, and how; without ``chance`` there is no dropout: losses are compared."""

    side: str
    network: TypedNetwork
    name: str
    batch: int
    device: str
    threads: int
    chance: bool = True

    @property
    def rate(self) -> float:
        """A hundredth of the spec's learning rate.

        Large first steps on random samples would magnify rounding errors, or end in no numbers.
        """
        how: Any = recipe_of(self.network).optimizer
        return float(how.lr) / 100


CASES = (
    Case("lenet5", 64, 2.0, 1.8),
    Case("lenet5", 1, 5.0, 5.0),
    Case("alexnet", 16, 1.15, 1.0),
    Case("vgg16", 4, 1.15, 1.0),
    Case("tdnn", 32, 1.15, 1.0),
    Case("textcnn", 64, 1.15, 1.0),
    Case("googlenet", 8, 1.1, 0.95),
    Case("resnet18", 8, 1.1, 0.95),
    Case("densenet121", 4, 1.1, 0.95),
    Case("resnet20", 128, 1.0, 0.85),
    Case("resnet20", 1, 1.0, 0.85),
    Case("resnet50", 4, 1.0, 0.85),
    Case("unet", 2, 1.0, 0.85, "1x128x128", (("border", 1),)),
    Case("c3d-small", 2, 1.0, 0.85, "3x16x64x64"),
    Case("mobilenetv2", 4, 0.9, 0.8),
)
"""The rows in their order, by families of networks."""


def case_of(text: str) -> Case:
    """The row that ``resnet18:8`` names; another batch of a network has its bounds too.

    Raises:
        ValueError: for a network that has no row.
    """
    name, _, batch = text.partition(":")
    rows = [case for case in CASES if case.network == name]
    if not rows:
        raise ValueError(f"no row has `{name}`")
    found = next((case for case in rows if case.key == text), rows[0])
    size = int(batch or found.batch)
    return Case(name, size, found.eager, found.channels_last, found.input, found.parameters)


def load(case: Case) -> TypedNetwork:
    """The network of a row."""
    parameters = dict(case.parameters)
    if not case.input:
        return pipeline.load(case.network, parameters)
    path = resources.specs() / f"{case.network}.cnn"
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"(?m)^expect .*\n|[ \t]*=> [^#\n]*", "", text)  # claims about its own size
    text = re.sub(r"(?m)^input \S+", f"input {case.input}", text, count=1)
    return pipeline.typed(pipeline.check_text(text, str(path), parameters))


def recipe_of(network: TypedNetwork) -> Recipe:
    """The recipe of its spec."""
    return network.network.recipe or Recipe()


def weights_of(network: TypedNetwork) -> dict[str, Any]:
    """The weights that all sides begin with, in the spec's order."""
    return initialise(network, 0, recipe_of(network).init, head_positions(network.network))


def step_flops(network: TypedNetwork, batch: int) -> int:
    """The floating point operations of a step's convolutions and matrix products.

    The gradients of an input and of a kernel cost what the forward pass does: three times its
    multiply-accumulates, each of two operations.
    """
    return 3 * 2 * batch * total(macs_of, network)


def batch_of(network: TypedNetwork, size: int) -> tuple[Any, dict[str, Any]]:
    """Random samples, and labels by the outputs that have a loss; the same on every side."""
    generator = numpy.random.default_rng(0)
    (taken,) = network.network.inputs
    shape = (size, *taken.type.dims)
    samples: Any
    if taken.type.vocabulary:
        samples = generator.integers(taken.type.vocabulary, size=shape)
    else:
        samples = generator.standard_normal(shape, numpy.float32)
    labels: dict[str, Any] = {}
    for head in heads_of(network.network):
        dims = (size, *network.types[head.position].dims)
        places = head.loss.label_dims(dims)
        if head.loss.labels is LabelKind.CLASS:
            labels[head.name] = generator.integers(dims[1], size=places)
        else:
            labels[head.name] = generator.random(places, numpy.float32)
    return samples, labels
