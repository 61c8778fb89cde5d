"""A claim that does not hold is answered with what would make it true; all of it works."""

from __future__ import annotations

import pytest
from checked_specs import only
from hypothesis import given
from hypothesis import strategies as st

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.pipeline import check_text


def titles(text: str) -> list[str]:
    """What is offered beside another claim."""
    return [fix.title.partition(":")[0] for fix in only(text).fixes[1:]]


@pytest.mark.parametrize(
    ("chain", "first"),
    [
        ("conv 8@3 => 8x28x28", "write `padding 1`"),
        ("conv 8@5x3 => 8x28x28", "write `padding 2x1`"),
        ("conv 8@3 padding 2 => 8x28x28", "write `padding 1`"),
        ("conv 8@3 stride 1 padding 1 => 8x14x14", "change the input to 1x14x14"),
        ("conv 8@2 stride 1 => 8x14x14", "write `stride 2`"),
        ("conv 6@5 -> tanh -> maxpool 2 => 6x14x14", "write `padding 2` at `conv 6@5`"),
        ("conv 6@5 padding 2 => 16x28x28", "change the filters to 16"),
        ("flatten -> dense 10 => 100", "change the units to 100"),
        ("upconv 8@3 stride 2 padding 1 => 8x56x56", "write `output_padding 1`"),
    ],
)
def test_the_likeliest_change_is_said(chain: str, first: str) -> None:
    diagnostic = only(f"input 1x28x28\n{chain}\n")
    assert f"; if the claim is, {first}" in diagnostic.help
    assert titles(f"input 1x28x28\n{chain}\n")[0] == first


def test_the_input_is_where_lenet_differs() -> None:
    assert titles("input 1x28x28\nconv 6@5 => 6x28x28\n") == [
        "write `padding 2`",
        "change the input to 1x32x32",
        "change the kernel to 1",
    ]


def test_a_constant_is_changed_where_it_stands() -> None:
    assert "change `k` to 5" in titles("input 1x28x28\nlet k = 4\nconv 6@k => 6x24x24\n")


def test_nothing_behind_a_claim_that_holds_is_changed() -> None:
    text = "input 1x28x28\nconv 6@5 => 6x24x24\nmaxpool 2 => 6x14x14\n"
    assert all("conv" not in title and "input" not in title for title in titles(text))


def test_what_would_break_another_claim_is_not_offered() -> None:
    text = """input 1x28x28
a = conv 6@5
b = a -> conv 6@3 => 6x24x24
add(a -> relu => 6x24x24, b)
"""
    assert titles(text) == ["write `padding 1`", "change the kernel to 1", "write `padding same`"]


def test_a_claim_that_nothing_makes_true_is_left_as_it_was() -> None:
    diagnostic = only("input 1x28x28\nrelu => 7x3x99\n")
    assert diagnostic.help.endswith("or change the layer if the claim is")


@given(
    kernel=st.integers(1, 7),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    other=st.tuples(st.integers(1, 7), st.integers(1, 3), st.integers(0, 3)),
    behind=st.sampled_from(["", " -> relu", " -> batchnorm -> relu -> maxpool 2 rounding floor"]),
)
def test_every_change_makes_the_claim_true(
    kernel: int, stride: int, padding: int, other: tuple[int, int, int], behind: str
) -> None:
    def spec(kernel: int, stride: int, padding: int, claim: str = "") -> str:
        sizes = f"conv 4@{kernel} stride {stride} padding {padding} rounding floor"
        return f"input 2x31x31\n{sizes}{behind}{claim}\n"

    true = check_text(spec(*other))
    if true.diagnostics:
        return
    claim = f" => {true.table[-1].output}"
    text = spec(kernel, stride, padding, claim)
    for diagnostic in check_text(text).diagnostics:
        for fix in diagnostic.fixes:
            assert not check_text(apply_edits(text, fix.edits)).diagnostics, fix.title
