"""Numbers found for holes are true wherever their text is carried out; claims add no facts."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.diagnostics.model import Diagnostic
from cnndsl.pipeline import check_text

numbers = st.sampled_from(("?", "1", "1", "2", "3"))


@st.composite
def layers(draw: st.DrawFn) -> str:
    """A layer that may have holes, perhaps with a claim that may have holes too."""
    n = [draw(numbers) for _ in range(3)]
    text = draw(
        st.sampled_from(
            (
                f"conv {n[0]}@{n[1]} padding {n[2]}",
                f"conv {n[0]}@1",
                f"conv 2@3 padding {n[0]} stride {n[1]} rounding floor",
                f"maxpool {n[0]} rounding floor",
                "relu",
                "relu",
                "add(identity, conv 2@1)",
                "concat(identity, relu)",
                "globalavgpool",
                "conv 4@3 padding 1",
            )
        )
    )
    if draw(st.integers(0, 2)):
        return text
    dims = [draw(st.sampled_from(("?", "?", "2", "4", "6", "8"))) for _ in range(3)]
    return f"{text} => {'x'.join(dims)}"


@st.composite
def specs(draw: st.DrawFn) -> str:
    """A spec with holes, some of it in loops and blocks."""
    sides = [draw(st.sampled_from(("?", *("4", "6", "8") * 3))) for _ in range(3)]
    lines = [f"input {'x'.join(sides)}"]
    for _ in range(draw(st.integers(1, 3))):
        one, other = draw(layers()), draw(layers())
        lines.append(
            draw(
                st.sampled_from(
                    (
                        one,
                        one,
                        f"repeat 2 {{ {one} -> {other} }}",
                        f"for k in [2, 4] {{ conv k@1 -> {one} }}",
                        "b()",
                        "b() -> b()",
                        "c(?)",
                        "c(1) -> c(2)",
                    )
                )
            )
        )
    blocks = f"block b() {{ {draw(layers())} }}\nblock c(p) {{ conv 2@3 padding p => ?x?x? }}\n"
    return blocks + "\n".join(lines) + "\n"


@st.composite
def half_open(draw: st.DrawFn) -> str:
    """A spec whose sizes fit, with a hole or two that may leave some of them open."""
    lines = draw(
        st.lists(
            st.sampled_from(
                (
                    "relu",
                    "conv 4@3 padding 1",
                    "a: conv 4@1",
                    "add(identity, relu)",
                    "repeat 2 { conv 4@3 padding 1 }",
                    "b(1)",
                    "b(1) -> relu",
                    "maxpool 2 rounding floor",
                    "concat(identity, conv 2@1)",
                )
            ),
            min_size=1,
            max_size=4,
            unique=True,
        )
    )
    holes = (
        "conv 4@3 padding ?",
        "conv ?@1",
        "conv ?@1 => 4x8x8",
        "b(?) => ?x8x8",
        "relu => ?x?x?",
    )
    for line in draw(st.lists(st.sampled_from(holes), max_size=2)):
        lines.insert(draw(st.integers(0, len(lines))), line)
    head = draw(st.sampled_from(("input 4x8x8", "input 4x8x8", "input ?x8x8", "input 4x?x?")))
    block = "block b(p) { conv 4@3 padding p }\n"
    return f"{block}{head}\n" + "\n".join(lines) + "\n"


def errors(diagnostics: tuple[Diagnostic, ...]) -> list[tuple[str, int, str, str]]:
    """What is wrong in each line, without warnings."""
    return [
        (item.code, item.span.first.line, item.message, ",".join(fix.title for fix in item.fixes))
        for item in diagnostics
        if item.severity == "error"
    ]


searching = settings(
    max_examples=100,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@pytest.mark.slow
def test_annotating_changes_nothing_that_is_said() -> None:
    written = 0

    @searching
    @given(half_open())
    def check(text: str) -> None:
        nonlocal written
        before = check_text(text, annotate=True)
        if any(item.code in ("CNN401", "CNN402") for item in before.diagnostics):
            return  # false claims are made true, which may change anything
        annotated = apply_edits(text, before.annotations)
        written += len(before.annotations)
        assert errors(check_text(annotated).diagnostics) == errors(before.diagnostics), annotated

    check()
    assert written > 10


@pytest.mark.slow
def test_the_numbers_that_are_written_are_right_everywhere() -> None:
    written = 0

    @searching
    @given(specs())
    def check(text: str) -> None:
        nonlocal written
        before = check_text(text).diagnostics
        fixes = [fix for item in before for fix in item.fixes if fix.safe]
        if not fixes:
            return
        written += len(fixes)
        after = check_text(apply_edits(text, [e for fix in fixes for e in fix.edits])).diagnostics
        known = {(item.code, item.span.first.line) for item in before}
        assert {(item.code, item.span.first.line) for item in after} <= known

    check()
    assert written > 10


@pytest.mark.parametrize(
    "text",
    [
        "input 4x6x6\nrepeat 2 { conv A@B => 4x6x6 }\n",
        "input 4x9x9\nconv 2@A dilation B => 2x3x3\n",
        "block b() { conv 4@A -> conv 2@B }\ninput 4x8x8\nb()\nb() => 2x4x4\n",
        "input 3x12x12\nmaxpool A rounding floor -> maxpool B rounding floor => 3x2x2\n",
    ],
)
def test_the_numbers_are_those_that_trying_finds(text: str) -> None:
    """Every number from 0 to 13 is written in, and the text checked: no other search is known."""
    found: dict[str, set[str]] = {"A": set(), "B": set()}
    for one, other in product(map(str, range(14)), repeat=2):
        if not check_text(text.replace("A", one).replace("B", other)).diagnostics:
            found["A"].add(one)
            found["B"].add(other)
    holes = check_text(text.replace("A", "?").replace("B", "?")).diagnostics
    said = [{fix.edits[0].text for fix in item.fixes} for item in holes]
    assert said == [found["A"], found["B"]]
