"""Repairs where an `expect` says what must come out, and where none of them makes it hold."""

from __future__ import annotations

from cnndsl.diagnostics.edit import apply_edits
from cnndsl.diagnostics.model import Diagnostic
from cnndsl.pipeline import check_text

STRIDED = "input 1x24x24\nC1: conv 16@3 stride 2 -> relu\nflatten -> dense 2 -> softmax\n"


def failure(text: str) -> Diagnostic:
    """The one problem of a spec."""
    (diagnostic,) = check_text(text).diagnostics
    assert diagnostic.code == "CNN301"
    return diagnostic


def test_an_expectation_that_no_repair_meets_does_not_hide_them() -> None:
    alone = failure(STRIDED)
    text = f"{STRIDED}expect params 75000\n"
    diagnostic = failure(text)
    assert [fix.title for fix in diagnostic.fixes] == [fix.title for fix in alone.fixes]
    assert not any(fix.safe for fix in diagnostic.fixes)
    assert diagnostic.notes == (
        "`expect params 75000` holds with none of these:"
        " with the first, `params` is 4770, not 75000",
    )
    (left,) = check_text(
        apply_edits(f"{STRIDED}expect params 75000\n", diagnostic.fixes[0].edits)
    ).diagnostics
    assert left.message == "`params` is 4770, not 75000"


def test_where_a_repair_meets_an_expectation_only_such_are_offered() -> None:
    diagnostic = failure(f"{STRIDED}expect params 4034\n")
    assert [fix.title.split(":")[0] for fix in diagnostic.fixes] == [
        "write `rounding floor`",
        "change the input to 1x23x23",
    ]
    assert diagnostic.notes == ()
