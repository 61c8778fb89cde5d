"""What `train { }` can say: ranges, defaults, and the recipe that settings make."""

from __future__ import annotations

import dataclasses
import json

import pytest
from checked_specs import network
from pydantic import ValidationError

import cnndsl
from cnndsl.layers.base import Init, Schema
from cnndsl.recipe.augmentations.crop import Crop
from cnndsl.recipe.augmentations.flip import Flip
from cnndsl.recipe.heads import HeadLoss
from cnndsl.recipe.losses.crossentropy import CrossEntropy
from cnndsl.recipe.losses.mse import MeanSquaredError
from cnndsl.recipe.optimizers.adam import Adam
from cnndsl.recipe.optimizers.base import Optimizer
from cnndsl.recipe.optimizers.rmsprop import RmsProp
from cnndsl.recipe.optimizers.sgd import Sgd
from cnndsl.recipe.recipe import LABELLED, NAMES, REPEATABLE, SCALARS, VARIANTS, Recipe, build
from cnndsl.recipe.schedules.cosine import Cosine
from cnndsl.recipe.schedules.multistep import MultiStep
from cnndsl.recipe.schedules.step import Step
from cnndsl.recipe.settings import Batch, Initializer, RateFactor, WeightDecay

SCHEMAS = [
    *(schema for variants in VARIANTS.values() for schema in variants.values()),
    *SCALARS.values(),
    *LABELLED.values(),
]


def location_of(error: pytest.ExceptionInfo[ValidationError]) -> tuple[int | str, ...]:
    (problem,) = error.value.errors()
    return problem["loc"]


# --- ranges -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "field", "value"),
    [
        (Sgd, "lr", 0),
        (Sgd, "lr", -0.1),
        (Sgd, "lr", float("nan")),
        (Sgd, "lr", float("inf")),
        (Sgd, "momentum", 1),
        (Sgd, "momentum", -0.1),
        (Adam, "beta2", 1.0),
        (Adam, "eps", 0.0),
        (RmsProp, "alpha", float("nan")),
        (CrossEntropy, "smoothing", 1.0),
        (VARIANTS["loss"]["hinge"], "margin", 0),
        (VARIANTS["schedule"]["exponential"], "gamma", 1.0),
        (VARIANTS["schedule"]["polynomial"], "power", 0),
        (VARIANTS["schedule"]["plateau"], "patience", 0),
        (Cosine, "warmup", -1),
        (Crop, "padding", 0),
        (Flip, "probability", 1.5),
        (VARIANTS["augment"]["rotate"], "degrees", 181),
        (VARIANTS["augment"]["noise"], "std", 0),
        (WeightDecay, "value", -1e-4),
        (SCALARS["clip"], "value", 0),
        (Batch, "value", 0),
        (Batch, "value", 2**31),
        (SCALARS["epochs"], "value", 0),
        (SCALARS["seed"], "value", -1),
        (SCALARS["seed"], "value", 2**32),
        (SCALARS["early_stop"], "value", 0),
    ],
)
def test_refuses_what_is_out_of_range(schema: type[Schema], field: str, value: float) -> None:
    with pytest.raises(ValidationError) as error:
        schema.model_validate({field: value})
    assert location_of(error) == (field,)


@pytest.mark.parametrize(
    ("schema", "field", "value"),
    [(Batch, "value", 64.0), (Batch, "value", True), (Sgd, "lr", "fast"), (Sgd, "nesterov", 1)],
)
def test_refuses_another_kind_of_value(schema: type[Schema], field: str, value: object) -> None:
    with pytest.raises(ValidationError) as error:
        schema.model_validate({field: value})
    assert location_of(error) == (field,)


def test_takes_a_whole_number_where_a_number_is_wanted() -> None:
    assert Sgd(lr=1).lr == 1


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(ValidationError, match="needs a `momentum`") as error:
        Sgd(nesterov=True)
    assert location_of(error) == ("nesterov",)
    assert Sgd(nesterov=True, momentum=0.9).nesterov


def test_the_epochs_of_multistep_rise() -> None:
    with pytest.raises(ValidationError, match="30 comes after 30") as error:
        MultiStep(at=(30, 30))
    assert location_of(error) == ("at",)
    with pytest.raises(ValidationError, match="needs an epoch or more"):
        MultiStep(at=())


def test_a_single_epoch_of_multistep_needs_no_brackets() -> None:
    assert MultiStep.model_validate({"at": 30}) == MultiStep(at=(30,))
    text = "input 4\ndense 3\ntrain {\n  epochs 9\n  schedule multistep at 4\n}\n"
    recipe = network(text).network.recipe
    assert recipe is not None
    assert recipe.schedule == MultiStep(at=(4,))


@pytest.mark.parametrize(
    ("at", "message", "help"),
    [
        ("[2.5]", "`at` must be a whole number, not `2.5`", "write `2` or `3`"),
        ("2.5", "`at` must be a whole number, not `2.5`", "write `2` or `3`"),
        ("[]", "`at` needs an epoch or more", "write `at [30, 60]`"),
    ],
)
def test_wrong_epochs_of_multistep_are_one_error(at: str, message: str, help: str) -> None:
    text = f"input 4\ndense 3\ntrain {{\n  epochs 9\n  schedule multistep at {at}\n}}\n"
    [problem] = cnndsl.check(text)
    assert (problem.message, problem.help) == (message, help)


def test_step_needs_to_know_how_often() -> None:
    with pytest.raises(ValidationError) as error:
        Step.model_validate({})
    assert location_of(error) == ("every",)


def test_an_unknown_attribute_is_refused() -> None:
    with pytest.raises(ValidationError) as error:
        Adam.model_validate({"momentum": 0.9})
    assert location_of(error) == ("momentum",)


@pytest.mark.parametrize("value", ["he", "lecun", Init("normal", 0.01), Init("constant", -1.0)])
def test_init_takes_a_word_or_a_word_with_its_number(value: object) -> None:
    setting = Initializer.model_validate({"value": value})
    assert setting.value == (Init("he") if value == "he" else setting.value)
    assert isinstance(setting.value, Init)


@pytest.mark.parametrize("value", ["normal", "glorto", Init("he", 2.0), Init("uniform", -0.1), 3])
def test_init_refuses_what_is_no_initialiser(value: object) -> None:
    with pytest.raises(ValidationError):
        Initializer.model_validate({"value": value})


# --- the tables -------------------------------------------------------------------------------


def test_every_setting_is_in_one_table() -> None:
    tables = [set(VARIANTS), set(SCALARS), set(LABELLED), set(NAMES)]
    assert sum(map(len, tables)) == len(set().union(*tables))
    assert set().union(*tables) >= REPEATABLE


@pytest.mark.parametrize("schema", SCHEMAS)
def test_every_attribute_is_documented_and_every_required_one_has_an_example(
    schema: type[Schema],
) -> None:
    assert schema.__doc__
    assert set(schema.positional) <= set(schema.model_fields)
    for name, field in schema.model_fields.items():
        assert field.description, name
        if name != "label":
            assert field.examples or not field.is_required(), name


@pytest.mark.parametrize(
    ("optimizer", "slots"),
    [
        (Sgd(), 0),
        (Sgd(momentum=0.9), 1),
        (Adam(), 2),
        (VARIANTS["optimizer"]["adamw"](), 2),
        (RmsProp(), 1),
        (RmsProp(momentum=0.9), 2),
    ],
)
def test_an_optimizer_knows_its_state(optimizer: Optimizer, slots: int) -> None:
    assert optimizer.slots == slots


# --- the recipe -------------------------------------------------------------------------------


def test_without_settings_the_recipe_is_complete() -> None:
    recipe = build([])
    assert recipe == Recipe()
    assert (recipe.loss, recipe.optimizer) == (CrossEntropy(), Sgd(lr=0.01))
    assert (recipe.batch, recipe.epochs, recipe.seed, recipe.init) == (32, 10, 0, Init("he"))
    assert (recipe.clip, recipe.early_stop, recipe.augment) == (None, None, ())


def test_settings_make_a_recipe() -> None:
    recipe = build(
        [
            ("optimizer", Adam(lr=1e-4)),
            ("schedule", Cosine(warmup=5)),
            ("weight_decay", WeightDecay(value=5e-4, all=True)),
            ("batch", Batch(value=64)),
            ("init", Initializer(value=Init("normal", 0.01))),
        ]
    )
    assert recipe == Recipe(
        optimizer=Adam(lr=1e-4),
        schedule=Cosine(warmup=5),
        weight_decay=WeightDecay(value=5e-4, all=True),
        batch=64,
        init=Init("normal", 0.01),
    )


def test_every_setting_has_its_field_in_the_recipe() -> None:
    singular = {"lr_factor": "lr_factors", "max_norm": "max_norms"}
    settings = {*VARIANTS, *SCALARS, *LABELLED, *NAMES}
    fields = {field.name for field in dataclasses.fields(Recipe)}
    further = {"loss_weight", "heads"}
    assert {singular.get(name, name) for name in settings} == fields - further
    assert set(Recipe().to_json()) == fields - further - {"shards"}
    several = Recipe(heads=(HeadLoss("aux", MeanSquaredError()),), loss_weight=2.0, shards=2)
    assert set(several.to_json()) == fields


def test_augmentations_freezes_and_rate_factors_add_up_in_order() -> None:
    recipe = build(
        [
            ("augment", Flip()),
            ("freeze", ("stem", "layer1")),
            ("augment", Crop(padding=2)),
            ("freeze", ("layer2", "stem")),
            ("lr_factor", RateFactor(label="head", value=10)),
            ("lr_factor", RateFactor(label="stem", value=0.1)),
        ]
    )
    assert recipe.augment == (Flip(), Crop(padding=2))
    assert recipe.freeze == ("stem", "layer1", "layer2")
    assert [factor.label for factor in recipe.lr_factors] == ["head", "stem"]


def test_a_label_freezes_its_scope_and_nothing_that_merely_begins_alike() -> None:
    recipe = Recipe(freeze=("layer1", "stem.conv1"))
    frozen = ["layer1", "layer1.0.conv1", "stem.conv1", "stem.conv1.weight"]
    assert all(recipe.freezes(name) for name in frozen)
    assert not any(recipe.freezes(name) for name in ["layer10", "stem", "stem.conv10", "head"])


def test_the_nearest_label_decides_the_rate_factor() -> None:
    factors = (RateFactor(label="a.b", value=0.5), RateFactor(label="a", value=0.1))
    recipe = Recipe(lr_factors=factors)
    assert [recipe.rate_factor(name) for name in ("a.b.c", "a.c", "ab")] == [0.5, 0.1, 1.0]


def test_a_recipe_is_plain_data_as_json() -> None:
    recipe = Recipe(augment=(Flip(direction="both"),), lr_factors=(RateFactor(label="a", value=2),))
    data = json.loads(json.dumps(recipe.to_json()))
    assert data["optimizer"] == {"name": "sgd", "lr": 0.01, "momentum": 0.0, "nesterov": False}
    assert data["augment"] == [
        {"name": "flip", "direction": "both", "probability": 0.5, "labels": "moved"}
    ]
    assert data["lr_factors"] == [{"label": "a", "value": 2.0}]
    assert data["init"] == {"name": "he", "value": None}


def test_a_recipe_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Recipe().batch = 8  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Sgd().lr = 1.0
