"""The learning rate over time: by the formulas of docs/training.md, and as PyTorch's schedulers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnndsl.recipe.optimizers.adam import Adam
from cnndsl.recipe.optimizers.sgd import Sgd
from cnndsl.recipe.recipe import Recipe
from cnndsl.recipe.schedules.base import Schedule
from cnndsl.recipe.schedules.constant import Constant
from cnndsl.recipe.schedules.cosine import Cosine
from cnndsl.recipe.schedules.exponential import Exponential
from cnndsl.recipe.schedules.inverse import Inverse
from cnndsl.recipe.schedules.multistep import MultiStep
from cnndsl.recipe.schedules.plateau import Plateau
from cnndsl.recipe.schedules.polynomial import Polynomial
from cnndsl.recipe.schedules.step import Step
from cnndsl.training.schedules import Patience, rate

EPOCHS = 12

FIXED = settings(deadline=None, derandomize=True, database=None)


@pytest.fixture(scope="module")
def torch() -> Any:
    """PyTorch, loaded outside the examples of a property: that takes seconds."""
    pytest.importorskip("torch.optim.lr_scheduler")
    return pytest.importorskip("torch")


def kinds(warmup: int = 0) -> dict[str, Schedule]:
    return {
        "constant": Constant(warmup=warmup),
        "step": Step(every=3, gamma=0.5, warmup=warmup),
        "multistep": MultiStep(at=(3, 4, 8), gamma=0.25, warmup=warmup),
        "cosine": Cosine(warmup=warmup),
        "exponential": Exponential(gamma=0.8, warmup=warmup),
        "polynomial": Polynomial(power=2.0, warmup=warmup),
        "inverse": Inverse(gamma=0.5, power=0.75, warmup=warmup),
        "plateau": Plateau(factor=0.5, warmup=warmup),
    }


KINDS = [*kinds()]
TIMES = [epoch / 8 for epoch in range(8 * EPOCHS + 1)]


def recipe_of(schedule: Schedule, lr: float = 1.0, epochs: int = EPOCHS) -> Recipe:
    return Recipe(schedule=schedule, optimizer=Sgd(lr=lr), epochs=epochs)


# --- without warm-up --------------------------------------------------------------------------

FORMULAS: dict[str, Callable[[float], float]] = {
    "constant": lambda t: 1.0,
    "step": lambda t: 0.5 ** (int(t) // 3),
    # The epochs shown as 3, 4 and 8 begin at the times 2, 3 and 7.
    "multistep": lambda t: 1.0 if t < 2 else 0.25 if t < 3 else 0.0625 if t < 7 else 0.015625,
    "cosine": lambda t: (1 + math.cos(math.pi * t / 12)) / 2,
    "exponential": lambda t: 0.8 ** int(t),
    "polynomial": lambda t: (1 - t / 12) ** 2,
    "inverse": lambda t: (1 + 0.5 * t) ** -0.75,
    "plateau": lambda t: 1.0,
}


@pytest.mark.parametrize("name", KINDS)
def test_each_schedule_follows_its_formula(name: str) -> None:
    recipe = recipe_of(kinds()[name], lr=0.3)
    for time in TIMES:
        assert rate(recipe, time, 0) == pytest.approx(0.3 * FORMULAS[name](time), abs=1e-15)


SCHEDULERS: dict[str, Callable[[Any, Any], Any]] = {
    "constant": lambda of, it: of.ConstantLR(it, factor=1.0),
    "step": lambda of, it: of.StepLR(it, step_size=3, gamma=0.5),
    "multistep": lambda of, it: of.MultiStepLR(it, milestones=[2, 3, 7], gamma=0.25),
    "cosine": lambda of, it: of.CosineAnnealingLR(it, T_max=EPOCHS),
    "exponential": lambda of, it: of.ExponentialLR(it, gamma=0.8),
    "polynomial": lambda of, it: of.PolynomialLR(it, total_iters=EPOCHS, power=2.0),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_at_whole_epochs_they_are_those_of_pytorch(torch: Any, name: str) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = SCHEDULERS[name](torch.optim.lr_scheduler, optimizer)
    recipe = recipe_of(kinds()[name], lr=0.3)
    for epoch in range(EPOCHS + 1):
        expected = optimizer.param_groups[0]["lr"]
        assert rate(recipe, epoch, 0) == pytest.approx(expected, abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_the_rate_is_that_of_any_optimizer() -> None:
    assert rate(Recipe(optimizer=Adam()), 0.5, 0) == 0.001
    assert rate(Recipe(), 0.5, 0) == 0.01


def test_each_drop_multiplies_a_plateau() -> None:
    recipe = recipe_of(Plateau(factor=0.1), lr=0.5)
    assert [rate(recipe, 4.0, drops) for drops in range(3)] == pytest.approx([0.5, 0.05, 0.005])


@pytest.mark.parametrize("name", sorted({*KINDS} - {"plateau"}))
def test_drops_change_no_other_schedule(name: str) -> None:
    recipe = recipe_of(kinds()[name])
    assert rate(recipe, 4.0, 3) == rate(recipe, 4.0, 0)


# --- warm-up ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_it_warms_up_in_a_straight_line_from_its_first_rate_to_the_full_one(name: str) -> None:
    schedule = kinds(warmup=4)[name].model_copy(update={"warmup_lr": 0.1})
    recipe = recipe_of(schedule, lr=0.5)
    for time in TIMES[: 4 * 8]:
        assert rate(recipe, time, 2, steps=8) == pytest.approx(0.1 + 0.4 * time / 4, abs=1e-15)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("steps", [1, 3, 8])
def test_without_a_first_rate_the_rise_has_equal_shares_and_never_begins_at_zero(
    name: str, steps: int
) -> None:
    recipe = recipe_of(kinds(warmup=4)[name], lr=0.5)
    for step in range(4 * steps):
        expected = 0.5 * (step + 1) / (4 * steps + 1)
        assert rate(recipe, step / steps, 2, steps=steps) == pytest.approx(expected, abs=1e-15)


def test_a_first_epoch_of_one_step_learns() -> None:
    recipe = recipe_of(Cosine(warmup=1), lr=0.5)
    assert rate(recipe, 0.0, steps=1) == 0.25
    assert rate(recipe, 1.0, steps=1) == 0.5


STEPS = 5
"""Steps in an epoch, where PyTorch's schedulers are asked at each step."""


@pytest.mark.parametrize("start", [0.03, 0.3 / (4 * STEPS + 1)])
def test_the_warm_up_is_the_linear_rise_of_pytorch(torch: Any, start: float) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = torch.optim.lr_scheduler.LinearLR(
        optimizer, start_factor=start / 0.3, total_iters=4 * STEPS
    )
    given = start if start == 0.03 else None
    recipe = recipe_of(Constant(warmup=4, warmup_lr=given), lr=0.3)
    for step in range(6 * STEPS):
        expected = optimizer.param_groups[0]["lr"]
        assert rate(recipe, step / STEPS, steps=STEPS) == pytest.approx(expected, abs=1e-12)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("least", [0.0, 0.02])
def test_a_cosine_with_a_least_rate_is_that_of_pytorch(torch: Any, least: float) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(
        optimizer, T_max=EPOCHS * STEPS, eta_min=least
    )
    recipe = recipe_of(Cosine(min_lr=least), lr=0.3)
    for step in range(EPOCHS * STEPS + 1):
        expected = optimizer.param_groups[0]["lr"]
        assert rate(recipe, step / STEPS, steps=STEPS) == pytest.approx(expected, abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_a_warm_up_and_a_cosine_follow_each_other_as_in_pytorch(torch: Any) -> None:
    of = torch.optim.lr_scheduler
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    rise = of.LinearLR(optimizer, start_factor=0.1, total_iters=3 * STEPS)
    fall = of.CosineAnnealingLR(optimizer, T_max=(EPOCHS - 3) * STEPS, eta_min=0.01)
    scheduler = of.SequentialLR(optimizer, [rise, fall], milestones=[3 * STEPS])
    recipe = recipe_of(Cosine(warmup=3, warmup_lr=0.03, min_lr=0.01), lr=0.3)
    for step in range(EPOCHS * STEPS):
        expected = optimizer.param_groups[0]["lr"]
        assert rate(recipe, step / STEPS, steps=STEPS) == pytest.approx(expected, abs=1e-9)
        optimizer.step()
        scheduler.step()


def test_a_polynomial_and_a_plateau_have_a_least_rate_too() -> None:
    recipe = recipe_of(Polynomial(min_lr=0.2), lr=1.0)
    assert [rate(recipe, time) for time in (0, 6, 12, 20)] == pytest.approx([1, 0.6, 0.2, 0.2])
    recipe = recipe_of(Plateau(factor=0.1, min_lr=0.05), lr=1.0)
    assert [rate(recipe, 4.0, drops) for drops in range(4)] == pytest.approx([1, 0.1, 0.05, 0.05])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("constant", lambda t: 1.0),
        ("step", FORMULAS["step"]),
        ("multistep", FORMULAS["multistep"]),
        ("cosine", lambda t: (1 + math.cos(math.pi * (t - 4) / 8)) / 2),
        ("exponential", lambda t: 0.8 ** (int(t) - 4)),
        ("polynomial", lambda t: (1 - (t - 4) / 8) ** 2),
        ("inverse", lambda t: (1 + 0.5 * (t - 4)) ** -0.75),
        ("plateau", lambda t: 0.25),
    ],
)
def test_after_the_warm_up_the_schedule_goes_on(
    name: str, expected: Callable[[float], float]
) -> None:
    recipe = recipe_of(kinds(warmup=4)[name])
    for time in TIMES[4 * 8 :]:
        assert rate(recipe, time, 2) == pytest.approx(expected(time), abs=1e-15)


@pytest.mark.parametrize("name", ["cosine", "polynomial"])
@pytest.mark.parametrize("warmup", [0, 4, EPOCHS, EPOCHS + 5])
def test_what_falls_to_zero_stays_there(name: str, warmup: int) -> None:
    recipe = recipe_of(kinds(warmup)[name])
    for time in (max(EPOCHS, warmup), max(EPOCHS, warmup) + 0.5, 1000):
        assert rate(recipe, time, 0) == 0


@pytest.mark.parametrize("name", KINDS)
@FIXED
@given(time=st.floats(0, 1000), warmup=st.integers(0, 30), epochs=st.integers(1, 20))
def test_the_rate_is_never_negative_and_never_above_the_optimizers(
    name: str, time: float, warmup: int, epochs: int
) -> None:
    assert 0 <= rate(recipe_of(kinds(warmup)[name], 0.3, epochs), time, 1) <= 0.3


@pytest.mark.parametrize("name", KINDS)
@FIXED
@given(times=st.tuples(st.floats(0, 50), st.floats(0, 50)), warmup=st.integers(0, 10))
def test_after_the_warm_up_it_never_rises(
    name: str, times: tuple[float, float], warmup: int
) -> None:
    recipe = recipe_of(kinds(warmup)[name])
    earlier, later = sorted(warmup + time for time in times)
    assert rate(recipe, later, 1) <= rate(recipe, earlier, 1)


# --- patience ---------------------------------------------------------------------------------


def drops_of(losses: list[float], epochs: int) -> list[int]:
    """The number of drops after each of the losses."""
    patience, found = Patience(), []
    for loss in losses:
        patience = patience.after(loss, epochs)
        found.append(patience.drops)
    return found


def test_patience_ends_after_so_many_epochs_without_a_new_best() -> None:
    assert drops_of([3, 2, 2.5, 2.2, 2.1], 3) == [0, 0, 0, 0, 1]
    assert drops_of([3, 2, 2.5, 2.2, 1.9, 2], 3) == [0, 0, 0, 0, 0, 0]


def test_an_equal_loss_is_no_new_best() -> None:
    assert drops_of([2, 2, 2], 2) == [0, 0, 1]


def test_after_a_drop_the_count_begins_anew_and_the_best_stays() -> None:
    assert drops_of([1, 2, 2, 1.5, 1.5, 0.5, 1, 1], 2) == [0, 0, 1, 1, 2, 2, 2, 3]


def test_a_loss_that_is_no_number_is_never_the_best() -> None:
    nan = math.nan
    assert drops_of([nan, 5, 6, nan], 2) == [0, 0, 0, 1]
    assert drops_of([nan, nan], 2) == [0, 1]
    assert Patience().after(nan, 5).best is None


@FIXED
@given(
    st.lists(st.floats(0, 4).map(lambda loss: round(loss, 1)), min_size=1, max_size=60),
    st.integers(1, 5),
)
def test_drops_are_those_of_pytorch(torch: Any, losses: list[float], epochs: int) -> None:
    """Whose patience counts the epochs that pass without a drop, one fewer than ours."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.5, patience=epochs - 1, threshold=0.0, eps=0.0
    )
    expected = []
    for loss in losses:
        scheduler.step(loss)
        expected.append(round(-math.log2(optimizer.param_groups[0]["lr"])))
    assert drops_of(losses, epochs) == expected


@FIXED
@given(st.lists(st.floats(), max_size=20), st.integers(1, 5), st.integers(0, 20))
def test_patience_goes_on_from_plain_data(losses: list[float], epochs: int, split: int) -> None:
    whole, half = Patience(), Patience()
    for loss in losses:
        whole = whole.after(loss, epochs)
    for loss in losses[:split]:
        half = half.after(loss, epochs)
    resumed = Patience(**json.loads(json.dumps(asdict(half))))
    for loss in losses[split:]:
        resumed = resumed.after(loss, epochs)
    assert resumed == whole
