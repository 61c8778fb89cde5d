"""A package of somebody else adds a loss, an optimizer, a schedule and an augmentation."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy
import onnx_ir
import pytest
from checked_specs import network
from documents import fences
from small_graphs import Array, model_of, ran

import cnndsl
from cnndsl.autodiff.reverse import differentiate
from cnndsl.graph.builder import GraphBuilder
from cnndsl.recipe import AUGMENTATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from cnndsl.recipe.recipe import VARIANTS, Recipe
from cnndsl.resources import docs
from cnndsl.training.metrics import emit_loss
from cnndsl.training.optimizers import Parameter, emit_updates
from cnndsl.training.schedules import rate

FLOAT, INT64 = onnx_ir.DataType.FLOAT, onnx_ir.DataType.INT64


BROKEN = """
from cnndsl.recipe.losses.base import LabelKind, Loss
from cnndsl.recipe.augmentations.base import Augmentation
from cnndsl.recipe.optimizers.base import Optimizer
from cnndsl.recipe.schedules.base import Schedule


class Silent(Loss):
    keyword = "silent"
    labels = LabelKind.VALUE


class Unlabelled(Loss):
    keyword = "unlabelled"

    def lower(self, emit, context):
        return context.scores


class Lazy(Optimizer):
    keyword = "lazy"


class Endless(Schedule):
    keyword = "endless"


class Same(Augmentation):
    keyword = "same"
"""

BRIER = """
import numpy
from cnndsl.recipe.losses.base import LabelKind, Loss


class Brier(Loss):
    keyword = "brier"
    labels = LabelKind.SHARE
    threshold = 0.5

    def lower(self, emit, context):
        error = emit.op("Sub", context.scores, context.labels)
        return emit.op("ReduceMean", emit.op("Mul", error, error), keepdims=0)

    def of_answers(self, scores, labels):
        return (numpy.asarray(scores, numpy.float64) - labels) ** 2
"""
"""A loss of probabilities: an answer is yes above 0.5, where one of logits has 0."""

POINTS = """
[cnndsl.losses]
brier = more_kinds.brier:Brier
logcosh = more_kinds.logcosh:LogCosh
mse = more_kinds.logcosh:LogCosh
nowhere = more_kinds.nowhere:Loss
other = more_kinds.logcosh:LogCosh
number = math:pi
silent = more_kinds.broken:Silent
unlabelled = more_kinds.broken:Unlabelled

[cnndsl.optimizers]
lion = more_kinds.lion:Lion
lazy = more_kinds.broken:Lazy

[cnndsl.schedules]
halflife = more_kinds.halflife:HalfLife
endless = more_kinds.broken:Endless

[cnndsl.augmentations]
bright = more_kinds.bright:Bright
same = more_kinds.broken:Same
"""


def examples() -> dict[str, str]:
    """The classes of docs/plugins.md, word for word, by their keywords."""
    found = {}
    for fence in fences(docs() / "plugins.md", "python"):
        if "cnndsl.recipe" in fence.text:
            keyword = re.search(r'keyword = "(\w+)"', fence.text)
            assert keyword is not None
            found[keyword[1]] = fence.text
    return found


@pytest.fixture(autouse=True)
def more_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package: its modules, and what it says of itself."""
    site = tmp_path / "site"
    package, info = site / "more_kinds", site / "more_kinds-1.0.dist-info"
    for folder in (package, info):
        folder.mkdir(parents=True)
    for name, text in {"__init__": "", "broken": BROKEN, "brier": BRIER, **examples()}.items():
        (package / f"{name}.py").write_text(text)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: more-kinds\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(site))
    # Registries that have not looked yet, and forget what they find here.
    for registry in (LOSSES, OPTIMIZERS, SCHEDULES, AUGMENTATIONS):
        monkeypatch.setattr(registry, "_points", None)
        monkeypatch.setattr(registry, "_found", {})
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "more_kinds"]:
        del sys.modules[name]


def spec(*settings: str) -> str:
    lines = "".join(f"  {setting}\n" for setting in settings)
    return f"network tiny\ninput 3\ndense 8 -> tanh -> dense 2\ntrain {{\n{lines}}}\n"


def only(*settings: str) -> tuple[str, str, str]:
    """The one problem of a spec: its code, its place and its message."""
    (problem,) = cnndsl.check(spec(*settings))
    return problem.code, problem.span.text, problem.message


def made(setting: str, word: str, **attributes: object) -> Any:
    return VARIANTS[setting][word](**attributes)


# --- in a spec --------------------------------------------------------------------------------


def test_a_spec_names_them_as_it_names_ours() -> None:
    text = spec(
        "loss logcosh delta 0.5",
        "optimizer lion lr 0.01 beta1 0.8",
        "schedule halflife every 0.5 warmup 2",
        "augment bright 0.2 -> noise 0.1",
    )
    assert not cnndsl.check(text)
    recipe = network(text).network.recipe
    assert recipe is not None
    assert recipe.loss == made("loss", "logcosh", delta=0.5)
    assert recipe.optimizer == made("optimizer", "lion", lr=0.01, beta1=0.8)
    assert recipe.to_json()["schedule"] == {
        "name": "halflife", "warmup": 2, "warmup_lr": None, "every": 0.5
    }  # fmt: skip
    assert [one.keyword for one in recipe.augment] == ["bright", "noise"]


def test_their_attributes_are_held_to_their_schemas() -> None:
    message = "`delta` must be greater than 0, not 0"
    assert only("loss logcosh delta 0") == ("CNN205", "0", message)
    assert only("optimizer lion momentum 0.9")[0] == "CNN201"
    assert only("loss logcoshh")[2] == "`loss` cannot be `logcoshh`"
    (problem,) = cnndsl.check(spec("loss logcoshh"))
    assert problem.help == "did you mean `logcosh`?"


def test_they_come_behind_ours_where_a_message_lists_all() -> None:
    ours = ["crossentropy", "binarycrossentropy", "mse", "mae", "huber", "hinge"]
    assert [*VARIANTS["loss"]][:8] == [*ours, "brier", "logcosh"]
    assert LOSSES.find("mse").__module__ == "cnndsl.recipe.losses.mse"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (
            "loss nowhere",
            "the loss `nowhere` of `more_kinds.nowhere:Loss` does not load:"
            " No module named 'more_kinds.nowhere'",
        ),
        ("loss other", "`more_kinds.logcosh:LogCosh` is not a loss called `other`"),
        ("loss number", "`math:pi` is not a loss called `number`"),
        ("loss silent", "the loss `silent` of `more_kinds.broken:Silent` does not say its `lower`"),
        (
            "loss unlabelled",
            "the loss `unlabelled` of `more_kinds.broken:Unlabelled` does not say its `labels`",
        ),
        (
            "optimizer lazy",
            "the optimizer `lazy` of `more_kinds.broken:Lazy` does not say its `update`",
        ),
        (
            "schedule endless",
            "the schedule `endless` of `more_kinds.broken:Endless` does not say its `multiplier`",
        ),
        (
            "augment same",
            "the augmentation `same` of `more_kinds.broken:Same` does not say its `change` or"
            " `move`",
        ),
    ],
)
def test_one_that_is_broken_is_an_error_where_the_spec_names_it(setting: str, message: str) -> None:
    assert only(setting) == ("CNN208", setting.split()[1], message)
    (problem,) = cnndsl.check(spec(setting))
    assert problem.help == "mend `more-kinds`, or uninstall it"


# --- what they compute ------------------------------------------------------------------------


@pytest.mark.parametrize("dims", [(6, 4), (2, 3, 4, 5)])
def test_a_loss_and_its_gradient_are_those_of_pytorch(dims: tuple[int, ...]) -> None:
    torch = pytest.importorskip("torch")
    chance = numpy.random.default_rng(0)
    feeds: dict[str, Array] = {
        name: (2 * chance.standard_normal(dims)).astype(numpy.float32)
        for name in ("scores", "labels")
    }
    logcosh = made("loss", "logcosh", delta=0.75)
    emit = GraphBuilder()
    scores, labels = (emit.placeholder(name, dims, FLOAT) for name in feeds)
    loss = emit_loss(emit, logcosh, scores, labels)
    gradient = differentiate(emit, loss, [scores])[scores]
    model = model_of(emit, [scores, labels], {"loss": loss, "gradient": gradient})
    found = ran(model, feeds)

    x = torch.tensor(feeds["scores"], requires_grad=True)
    error = (x - torch.tensor(feeds["labels"])) / 0.75
    expected = 0.75**2 * error.cosh().log().mean()
    expected.backward()
    assert found["loss"] == pytest.approx(expected.item(), rel=1e-6)
    assert numpy.allclose(found["gradient"], x.grad.numpy(), rtol=1e-5, atol=1e-8)
    assert logcosh.of_answers(**feeds).mean() == pytest.approx(expected.item(), rel=1e-6)


def test_an_optimizer_steps_as_its_formula_says() -> None:
    emit = GraphBuilder()
    value, gradient = (emit.placeholder(name, (3,), FLOAT) for name in ("w", "g"))
    lr, step = emit.placeholder("lr", (), FLOAT), emit.placeholder("step", (), INT64)
    lion = made("optimizer", "lion", beta1=0.5, beta2=0.75)
    assert lion.slots == 1
    updates = emit_updates(emit, lion, None, [Parameter("w", value, gradient, 0.1)], lr, step)
    (old, new) = updates.state["w.mean"]
    model = model_of(emit, [value, gradient, lr, step, old], {"next": updates.weights["w"],
                                                              "mean": new})  # fmt: skip
    w, mean = numpy.array([1.0, -2.0, 3.0]), numpy.zeros(3)
    for g in ([1.0, -1.0, 0.0], [-0.25, 3.0, 0.5]):
        feeds: dict[str, Array] = {
            "w": w.astype(numpy.float32),
            "g": numpy.array(g, numpy.float32),
            "lr": numpy.array(0.125, numpy.float32),
            "step": numpy.array(0),
            "w.mean": mean.astype(numpy.float32),
        }
        w = w * (1 - 0.0125) - 0.125 * numpy.sign(0.5 * mean + 0.5 * numpy.array(g))
        mean = 0.75 * mean + 0.25 * numpy.array(g)
        found = ran(model, feeds)
        assert numpy.allclose(found["next"], w, rtol=1e-6)
        assert numpy.allclose(found["mean"], mean, rtol=1e-6)


def test_a_schedule_is_behind_the_same_warm_up_as_ours() -> None:
    recipe = Recipe(schedule=made("schedule", "halflife", warmup=2))
    found = [rate(recipe, time) for time in (2, 3, 5)]
    assert found == pytest.approx([0.01, 0.005, 0.00125])
    assert 0 < rate(recipe, 0) < rate(recipe, 1) < 0.01


# --- training ---------------------------------------------------------------------------------


def test_a_network_trains_with_all_of_them(tmp_path: Path) -> None:
    chance = numpy.random.default_rng(3)
    x = chance.standard_normal((64, 3)).astype(numpy.float32)
    y = numpy.stack([x.sum(axis=1), x[:, 0] - x[:, 2]], axis=1)
    tiny = cnndsl.parse(
        spec(
            "loss logcosh delta 0.5",
            "optimizer lion lr 0.02",
            "schedule halflife every 10",
            "augment bright 0.01",
            "batch 8",
            "epochs 12",
        )
    )
    run = tiny.train((x, y), valid=0.25, out=tmp_path / "run", device="cpu")
    losses = [record.loss for record in run.records]
    assert losses[-1] < losses[0] / 4
    assert [record.mae is not None for record in run.records] == [True] * 12
    assert [record.rmse for record in run.records] == [None] * 12  # the loss is no mean of squares
    assert run.records[-1].lr == pytest.approx(0.02 * 0.5 ** ((12 - 1 / 6) / 10), rel=1e-6)

    model = tmp_path / "run" / "model.onnx"
    evaluation = cnndsl.load(model).evaluate((x, y), model, device="cpu")
    error = numpy.abs(run.model.run(x) - y)
    expected = (0.25 * numpy.log(numpy.cosh(error / 0.5))).mean()
    assert evaluation.loss == pytest.approx(expected, rel=1e-5)
    assert evaluation.mae == pytest.approx(error.mean(), rel=1e-5)
    assert math.isfinite(evaluation.rmse or math.nan)


def test_training_and_evaluation_count_the_same_answers_right(tmp_path: Path) -> None:
    chance = numpy.random.default_rng(5)
    x = chance.standard_normal((64, 3)).astype(numpy.float32)
    y = (x @ numpy.array([[1.0, -1.0], [2.0, 0.0], [0.0, 1.0]]) > 0).astype(numpy.float32)
    text = spec("loss brier", "optimizer sgd lr 1e-9", "batch 64", "epochs 1")
    tiny = cnndsl.parse(text.replace("dense 2", "dense 2 -> sigmoid"))
    run = tiny.train((x, y), out=tmp_path / "run", device="cpu")
    model = tmp_path / "run" / "model.onnx"
    evaluation = cnndsl.load(model).evaluate((x, y), model, device="cpu")
    probabilities = run.model.run(x)
    right = float(((probabilities > 0.5) == (y > 0.5)).mean())
    assert 0.1 < right < 0.9  # above 0, all probabilities would be a yes
    assert right != float((y > 0.5).mean())
    assert run.records[0].accuracy == pytest.approx(right)
    assert evaluation.accuracy == pytest.approx(right)
    assert evaluation.loss == pytest.approx(float(((probabilities - y) ** 2).mean()), rel=1e-5)
