"""Locally connected layers, by values and gradients, against PyTorch's unfolded windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from layer_oracle import Oracle, compare_with_torch

from cnndsl.layers.conv import Conv
from cnndsl.layers.localconv import LocalConv
from cnndsl.layers.window import Rounding
from cnndsl.pipeline import check_text, typed
from cnndsl.types import TensorType

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional


def by_indices(layer: LocalConv, source: TensorType) -> Oracle:
    """Takes the cells of all windows by their indices, dimension by dimension."""
    windows = layer.windows(source)

    def oracle(inputs: Sequence[Any], weights: dict[str, Any]) -> Any:
        margins = [m for w in reversed(windows) for m in (w.before, w.after + w.overhang)]
        x = F.pad(inputs[0], margins)
        for at, window in enumerate(windows):
            places = torch.arange(window.output)[:, None] * window.stride
            cells = places + torch.arange(window.kernel) * window.dilation
            x = x.index_select(2 + 2 * at, cells.flatten()).unflatten(2 + 2 * at, cells.shape)
        rank = len(windows)
        order = [0, 1, *range(2, 2 + 2 * rank, 2), *range(3, 3 + 2 * rank, 2)]
        sizes = [w.output for w in windows]
        seen = x.permute(order).reshape(*x.shape[:2], math.prod(sizes), -1)
        result = torch.einsum("ncpk,pfck->nfp", seen, weights["weight"].flatten(3))
        return result.unflatten(2, sizes) + weights.get("bias", 0)

    return oracle


CASES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((3, 7), {"kernel": 3}),
    ((2, 9), {"kernel": 3, "stride": 2, "padding": (2, 0), "rounding": Rounding.CEIL}),
    ((3, 5, 6), {"kernel": (3, 2), "padding": "same"}),
    ((1, 6, 6), {"kernel": 2, "stride": 3, "rounding": Rounding.FLOOR, "bias": False}),
    ((2, 7, 5), {"kernel": (1, 2), "dilation": (1, 3), "stride": (2, 1), "padding": "full"}),
    ((2, 4, 3, 5), {"kernel": (2, 3, 1), "stride": (2, 1, 2)}),
    ((4, 1, 1), {"kernel": 1}),
]


@pytest.mark.parametrize(("dims", "given"), CASES)
def test_values_and_gradients_are_those_of_unfolded_windows(
    dims: tuple[int, ...], given: dict[str, Any]
) -> None:
    layer = LocalConv(filters=4, **given)
    compare_with_torch(layer, [TensorType(dims)], by_indices(layer, TensorType(dims)))


def test_a_picture_is_unfolded_as_pytorch_does_it() -> None:
    def oracle(inputs: Sequence[Any], weights: dict[str, Any]) -> Any:
        seen = F.unfold(inputs[0], 3, padding=1)
        kernels = weights["weight"].flatten(2)
        return torch.einsum("nkp,pfk->nfp", seen, kernels).unflatten(2, (6, 5)) + weights["bias"]

    compare_with_torch(
        LocalConv(filters=2, kernel=(3,), padding=(1,)), [TensorType((3, 6, 5))], oracle
    )


def test_with_the_same_kernels_everywhere_it_is_a_convolution() -> None:
    source = TensorType((3, 6, 5))
    given: dict[str, Any] = {"kernel": (3,), "stride": (2,), "padding": "same"}
    shared: Any = Conv(filters=4, **given)
    layer: Any = LocalConv(filters=4, **given)

    def oracle(inputs: Sequence[Any], weights: dict[str, Any]) -> Any:
        rows = weights["weight"]
        pieces = [
            F.conv2d(F.pad(inputs[0], (1, 1, 0, 1)), kernels, stride=2).flatten(2)[:, :, at]
            for at, kernels in enumerate(rows)
        ]
        return torch.stack(pieces, 2).unflatten(2, (3, 3)) + weights["bias"]

    assert layer.output(source) == shared.output(source)
    assert layer.macs(source) == shared.macs(source)
    compare_with_torch(layer, [source], oracle)


@pytest.mark.parametrize(("size", "params"), [(32, 1901386), (24, 1116490)])
def test_the_locally_connected_network_has_its_numbers(size: int, params: int) -> None:
    text = f"""\
input 3x{size}x{size}
rounding ceil
repeat 2 {{ conv 64@5 padding 2 -> relu -> maxpool 3 stride 2 }}
repeat 2 {{ localconv 32@3 padding 1 -> relu }}
flatten -> dense 10 -> softmax
expect params {params}
"""
    typed(check_text(text))
