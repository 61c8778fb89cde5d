"""`unpool` against PyTorch, and the labels by which it finds its pooling."""

from __future__ import annotations

import itertools
from typing import Any

import numpy
import pytest
from checked_specs import codes, only, shapes
from layer_gradients import run_layer

from cnndsl.analysis.receptive_fields import receptive_fields
from cnndsl.diagnostics.model import Severity
from cnndsl.elaborate.network import LayerNode
from cnndsl.layers import find
from cnndsl.layers.pool import MaxPool
from cnndsl.layers.unpool import UnpoolOf
from cnndsl.pipeline import check_text
from cnndsl.types import TensorType

torch: Any = pytest.importorskip("torch")

UNPOOLS = {
    1: torch.nn.functional.max_unpool1d,
    2: torch.nn.functional.max_unpool2d,
    3: torch.nn.functional.max_unpool3d,
}
POOLS = {
    1: torch.nn.functional.max_pool1d,
    2: torch.nn.functional.max_pool2d,
    3: torch.nn.functional.max_pool3d,
}


def pooling(**settings: Any) -> MaxPool:
    return MaxPool(**settings)


def test_values_and_gradients_are_those_of_pytorch() -> None:
    rng = numpy.random.default_rng(3)
    for _ in range(12):
        rank = int(rng.integers(1, 4))
        kernel = tuple(int(size) for size in rng.integers(1, 4, rank))
        channels = int(rng.integers(1, 4))
        spatial = tuple(int(rng.integers(one, 9)) for one in kernel)
        padding = tuple(int(rng.integers(0, one // 2 + 1)) for one in kernel)
        pool = pooling(kernel=kernel, padding=padding, rounding="floor")
        before = rng.normal(size=(2, channels, *spatial)).astype(numpy.float32)
        whole = torch.tensor(before)
        settings = (kernel, kernel, padding)
        pooled, places = POOLS[rank](whole, *settings, return_indices=True)
        source = rng.normal(size=pooled.shape).astype(numpy.float32)
        values = torch.tensor(source, requires_grad=True)
        expected = UNPOOLS[rank](values, places, *settings, output_size=whole.shape)
        layer = UnpoolOf(pool="P1", of=pool)
        assert not [*layer.faults(TensorType(source.shape[1:]), TensorType(before.shape[1:]))]
        ours = run_layer(layer, [source, before])
        assert numpy.array_equal(ours.output, expected.detach().numpy())
        expected.backward(torch.tensor(ours.given))
        assert numpy.allclose(ours.inputs[0], values.grad.numpy(), atol=1e-6)
        assert 1 not in ours.inputs or not ours.inputs[1].any()
        again = run_layer(layer, [source, before], training=False)
        assert numpy.array_equal(again.output, ours.output)


def test_what_overlapping_windows_put_to_one_place_is_added_up() -> None:
    before = numpy.array([[[0, 9, 0, 0, 1]]], numpy.float32)
    layer = UnpoolOf(pool="P1", of=pooling(kernel=3, stride=2))
    found = run_layer(layer, [numpy.array([[[4, 3]]], numpy.float32), before])
    assert found.output.tolist() == [[[0, 4, 0, 0, 3]]]
    layer = UnpoolOf(pool="P1", of=pooling(kernel=3, stride=1))
    found = run_layer(layer, [numpy.array([[[4, 3, 2]]], numpy.float32), before])
    assert found.output.tolist() == [[[0, 7, 0, 0, 2]]]


def test_padding_as_wide_as_a_dilated_kernel_is_cut_off_again() -> None:
    before = numpy.arange(7, dtype=numpy.float32).reshape(1, 1, 7)
    pool = pooling(kernel=2, stride=1, dilation=3, padding=2)
    kind = TensorType((1, 7))
    source = numpy.ones((1, *pool.output(kind).dims), numpy.float32)
    found = run_layer(UnpoolOf(pool="P1", of=pool), [source, before])
    assert found.output.tolist() == [[[0, 1, 1, 1, 2, 2, 1]]]


def put_back(pool: MaxPool, source: Any, before: Any) -> Any:
    """Window by window and cell by cell; of equal cells the first one is the extreme."""
    windows = pool.windows(TensorType(before.shape[1:]))
    best = min if pool.keyword == "minpool" else max
    result = numpy.zeros_like(before)
    for at in numpy.ndindex(*source.shape):
        cells = itertools.product(
            *(
                [cell for cell in window.cells(place) if 0 <= cell < window.size]
                for window, place in zip(windows, at[2:], strict=True)
            )
        )
        places = [(*at[:2], *cell) for cell in cells]
        result[best(places, key=lambda place: before[place])] += source[at]
    return result


@pytest.mark.parametrize("keyword", ["maxpool", "minpool"])
@pytest.mark.parametrize("seed", range(10))
def test_windows_of_all_kinds_are_undone_cell_by_cell(keyword: str, seed: int) -> None:
    rng = numpy.random.default_rng(seed)
    rank = 1 + seed % 3
    kernel = tuple(int(size) for size in rng.integers(1, 4, rank))
    found: Any = find(keyword)
    pool = found(
        kernel=kernel,
        stride=tuple(int(size) for size in rng.integers(1, 4, rank)),
        padding=tuple(int(rng.integers(0, size)) for size in kernel * 2),
        dilation=int(rng.integers(1, 3)),
        rounding=str(rng.choice(["floor", "ceil"])),
    )
    before = rng.integers(-2, 3, (2, 2, *(int(one) for one in rng.integers(6, 8, rank))))
    before = before.astype(numpy.float32)
    kind = TensorType(before.shape[1:])
    assert [*pool.faults(kind)] == []
    source = rng.normal(size=(2, *pool.output(kind).dims)).astype(numpy.float32)
    ours = run_layer(UnpoolOf(pool="P1", of=pool), [source, before])
    expected = put_back(pool, source, before)
    numpy.testing.assert_allclose(ours.output, expected, atol=1e-5)
    (gradient,) = ours.inputs.values()
    total = (expected * ours.given).sum()
    assert (gradient * source).sum() == pytest.approx(total, rel=1e-4, abs=1e-4)


HEAD = "input 2x9x8\nconv 4@3 padding 1 -> P1: maxpool 2 rounding floor\n"


def test_it_has_the_size_of_what_was_pooled() -> None:
    text = f"{HEAD}relu -> u: unpool P1 => 4x9x8\nconv 1@1\n"
    assert codes(text) == []
    typed = check_text(text).typed()
    fields = dict(zip((n.name for n in typed.network.nodes), receptive_fields(typed), strict=True))
    assert fields["u"].sizes == fields["P1"].sizes
    node = next(node for node in typed.network.nodes if node.name == "u")
    assert isinstance(node, LayerNode)
    assert [typed.network.nodes[at].name for at in node.inputs] == ["relu1", "conv1"]


def test_a_label_is_found_in_blocks_loops_and_by_its_path() -> None:
    block = "block up(stream pooled) { relu -> unpool pooled }\n"
    assert codes(f"{block}{HEAD}up(P1) => 4x9x8\n") == []
    loop = "for i in 1..2 { conv 4@1 -> P: maxpool 2 rounding floor }\n"
    assert codes(f"input 2x9x8\n{loop}unpool for1.2.P -> unpool for1.1.P => 4x9x8\n") == []
    assert (
        shapes(f"{HEAD}repeat 2 {{ unpool P1 -> maxpool 2 rounding floor }}\n")["unpool2"]
        == "4x9x8"
    )


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("unpool P2", "CNN103", "no stream or label is called `P2`"),
        ("unpool input", "CNN133", "`input` is an input"),
        (
            "C: conv 4@1\nunpool C",
            "CNN133",
            "takes the label of a `maxpool` or `minpool`, and `C` is a `conv`",
        ),
        ("unpool", "CNN202", "needs pool"),
        ("unpool 3", "CNN204", "must be a word, not `3`"),
        ("unpool ?", "CNN406", "cannot be the pool"),
        ("unpool P1 3", "CNN203", "has no place for `3`"),
        (
            "conv 5@1 -> unpool P1",
            "CNN305",
            "`P1` made 4x4x4 of 4x9x8",
        ),
        ("P2: maxpool ?\nunpool P2", "CNN406", "needs the settings of `P2`"),
    ],
)
def test_what_is_no_pooling_to_reverse_is_said(line: str, code: str, said: str) -> None:
    found = [
        one
        for one in check_text(f"{HEAD}{line}\nrelu\n").diagnostics
        if one.severity is Severity.ERROR and one.code == code
    ]
    assert [said in one.message for one in found] == [True]


def test_a_pooling_that_is_wrong_gives_one_error() -> None:
    text = "input 2x9x8\nP1: maxpool 2\nunpool P1\nconv height(identity)@1\n"
    assert codes(text) == [(2, "CNN301")]
    assert only("input 2x9x8\nP1: maxpol 3 stride 3 padding 1\nunpool P1\n").code == "CNN101"
