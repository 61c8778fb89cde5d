"""Labels that stand before a stream: warned of, and the advice names the chain's result."""

from __future__ import annotations

import pytest
from checked_specs import network

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.diagnostics.model import Severity
from cnndsl.pipeline import check_text

HEAD = "input left 3x8x8\ninput right 3x8x8\nblock tower(stream x) { x -> conv 5@3 -> relu }\n"


def followed(text: str) -> str:
    """The text after the one thing that is said about it has been done."""
    (found,) = check_text(text).diagnostics
    assert found.code in ("CNN125", "CNN305")
    (fix,) = found.fixes
    assert found.help == fix.title
    assert not fix.safe, "the stream may be meant"
    return apply_edits(text, fix.edits)


@pytest.mark.parametrize(
    "chain",
    [
        "left -> tower(identity)",
        "left -> conv 5@3 -> relu",
        "left -> conv 7@1\n  -> conv 5@3 -> relu",
        "left -> conv 5@3 => 5x6x6",
        "left => 3x8x8 -> conv 5@3",
        "left -> repeat 2 { conv 5@2 }",
        "left -> if yes { conv 5@3 }",
        "left -> add(conv 5@3, conv 5@3)",
        "start -> conv 5@3",
        "again -> conv 5@3",
    ],
)
def test_the_advice_names_what_the_chain_gives(chain: str) -> None:
    before = "start: left\nagain = right -> relu\n"
    text = f"{HEAD}{before}a: {chain}\noutput a, left\ntower(again) -> tanh\n"
    assert str(network(text).types[network(text).network.outputs["a"]]) == "3x8x8"
    mended = network(followed(text))
    assert str(mended.types[mended.network.outputs["a"]]) == "5x6x6"


def test_an_error_that_the_label_leads_to_is_the_only_thing_said() -> None:
    text = f"{HEAD}a: left -> tower(identity)\nright -> tower(identity) -> add(a, identity)\n"
    assert check_text(text).diagnostics[0].severity is Severity.ERROR
    assert check_text(followed(text)).diagnostics == ()


def test_no_repair_goes_round_what_was_meant() -> None:
    text = "input 3x8x8\na: input -> conv 5@1 padding 4\na -> conv 4@9\n"
    (found,) = check_text(text).diagnostics
    assert found.code == "CNN302"
    titles = [fix.title for fix in found.fixes]
    assert titles == ["put `a:` before `conv` to name what the chain gives"]
    assert check_text(apply_edits(text, found.fixes[0].edits)).diagnostics == ()


@pytest.mark.parametrize(
    "text",
    [
        "a: input\nconv 3@3 padding 1\nadd(a, identity)\n",
        "input -> a: conv 3@3\na -> relu\n",
        "a: conv 3@3 padding 1 -> relu\nadd(a, identity)\n",
        "a: input -> conv 3@3 padding 1 -> add(a, identity)\n",
        "input -> conv 3@3 -> a: relu\n",
    ],
)
def test_a_label_that_means_the_stream_or_a_layer_is_right(text: str) -> None:
    assert check_text(f"input 3x8x8\n{text}").diagnostics == ()
