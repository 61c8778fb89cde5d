"""Memory at inference by liveness, and of a training step."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnndsl.analysis.memory import peak_activations, training_memory, weight_bytes
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.layers.activation import Relu, Tanh
from cnndsl.layers.base import Layer
from cnndsl.layers.conv import Conv
from cnndsl.layers.dense import Dense, Flatten
from cnndsl.layers.join import Add
from cnndsl.layers.normalization import BatchNorm
from cnndsl.layers.pool import MaxPool
from cnndsl.layers.regularization import Dropout
from cnndsl.layers.shape import Identity
from cnndsl.recipe.optimizers.adam import Adam
from cnndsl.recipe.optimizers.sgd import Sgd
from cnndsl.recipe.recipe import Recipe

Build: TypeAlias = Callable[..., TypedNetwork]
Step: TypeAlias = tuple[str, Layer] | tuple[str, Layer, tuple[str, ...]]


def dense(units: int) -> Dense:
    return Dense(units=units)


# --- inference --------------------------------------------------------------------------------


def test_of_a_chain_two_neighbours_live_at_once(build: Build) -> None:
    typed = build(("a", dense(100)), ("b", dense(50)), ("c", dense(120)), inputs=(10,))
    assert peak_activations(typed) == 4 * (50 + 120)


def test_the_input_counts(build: Build) -> None:
    assert peak_activations(build(("a", dense(1)), inputs=(1000,))) == 4 * 1001


def test_a_shortcut_lives_until_it_is_added(build: Build) -> None:
    steps: list[Step] = [("a", dense(30)), ("b", dense(20)), ("c", dense(30))]
    assert peak_activations(build(*steps, ("d", dense(1)), inputs=(1,))) == 4 * 50
    joined = build(*steps, ("sum", Add(), ("a", "c")), inputs=(1,))
    assert peak_activations(joined) == 4 * (30 + 30 + 30)


def test_an_output_lives_to_the_end(build: Build) -> None:
    steps = [("a", dense(40)), ("b", dense(10)), ("c", dense(10)), ("d", dense(45))]
    one = build(*steps, inputs=(1,))
    two = build(*steps, inputs=(1,), outputs={"output": "d", "features": "a"})
    assert peak_activations(one) == 4 * (10 + 45)
    assert peak_activations(two) == 4 * (40 + 10 + 45)


def test_a_value_that_nobody_reads_lives_only_while_it_is_made(build: Build) -> None:
    typed = build(("a", dense(10)), ("unread", dense(100)), ("b", dense(95), ("a",)), inputs=(1,))
    assert peak_activations(typed) == 4 * 110


def test_what_changes_nothing_at_inference_takes_no_memory(build: Build) -> None:
    plain: list[Step] = [("a", Conv(filters=2, kernel=(3,))), ("d", dense(5))]
    plain.insert(1, ("flat", Flatten()))
    longer: list[Step] = [*plain[:1], ("id", Identity()), ("drop", Dropout()), *plain[1:]]
    assert peak_activations(build(*longer)) == peak_activations(build(*plain))
    assert peak_activations(build(*plain)) == 4 * (32 * 32 + 2 * 30 * 30)


def test_a_view_keeps_its_source_alive(build: Build) -> None:
    typed = build(
        ("a", dense(50)),
        ("view", Identity()),
        ("b", dense(20), ("a",)),
        ("c", dense(10)),
        ("sum", dense(1), ("view",)),
        inputs=(1,),
    )
    assert peak_activations(typed) == 4 * (50 + 20 + 10)


def test_an_output_that_is_a_view_keeps_its_source_alive(build: Build) -> None:
    steps: list[Step] = [("a", dense(50)), ("view", Identity()), ("b", dense(5)), ("c", dense(60))]
    typed = build(*steps, inputs=(1,), outputs={"output": "c", "features": "view"})
    assert peak_activations(typed) == 4 * (50 + 5 + 60)


def test_a_batch_multiplies(build: Build) -> None:
    typed = build(("a", dense(3)), inputs=(2,))
    assert peak_activations(typed, batch=64) == 64 * 4 * 5


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Step], dict[str, str]]:
    """Layers that read one or two of those before them, and some outputs."""
    names = ["input"]
    steps: list[Step] = []
    for at in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["dense", "dense", "identity", "dropout"]))
        layer = {"identity": Identity(), "dropout": Dropout()}.get(kind)
        reads = (draw(st.sampled_from(names)),)
        steps.append((f"n{at}", layer or dense(draw(st.integers(1, 20))), reads))
        names.append(f"n{at}")
    others = draw(st.lists(st.sampled_from(names[1:]), max_size=2, unique=True))
    return steps, {"output": names[-1], **{name: name for name in others}}


@settings(deadline=None, max_examples=200)
@given(graph=graphs())
def test_equals_adding_up_what_is_alive_at_each_moment(
    build: Build, graph: tuple[list[Step], dict[str, str]]
) -> None:
    steps, outputs = graph
    typed = build(*steps, inputs=(7,), outputs=outputs)
    nodes = typed.network.nodes
    made_by = list(range(len(nodes)))
    for at, node in enumerate(nodes):
        if isinstance(node, LayerNode) and isinstance(node.layer, Identity | Dropout):
            made_by[at] = made_by[node.inputs[0]]
    moments = []
    for now in range(1, len(nodes)):
        alive = set()
        for owner in set(made_by):
            read_later = any(
                isinstance(node, LayerNode) and owner in [made_by[at] for at in node.inputs]
                for node in nodes[now:]
            )
            kept = any(made_by[at] == owner for at in typed.network.outputs.values())
            if owner <= now and (read_later or kept or owner == now):
                alive.add(owner)
        moments.append(sum(typed.types[owner].bytes for owner in alive))
    assert peak_activations(typed) == max(moments)


# --- training ---------------------------------------------------------------------------------


def test_buffers_are_weights_but_have_no_gradient(build: Build) -> None:
    typed = build(("bn", BatchNorm()), inputs=(8, 4, 4))
    memory = training_memory(typed, Recipe(), batch=1)
    assert weight_bytes(typed) == memory.weights == 4 * 32
    assert memory.gradients == 4 * 16


@pytest.mark.parametrize(("optimizer", "slots"), [(Sgd(), 0), (Sgd(momentum=0.9), 1), (Adam(), 2)])
def test_the_optimizer_keeps_its_slots_for_each_parameter(
    build: Build, optimizer: Sgd | Adam, slots: int
) -> None:
    typed = build(("d", dense(10)), inputs=(20,))
    memory = training_memory(typed, Recipe(optimizer=optimizer), batch=1)
    assert memory.gradients == 4 * 210
    assert memory.optimizer == slots * 4 * 210
    assert memory.total == 4 * (210 + 210 + slots * 210 + 20)


def test_a_value_that_two_layers_need_is_kept_once(build: Build) -> None:
    """The second conv needs what it reads, and so does tanh, whose output that is."""
    typed = build(
        ("c1", Conv(filters=4, kernel=(3,), padding="same")),
        ("t", Tanh()),
        ("c2", Conv(filters=4, kernel=(3,), padding="same")),
        ("c3", Conv(filters=4, kernel=(3,), padding="same"), ("t",)),
        inputs=(1, 8, 8),
    )
    assert training_memory(typed, Recipe(), batch=1).activations == 4 * (64 + 4 * 64)


def test_a_view_is_not_kept_apart_from_its_source(build: Build) -> None:
    typed = build(("t", dense(16)), ("id", Tanh()), ("f", Flatten()), ("d", dense(2)), inputs=(4,))
    assert training_memory(typed, Recipe(), batch=1).activations == 4 * (4 + 16)


def test_dropout_keeps_a_mask_of_one_byte_and_makes_a_new_value(build: Build) -> None:
    typed = build(("d1", dense(16)), ("drop", Dropout()), ("d2", dense(2)), inputs=(4,))
    assert training_memory(typed, Recipe(), batch=1).activations == 4 * 4 + 16 + 4 * 16


def test_the_batch_multiplies_activations_alone(build: Build) -> None:
    typed = build(("c", Conv(filters=2, kernel=(3,))), ("r", Relu()))
    one, many = (training_memory(typed, Recipe(), batch) for batch in (1, 100))
    assert many.activations == 100 * one.activations > 0
    assert many.total - many.activations == one.total - one.activations


def test_frozen_layers_have_no_gradient_and_below_them_nothing_is_kept(build: Build) -> None:
    steps: list[Step] = [
        ("stem.conv", Conv(filters=4, kernel=(3,), padding=(1,))),
        ("stem.relu", Relu()),
        ("stem.pool", MaxPool(kernel=(2,), stride=(2,))),
        ("flat", Flatten()),
        ("head", dense(3)),
    ]
    typed = build(*steps, inputs=(1, 8, 8))
    recipe = Recipe(freeze=("stem",), optimizer=Adam())
    memory = training_memory(typed, recipe, batch=1)
    assert memory.weights == 4 * (40 + 64 * 3 + 3)
    assert memory.gradients == 4 * (64 * 3 + 3)
    assert memory.optimizer == 2 * memory.gradients
    assert memory.activations == 4 * 64


def test_ten_thousand_layers_are_no_problem(build: Build) -> None:
    typed = build(*((f"d{at}", dense(2)) for at in range(10_000)), inputs=(2,))
    assert peak_activations(typed) == 4 * 4
    assert training_memory(typed, Recipe(), batch=1).gradients == 4 * 6 * 10_000
