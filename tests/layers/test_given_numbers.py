"""Layers whose numbers stand in the spec: tables of connections, fixed filters, codes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner
from layer_oracle import compare_with_torch
from PIL import Image

import cnndsl
from cnndsl.analysis.cost import macs_of, params_of
from cnndsl.cli import main
from cnndsl.graph.initializers import initialise
from cnndsl.layers.base import Init
from cnndsl.layers.conv import Conv
from cnndsl.layers.fixed_filter import Filter
from cnndsl.layers.rbf import RadialBasis
from cnndsl.pipeline import check_text, typed
from cnndsl.types import TensorType

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional

C3 = (
    *[(at, (at + 1) % 6, (at + 2) % 6) for at in range(6)],
    *[tuple((at + step) % 6 for step in range(4)) for at in range(6)],
    *[tuple((at + step) % 6 for step in (0, 1, 3, 4)) for at in range(3)],
    tuple(range(6)),
)
"""LeNet-5's table I: neighbours of three and four, pairs of pairs, and all."""


# --- a convolution with a table of connections ------------------------------------------------


def by_single_maps(layer: Conv) -> Any:
    """Each connection by itself: one map with one kernel, added up by filters."""

    def oracle(inputs: Sequence[Any], weights: dict[str, Any]) -> Any:
        rank, kernels = inputs[0].ndim - 2, iter(weights["weight"])
        conv = getattr(F, f"conv{rank}d")
        assert layer.table is not None
        maps = [
            sum(conv(inputs[0][:, [seen]], next(kernels)[None, None]) for seen in row)
            for row in layer.table
        ]
        bias = weights.get("bias", torch.zeros(len(maps), dtype=torch.float64))
        return torch.cat(maps, 1) + bias.reshape(-1, *[1] * rank)

    return oracle


@pytest.mark.parametrize(
    ("dims", "table"),
    [((3, 7), ((0,), (2, 1))), ((4, 5, 6), ((3, 0), (1,), (0, 1, 2, 3))), ((2, 3, 4, 3), ((1,),))],
)
def test_a_table_gives_what_its_connections_give(
    dims: tuple[int, ...], table: tuple[tuple[int, ...], ...]
) -> None:
    for bias in (True, False):
        layer = Conv(filters=len(table), kernel=(2,), table=table, bias=bias)
        compare_with_torch(layer, [TensorType(dims)], by_single_maps(layer))


def test_lenets_third_layer_has_the_papers_numbers() -> None:
    rows = [list(row) for row in C3]
    network = typed(check_text(f"input 6x14x14\nC3: conv 16@5 table {rows} => 16x10x10\n"))
    assert (params_of(network, 1), macs_of(network, 1)) == (1516, 150_000)
    drawn = initialise(network, 0, Init("lecun"))["C3.weight"]
    assert drawn.shape == (60, 5, 5)
    three, four, six = drawn[:18].std(), drawn[18:54].std(), drawn[54:].std()
    for found, seen in ((three, 3), (four, 4), (six, 6)):
        assert found == pytest.approx((seen * 25) ** -0.5, rel=0.15)


# --- fixed filters ----------------------------------------------------------------------------

SOBEL = ((1.0, 0.0, -1.0), (2.0, 0.0, -2.0), (1.0, 0.0, -1.0))
LAPLACE = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


@pytest.mark.parametrize(
    ("dims", "kernels"),
    [
        ((1, 7), (1.0, 0.0, -1.0)),
        ((3, 7), ((1.0, 0.5), (-1.0, 2.0))),
        ((1, 6, 7), SOBEL),
        ((3, 6, 7), (SOBEL, LAPLACE)),
        ((2, 4, 4, 4), (SOBEL, LAPLACE)),
        ((2, 4, 4, 4), ((SOBEL,), (LAPLACE,))),
    ],
)
@pytest.mark.parametrize("padding", [(0,), (1,)])
def test_a_filter_is_a_convolution_of_each_channel(
    dims: tuple[int, ...], kernels: Any, padding: Any
) -> None:
    layer, rank = Filter(kernels=kernels, padding=padding), len(dims) - 1

    def oracle(inputs: Sequence[Any], weights: dict[str, Any]) -> Any:
        given = torch.tensor(kernels, dtype=torch.float64)
        given = given[None] if given.ndim == rank else given
        conv = getattr(F, f"conv{rank}d")
        maps = [
            conv(inputs[0][:, [channel]], kernel[None, None], padding=padding[0])
            for channel in range(dims[0])
            for kernel in given
        ]
        return torch.cat(maps, 1)

    compare_with_torch(layer, [TensorType(dims)], oracle)
    assert layer.weights(TensorType(dims)) == ()


def test_the_bounds_of_a_filter_hold() -> None:
    x = numpy.random.default_rng(0).uniform(-1, 2, (500, 1, 5, 5)).astype(numpy.float32)
    model = cnndsl.parse(f"input 1x5x5\nfilter {[list(row) for row in SOBEL]} padding 1\n")
    low, high = Filter(kernels=SOBEL, padding=(1,)).bounds((-1.0, 2.0))
    found = model.compile(device="cpu").run(x)
    assert (low, high) == (-12.0, 12.0)
    assert low <= found.min() < low / 2
    assert high / 2 < found.max() <= high


def test_a_network_of_filters_runs_on_a_picture_and_nothing_of_it_is_untrained(
    tmp_path: Path,
) -> None:
    plus = numpy.zeros((9, 9), numpy.uint8)
    plus[4], plus[:, 4] = 255, 255
    Image.fromarray(plus).save(tmp_path / "plus.png")
    spec = tmp_path / "lines.cnn"
    spec.write_text(
        "input 1x9x9 { scale 1/255 }\nV: filter [[1, 0, -1], [1, 0, -1], [1, 0, -1]]\nrelu\n"
    )
    done = CliRunner().invoke(main, ["run", str(spec), str(tmp_path / "plus.png"), "--layers", "V"])
    assert done.exit_code == 0, done.output
    assert "untrained" not in done.output
    assert "V 1x7x7: from -3 to 3" in done.output


# --- radial basis units -----------------------------------------------------------------------


@pytest.mark.parametrize("negate", [False, True])
@pytest.mark.parametrize("fixed", [False, True])
def test_distances_are_those_of_pytorch(fixed: bool, negate: bool) -> None:
    random = numpy.random.default_rng(1)
    numbers = random.choice([-1.0, 1.0], (4, 6))
    codes = tuple(tuple(row) for row in numbers.tolist()) if fixed else None
    layer = RadialBasis(units=4, codes=codes, negate=negate)

    def oracle(inputs: Sequence[Any], weights: dict[str, Any]) -> Any:
        own = torch.tensor(numbers) if fixed else weights["weight"]
        distances = torch.cdist(inputs[0], own, compute_mode="donot_use_mm_for_euclid_dist") ** 2
        return -distances if negate else distances

    for lower in (layer.lower, layer.lower_training):
        compare_with_torch(layer, [TensorType((6,))], oracle, lower=lower)


def test_distances_to_many_codes_are_taken_some_at_a_time() -> None:
    layer, size = RadialBasis(units=5), 2**17 + 1

    def oracle(inputs: Sequence[Any], weights: dict[str, Any]) -> Any:
        return ((inputs[0][:, None] - weights["weight"]) ** 2).sum(2)

    # A sum of so many squares, one after the other, rounds more.
    kinds, lower = [TensorType((size,))], layer.lower_training
    compare_with_torch(layer, kinds, oracle, lower=lower, tolerance=2e-4)


def test_near_a_code_nothing_cancels() -> None:
    text = "input 3\nrbf 2 codes [[1000, 2000, 3000], [1000, 2000, 3001]]\n"
    model = cnndsl.parse(text).compile(device="cpu")
    x = numpy.array([1000, 2000, 3000.5], numpy.float32)
    assert model.run(x).tolist() == [0.25, 0.25]


def test_negative_distances_are_the_logits_of_a_softmax() -> None:
    network = typed(
        check_text(
            "input 4\nrbf 3 codes [[1, 1, 1, 1], [1, -1, 1, -1], [-1, -1, 1, 1]] negate yes\n"
            "softmax\ntrain {\n  loss crossentropy\n}\n"
        )
    )
    assert macs_of(network, 1) == 12
    assert network.weights[1] == ()


# --- what they cannot do ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("input 3x8x8\nconv 2@3 table [[0], [1], [2]]", "CNN332", "has 3 rows, and the layer 2"),
        (
            "input 3x8x8\nconv 2@3 table [[0], [1, 3]]",
            "CNN332",
            "row 2 of the table names channel 3",
        ),
        ("input 3x8x8\nconv 2@3 table [[0, 0], [1]]", "CNN332", "names channel 0 twice"),
        ("input 4x8x8\nconv 2@3 table [[0], [1]] groups 2", "CNN332", "both say which channels"),
        ("input 3x8x8\nfilter [1, 0, -1]", "CNN333", "a list of numbers, and the input 3x8x8"),
        (
            "input 3x8\nfilter [[[1]]]",
            "CNN333",
            "a list of matrices, and the input 3x8 has 1 spatial",
        ),
        ("input 8\nfilter [1, 2]", "CNN306", "is a vector of 8"),
        ("input 3x2x2\nfilter [[1, 0, -1]]", "CNN302", "3 > 2"),
        ("input 3x8x8\nfilter [[1, 1e300]]", "CNN204", "float32"),
        ("input 4\nrbf 2 codes [[1, 1, 1], [0, 0, 0]]", "CNN333", "has 3 numbers, and the input 4"),
        ("input 4\nrbf 3 codes [[1, 1, 1, 1]]", "CNN333", "has 1 row, and the layer 3 units"),
        ("input 1x2x2\nrbf 3", "CNN307", "needs a vector"),
    ],
)
def test_faults_say_what_is_wrong(text: str, code: str, message: str) -> None:
    (problem,) = check_text(f"{text}\n").diagnostics
    assert (problem.code, message in problem.message) == (code, True), problem
