"""A step in shards: its bits depend on how many there are, never on who computes them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cnndsl import pipeline
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.frozen import replace
from cnndsl.graph.initializers import initialise
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.sharded_step import PeerError, ShardedTrainStep
from cnndsl.runtime.train_step import StepResult, TrainStep
from cnndsl.runtime.workers.communicator import ALONE, Communicator
from cnndsl.runtime.workers.threads import together
from cnndsl.training.shards import Span, added, covering, shard_of, shards_of
from cnndsl.training.split import build_shards
from cnndsl.training.step import build_step

Arrays = dict[str, NDArray[Any]]
Trained = tuple[list[StepResult], Arrays, Arrays]

CHANCE = """input 1x12x12
c: conv 8@3 padding 1 -> relu -> noise 0.1 -> maxpool 2 -> dropout 0.25
flatten -> dropconnect 10 rate 0.3 -> softmax
train { optimizer sgd lr 0.1 momentum 0.9
 clip 1.0 }
"""
STATISTICS = CHANCE.replace("relu ->", "batchnorm -> relu ->")
PRODUCTS = """input 1x20x20
flatten -> dense 120 -> tanh -> dense 84 -> tanh -> dense 10 -> softmax
train { optimizer sgd lr 0.1 momentum 0.9 }
"""
DRAWN = """input 1x9x9
conv 4@3 -> droppath 0.3 -> spatialdropout 0.3 -> alphadropout 0.1 -> flatten -> dense 10 -> softmax
train { optimizer adam }
"""

SMOOTH = """input 1x32x32
conv 6@5 -> tanh -> avgpool 2 -> conv 16@5 -> tanh -> avgpool 2
flatten -> dense 120 -> tanh -> dense 84 -> tanh -> dense 10 -> softmax
train { optimizer sgd lr 0.05 momentum 0.9 }
"""
"""LeNet-5: nothing in it decides by comparing, as ReLU and the largest of four do."""


def network(text: str, batch: int, shards: int) -> tuple[TypedNetwork, Recipe]:
    typed = pipeline.typed(pipeline.check_text(text))
    assert typed.network.recipe is not None
    return typed, replace(typed.network.recipe, batch=batch, shards=shards)


def batches(typed: TypedNetwork, batch: int, steps: int) -> list[tuple[Arrays, NDArray[Any]]]:
    random = numpy.random.default_rng(0)
    dims = typed.network.inputs[0].type.dims
    return [
        (
            {"input": random.standard_normal((batch, *dims)).astype(numpy.float32)},
            random.integers(0, 10, batch),
        )
        for _ in range(steps)
    ]


def trained(
    text: str, batch: int, shards: int, workers: int, steps: int = 6, threads: int = 1
) -> list[Trained]:
    """What each of some workers has after some steps."""
    typed, recipe = network(text, batch, shards)
    weights = initialise(typed, 0, recipe.init)
    step = build_shards(typed, recipe)
    fed = batches(typed, batch, steps)

    def work(others: Communicator) -> Trained:
        one = ShardedTrainStep(step, weights, device="cpu", threads=threads, workers=others)
        first, end = one.samples
        shown = [
            one.run({"input": x["input"][first:end]}, y[first:end], 0.05, at, 7)
            for at, (x, y) in enumerate(fed)
        ]
        return shown, one.weights(), one.state()

    return together(workers, work)


def fused(text: str, batch: int, steps: int = 6) -> Trained:
    """What a step that knows no shards has."""
    typed, recipe = network(text, batch, 1)
    weights = initialise(typed, 0, recipe.init)
    one = TrainStep(build_step(typed, recipe), weights, device="cpu", threads=1)
    fed = batches(typed, batch, steps)
    return [one.run(x, y, 0.05, at, 7) for at, (x, y) in enumerate(fed)], one.weights(), one.state()


def digest(found: Trained) -> str:
    shown, *arrays = found
    total = hashlib.sha256(repr(shown).encode())
    for some in arrays:
        for name in sorted(some):
            total.update(some[name].tobytes())
    return total.hexdigest()


# --- the tree ---------------------------------------------------------------------------------


@given(st.integers(1, 40), st.data())
def test_workers_divide_the_shards_and_add_in_one_order(shards: int, data: st.DataObject) -> None:
    workers = data.draw(st.integers(1, shards))
    spans = [shards_of(at, workers, shards) for at in range(workers)]
    assert [at for first, end in spans for at in range(first, end)] == [*range(shards)]
    lengths = [end - first for first, end in spans]
    assert max(lengths) - min(lengths) <= 1

    def leaf(span: Span) -> str | None:
        return str(span[0]) if span[1] - span[0] == 1 else None

    def add(left: str, right: str) -> str:
        return f"({left}+{right})"

    whole = (0, shards)
    known = {node: added(node, leaf, add) for span in spans for node in covering(span, whole)}
    assert added(whole, known.get, add) == added(whole, leaf, add)


@given(st.integers(1, 300), st.data())
def test_the_shards_are_the_batch(batch: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, batch))
    shards = [shard_of(at, batch, count) for at in range(count)]
    assert [at for one in shards for at in range(one.first, one.first + one.size)] == [
        *range(batch)
    ]
    assert {one.size for one in shards} <= {batch // count, batch // count + 1}
    assert sum(one.share for one in shards) == pytest.approx(1)


# --- bits -------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [CHANCE, STATISTICS, DRAWN])
@pytest.mark.parametrize(("batch", "shards", "counts"), [(16, 4, (2, 3, 4)), (17, 6, (2, 3, 5, 6))])
def test_any_number_of_workers_gives_the_same_bits(
    text: str, batch: int, shards: int, counts: Sequence[int]
) -> None:
    [alone] = trained(text, batch, shards, 1)
    for count in counts:
        assert {digest(one) for one in trained(text, batch, shards, count)} == {digest(alone)}


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_threads_changes_no_bit(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Products of these sizes have other bits on two threads than on one."""
    monkeypatch.setattr("cnndsl.runtime.start.processors", lambda: 8)
    found = {
        digest(one)
        for threads in (1, 2, 3, 8)
        for one in trained(PRODUCTS, 64, 4, workers, steps=2, threads=threads)
    }
    assert len(found) == 1


@pytest.mark.parametrize("text", [CHANCE, DRAWN])
@pytest.mark.parametrize(("batch", "shards"), [(16, 4), (17, 6), (3, 3)])
def test_shards_draw_what_the_whole_batch_draws(text: str, batch: int, shards: int) -> None:
    """Without batch normalisation, only the order of the additions is another."""
    [(shown, weights, state)] = trained(text, batch, shards, 1)
    losses, others, states = fused(text, batch)
    for one, other in zip(shown, losses, strict=True):
        assert one.loss == pytest.approx(other.loss, rel=1e-5)
        assert one.metrics == other.metrics
    for name, array in {**others, **states}.items():
        assert numpy.allclose({**weights, **state}[name], array, rtol=1e-4, atol=2e-6), name


@pytest.mark.parametrize("shards", [4, 6])
@pytest.mark.parametrize("chance", ["", " -> noise 0.1 -> dropout 0.2"])
def test_fifty_steps_in_shards_stay_with_those_in_one_graph(chance: str, shards: int) -> None:
    """Decision 0103 has the distance of both from steps in float64: it is larger than this one."""
    text = SMOOTH.replace("84 -> tanh", f"84 -> tanh{chance}")
    [(shown, weights, _)] = trained(text, 32, shards, 1, steps=50)
    losses, others, _ = fused(text, 32, steps=50)
    assert [one.loss for one in shown] == pytest.approx([one.loss for one in losses], rel=1e-6)
    assert norm({name: weights[name] - others[name] for name in others}) < 1e-6 * norm(others)


def norm(arrays: Arrays) -> float:
    """The length of all of them together."""
    return float(sum(numpy.square(array, dtype=float).sum() for array in arrays.values()) ** 0.5)


@pytest.mark.parametrize(("batch", "shards"), [(16, 4), (10, 4)])
def test_metrics_are_those_of_the_whole_batch(batch: int, shards: int) -> None:
    typed, recipe = network(CHANCE, batch, shards)
    halves = build_shards(typed, recipe).gradients.values()
    counts = [step.signature.metrics["output"].count for step in halves]
    assert counts == [batch] * len(counts)


def test_one_shard_is_the_fused_step() -> None:
    """But for an update that the fused step makes part of a product."""
    [(shown, weights, _)] = trained(STATISTICS, 8, 1, 1)
    losses, others, _ = fused(STATISTICS, 8)
    assert [one.metrics for one in shown] == [one.metrics for one in losses]
    for name, array in others.items():
        assert numpy.allclose(weights[name], array, rtol=1e-6, atol=1e-7), name


def test_statistics_are_the_mean_over_the_shards() -> None:
    """Batch normalisation normalises each shard by itself, as if it were a batch."""
    [(_, weights, _)] = trained(STATISTICS, 16, 4, 1, steps=1)
    typed, recipe = network(STATISTICS, 16, 1)
    start = initialise(typed, 0, recipe.init)
    [(inputs, labels)] = batches(typed, 16, 1)
    step = build_step(typed, recipe, batch=4)
    found = []
    for at in range(0, 16, 4):
        one = TrainStep(step, start, device="cpu", threads=1)
        one.run({"input": inputs["input"][at : at + 4]}, labels[at : at + 4], 0.05, 0, 7)
        found.append(one.weights())
    followed = [name for name in weights if "mean" in name or "var" in name]
    assert followed
    for name in followed:
        mean = numpy.mean([one[name] for one in found], axis=0)
        assert numpy.allclose(weights[name], mean, rtol=1e-6, atol=1e-7), name


def test_a_skipped_step_changes_nothing_in_any_worker() -> None:
    """Where one shard overflows in float16, all of the step is left out, its statistics too."""
    typed, recipe = network(STATISTICS, 8, 4)
    recipe = replace(recipe, precision="float16")
    weights = initialise(typed, 0, recipe.init)
    step = build_shards(typed, recipe)
    [(inputs, labels)] = batches(typed, 8, 1)
    inputs["input"][7] = 60000  # in the last shard only

    def work(others: Communicator) -> tuple[StepResult, Arrays, int]:
        one = ShardedTrainStep(step, weights, device="cpu", threads=1, workers=others)
        first, end = one.samples
        shown = one.run({"input": inputs["input"][first:end]}, labels[first:end], 0.05, 0, 7)
        return shown, one.weights(), one.skipped

    for shown, after, skipped in together(2, work):
        assert (shown.skipped, skipped) == (True, 1)
        assert all((after[name] == weights[name]).all() for name in after)


# --- others -----------------------------------------------------------------------------------


def test_a_worker_that_cannot_do_its_part_keeps_all_from_the_step() -> None:
    typed, recipe = network(CHANCE, 8, 4)
    weights = initialise(typed, 0, recipe.init)
    step = build_shards(typed, recipe)
    [(inputs, labels)] = batches(typed, 8, 1)

    def work(others: Communicator) -> Arrays:
        one = ShardedTrainStep(step, weights, device="cpu", threads=1, workers=others)
        first, end = one.samples
        part = {"input": inputs["input"][first:end]}, labels[first:end], 0.05, 0, 7
        with pytest.raises(PeerError):
            one.fail() if others.worker.rank == 1 else one.run(*part)
        return one.weights()

    for after in together(3, work):
        assert all((after[name] == weights[name]).all() for name in after)


def test_one_worker_s_wish_to_stop_is_everybody_s() -> None:
    typed, recipe = network(CHANCE, 8, 4)
    weights = initialise(typed, 0, recipe.init)
    step = build_shards(typed, recipe)
    [(inputs, labels)] = batches(typed, 8, 1)

    def work(others: Communicator) -> list[bool]:
        one = ShardedTrainStep(step, weights, device="cpu", threads=1, workers=others)
        first, end = one.samples
        part = {"input": inputs["input"][first:end]}, labels[first:end], 0.05
        wanted = others.worker.rank == 2
        return [one.run(*part, at, 7, stop=wanted and at == 1).stop for at in range(2)]

    assert together(3, work) == [[False, True]] * 3


def test_the_smallest_engine_copies() -> None:
    out = numpy.zeros(3, numpy.float32)
    ALONE.sum({(0, 4): numpy.ones(3, numpy.float32)}, (0, 4), out)
    assert out.tolist() == [1, 1, 1]


def test_a_step_in_one_graph_asks_nothing_of_shards() -> None:
    """As those that a self-test, a profile and a look into the network build, of few samples."""
    typed, recipe = network(CHANCE, 16, 8)
    assert build_step(typed, recipe, batch=4).signature.batch == 4
    with pytest.raises(UserError, match="a batch of 4 samples cannot be divided into 8 shards"):
        build_shards(typed, recipe, batch=4)
