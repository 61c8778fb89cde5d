"""The recipe of `train { }`: its tables of settings, and what they make together.

A setting is a phrase: its name, for some a word that picks a variant (`optimizer sgd`), then
attributes and values. Four tables say which is which, and the checker binds by them alone:
:data:`VARIANTS` (a word picks the schema), :data:`SCALARS` (a value, then attributes),
:data:`LABELLED` (a label, then as a scalar) and :data:`NAMES` (labels only).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from typing_extensions import override

from cnndsl.diagnostics.model import UserError
from cnndsl.frozen import frozen, replace
from cnndsl.layers.base import Init
from cnndsl.recipe import AUGMENTATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from cnndsl.recipe.heads import HeadLoss
from cnndsl.recipe.losses.base import Loss
from cnndsl.recipe.optimizers.base import Optimizer
from cnndsl.recipe.schedules.base import Schedule
from cnndsl.recipe.settings import (
    Batch,
    Clip,
    EarlyStop,
    Epochs,
    Initializer,
    MaxNorm,
    Precision,
    PrecisionWord,
    RateFactor,
    Scalar,
    Seed,
    Shards,
    Variant,
    WeightDecay,
)
from cnndsl.registry import Registry

if TYPE_CHECKING:
    from cnndsl.recipe.augmentations.base import Augmentation

__all__ = [
    "LABELLED",
    "NAMES",
    "REPEATABLE",
    "SCALARS",
    "VARIANTS",
    "Family",
    "Recipe",
    "SettingValue",
    "build",
    "scopes",
]


class Family(Mapping[str, type[Variant]]):
    """The kinds of a setting by their words, each loaded when it is asked for.

    Args:
        registry: what finds them.
        usual: the words that choices are shown by first, in this order.
    """

    def __init__(self, registry: Registry[Any], usual: str) -> None:
        self._registry = registry
        self._usual = tuple(usual.split())

    @override
    def __getitem__(self, word: str) -> type[Variant]:
        kind: type[Variant] | None = self._registry.find(word)
        if kind is None:
            raise KeyError(word)
        return kind

    @override
    def __contains__(self, word: object) -> bool:
        """Whether there is one of this name; none is loaded for it."""
        return isinstance(word, str) and self._registry.has(word)

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._usual, *self._registry.keywords())))

    @override
    def __len__(self) -> int:
        return len(self._registry.keywords())

    def loaded(self, word: str) -> type[Variant] | None:
        """The kind of this name; None where there is none, or one of another package fails."""
        try:
            return self.get(word)
        except UserError:
            return None

    def shipped(self) -> Iterator[type[Variant]]:
        """The kinds of this package, which always load."""
        return (self[word] for word in self if self._registry.is_shipped(word))


VARIANTS: Mapping[str, Family] = {
    "loss": Family(LOSSES, "crossentropy binarycrossentropy mse mae huber hinge"),
    "optimizer": Family(OPTIMIZERS, "sgd adam adamw rmsprop adagrad adadelta"),
    "schedule": Family(
        SCHEDULES, "constant step multistep cosine exponential polynomial inverse plateau"
    ),
    "augment": Family(AUGMENTATIONS, "crop flip rotate shift noise cutout"),
}
"""Settings whose next word picks the schema of what follows: ``optimizer sgd lr 0.01``."""

SCALARS: Mapping[str, type[Scalar]] = {
    "weight_decay": WeightDecay,
    "clip": Clip,
    "batch": Batch,
    "shards": Shards,
    "epochs": Epochs,
    "seed": Seed,
    "early_stop": EarlyStop,
    "init": Initializer,
    "precision": Precision,
}
"""Settings of a value and perhaps attributes: ``weight_decay 5e-4 all yes``."""

LABELLED: Mapping[str, type[Scalar]] = {"lr_factor": RateFactor, "max_norm": MaxNorm}
"""Settings whose next word is a label, the schema's ``label``; the rest is as for a scalar."""

NAMES: frozenset[str] = frozenset({"freeze"})
"""Settings that are a list of labels: ``freeze stem layer1``."""

REPEATABLE: frozenset[str] = frozenset({"augment", "freeze", "lr_factor", "max_norm"})
"""Settings that may stand more than once, and add up in the order written; so may ``loss``, once
for each head."""


# --- the recipe -------------------------------------------------------------------------------


def _default(setting: str, word: str) -> Any:
    return VARIANTS[setting][word].model_construct()


def scopes(name: str) -> Iterator[str]:
    """A layer's name and the labels that it lies under, the nearest first.

    >>> list(scopes("layer1.0.conv1"))
    ['layer1.0.conv1', 'layer1.0', 'layer1']
    """
    while name:
        yield name
        name = name.rpartition(".")[0]


@frozen
class Recipe:
    """A whole recipe: what was set, and the defaults of what was not.

    ``loss`` is the main output's, times ``loss_weight``; ``heads`` are those of other outputs and
    layers. ``clip`` and ``early_stop`` are None where they were not asked for.
    """

    # The defaults are right: unvalidated, they save the start-up their validators.
    loss: Loss = field(default_factory=lambda: _default("loss", "crossentropy"))
    optimizer: Optimizer = field(default_factory=lambda: _default("optimizer", "sgd"))
    schedule: Schedule = field(default_factory=lambda: _default("schedule", "constant"))
    weight_decay: WeightDecay = field(
        default_factory=lambda: WeightDecay.model_construct(value=0.0)
    )
    clip: float | None = None
    batch: int = 32
    shards: int = 1
    epochs: int = 10
    seed: int = 0
    early_stop: int | None = None
    augment: tuple[Augmentation, ...] = ()
    init: Init = field(default_factory=lambda: Init("he"))
    precision: PrecisionWord = "float32"
    freeze: tuple[str, ...] = ()
    lr_factors: tuple[RateFactor, ...] = ()
    max_norms: tuple[MaxNorm, ...] = ()
    loss_weight: float = 1.0
    heads: tuple[HeadLoss, ...] = ()

    def losses(self, main: str) -> tuple[HeadLoss, ...]:
        """The losses of all heads, that of the main output, which is called so, first."""
        return (HeadLoss(main, self.loss, self.loss_weight), *self.heads)

    def bare(self, optimizer: Optimizer) -> Recipe:
        """The same with nothing between gradients and weights but this optimizer, in float32."""
        return replace(
            self,
            optimizer=optimizer,
            weight_decay=Recipe().weight_decay,
            clip=None,
            lr_factors=(),
            max_norms=(),
            freeze=(),
            precision="float32",
        )

    @cached_property
    def _frozen(self) -> frozenset[str]:
        return frozenset(self.freeze)

    @cached_property
    def _factors(self) -> Mapping[str, float]:
        return {factor.label: factor.value for factor in self.lr_factors}

    @cached_property
    def _norms(self) -> Mapping[str, float]:
        return {norm.label: norm.value for norm in self.max_norms}

    def freezes(self, name: str) -> bool:
        """Whether the layer of this name does not learn.

        >>> recipe = Recipe(freeze=("stem",))
        >>> recipe.freezes("stem.conv1"), recipe.freezes("stem2")
        (True, False)
        """
        return any(scope in self._frozen for scope in scopes(name))

    def rate_factor(self, name: str) -> float:
        """What the layer's learning rate is multiplied by: its nearest label decides.

        >>> recipe = Recipe(lr_factors=(RateFactor(label="stem", value=0.1),))
        >>> recipe.rate_factor("stem.conv1"), recipe.rate_factor("head")
        (0.1, 1.0)
        """
        return next((self._factors[scope] for scope in scopes(name) if scope in self._factors), 1.0)

    def max_norm(self, name: str) -> float | None:
        """What the norm of each unit of the layer is held to: its nearest label decides.

        >>> recipe = Recipe(max_norms=(MaxNorm(label="head", value=3),))
        >>> recipe.max_norm("head.dense1"), recipe.max_norm("stem")
        (3.0, None)
        """
        return next((self._norms[scope] for scope in scopes(name) if scope in self._norms), None)

    def to_json(self) -> dict[str, object]:
        """The recipe as plain data; a variant carries its keyword as ``name``."""
        return {
            "loss": _plain(self.loss),
            "optimizer": _plain(self.optimizer),
            "schedule": _plain(self.schedule),
            "weight_decay": self.weight_decay.model_dump(mode="json"),
            "clip": self.clip,
            "batch": self.batch,
            "epochs": self.epochs,
            "seed": self.seed,
            "early_stop": self.early_stop,
            "augment": [_plain(change) for change in self.augment],
            "init": {"name": self.init.name, "value": self.init.value},
            "precision": self.precision,
            "freeze": list(self.freeze),
            "lr_factors": [factor.model_dump(mode="json") for factor in self.lr_factors],
            "max_norms": [norm.model_dump(mode="json") for norm in self.max_norms],
            **self._further_json(),
        }

    def _further_json(self) -> dict[str, object]:
        """What a recipe in one shard, with a single loss of weight 1, does not have."""
        found: dict[str, object] = {}
        if self.shards != 1:
            found["shards"] = self.shards
        if self.loss_weight != 1:
            found["loss_weight"] = self.loss_weight
        if self.heads:
            found["heads"] = [
                {"head": one.head, "loss": _plain(one.loss), "weight": one.weight}
                for one in self.heads
            ]
        return found


def _plain(variant: Variant) -> dict[str, object]:
    return {"name": variant.keyword, **variant.model_dump(mode="json")}


SettingValue: TypeAlias = Variant | HeadLoss | Scalar | tuple[str, ...]
"""What a setting's line says, validated: its schema's instance, or its labels."""


def build(settings: Iterable[tuple[str, SettingValue]]) -> Recipe:
    """The recipe that settings make, given by name in the order written.

    Of a setting that cannot be repeated the last one counts.

    >>> build([("batch", Batch(value=64)), ("freeze", ("stem",))]).freeze
    ('stem',)
    """
    values: dict[str, Any] = {}
    augment: list[Any] = []
    factors: list[RateFactor] = []
    norms: list[MaxNorm] = []
    freeze: list[str] = []
    heads: list[HeadLoss] = []
    for name, value in settings:
        if isinstance(value, tuple):
            freeze.extend(value)
        elif isinstance(value, HeadLoss) and value.head:
            heads.append(value)
        elif isinstance(value, HeadLoss):
            values |= {"loss": value.loss, "loss_weight": value.weight}
        elif name == "augment":
            augment.append(value)
        elif isinstance(value, RateFactor):
            factors.append(value)
        elif isinstance(value, MaxNorm):
            norms.append(value)
        elif isinstance(value, Variant | WeightDecay):
            values[name] = value
        else:
            values[name] = value.value
    freeze = list(dict.fromkeys(freeze))
    return Recipe(
        **values,
        augment=tuple(augment),
        freeze=tuple(freeze),
        lr_factors=tuple(factors),
        max_norms=tuple(norms),
        heads=tuple(heads),
    )
