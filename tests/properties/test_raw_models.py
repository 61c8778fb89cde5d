"""A model of raw pictures answers as the model without their preparation, whatever that is."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from PIL import Image

from cnndsl import pipeline
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.runtime.model import Model

Array = NDArray[Any]

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK")

NUMBERS = st.floats(-3, 3, allow_nan=False, width=32)
POSITIVE = st.floats(2.0**-9, 4, width=32)


@st.composite
def specs(draw: st.DrawFn) -> str:
    channels = draw(st.sampled_from([1, 3]))
    height, width = draw(st.integers(1, 7)), draw(st.integers(1, 7))
    several = st.sampled_from([1, channels])
    lines = [
        f"scale {draw(st.one_of(st.just('1/255'), POSITIVE))}",
        f"mean {draw(several.flatmap(lambda count: lists(NUMBERS, count)))}",
        f"std {draw(several.flatmap(lambda count: lists(POSITIVE, count)))}",
        f"layout {draw(st.sampled_from(['rgb', 'bgr'] if channels == 3 else ['gray']))}",
        f"invert {draw(st.sampled_from(['yes', 'no']))}",
        f"fit {draw(st.sampled_from(['resize', 'pad', 'crop', 'crop from 7']))}",
        f"resample {draw(st.sampled_from(['bilinear', 'bicubic', 'nearest']))}",
        f"background {draw(st.integers(0, 255))}",
    ]
    kept = [line for line in lines if draw(st.booleans())]
    return f"input {channels}x{height}x{width} {{\n" + "\n".join(kept) + "\n}\nidentity\n"


def lists(numbers: st.SearchStrategy[float], count: int) -> st.SearchStrategy[list[float]]:
    return st.lists(numbers, min_size=count, max_size=count)


def both(typed: TypedNetwork, **options: Any) -> tuple[Model, Model]:
    plain = pipeline.compile(typed, **options)
    return Model(plain, device="cpu"), Model(
        pipeline.compile(typed, raw=True, **options), device="cpu"
    )


def noise(seed: int, *dims: int) -> NDArray[numpy.uint8]:
    return numpy.random.default_rng(seed).integers(0, 256, dims, numpy.uint8)


QUICK = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)


@QUICK
@given(specs(), st.sampled_from(MODES), st.integers(1, 9), st.integers(1, 9), st.integers(0, 99))
def test_a_picture_is_prepared_to_the_same_bits(
    text: str, mode: str, height: int, width: int, seed: int
) -> None:
    plain, raw = both(pipeline.typed(pipeline.check_text(text)))
    picture = Image.fromarray(noise(seed, height, width, 3)).convert(mode)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("picture.tif" if mode == "CMYK" else "picture.png")
        picture.save(path)
        [expected], [found] = plain.predict([path]), raw.predict([path])
    numpy.testing.assert_array_equal(found.main, expected.main)


@QUICK
@given(specs(), st.sampled_from([None, 2]), st.integers(18, 21), st.integers(0, 99))
def test_an_array_is_prepared_to_the_same_bits(
    text: str, batch: int | None, opset: int, seed: int
) -> None:
    typed = pipeline.typed(pipeline.check_text(text))
    plain, raw = both(typed, batch=batch, opset=opset)
    [node] = typed.network.inputs
    height, width = node.type.spatial
    x = noise(seed, 2, height, width, node.type.channels)
    turned = x[..., ::-1] if node.preparation.layout_for(node.type) == "bgr" else x
    expected = plain.run(turned.transpose(0, 3, 1, 2))
    numpy.testing.assert_array_equal(raw.run(x), expected)
    source = pipeline.compile(typed, raw=True, batch=batch, opset=opset)
    [reference] = map(numpy.asarray, ReferenceEvaluator(source.to_proto()).run(None, {"input": x}))
    numpy.testing.assert_array_equal(reference, expected)


@pytest.mark.parametrize("name", ["lenet5", "resnet18", "densenet121"])
@pytest.mark.parametrize("batch", [None, 2])
def test_a_shipped_network_answers_the_same(name: str, batch: int | None) -> None:
    plain, raw = both(pipeline.load(name), batch=batch, seed=1)
    channels, height, width = plain.inputs[0].type.dims
    x = noise(5, 2, height, width, channels)
    expected, found = plain.run(x.transpose(0, 3, 1, 2)), raw.run(x)
    assert numpy.ptp(expected) > 0
    numpy.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
