"""Turns what was found wrong with a spec into the same with what mends it.

Each kind of repair works on the text: repairs of sizes, changes that keep a budget, and the trial
of what is mended unasked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.frozen import replace
from cnndsl.repair.budgets import afforded
from cnndsl.typecheck.analysis import Analysis
from cnndsl.typecheck.checked import Checked
from cnndsl.typecheck.facts import Inference

__all__ = ["mended"]


def mended(
    analysis: Analysis,
    analyse: Callable[[Mapping[Path, str]], Analysis],
    edited: Mapping[Path, str],
) -> Analysis:
    """What checking found, with repairs; ``edited`` are the texts that stand for files already.

    ``analyse`` checks the spec with other texts in place of its files, by resolved path.
    """
    checked, inference = analysis.checked, analysis.inference
    diagnostics = checked.diagnostics

    def recheck(texts: Mapping[Path, str]) -> tuple[Checked, Inference | None]:
        again = analyse(texts)
        return again.checked, again.inference

    def retry(texts: Mapping[Path, str]) -> tuple[Diagnostic, ...]:
        return analyse(texts).checked.diagnostics

    if inference is not None and inference.failures:
        from cnndsl.repair.repair import repair

        diagnostics = repair(inference, diagnostics, retry, edited)
    if inference is not None and inference.overruns:
        diagnostics = afforded(checked, inference.overruns, diagnostics, recheck, edited)
    if any(fix.safe for diagnostic in diagnostics for fix in diagnostic.fixes):
        from cnndsl.repair.proof import proved

        cost = len(checked.table) + len(checked.source.text) // 20 + 20
        diagnostics = proved(diagnostics, retry, edited, cost)
    return replace(analysis, checked=replace(checked, diagnostics=diagnostics))
