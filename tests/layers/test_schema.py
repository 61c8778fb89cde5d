"""What can be written for a layer's parameters, and what its error says and blames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from cnndsl.cli.plugin_errors import REGISTRIES
from cnndsl.layers import find
from cnndsl.layers.base import LARGEST, MAX_SIZE, Init, Layer, Schema
from cnndsl.layers.window import Rounding


def make(keyword: str, **parameters: Any) -> Any:
    layer = find(keyword)
    assert layer is not None
    return layer(**parameters)


MINIMAL: dict[str, dict[str, Any]] = {
    "conv": {"filters": 1, "kernel": 3},
    "depthwise": {"kernel": 3},
    "maxpool": {"kernel": 2},
    "avgpool": {"kernel": 2},
    "sumpool": {"kernel": 2},
    "dense": {"units": 1},
}


def problems(keyword: str, **parameters: Any) -> list[tuple[tuple[int | str, ...], str]]:
    with pytest.raises(ValidationError) as caught:
        make(keyword, **(MINIMAL.get(keyword, {}) | parameters))
    return [(error["loc"], error["type"]) for error in caught.value.errors()]


@pytest.mark.parametrize(
    ("keyword", "parameters", "location", "kind"),
    [
        ("conv", {"filters": 0}, ("filters",), "greater_than_equal"),
        ("conv", {"filters": 2.5}, ("filters",), "int_type"),
        ("conv", {"filters": True}, ("filters",), "int_type"),
        ("conv", {"filters": MAX_SIZE + 1}, ("filters",), "less_than_equal"),
        ("conv", {"kernel": 0}, ("kernel", 0), "greater_than_equal"),
        ("conv", {"kernel": (3, 0)}, ("kernel", 1), "greater_than_equal"),
        ("conv", {"kernel": "big"}, ("kernel",), "tuple_type"),
        ("conv", {"stride": (1, -2)}, ("stride", 1), "greater_than_equal"),
        ("conv", {"padding": -1}, ("padding", 0), "greater_than_equal"),
        ("conv", {"padding": (1, 2, -3, 0)}, ("padding", 2), "greater_than_equal"),
        ("conv", {"padding": (1, 0.5)}, ("padding", 1), "int_type"),
        ("conv", {"padding": "sam"}, ("padding",), "literal_error"),
        ("conv", {"padding": True}, ("padding",), "tuple_type"),
        ("conv", {"padding": ()}, ("padding",), "value_error"),
        ("conv", {"kernel": ()}, ("kernel",), "too_short"),
        ("conv", {"dilation": 0}, ("dilation", 0), "greater_than_equal"),
        ("conv", {"groups": 0}, ("groups",), "greater_than_equal"),
        ("conv", {"bias": 1}, ("bias",), "bool_type"),
        ("conv", {"rounding": "down"}, ("rounding",), "literal_error"),
        ("conv", {"rounding": 3}, ("rounding",), "literal_error"),
        ("conv", {"init": "hee"}, ("init",), "literal_error"),
        ("conv", {"init": "normal"}, ("init",), "value_error"),
        ("conv", {"init": Init("he", 2.0)}, ("init",), "value_error"),
        ("conv", {"init": Init("uniform", -1.0)}, ("init",), "value_error"),
        ("conv", {"init": Init("constant", float("nan"))}, ("init",), "value_error"),
        ("conv", {"slope": 1}, ("slope",), "extra_forbidden"),
        ("avgpool", {"dilation": 2}, ("dilation",), "extra_forbidden"),
        ("avgpool", {"count_padding": 0}, ("count_padding",), "bool_type"),
        ("maxpool", {"stride": (2, 0)}, ("stride", 1), "greater_than_equal"),
        ("dense", {"units": -1}, ("units",), "greater_than_equal"),
        ("dropout", {"rate": 1}, ("rate",), "less_than"),
        ("dropout", {"rate": -0.1}, ("rate",), "greater_than_equal"),
        ("leakyrelu", {"slope": float("inf")}, ("slope",), "finite_number"),
        ("batchnorm", {"eps": 0}, ("eps",), "greater_than"),
        ("batchnorm", {"momentum": 1.5}, ("momentum",), "less_than_equal"),
        ("lrn", {"size": 4}, ("size",), "value_error"),
        ("lrn", {"k": 0}, ("k",), "greater_than"),
        ("relu", {"slope": 0.1}, ("slope",), "extra_forbidden"),
    ],
)
def test_a_bad_value_gives_one_error_at_its_place(
    keyword: str, parameters: dict[str, Any], location: tuple[int | str, ...], kind: str
) -> None:
    [(found_location, found_kind)] = problems(keyword, **parameters)
    assert (found_location, found_kind) == (location, kind)


def test_what_must_be_written() -> None:
    required = {
        keyword: [name for name, field in layer.model_fields.items() if field.is_required()]
        for keyword in MINIMAL
        if (layer := find(keyword))
    }
    assert {keyword: sorted(MINIMAL[keyword]) for keyword in MINIMAL} == {
        keyword: sorted(names) for keyword, names in required.items()
    }


def test_one_number_is_a_size() -> None:
    conv = make("conv", filters=6, kernel=5, padding=2)
    assert (conv.kernel, conv.padding, conv.stride) == ((5,), (2,), (1,))


def test_defaults_are_those_of_the_language() -> None:
    conv = make("conv", filters=6, kernel=5)
    assert (conv.padding, conv.dilation, conv.groups, conv.bias) == ((0,), (1,), 1, True)
    assert conv.rounding is Rounding.EXACT
    assert make("maxpool", kernel=(3, 2)).per_dimension()["stride"] == (3, 2)
    assert make("dropout").rate == 0.5
    assert make("leakyrelu").slope == 0.01
    assert (make("batchnorm").eps, make("batchnorm").momentum) == (1e-5, 0.1)
    lrn = make("lrn")
    assert (lrn.size, lrn.alpha, lrn.beta, lrn.k) == (5, 1e-4, 0.75, 1.0)
    assert make("avgpool", kernel=2).count_padding is False


def test_words_become_values() -> None:
    conv = make("conv", filters=6, kernel=5, rounding="ceil", init="he", padding="same")
    assert (conv.rounding, conv.init, conv.padding) == (Rounding.CEIL, Init("he"), "same")
    assert make("dense", units=3, init=Init("normal", 0.01)).init == Init("normal", 0.01)
    assert make("dense", units=3, bias_init=Init("constant", -1.0)).bias_init.value == -1.0


def test_a_layer_is_frozen_and_hashable() -> None:
    layer: Layer = make("conv", filters=6, kernel=5)
    assert layer == make("conv", filters=6, kernel=(5,))
    assert hash(layer) == hash(make("conv", filters=6, kernel=5))
    with pytest.raises(ValidationError):
        layer.filters = 7  # type: ignore[attr-defined]


# --- what float32 can hold --------------------------------------------------------------------


def numbers() -> Iterator[tuple[type[Schema], str]]:
    """Every parameter that is a number, of whatever a spec names: layers, losses, optimizers."""
    for registry in REGISTRIES:
        for keyword in registry.keywords():
            schema = registry.find(keyword)
            if schema is not None and issubclass(schema, Schema):
                for name, field in schema.model_fields.items():
                    if field.annotation in (float, float | None):
                        yield schema, name


def takes(schema: type[Schema], name: str, value: float) -> bool:
    try:
        schema(**{name: value})
    except ValidationError as error:
        return name not in [problem["loc"][0] for problem in error.errors()]
    return True


@pytest.mark.parametrize(("schema", "name"), [*numbers()])
def test_a_number_that_float32_cannot_hold_is_refused(schema: type[Schema], name: str) -> None:
    assert not takes(schema, name, 1e39)
    assert not takes(schema, name, -1e39)
    if takes(schema, name, LARGEST) and not takes(schema, name, 0):
        assert not takes(schema, name, 1e-46)
