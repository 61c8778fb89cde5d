"""Whatever the text, the answer is a network or diagnostics that hold together: never a crash.

The mutations make more than 20,000 damaged specs of the shipped ones and of the documentation's
examples, the same ones each time. Longer runs are `CNNDSL_FUZZ=200000 pytest tests/properties`.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
from auditing import audit, complaints
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutation import Mutator, seeds

from cnndsl.limits import Limits
from cnndsl.pipeline import check_text

CHUNKS = 24
INPUTS = int(os.environ.get("CNNDSL_FUZZ", "21600"))
LIMITS = Limits(layers=500, steps=3_000)
"""What a damaged spec may cost, so that 20,000 of them cost little."""


@cache
def small_specs() -> tuple[str, ...]:
    return tuple(seeds(longest=900))


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_a_damaged_spec_is_answered_soundly(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mutator = Mutator(small_specs(), f"chunk {chunk}")
    for _ in range(INPUTS // CHUNKS):
        text = mutator.text()
        try:
            wrong = audit(text, limits=LIMITS)
        except Exception as error:
            pytest.fail(f"{type(error).__name__}: {error}\nfor {text!r}")
        assert not wrong, f"for {text!r}"


def test_the_seeds_are_found() -> None:
    assert len(small_specs()) > 150
    assert INPUTS >= 20_000


def test_mutations_repeat_themselves_and_differ() -> None:
    one, other, third = (Mutator(small_specs(), seed) for seed in ("a", "a", "b"))
    texts = [one.text() for _ in range(50)]
    assert texts == [other.text() for _ in range(50)]
    assert texts != [third.text() for _ in range(50)]
    assert len(set(texts) - set(small_specs())) > 40


# --- texts that no one would write ----------------------------------------------------------------

_WORDS = """
    input conv dense add block repeat for if else let param return import expect rounding train
    output classes network stream not and or in yes no same 3x8x8 3 0 -1 1.5 1e18 ? 5x5 ?x? a b ->
    => @ : , = ( ) [ ] { } .. // / * + - % < == != # " ' \\ é → ; $
"""
WORDS = st.sampled_from([*_WORDS.split(), "\n", "\n", "\n", "\t", "\0"])


@settings(max_examples=1500, deadline=None, derandomize=True, database=None)
@given(st.one_of(st.text(max_size=120), st.lists(WORDS, max_size=40).map(" ".join)))
def test_any_text_at_all_is_answered_soundly(text: str) -> None:
    assert audit(text, limits=LIMITS) == []


@settings(
    max_examples=400,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(st.data())
def test_a_spec_with_stretches_cut_out_is_answered_soundly(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(small_specs()))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        text = text[:start] + text[data.draw(st.integers(start, len(text))) :]
    assert audit(text, limits=LIMITS) == []


# --- the audit itself -----------------------------------------------------------------------------


def test_the_audit_finds_nothing_in_a_good_answer() -> None:
    assert audit("input 1x8x8\nconv 4@3 strid 2\n") == []


def test_the_audit_can_fail() -> None:
    from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
    from cnndsl.diagnostics.source import Source, Span
    from cnndsl.syntax.ast import Module
    from cnndsl.typecheck.checked import Checked

    source = Source("a.cnn", "relu")
    module = Module(source, ())
    outside = Span(source, 2, 9)
    nothing = Fix("change nothing", (Edit(Span(source, 0, 4), "relu"),))
    unsound = (
        Diagnostic("CNN999", "fine", Span(source, 0, 4), help="help"),
        Diagnostic("CNN001", "Not in the house style.", Span(source, 0, 4), help="help"),
        Diagnostic("CNN001", "fine", Span(source, 0, 4), help="help", fixes=(nothing,)),
        Diagnostic("CNN001", "fine", Span(source, 0, 4)),
    )
    for diagnostic in unsound:
        assert [*complaints(Checked(module, (diagnostic,)))]
    good = check_text("input 1x8x8\nrelu\n")
    wrong_place = Diagnostic("CNN001", "fine", outside, help="help")
    with pytest.raises(IndexError):
        wrong_place.span.source.line(9)
    assert any("the span" in text for text in complaints(Checked(module, (wrong_place,))))
    assert good.network is not None
