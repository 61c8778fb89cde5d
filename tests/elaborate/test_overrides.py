"""What `--set train.KEY=VALUE` makes of a recipe, and how a recipe is written."""

from __future__ import annotations

import re

import pytest
from checked_specs import codes, network, only
from hypothesis import given, settings
from hypothesis import strategies as st

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.canonical import canonical_text
from cnndsl.elaborate.overrides import override
from cnndsl.elaborate.unparse import recipe_text
from cnndsl.layers.base import Init, Schema
from cnndsl.recipe.augmentations.crop import Crop
from cnndsl.recipe.augmentations.cutout import Cutout
from cnndsl.recipe.augmentations.flip import Flip
from cnndsl.recipe.augmentations.noise import Noise
from cnndsl.recipe.augmentations.rotate import Rotate
from cnndsl.recipe.augmentations.shift import Shift
from cnndsl.recipe.losses.crossentropy import CrossEntropy
from cnndsl.recipe.losses.hinge import Hinge
from cnndsl.recipe.optimizers.adam import Adam
from cnndsl.recipe.optimizers.sgd import Sgd
from cnndsl.recipe.recipe import LABELLED, NAMES, SCALARS, VARIANTS, Recipe
from cnndsl.recipe.schedules.cosine import Cosine
from cnndsl.recipe.schedules.multistep import MultiStep
from cnndsl.recipe.schedules.step import Step
from cnndsl.recipe.settings import MaxNorm, RateFactor, WeightDecay

LAYERS = """\
input 1x8x8
block pair() { dense 4 -> relu }
flatten -> C1: dense 8
stem: pair()
head: dense 2
"""
TRAIN = "train {\n  optimizer sgd lr 0.1 momentum 0.9\n  epochs 20\n  batch 64\n}\n"


def changed(*texts: str, recipe: str = TRAIN) -> Recipe:
    """The recipe after overrides, after seeing to it that the canonical text states it."""
    built = override(network(LAYERS + recipe), texts)
    found = built.network.recipe
    assert found is not None
    assert network(canonical_text(built.network)).network.recipe == found
    return found


def refused(*texts: str, recipe: str = TRAIN) -> UserError:
    with pytest.raises(UserError) as caught:
        override(network(LAYERS + recipe), texts)
    assert caught.value.code == "CNN812"
    assert caught.value.help
    assert "\n" not in caught.value.message + caught.value.help
    return caught.value


# --- what overrides do ------------------------------------------------------------------------


PLAIN = Recipe(optimizer=Sgd(lr=0.1, momentum=0.9), epochs=20, batch=64)


@pytest.mark.parametrize(
    ("texts", "field", "value"),
    [
        (["train.epochs=5"], "epochs", 5),
        (["train.seed=7"], "seed", 7),
        (["train.optimizer=adam lr 0.01"], "optimizer", Adam(lr=0.01)),
        (["train.optimizer.lr=1e-3"], "optimizer", Sgd(lr=1e-3, momentum=0.9)),
        (["train.optimizer.nesterov=yes"], "optimizer", Sgd(lr=0.1, momentum=0.9, nesterov=True)),
        (["train.optimizer=adam", "train.optimizer.beta1=0.5"], "optimizer", Adam(beta1=0.5)),
        (["train.optimizer.lr=0.5", "train.optimizer=adam"], "optimizer", Adam()),
        (["train.schedule=step every 2", "train.schedule.every=3"], "schedule", Step(every=3)),
        (["train.schedule=cosine warmup 2"], "schedule", Cosine(warmup=2)),
        (["train.schedule=cosine", "train.schedule.warmup=3"], "schedule", Cosine(warmup=3)),
        (["train.schedule=multistep at [30, 60]"], "schedule", MultiStep(at=(30, 60))),
        (["train.loss.smoothing=0.1"], "loss", CrossEntropy(smoothing=0.1)),
        (["train.weight_decay=5e-4"], "weight_decay", WeightDecay(value=5e-4)),
        (["train.weight_decay=1/4 all yes"], "weight_decay", WeightDecay(value=0.25, all=True)),
        (["train.weight_decay.all=yes"], "weight_decay", WeightDecay(value=0.0, all=True)),
        (["train.clip=1"], "clip", 1.0),
        (["train.init=normal(0.01)"], "init", Init("normal", 0.01)),
        (["train.augment=crop padding 2 -> flip"], "augment", (Crop(padding=2), Flip())),
        (["train.freeze=C1 stem"], "freeze", ("C1", "stem")),
        (["train.freeze=stem.dense1"], "freeze", ("stem.dense1",)),
        (["train.max_norm=C1 3"], "max_norms", (MaxNorm(label="C1", value=3.0),)),
        (["train.lr_factor=C1 0.1"], "lr_factors", (RateFactor(label="C1", value=0.1),)),
        ([" train.epochs = 5 "], "epochs", 5),
    ],
)  # fmt: skip
def test_an_override_changes_its_setting_and_no_other(
    texts: list[str], field: str, value: object
) -> None:
    found = changed(*texts)
    assert getattr(found, field) == value
    mine = {**{name: getattr(PLAIN, name) for name in vars(PLAIN) if name[0] != "_"}, field: value}
    assert found == Recipe(**mine)


def test_none_removes_what_a_recipe_need_not_have() -> None:
    recipe = "train {\n clip 1\n early_stop 3\n augment flip\n freeze C1\n lr_factor C1 2\n}\n"
    names = ("clip", "early_stop", "augment", "freeze", "lr_factor")
    assert changed(*(f"train.{name}=none" for name in names), recipe=recipe) == Recipe()
    assert changed("train.clip=none", "train.clip=2", recipe=recipe).clip == 2


def test_what_can_stand_several_times_is_replaced_as_a_whole() -> None:
    recipe = "train {\n augment crop\n freeze C1\n lr_factor C1 2\n}\n"
    texts = ("train.augment=noise 0.5", "train.freeze=head", "train.lr_factor=C1 3 -> head 4")
    found = changed(*texts, recipe=recipe)
    assert found.augment == (Noise(std=0.5),)
    assert found.freeze == ("head",)
    assert [(one.label, one.value) for one in found.lr_factors] == [("C1", 3), ("head", 4)]


def test_without_a_recipe_in_the_spec_the_defaults_are_changed() -> None:
    assert changed("train.optimizer.lr=0.5", recipe="") == Recipe(optimizer=Sgd(lr=0.5))
    text = canonical_text(override(network(LAYERS), ["train.epochs=3"]).network)
    assert text.endswith("\n\ntrain {\n  epochs 3\n}\n")


def test_no_overrides_leave_the_network_as_it_is() -> None:
    built = network(LAYERS)
    assert override(built, []) == built
    assert override(built, []).network.recipe is None


def test_a_network_without_types_can_be_overridden_too() -> None:
    found = override(network(LAYERS + TRAIN).network, ["train.batch=8"])
    assert found.recipe == Recipe(optimizer=Sgd(lr=0.1, momentum=0.9), epochs=20, batch=8)


def test_the_network_given_stays_as_it_is() -> None:
    built = network(LAYERS + TRAIN)
    before = canonical_text(built.network)
    override(built, ["train.batch=8"])
    assert canonical_text(built.network) == before
    assert built.network.recipe == PLAIN


# --- what they cannot do ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        ("train.epochs=0", "`epochs` must be at least 1, not 0", "a number that is at least 1"),
        ("train.epochs=1.5", "must be a whole number", "`train.epochs=1` or `train.epochs=2`"),
        ("train.epochs=many", "nothing is called `many` here", "as in `train.epochs=10`"),
        ("train.optimizer.lr=-1", "`lr` must be greater than 0, not -1", "greater than 0"),
        ("train.optimizer.lr=x", "nothing is called `x` here", "as in `train.optimizer.lr=0.01`"),
        ("train.optimizer=sdg", "`optimizer` cannot be `sdg`", "did you mean `sgd`?"),
        ("train.optimizer=none", "`optimizer` cannot be `none`", "choose `sgd`, `adam`"),
        ("train.optimizer.beta1=0.1", "`sgd` has no attribute `beta1`", "`lr`, `momentum`"),
        ("train.optimizer.lr=0.1 0.2", "`sgd` has no place for `0.2`", "its attributes are"),
        ("train.optimizer=sgd lr 1 lr 2", "`lr` is given twice", "keep one"),
        ("train.schedule=step", "`step` needs `every`", "`train.schedule=step every 30`"),
        ("train.init=normal", "`normal` needs a number", "write `train.init=normal(0.01)`"),
        ("train.freeze=C9", "no layer or label is called `C9`", "did you mean `C1`?"),
        ("train.max_norm=C1", "`max_norm` needs a value", "`train.max_norm=C1 3`"),
        ("train.lr_factor=C1", "`lr_factor` needs a value", "`train.lr_factor=C1 0.1`"),
        ("train.augment=krop", "`augment` cannot be `krop`", "did you mean `crop`?"),
        ("train.batch=?", "`?` cannot stand in a setting", "write the value"),
        ("train.batch=1 epochs 2", "is a setting of its own", "a `--set` of its own"),
        ("train.batch=1\nepochs 2", "no braces and no line ends", "a `--set` of its own"),
        ("train.batch=1 } relu {", "no braces and no line ends", "a `--set` of its own"),
        ("train.batch=1; seed 2", "with their line, not with `;`", "a `--set` of its own"),
        ("train.epoch=5", "`train` has no setting `epoch`", "did you mean `train.epochs=5`?"),
        ("train.optimiser.lr=5", "no setting `optimiser`", "mean `train.optimizer.lr=5`?"),
        ("train.lr=0.1", "no setting `lr`", "did you mean `train.optimizer.lr=0.1`?"),
        ("train.warmup=1", "no setting `warmup`", "did you mean `train.schedule.warmup=1`?"),
        ("train.frobnicate=1", "no setting `frobnicate`", "its settings are `loss`"),
        ("epochs=5", "only settings of `train` can be set", "write `train.epochs=5`"),
        ("optimizer.lr=5", "only settings of `train`", "write `train.optimizer.lr=5`"),
        ("frobnicate=5", "only settings of `train`", "write `train.epochs=10`"),
        ("train.epochs", "no setting or no value", "write `train.epochs=10`"),
        ("train.clip=", "no setting or no value", "write `train.clip=1.0`"),
        ("train=5", "no setting or no value", "write `train.epochs=10`"),
        ("", "no setting or no value", "write `train.epochs=10`"),
        ("train.augment.crop=3", "only be set as a whole", "write `train.augment=crop padding 4"),
        ("train.optimizer.sgd.lr=3", "only be set as a whole", "write `train.optimizer=adadelta`"),
        ("train.batch.value=4", "only be set as a whole", "write `train.batch=4`"),
        ("train.batch.=4", "only be set as a whole", "write `train.batch=64`"),
        ("train.clip.by=4", "`clip` has no", "write `train.clip=1.0`"),
        ("train.schedule=cosine warmup 20", "the 20 epochs", "`train.schedule.warmup=19`"),
    ],
)  # fmt: skip
def test_what_a_spec_could_not_say_is_refused(text: str, message: str, help: str) -> None:
    error = refused(text)
    if "\n" not in text:
        assert f"`{text}`: " in error.message
    assert message in error.message
    assert help in error.help


def test_the_one_of_several_that_is_wrong_is_named() -> None:
    error = refused("train.epochs=5", "train.batch=0", "train.seed=1")
    assert error.message == "`train.batch=0`: `batch` must be at least 1, not 0"


def test_settings_must_suit_each_other_only_in_the_end() -> None:
    recipe = "train {\n schedule cosine warmup 5\n epochs 20\n}\n"
    error = refused("train.seed=1", "train.epochs=5", recipe=recipe)
    assert error.message.startswith("`train.epochs=5`: `warmup` must be less than the 5 epochs")
    assert "`train.schedule.warmup=4`" in error.help
    found = changed("train.epochs=5", "train.schedule.warmup=4", recipe=recipe)
    assert (found.epochs, found.schedule) == (5, Cosine(warmup=4))


@pytest.mark.parametrize(
    "text",
    [
        "train.epochs=1.5", "train.schedule=step", "train.init=normal", "train.lr_factor=C1",
        "train.epoch=5", "train.lr=0.1", "epochs=5", "train.clip=", "train.augment.crop=3",
        "train.optimizer.sgd.lr=3", "train.batch.value=4", "train.optimizer.lr=x",
        "train.schedule=cosine warmup 20", "train.weight_decay=none", "train.augment=cutout big",
        *(f"train.{name}=" for name in (*VARIANTS, *SCALARS, *LABELLED, *NAMES)),
    ],
)  # fmt: skip
def test_help_works_when_followed(text: str) -> None:
    suggestion = re.search(r"`(train\.[^`]+)`", refused(text).help)
    assert suggestion
    changed(suggestion[1])


# --- the warm-up in a spec --------------------------------------------------------------------


def test_a_warm_up_as_long_as_training_is_an_error_of_the_spec() -> None:
    text = "input 4\ndense 2\ntrain {\n  schedule cosine warmup 10\n}\n"
    found = only(text)
    assert (found.code, found.span.text) == ("CNN205", "10")
    assert found.message == "`warmup` must be less than the 10 epochs of training, not 10"
    assert found.help == "write `warmup 9` or less, or more `epochs`"
    assert found.labels == ()


def test_the_epochs_that_a_warm_up_exceeds_are_shown() -> None:
    found = only("input 4\ndense 2\ntrain {\n  epochs 1\n  schedule step every 2 warmup 3\n}\n")
    assert found.span.text == "3"
    assert [(label.span.text, label.message) for label in found.labels] == [("epochs", "1 epoch")]
    assert found.help == "write `warmup 0`, or more `epochs`"


def test_a_shorter_warm_up_is_fine() -> None:
    assert codes("input 4\ndense 2\ntrain {\n  schedule cosine warmup 9\n}\n") == []


def test_a_factor_without_a_number_says_how_to_write_it() -> None:
    found = only("input 4\nC1: dense 2\ntrain {\n  lr_factor C1\n}\n")
    assert (found.code, found.help) == ("CNN202", "write `lr_factor C1 0.1`")


def test_an_initialiser_without_a_number_says_how_to_write_it() -> None:
    found = only("input 4\ndense 2\ntrain {\n  init uniform\n}\n")
    assert (found.code, found.help) == ("CNN208", "write `init uniform(0.01)`")


# --- recipes as text --------------------------------------------------------------------------


def test_a_recipe_is_written_in_a_fixed_order_without_its_defaults() -> None:
    recipe = Recipe(
        loss=Hinge(margin=2.0),
        optimizer=Sgd(momentum=0.9),
        schedule=Step(every=3),
        weight_decay=WeightDecay(value=5e-4, all=True),
        augment=(Crop(), Flip(probability=0.25), Rotate(degrees=5.0)),
        init=Init("glorot"),
        freeze=("C1",),
        lr_factors=(RateFactor(label="stem", value=0.5), RateFactor(label="head", value=2.0)),
    )
    assert recipe_text(recipe) == (
        "train {\n"
        "  loss hinge margin 2.0\n"
        "  optimizer sgd momentum 0.9\n"
        "  schedule step every 3\n"
        "  weight_decay 0.0005 all yes\n"
        "  init glorot\n"
        "  augment crop -> flip horizontal probability 0.25 -> rotate 5.0\n"
        "  freeze C1\n"
        "  lr_factor stem 0.5 -> head 2.0\n"
        "}"
    )


def test_the_plain_recipe_is_empty() -> None:
    assert recipe_text(Recipe()) == "train { }"


positive = st.floats(1e-37, 1e38)
portion = st.floats(1e-37, 1, exclude_max=True)
share = st.floats(0, 1, exclude_max=True)
count = st.integers(1, 2**31 - 1)
warmup = st.integers(0, 3)
VALUES: dict[str, st.SearchStrategy[object]] = {
    "smoothing": share, "margin": positive, "delta": positive, "rho": share,
    "lr": positive, "eps": positive, "beta1": share,
    "beta2": share, "alpha": share, "momentum": portion, "nesterov": st.booleans(), "every": count,
    "gamma": portion, "at": st.sets(count, min_size=1, max_size=4).map(lambda s: tuple(sorted(s))),
    "power": positive, "patience": count, "factor": portion, "warmup": warmup,
    "warmup_lr": positive, "min_lr": positive, "padding": st.integers(1, 7),
    "direction": st.sampled_from(["horizontal", "vertical", "both"]), "probability": portion,
    "degrees": st.floats(0, 180, exclude_min=True), "cells": st.integers(1, 7),
    "std": positive, "size": st.integers(1, 8),
    "labels": st.sampled_from(["moved", "fixed"]),
}  # fmt: skip


def schemas(family: str) -> st.SearchStrategy[Schema]:
    def strategy(kind: type[Schema]) -> st.SearchStrategy[Schema]:
        fields = {name: VALUES[name] for name in kind.model_fields}
        required = {n: s for n, s in fields.items() if kind.model_fields[n].is_required()}
        rest = {n: s for n, s in fields.items() if n not in required and n != "nesterov"}
        return st.fixed_dictionaries(required, optional=rest).map(lambda values: kind(**values))

    return st.one_of([strategy(kind) for kind in VARIANTS[family].values()])


def maybe(values: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | values


initialisers = st.sampled_from([Init("he"), Init("glorot"), Init("lecun")]) | st.builds(
    Init, st.just("constant"), st.floats(-1e38, 1e38)
)
labels = st.sampled_from(["C1", "stem", "stem.dense1", "head"])
recipes = st.builds(
    Recipe,
    loss=schemas("loss"),
    optimizer=schemas("optimizer"),
    schedule=schemas("schedule"),
    weight_decay=st.builds(WeightDecay, value=positive, all=st.booleans()),
    clip=maybe(positive),
    batch=count,
    epochs=st.integers(4, 1000),
    seed=st.integers(0, 2**32 - 1),
    early_stop=maybe(count),
    augment=st.lists(schemas("augment"), max_size=4).map(tuple),
    init=initialisers,
    freeze=st.lists(labels, unique=True).map(tuple),
    lr_factors=st.lists(st.builds(RateFactor, label=labels, value=positive), max_size=3).map(tuple),
    max_norms=st.lists(st.builds(MaxNorm, label=labels, value=positive), max_size=3).map(tuple),
)


@settings(max_examples=60, deadline=None)
@given(recipes)
def test_reading_what_was_written_gives_the_recipe_again(recipe: Recipe) -> None:
    text = LAYERS + recipe_text(recipe) + "\n"
    assert network(text).network.recipe == recipe


@settings(max_examples=20, deadline=None)
@given(recipes)
def test_an_override_keeps_every_other_setting(recipe: Recipe) -> None:
    built = network(LAYERS + recipe_text(recipe) + "\n")
    found = override(built, [f"train.epochs={recipe.epochs}"]).network.recipe
    assert found == recipe


def test_every_augmentation_can_be_written() -> None:
    changes = (Crop(), Flip(), Rotate(), Shift(), Noise(), Cutout())
    assert {type(one).keyword for one in changes} == set(VARIANTS["augment"])
    recipe = Recipe(augment=changes)
    assert network(LAYERS + recipe_text(recipe)).network.recipe == recipe
