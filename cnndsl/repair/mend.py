"""Turns what was found wrong with a spec into the same with what mends it.

Each kind of repair works on the text: repairs of sizes, changes that keep a budget, and the trial
of what is mended unasked.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.frozen import replace
from cnndsl.repair.budgets import Recheck, afforded
from cnndsl.typecheck.checked import Checked

__all__ = ["mended"]


def mended(checked: Checked, recheck: Recheck, edited: Mapping[Path, str]) -> Checked:
    """What checking found, with repairs.

    Args:
        checked: what it found.
        recheck: checks the spec with other texts in place of its files, by resolved path.
        edited: the texts that stand for files already.
    """
    inference, diagnostics = checked.inference, checked.diagnostics

    def retry(texts: Mapping[Path, str]) -> tuple[Diagnostic, ...]:
        return recheck(texts).diagnostics

    if inference is not None and inference.failures:
        from cnndsl.repair.repair import repair

        diagnostics = repair(inference, diagnostics, retry, edited)
    if inference is not None and inference.wrong_claims:
        from cnndsl.repair.claimed_shapes import fulfilled

        diagnostics = fulfilled(inference, diagnostics, retry, edited)
    if inference is not None and inference.overruns:
        diagnostics = afforded(checked, inference.overruns, diagnostics, recheck, edited)
    if any(fix.safe for diagnostic in diagnostics for fix in diagnostic.fixes):
        from cnndsl.repair.proof import proved

        cost = len(checked.table) + len(checked.source.text) // 20 + 20
        diagnostics = proved(diagnostics, retry, edited, cost)
    return replace(checked, diagnostics=diagnostics)
