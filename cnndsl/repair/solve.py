"""Solves the size rule backwards: from a window that does not fit to the changes that may mend it.

Each kind of change (another padding, kernel, stride, dilation or rounding) gives candidates, the
nearest values first. The rule itself stands in :mod:`cnndsl.layers.window`; here its values are
varied around those written. Another input size is :mod:`cnndsl.repair.input_sizes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice

from cnndsl.diagnostics.model import Edit
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import listed
from cnndsl.frozen import replace
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.layers.window import Parameter, Rounding, Window
from cnndsl.repair.candidates import (
    Candidate,
    Case,
    Rank,
    collapsed,
    edit_of,
    padding_rank,
    rewritten,
)
from cnndsl.syntax.ast import NetworkName, RoundingRule

__all__ = ["changes"]

CHOICES = 4
"""So many values of one parameter are tried."""


def changes(case: Case) -> Iterator[Iterator[Candidate]]:
    """The kinds of changes to the layer itself; of each, the nearest that works is wanted."""
    if case.kind is FaultKind.OUTPUT_PADDING:
        yield _parameters(case, "output_padding", Rank.OUTPUT_PADDING)
        yield _parameters(case, "stride", Rank.STRIDE, larger=True)
        return
    yield _paddings(case)
    if case.kind is FaultKind.BLIND:
        return
    if case.kind is FaultKind.REMAINDER:
        yield chain(_rounding(case, Rounding.FLOOR), _floor_everywhere(case))
        if case.accompanied:
            yield _floor_everywhere(case)
        yield _rounding(case, Rounding.CEIL)
    yield _parameters(case, "kernel", Rank.KERNEL)
    yield _parameters(case, "dilation", Rank.DILATION)
    yield _same(case)
    if case.kind is FaultKind.REMAINDER:
        yield _parameters(case, "stride", Rank.STRIDE, larger=False)
    if case.kind in (FaultKind.REMAINDER, FaultKind.NOTHING_LEFT):
        yield _parameters(case, "stride", Rank.STRIDE, larger=True)


# --- the values in question -------------------------------------------------------------------


def _paddings(case: Case) -> Iterator[Candidate]:
    """Another padding, below the kernel's extent: more would add windows that see nothing."""
    written, rank = case.written("padding"), len(case.windows)
    if written == "same":
        return
    if isinstance(written, tuple) and len(written) == 2 * rank:
        yield from _ends(case, written)
        return
    for sizes in _nearest(case, "padding"):
        yield from _written(case, "padding", sizes, padding_rank(sizes, case.windows))


def _ends(case: Case, written: tuple[int, ...]) -> Iterator[Candidate]:
    """Where a list gives each side its padding: other paddings at the end."""
    rank = len(case.windows)
    ends = list(written[rank:])
    for at in case.wrong:
        window = case.windows[at]
        alike = replace(window, before=window.after)
        near = sorted(alike.nearby("padding"), key=_closest_to(window.after))
        good = (end for end in near if case.fits(replace(window, after=end)))
        ends[at] = next(good, window.after)
    sizes = (*written[:rank], *ends)
    if sizes != written:
        yield from _written(case, "padding", sizes, Rank.PADDING)


def _parameters(
    case: Case, name: Parameter, rank: Rank, *, larger: bool | None = None
) -> Iterator[Candidate]:
    """Another value of a parameter that the layer has; only larger or smaller ones, if asked."""
    if name in type(case.layer).model_fields:
        for sizes in _nearest(case, name, larger=larger):
            yield from _written(case, name, sizes, rank)


def _nearest(
    case: Case, name: Parameter, *, larger: bool | None = None
) -> Iterator[tuple[int, ...]]:
    """Values with which the window fits along every dimension, the nearest first.

    One value for all dimensions where they had one, then one for each that is wrong.
    """
    current = tuple(window.value(name) for window in case.windows)
    allowed = [
        [
            value
            for value in sorted({*window.nearby(name), now}, key=_closest_to(now))
            if larger in (None, value > now) or value == now
            if case.fits(_varied(case, name, value)[at])
        ]
        for at, (window, now) in enumerate(zip(case.windows, current, strict=True))
    ]
    found: dict[tuple[int, ...], None] = {}
    if len(set(current)) == 1:
        common = (v for v in allowed[case.wrong[0]] if all(v in values for values in allowed))
        found.update(((value,) * len(current), None) for value in islice(common, CHOICES))
    if all(allowed):
        for choice in range(CHOICES):
            sizes = list(current)
            for at in case.wrong:
                sizes[at] = allowed[at][min(choice, len(allowed[at]) - 1)]
            found[tuple(sizes)] = None
    yield from (sizes for sizes in found if sizes != current)


def _varied(case: Case, name: Parameter, value: int) -> tuple[Window, ...]:
    return case.layer.model_copy(update={name: (value,)}).windows(case.source)


def _closest_to(value: int) -> Callable[[int], tuple[int, int]]:
    """Orders numbers by their distance; of two at the same one, the smaller comes first."""
    return lambda number: (abs(number - value), number)


def _same(case: Case) -> Iterator[Candidate]:
    """``padding same``, where no equal padding on both sides does it."""
    if case.written("padding") == "same":
        return
    if next(_nearest(case, "padding"), None) is None:
        edit = edit_of(case.node, case.module, "padding", "same")
        if edit is not None:
            changed = case.with_layer(padding="same")
            yield Candidate(Rank.SAME, "write `padding same`", (edit,), changed)


# --- rounding ---------------------------------------------------------------------------------

_CELLS = {1: ("cell",), 2: ("row", "column"), 3: ("slice", "row", "column")}


def _rounding(case: Case, rounding: Rounding) -> Iterator[Candidate]:
    """``rounding floor`` or ``ceil`` on the layer."""
    edit = edit_of(case.node, case.module, "rounding", rounding.value)
    described = _floor(case) if rounding is Rounding.FLOOR else _ceil(case)
    if edit is not None and described is not None:
        rank, reason = described
        changed = case.with_layer(rounding=rounding)
        yield Candidate(rank, f"write `rounding {rounding}`", (edit,), changed, reason)


def _floor(case: Case) -> tuple[Rank, str]:
    """What ``floor`` leaves out along each dimension, the padding aside."""
    if all(window.after >= window.stride - 1 for window in case.windows):
        return Rank.FREE_FLOOR, "drops nothing but padding"
    if len(case.alike) > 1:
        return Rank.FLOOR, "drops what is left over each time"
    lost = [window.dropped for window in case.windows]
    if not any(lost):
        return Rank.FREE_FLOOR, "drops nothing but padding"
    return Rank.FLOOR, f"drops the last {_counted(lost)}"


def _ceil(case: Case) -> tuple[Rank, str] | None:
    """How far the window that ``ceil`` adds reaches; None where it would lie in the padding."""
    windows = tuple(replace(window, rounding=Rounding.CEIL) for window in case.windows)
    over = [window.overhang for window in windows]
    if not any(over):
        return None
    far = f"{_counted(over)} " if len(case.alike) == 1 else ""
    return Rank.CEIL, f"adds a window that reaches {far}beyond the edge"


def _floor_everywhere(case: Case) -> Iterator[Candidate]:
    """``rounding floor`` at the top of the file, for all its layers."""
    source = case.node.span.source
    statements = case.module.statements
    ruled = any(isinstance(statement, RoundingRule) for statement in statements)
    if ruled or case.failing[0] not in case.around.floored:
        return
    start = next(s.span.start for s in statements if not isinstance(s, NetworkName))
    edit = Edit(Span(source, start, start), f"rounding floor{_line_end(source.text)}")
    action = "write `rounding floor` at the top of the file"
    reason = "drops what is left over at every layer"
    yield Candidate(Rank.FLOOR_EVERYWHERE, action, (edit,), case.around.floored, reason)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _counted(counts: Sequence[int]) -> str:
    """Cells along each dimension, in words.

    >>> _counted([1, 1]), _counted([0, 2]), _counted([1, 2])
    ('1 row and column', '2 columns', '1 row and 2 columns')
    """
    names = _CELLS[len(counts)]
    shared = len({count for count in counts if count}) == 1
    words: list[str] = []
    for count, name in zip(counts, names, strict=True):
        if count:
            noun = name if count == 1 else f"{name}s"
            words.append(noun if shared and words else f"{count} {noun}")
    return listed(words)


def _written(case: Case, name: str, sizes: tuple[int, ...], rank: Rank) -> Iterator[Candidate]:
    """The candidate that writes these sizes, if they can be written where the old ones stand."""
    found = rewritten(case.node, case.module, name, sizes)
    if found is not None:
        action, edit = found
        yield Candidate(rank, action, (edit,), case.with_layer(**{name: collapsed(sizes)}))
