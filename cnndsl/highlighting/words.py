"""The words of the language by what they are, from the one place where each is defined."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from cnndsl.elaborate.quantities import Quantity
from cnndsl.elaborate.values import FUNCTIONS, INITIALISERS
from cnndsl.frozen import frozen
from cnndsl.layers import LAYERS
from cnndsl.layers.base import Schema
from cnndsl.layers.reference import described_parameters
from cnndsl.recipe.preparation import SETTINGS
from cnndsl.recipe.recipe import LABELLED, NAMES, SCALARS, VARIANTS
from cnndsl.syntax.lexer import spellings
from cnndsl.syntax.sharing import SHARE

__all__ = ["Words", "words"]

_OPERATORS = ("and", "or", "not", "in")


@frozen
class Words:
    """Words by what they are; one may be in several: ``scale`` is a layer and a setting."""

    keywords: frozenset[str]
    """Those of the grammar."""
    operators: frozenset[str]
    """Those of the grammar that join values."""
    layers: frozenset[str]
    attributes: frozenset[str]
    """Parameters of layers and settings, as they are written."""
    settings: frozenset[str]
    """What a line of `train { }` or of an input's braces begins with."""
    kinds: frozenset[str]
    """What picks a setting's kind: ``sgd``."""
    values: frozenset[str]
    """Words that are values: ``same``, ``yes``, ``he``."""
    functions: frozenset[str]
    quantities: frozenset[str]
    """What ``expect`` speaks of."""


@cache
def words() -> Words:
    """The words of this package; those of others' layers are not among them."""
    layers = [kind for name in LAYERS.shipped if (kind := LAYERS.find(name)) is not None]
    kinds = [kind for family in VARIANTS.values() for kind in family.shipped()]
    schemas = [*layers, *kinds, *SCALARS.values(), *LABELLED.values(), *SETTINGS.values()]
    reserved = frozenset(spellings()[0])
    return Words(
        keywords=reserved - {*_OPERATORS},
        operators=frozenset(_OPERATORS),
        layers=frozenset(LAYERS.shipped),
        attributes=frozenset(_attributes(schemas)) | {SHARE, "vocabulary"},
        settings=frozenset((*VARIANTS, *SCALARS, *LABELLED, *NAMES, *SETTINGS)),
        kinds=frozenset(kind.keyword for kind in kinds),
        values=frozenset(_values(schemas)) | {"yes", "no", "tokens"} | INITIALISERS,
        functions=frozenset(FUNCTIONS - INITIALISERS),
        quantities=frozenset(Quantity),
    )


def _attributes(schemas: Iterable[type[Schema]]) -> Iterable[str]:
    for schema in schemas:
        yield from (name for name in schema.model_fields if name not in schema.positional)


def _values(schemas: Iterable[type[Schema]]) -> Iterable[str]:
    for schema in schemas:
        for one in described_parameters(schema):
            yield from (word.partition("(")[0] for word in one.words)
