"""Attention and products of matrices against PyTorch, with the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy
import pytest
from layer_oracle import compare_with_torch

import cnndsl
from cnndsl.analysis.cost import depth, macs_of, total
from cnndsl.graph.initializers import initialise
from cnndsl.layers.attention import Attention
from cnndsl.layers.base import Init
from cnndsl.layers.product import MatMul
from cnndsl.pipeline import check_text, typed
from cnndsl.types import TensorType

torch: Any = pytest.importorskip("torch")
F: Any = torch.nn.functional


def multihead(heads: int) -> Any:
    """PyTorch's own attention, over the positions in a row."""

    def oracle(inputs: Sequence[Any], weights: dict[str, Any]) -> Any:
        (x,) = inputs
        rows = x.flatten(2).permute(2, 0, 1)
        answers, _ = F.multi_head_attention_forward(
            rows, rows, rows, x.shape[1], heads,
            weights["in_weight"], weights.get("in_bias"), None, None, False, 0.0,
            weights["out_weight"], weights.get("out_bias"), need_weights=False,
        )  # fmt: skip
        return answers.permute(1, 2, 0).reshape(x.shape)

    return oracle


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("dims", "heads"), [((6, 9), 1), ((6, 9), 3), ((8, 3, 4), 2), ((4, 2, 3, 2), 4), ((2, 1), 2)]
)
def test_attention_is_that_of_pytorch(dims: tuple[int, ...], heads: int, bias: bool) -> None:
    compare_with_torch(Attention(heads=heads, bias=bias), [TensorType(dims)], multihead(heads))


@pytest.mark.parametrize(("width", "heads"), [(4, 2), (12, 3)])
def test_queries_keys_and_values_may_have_a_width_of_their_own(width: int, heads: int) -> None:
    def oracle(inputs: Sequence[Any], weights: dict[str, Any]) -> Any:
        (x,) = inputs
        given = F.linear(x.flatten(2).transpose(1, 2), weights["in_weight"], weights["in_bias"])
        parts = [part.unflatten(2, (heads, -1)).transpose(1, 2) for part in given.chunk(3, 2)]
        means = F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2)
        answers = F.linear(means, weights["out_weight"], weights["out_bias"])
        return answers.transpose(1, 2).reshape(x.shape)

    compare_with_torch(Attention(heads=heads, width=width), [TensorType((6, 4, 3))], oracle)


def test_module_and_layer_have_weights_of_the_same_shapes() -> None:
    module = torch.nn.MultiheadAttention(8, 2)
    theirs = [tuple(parameter.shape) for parameter in module.parameters()]
    ours = [weight.shape for weight in Attention(heads=2).weights(TensorType((8, 3, 3)))]
    assert sorted(ours) == sorted(theirs)


def test_the_multiplications_of_attention_and_products_are_counted() -> None:
    network = typed(check_text("input 8x3x4\nattention 2\n"))
    by_hand = 12 * 3 * 8 * 8 + 2 * 12 * 12 * 8 + 12 * 8 * 8
    assert total(macs_of, network) == by_hand
    network = typed(check_text("input a 5x2x3\ninput b 5x3x4\nmatmul(a, b) => 5x2x4\n"))
    assert total(macs_of, network) == 5 * 2 * 3 * 4
    assert depth(network) == 0


@pytest.mark.parametrize(
    ("left", "right"),
    [((3, 5), (5, 2)), ((4, 3, 5), (4, 5, 2)), ((2, 4, 3, 1), (2, 4, 1, 3))],
)
def test_a_product_is_that_of_pytorch(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    types = [TensorType(left), TensorType(right)]
    compare_with_torch(MatMul(), types, lambda inputs, weights: inputs[0] @ inputs[1])


def test_a_stream_by_itself() -> None:
    network = "input 3x4x4\nconv 2@1 -> c: tanh\nmatmul(c, c) => 2x4x4\nflatten -> dense 3\n"
    assert check_text(network).diagnostics == ()


def test_a_non_local_block_of_pieces_is_that_of_the_paper() -> None:
    """Wang et al. 2018, the embedded Gaussian: softmax(theta^T phi) g, projected and added."""
    text = """\
input 6x3x4
input -> T: conv 3@1 -> theta: reshape 3x12
input -> P: conv 3@1 -> reshape 3x12 -> phi: transpose
input -> G: conv 3@1 -> g: reshape 3x12
matmul(phi, theta) -> agree: softmax
matmul(g, agree) -> reshape 3x3x4 -> Z: conv 6@1
add(input, Z)
"""
    network = typed(check_text(text))
    weights = initialise(network, 0, Init("he"))
    x = numpy.random.default_rng(0).normal(size=(2, 6, 3, 4)).astype(numpy.float32)
    found = cnndsl.parse(text).compile(seed=0, device="cpu").run(x)

    def conv(value: Any, name: str) -> Any:
        kernels, bias = (torch.from_numpy(weights[f"{name}.{one}"]) for one in ("weight", "bias"))
        return F.conv2d(value, kernels, bias)

    given = torch.from_numpy(x)
    theta, phi, g = (conv(given, name).flatten(2) for name in "TPG")
    means = F.softmax(theta.transpose(1, 2) @ phi, dim=2) @ g.transpose(1, 2)
    expected = given + conv(means.transpose(1, 2).unflatten(2, (3, 4)), "Z")
    assert numpy.abs(found - expected.numpy()).max() < 1e-5


# --- what they cannot do ----------------------------------------------------------------------

TWO = "input a {}\ninput b {}\nmatmul({})\n"


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (TWO.format("4x3x5", "4x5x2", "a, b, a"), "CNN111", "takes exactly 2 streams, not 3"),
        (TWO.format("4x3x5", "4x5x2", "a"), "CNN111", "takes exactly 2 streams, not 1"),
        (TWO.format("4x3x5", "7", "a, b"), "CNN310", "its input 2 is a vector of 7"),
        (TWO.format("4x3x5", "3x5x2", "a, b"), "CNN305", "input 1 is 4x3x5, input 2 is 3x5x2"),
        (TWO.format("4x3x5", "5x2", "a, b"), "CNN305", "input 1 is 4x3x5, input 2 is 5x2"),
        (TWO.format("4x3x5", "4x2x5", "a, b"), "CNN305", "with 5 columns, and input 2 is 4x2x5"),
        ("input 10\nattention 2\n", "CNN306", "its input is a vector of 10"),
        ("input 10x4\nattention 3\n", "CNN331", "10 channels do not split into 3 heads: 10 = 3*3"),
        ("input 9x4\nattention 2 width 5\n", "CNN331", "5 numbers of the width do not split into"),
    ],
)
def test_faults_say_what_is_wrong(text: str, code: str, message: str) -> None:
    (problem,) = (one for one in check_text(text).diagnostics if one.code != "CNN113")
    assert (problem.code, message in problem.message) == (code, True), problem.message


def test_advice_turns_the_stream_that_lies_across() -> None:
    (fault,) = MatMul().faults(TensorType((4, 3, 5)), TensorType((4, 2, 5)))
    assert fault.help == "let the second stream end with `transpose [0, 2, 1]`"
    (fault,) = MatMul().faults(TensorType((5, 3)), TensorType((5, 2)))
    assert fault.help == "let the first stream end with `transpose [1, 0]`"
