"""Types are proven layer by layer, and one mistake gives one error."""

from __future__ import annotations

import pytest
from checked_specs import codes, only, shapes

from cnndsl.pipeline import check_text

PICTURE = "input 3x32x32\n"


def table(text: str) -> dict[str, str]:
    """The output of every layer as the table shows it."""
    return {row.name: row.output for row in check_text(text).table if row.layer != "input"}


def test_every_layer_has_its_type() -> None:
    text = f"{PICTURE}conv 6@5 -> relu -> maxpool 2 -> flatten -> dense 10 -> softmax\n"
    assert shapes(text) == {
        "conv1": "6x28x28",
        "relu1": "6x28x28",
        "maxpool1": "6x14x14",
        "flatten1": "1176",
        "dense1": "10",
        "softmax1": "10",
    }


# --- going on behind a mistake --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("conv 8@5 stride 2\nmaxpool 2\nmaxpool 2\n", [(2, "CNN301")]),
        ("conv 8@5 stride 2\nconv 8@99\n", [(2, "CNN301")]),
        ("conv 8@5 stride 2\nconv 9@3 groups 3\n", [(2, "CNN301"), (3, "CNN304")]),
        ("conv 8@5 stride 2\ndense 10\n", [(2, "CNN301"), (3, "CNN307")]),
        ("conv 8@5 stride 2\nadd(identity, conv 4@1)\n", [(2, "CNN301"), (3, "CNN305")]),
        ("conv 8@5 stride 2\nadd(identity, input)\n", [(2, "CNN301"), (3, "CNN305")]),
        ("conv 8@5 stride 2\nflatten -> dense 10 => 11\n", [(2, "CNN301"), (3, "CNN401")]),
        ("conv 8@5 stride 2\nmaxpool 2 => 8x7x7\nmaxpool 2\n", [(2, "CNN301"), (4, "CNN301")]),
        ("conv 8@5 stride 2\nglobalavgpool => 9\n", [(2, "CNN301"), (3, "CNN401")]),
        ("conv 8@99\nconv 8@99\n", [(2, "CNN302")]),
        ("conv 9@3 groups 2\nconv 8@3 => 8x28x28\n", [(2, "CNN309")]),
        ("add(conv 8@1, conv 9@1)\nconv 8@3 groups 5\n", [(2, "CNN305")]),
        ("conv 8@3x3x3\nconv 8@99\n", [(2, "CNN308")]),
        ("dense 10\ndense 10 => 10\ndense 10 => 11\n", [(2, "CNN307"), (4, "CNN401")]),
        ("cnov 8@3\nconv 8@99\nmaxpool 5\nadd(identity, input)\n", [(2, "CNN101")]),
        ("cnov 8@3 => 8x7x7\nmaxpool 2\n", [(2, "CNN101"), (3, "CNN301")]),
        ("cnov 8@3\ndense 10\nconv 4@3\n", [(2, "CNN101"), (4, "CNN306")]),
        ("relu => 3x32x31\nmaxpool 2\n", [(2, "CNN401")]),
        ("relu => 3x32x31 => 3x32x31\n", [(2, "CNN401")]),
        ("relu => 4x32x32\nconv 8@3 groups 3\n", [(2, "CNN401")]),
        ("relu => 32x32\nconv 8@3\n", [(2, "CNN401")]),
        ("cnov 8@3 => 8x32x32 => 8x30x30\n", [(2, "CNN101"), (2, "CNN401")]),
    ],
)
def test_what_hangs_on_a_mistake_is_not_reported(
    text: str, expected: list[tuple[int, str]]
) -> None:
    assert codes(PICTURE + text) == expected


def test_the_table_goes_on_past_a_fault_as_far_as_sizes_are_known() -> None:
    found = table(f"{PICTURE}conv 8@5 stride 2\nmaxpool 2\nconv 4@3\nglobalavgpool\ndense 10\n")
    assert found == {
        "conv1": "8x?x?",
        "maxpool1": "8x?x?",
        "conv2": "4x?x?",
        "globalavgpool1": "4",
        "dense1": "10",
    }


def test_the_row_at_fault_is_marked() -> None:
    rows = check_text(f"{PICTURE}conv 8@5 stride 2\nrelu => 8x1x1\ncnov 3\nrelu\n").table
    assert [row.name for row in rows if row.faulty] == ["conv1", "unknown1"]


def test_a_size_of_one_dimension_alone_is_doubted() -> None:
    # Only the height is wrong in the claim, so the width stays proven.
    found = codes(f"{PICTURE}relu => 3x31x32\nconv 8@1x33\nconv 8@33x1\n")
    assert found[0] == (2, "CNN401")
    assert len(found) <= 2


# --- claims ---------------------------------------------------------------------------------------


def test_a_claim_that_does_not_hold_says_what_is_true() -> None:
    diagnostic = only(f"{PICTURE}conv 8@3 => 8x32x32\n")
    assert diagnostic.message == "the output here is 8x30x30, not 8x32x32"
    assert diagnostic.span.text == "8x32x32"
    assert diagnostic.notes == ("(32 - 3)/1 + 1 = 30",)
    fix, *_ = diagnostic.fixes
    assert [edit.text for edit in fix.edits] == ["8x30x30"]


@pytest.mark.parametrize(
    ("layer", "note"),
    [
        ("conv 8@3 stride 2 rounding floor", "(32 - 3)/2 + 1 = 15.5, rounded down to 15"),
        ("maxpool 3 stride 2 rounding ceil", "(32 - 3)/2 + 1 = 15.5, rounded up to 16"),
        # The last window would begin beyond the input.
        ("maxpool 1 stride 2 padding 0 rounding ceil", "(32 - 1)/2 + 1 = 16.5, rounded down to 16"),
    ],
)
def test_what_is_rounded_is_said_where_a_claim_does_not_hold(layer: str, note: str) -> None:
    assert only(f"{PICTURE}{layer} => 99x99x99\n").notes == (note,)


@pytest.mark.parametrize("claim", ["=> 8x30x30", "=>8x30x30", "=> [8, 30, 30]", "\n=> 8x30x30"])
def test_a_claim_that_holds_is_silent(claim: str) -> None:
    assert codes(f"{PICTURE}conv 8@3 {claim}\n") == []


def test_a_claim_in_a_block_is_checked_at_every_call() -> None:
    block = "block b() { maxpool 2 => 3x16x16 }\n"
    assert codes(f"{PICTURE}{block}b()\n") == []
    assert codes(f"{PICTURE}{block}b()\nb()\n") == [(2, "CNN401")]


# --- bounds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "input 3x2000000x2000000\nrelu\n",
        "input 3x4x4\nconv 2000000000@1\n",
        "input 3x40000x40000\nflatten -> dense 100000\n",
    ],
)
def test_what_no_machine_holds_is_refused_once(text: str) -> None:
    found = [code for _, code in codes(text)]
    assert found == ["CNN905"] or (text.count("conv") and found in (["CNN905"], []))


def test_the_bound_can_be_raised() -> None:
    text = "input 3x100x100\nrelu\n"
    assert [code for _, code in codes(text, elements=20_000)] == ["CNN905"]
    assert codes(text, elements=30_000) == []


# --- inputs of other kinds ------------------------------------------------------------------------


def test_token_ids_are_no_numbers_to_compute_with() -> None:
    assert codes("input tokens 56 vocabulary 20\ndense 8\n") == [(2, "CNN310")]


def test_vectors_have_no_windows() -> None:
    for layer in ("conv 8@3", "maxpool 2", "globalavgpool", "depthwise 3"):
        assert codes(f"input 10\n{layer}\nrelu\n") == [(2, "CNN306")]
