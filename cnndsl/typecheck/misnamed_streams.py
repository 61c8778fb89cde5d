"""Explains failures by the label they come from: ``a: left -> conv 8@3`` names only the stream.

:mod:`cnndsl.elaborate.aliases` finds such labels and warns of each. Where a size goes wrong because
of one, the one error says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cnndsl.diagnostics.model import Diagnostic, Label
from cnndsl.frozen import replace
from cnndsl.typecheck.facts import Failure, Inference

__all__ = ["blamed"]


def blamed(
    inference: Inference, readers: Mapping[int, Diagnostic], found: Sequence[Diagnostic]
) -> list[Diagnostic]:
    """What inference found, and the warnings about labels: each in the error it leads to, if any.

    ``readers`` are the nodes that read a stream through such a label, and what is wrong with it.
    Their failures are not repaired: other sizes would only go round what was meant.
    """
    explained: dict[int, Diagnostic] = {}
    told: list[Diagnostic] = []
    kept: list[Failure] = []
    for failure in inference.failures:
        warning = readers.get(failure.node)
        if warning is None:
            kept.append(failure)
            continue
        error = failure.diagnostic
        explained[id(error)] = replace(
            error,
            labels=(Label(warning.span, "this label names the stream alone"), *error.labels),
            help=warning.help,
            fixes=warning.fixes,
        )
        told.append(warning)
    inference.failures[:] = kept
    errors = [explained.get(id(item), item) for item in inference.diagnostics]
    return [*errors, *(item for item in found if not any(item is other for other in told))]
