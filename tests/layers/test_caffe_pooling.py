"""Pooling with `rounding ceil` against Caffe's rule, on all small cases.

The rule is that of Caffe's ``pooling_layer.cpp``, transcribed: sizes are rounded up; with padding,
a last window that begins beyond the input and its padding is dropped; the mean divides by the
window clipped to input and padding, before it is clipped to the input.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cnndsl.layers import find
from cnndsl.layers.base import Layer

CASES = [
    (size, kernel, stride, padding)
    for size in range(5, 18)
    for kernel in range(2, 6)
    for stride in range(1, kernel + 1)
    for padding in range(kernel // 2 + 1)
    if size >= kernel
]


def caffe(x: Any, kernel: int, stride: int, padding: int, *, average: bool) -> Any:
    height = x.shape[-1]
    pooled = math.ceil((height + 2 * padding - kernel) / stride) + 1
    if padding and (pooled - 1) * stride >= height + padding:
        pooled -= 1
    output = np.empty((*x.shape[:-2], pooled, pooled), x.dtype)
    for row in range(pooled):
        for column in range(pooled):
            top, left = row * stride - padding, column * stride - padding
            bottom, right = (
                min(top + kernel, height + padding),
                min(left + kernel, height + padding),
            )
            area = (bottom - top) * (right - left)
            seen = x[..., max(top, 0) : min(bottom, height), max(left, 0) : min(right, height)]
            value = seen.sum((-2, -1)) / area if average else seen.max((-2, -1))
            output[..., row, column] = value
    return output


def test_the_cases_hold_the_364_of_the_reference() -> None:
    assert len([case for case in CASES if case[2] <= 3]) == 364


@pytest.mark.parametrize("average", [False, True], ids=["max", "average"])
def test_pooling_with_ceil_is_caffes(average: bool, compute: Callable[..., list[Any]]) -> None:
    layer = find("avgpool" if average else "maxpool")
    assert layer is not None
    counting = {"count_padding": True} if average else {}
    generator = np.random.default_rng(3)
    cases: list[tuple[Layer, list[Any], dict[str, Any]]] = []
    for size, kernel, stride, padding in CASES:
        x = generator.normal(size=(1, 2, size, size)).astype(np.float32)
        parameters = {"kernel": kernel, "stride": stride, "padding": padding, "rounding": "ceil"}
        cases.append((layer.model_validate(parameters | counting), [x], {}))
    for case, (_, (x,), _), output in zip(CASES, cases, compute(cases), strict=True):
        _, kernel, stride, padding = case
        wanted = caffe(x, kernel, stride, padding, average=average)
        np.testing.assert_allclose(output, wanted, atol=1e-5, err_msg=str(case))
