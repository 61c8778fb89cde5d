"""Writes what changed between two networks: as text of 80 columns, and as Markdown for a review."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from math import prod
from typing import TypeAlias

from cnndsl.analysis.change_records import Change, Delta, Differences, LayerChange
from cnndsl.analysis.reuse import Reuse
from cnndsl.analysis.wrapping import WIDTH, wrapped
from cnndsl.diagnostics.words import count, listed
from cnndsl.elaborate.quantities import Quantity

__all__ = ["markdown_of", "text_of"]

SHOWN = 8
"""So many layers whose outputs alone differ, and so many weights, are listed in the text."""

MOST_PERCENT = 1000
"""What grows by more is told as a factor."""

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}

_ALWAYS = (Quantity.PARAMS, Quantity.MACS)
"""Quantities that are shown also where they are the same."""

_TWINS: Mapping[str, str] = {
    Quantity.TRAINABLE_PARAMS: Quantity.PARAMS,
    Quantity.INFERENCE_PARAMS: Quantity.PARAMS,
    Quantity.INFERENCE_MACS: Quantity.MACS,
}
"""Quantities that are not shown where they are what another one is."""

_CARRIED = ("kept", "renamed")


# --- text ---------------------------------------------------------------------------------------


def text_of(diff: Differences) -> str:
    """The difference as text."""
    lines = [f"{diff.old} -> {diff.new}"]
    if not diff:
        lines += ["", "no change in meaning", *_text_of_contract(diff), *_text_of_names(diff)]
        return "\n".join(lines)
    edits = [one for one in diff.layers if one.kind != "shape"]
    if edits:
        lines += ["", "layers", *_layer_lines(edits)]
    if shapes := [one for one in diff.layers if one.kind == "shape"]:
        lines += ["", "other outputs, as follows from that", *_shape_lines(shapes)]
    for title, changes in (("inputs and outputs", diff.interface), ("training", diff.training)):
        if changes:
            lines += ["", title, *_change_lines(changes)]
    lines += _text_of_contract(diff)
    lines += ["", *_totals(diff.quantities)]
    lines += ["", *_weight_lines(diff.weights), *_text_of_names(diff)]
    return "\n".join(lines)


def _text_of_contract(diff: Differences) -> list[str]:
    lines = ["", "parameters and budgets", *_change_lines(diff.contract)] if diff.contract else []
    if diff.unmet:
        lines += ["", "not as expected"]
    for one in diff.unmet:
        lines += wrapped(f"  {one.network}, line {one.line}: {one.message}", "    ")
    return lines


def _layer_lines(layers: Sequence[LayerChange]) -> Iterator[str]:
    """Layer by layer; what was added or removed together in one scope, and alike scopes, as one."""
    for groups in _bundled(layers):
        first = groups[0][0]
        sign = _SIGNS[first.kind]
        if len(groups[0]) > 1:
            yield from wrapped(f"  {sign} {_bundle_name(groups)}: {_in_words(groups)}", "      ")
            continue
        yield from wrapped(f"  {sign} {_titled(first, groups)}", "      ")
        if first.kind == "changed":
            for change in first.changes:
                yield from wrapped(f"      {_told(change)}", "        ")
            if first.old_output != first.output:
                yield f"      output: {first.old_output} -> {first.output}"


def _titled(change: LayerChange, groups: Sequence[Sequence[LayerChange]]) -> str:
    if len(groups) > 1:
        return listed([group[0].name for group in groups])
    layer, name = change.layer or change.old_layer, change.name or change.old_name
    was = f" (was {change.old_name})" if change.name and change.old_name not in ("", name) else ""
    output = f" => {change.output or change.old_output}" if change.kind != "changed" else ""
    return f"{name}{was}: {layer}{output}"


def _told(change: Change) -> str:
    if not change.old:
        return f"{change.what}: now {change.new}"
    return f"{change.what}: {change.old} -> {change.new or 'none'}"


_Bundle: TypeAlias = list[list[LayerChange]]
"""Groups of layers that are told together."""


def _bundled(layers: Sequence[LayerChange]) -> list[_Bundle]:
    """The groups, those together that are alike: in counted scopes, or changed in one way.

    What is counted last comes first: ``layer2.unit3`` goes with ``layer2.unit4`` rather than with
    ``layer1.unit3``.
    """
    found: list[_Bundle] = []
    for group in _grouped(layers):
        if found and _goes_on(found[-1], group, last=True):
            found[-1].append(group)
        else:
            found.append([group])
    merged: list[_Bundle] = []
    singles: list[bool] = []
    for bundle in found:
        single = len(bundle) == 1
        if single and singles and singles[-1] and _goes_on(merged[-1], bundle[0], last=False):
            merged[-1].append(bundle[0])
        else:
            merged.append([*bundle])
            singles.append(single)
    return merged


def _goes_on(
    found: Sequence[Sequence[LayerChange]], group: Sequence[LayerChange], *, last: bool
) -> bool:
    """Whether a group is told with those before it: their scopes differ in one number alone."""
    first, one = found[0][0], group[0]
    if first.kind != one.kind or len(found[0]) != len(group):
        return False
    if one.kind == "changed":
        named = first.old_name == first.name and one.old_name == one.name
        outputs = first.old_output == one.old_output and first.output == one.output
        return named and outputs and first.changes == one.changes
    if len(group) == 1 or _words(found[0]) != _words(group):
        return False
    scopes = [re.split(r"(\d+)", _scope(each[0])) for each in (*found, group)]
    if len({*map(len, scopes)}) > 1:
        return False
    differing = [at for at, parts in enumerate(zip(*scopes, strict=True)) if len({*parts}) > 1]
    counted = len(scopes[0]) - 2  # the last number; words stand between numbers
    return len(differing) == 1 and differing[0] % 2 == 1 and (not last or differing[0] == counted)


def _grouped(layers: Sequence[LayerChange]) -> Iterator[list[LayerChange]]:
    """Neighbours that were added or removed in one scope, together where they are several."""
    for _, group in groupby(layers, key=lambda one: (one.kind, _scope(one))):
        found = [*group]
        if found[0].kind == "changed" or not _scope(found[0]) or len(found) < 3:
            yield from ([one] for one in found)
        else:
            yield found


def _scope(change: LayerChange) -> str:
    return (change.name or change.old_name).rpartition(".")[0]


def _bundle_name(groups: Sequence[Sequence[LayerChange]]) -> str:
    first, last = _scope(groups[0][0]), _scope(groups[-1][0])
    return first if len(groups) == 1 else f"{first} to {last}"


def _in_words(groups: Sequence[Sequence[LayerChange]]) -> str:
    """``3 times 10 layers (3 conv, 3 batchnorm)``."""
    kinds = ", ".join(f"{number} {word}" for word, number in _words(groups[0]).items())
    times = f"{len(groups)} times " if len(groups) > 1 else ""
    return f"{times}{count(len(groups[0]), 'layer')} ({kinds})"


def _words(layers: Sequence[LayerChange]) -> dict[str, int]:
    """How many layers there are of each kind, those of which there are most first."""
    return dict(Counter((one.layer or one.old_layer).split()[0] for one in layers).most_common())


def _shape_lines(layers: Sequence[LayerChange]) -> Iterator[str]:
    wide = max(len(one.name) for one in layers[:SHOWN])
    for one in layers[:SHOWN]:
        yield f"    {one.name:{wide}}  {one.old_output} -> {one.output}"
    if len(layers) > SHOWN:
        yield f"    and {len(layers) - SHOWN} more"


def _change_lines(changes: Iterable[Change]) -> Iterator[str]:
    for one in changes:
        sign = "+" if not one.old else "-" if not one.new else "~"
        yield from wrapped(f"  {sign} {_plainly(one)}", "      ")


def _plainly(one: Change) -> str:
    if one.old and one.new:
        return f"{one.what}: {one.old} -> {one.new}"
    return f"{one.what}: {one.old or one.new}"


def _totals(quantities: Iterable[Delta]) -> Iterator[str]:
    rows = [*_rows(quantities)]
    widths = [max(len(row[at]) for row in rows) for at in range(5)]
    gap = "  " if sum(widths) + 10 <= WIDTH else " "
    for name, old, new, way, part in rows:
        values = f"{old:>{widths[1]}} -> {new:>{widths[2]}}"
        parts = (f"{name:{widths[0]}}", values, f"{way:>{widths[3]}}", f"{part:>{widths[4]}}")
        yield gap.join(parts).rstrip()


def _rows(quantities: Iterable[Delta]) -> Iterator[tuple[str, str, str, str, str]]:
    """A row for each quantity that differs, but for those that say the same as another one."""
    known = {one.quantity: one for one in quantities}
    for name, one in known.items():
        if name == Quantity.TRAINING_ACTIVATION_BYTES:
            continue  # a part of what the training step holds
        twin = known.get(_TWINS.get(name, ""))
        if twin is not None and (one.old, one.new) == (twin.old, twin.new):
            continue
        if one.old != one.new or name in _ALWAYS:
            yield _row(one)


def _row(one: Delta) -> tuple[str, str, str, str, str]:
    """Name, old, new, the difference with its sign, and that as a part of the old."""
    old, new = _shown(one.old), _shown(one.new)
    if len(one.old) != 1 or len(one.new) != 1:
        return one.quantity, old, new, "", ""
    way = one.new[0] - one.old[0]
    part = ""
    if way and one.old[0]:
        share = 100 * way / one.old[0]
        part = f"{share:+.1f}%" if share < MOST_PERCENT else f"x{one.new[0] / one.old[0]:,.1f}"
    return one.quantity, old, new, f"{way:+,}" if way else "same", part


def _shown(values: tuple[int, ...]) -> str:
    return f"{values[0]:,}" if len(values) == 1 else "x".join(map(str, values)) or "none"


def _weight_lines(weights: Sequence[Reuse]) -> Iterator[str]:
    """How many weights can be taken over, and which cannot."""
    new = [one for one in weights if one.new]
    carried = [one for one in new if one.how in _CARRIED]
    numbers = sum(prod(one.new_shape) for one in carried)
    whole = sum(prod(one.new_shape) for one in new)
    part = f" ({100 * numbers / whole:.1f}% of the numbers)" if whole else ""
    yield f"weights: {len(carried)} of {len(new)} can be taken over{part}"
    for how, title in (
        ("reshaped", "of another shape"),
        ("new", "new"),
        ("gone", "gone"),
    ):
        some = [one for one in weights if one.how == how]
        for one in some[:SHOWN]:
            yield from wrapped(f"  {title}: {_weight(one)}", "    ")
        if len(some) > SHOWN:
            yield f"  {title}: and {len(some) - SHOWN} more"
    if wrong := [one for one in new if one.is_another]:
        several = count(len(wrong), "weight")
        yield from wrapped(
            f"  by name alone, {several} would take another layer's numbers, as {wrong[0].new}",
            "  ",
        )


def _weight(one: Reuse) -> str:
    old, new = _sizes(one.old_shape), _sizes(one.new_shape)
    if one.how != "reshaped":
        return f"{one.new or one.old}, {new or old}"
    names = one.new if one.old == one.new else f"{one.old} -> {one.new}"
    return f"{names}, {old} -> {new}"


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _text_of_names(diff: Differences) -> Iterator[str]:
    if not diff.renamed:
        return
    yield ""
    yield f"{count(len(diff.renamed), 'layer')} with another name, and so have their weights"
    for old, new in diff.renamed[:SHOWN]:
        yield from wrapped(f"    {old} -> {new}", "      ")
    if len(diff.renamed) > SHOWN:
        yield f"    and {len(diff.renamed) - SHOWN} more"


# --- Markdown -----------------------------------------------------------------------------------


def markdown_of(diff: Differences) -> str:
    """The difference as Markdown: totals as a table, what is long folded away."""
    lines = [f"### `{_cell(diff.old)}` → `{_cell(diff.new)}`", ""]
    if not diff:
        lines += ["No change in meaning.", *_markdown_of_contract(diff)]
        lines += _markdown_of_names(diff)
        return "\n".join(lines)
    rows = _rows(diff.quantities)
    lines += ["| | old | new | change | |", "| --- | --: | --: | --: | --: |"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    edits = [one for one in diff.layers if one.kind != "shape"]
    if edits:
        lines += ["", "**Layers**", "", *_markdown_layers(edits)]
    lines += _markdown_of_changes("Inputs and outputs", diff.interface)
    lines += _markdown_of_changes("Training", diff.training)
    lines += _markdown_of_contract(diff)
    if shapes := [one for one in diff.layers if one.kind == "shape"]:
        rows_of = [(one.name, one.old_output, one.output) for one in shapes]
        title = f"{count(len(shapes), 'layer')} with another output, as follows from that"
        lines += _details(title, ("layer", "old", "new"), rows_of)
    lines += _markdown_weights(diff.weights)
    lines += _markdown_of_names(diff)
    return "\n".join(lines)


def _markdown_of_changes(title: str, changes: Sequence[Change]) -> list[str]:
    if not changes:
        return []
    return ["", f"**{title}**", "", *(f"- {one.what}: {_between(one)}" for one in changes)]


def _markdown_of_contract(diff: Differences) -> list[str]:
    lines = _markdown_of_changes("Parameters and budgets", diff.contract)
    if diff.unmet:
        lines += ["", "**Not as expected**", ""]
    lines += [f"- {one.network}, line {one.line}: {one.message}" for one in diff.unmet]
    return lines


def _markdown_layers(layers: Sequence[LayerChange]) -> Iterator[str]:
    for groups in _bundled(layers):
        first = groups[0][0]
        if len(groups[0]) > 1:
            yield f"- {first.kind} `{_cell(_bundle_name(groups))}`: {_in_words(groups)}"
            continue
        name = ", ".join(f"`{_cell(one.name or one.old_name)}`" for (one,) in groups)
        if first.kind != "changed":
            output, layer = first.output or first.old_output, first.layer or first.old_layer
            yield f"- {first.kind} {name}: `{_cell(layer)}` ⇒ {output}"
            continue
        was = f" (was `{_cell(first.old_name)}`)" if first.old_name != first.name else ""
        told = [f"{one.what} {_between(one)}" for one in first.changes]
        if first.old_output != first.output:
            told.append(f"output {first.old_output} → {first.output}")
        yield f"- changed {name}{was}: {'; '.join(told)}"


def _between(one: Change) -> str:
    if one.old and one.new:
        return f"`{_cell(one.old)}` → `{_cell(one.new)}`"
    return f"`{_cell(one.new)}` (new)" if one.new else f"`{_cell(one.old)}` (gone)"


def _markdown_weights(weights: Sequence[Reuse]) -> Iterator[str]:
    lines = [*_weight_lines(weights)]
    yield from ("", f"**Weights**: {lines[0].removeprefix('weights: ')}.")
    rows = [
        (
            one.how,
            one.old,
            one.new,
            "x".join(map(str, one.old_shape)),
            "x".join(map(str, one.new_shape)),
        )
        for one in weights
        if one.how != "kept"
    ]
    if rows:
        head = ("", "old", "new", "old shape", "new shape")
        yield from _details("weights that differ", head, rows)
    if any(one.is_another for one in weights):
        yield from ("", f"{lines[-1].strip()}.")


def _markdown_of_names(diff: Differences) -> list[str]:
    if not diff.renamed:
        return []
    title = f"{count(len(diff.renamed), 'layer')} with another name"
    return _details(title, ("old", "new"), diff.renamed)


def _details(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table that is folded away."""
    lines = ["", f"<details><summary>{title}</summary>", "", f"| {' | '.join(head)} |"]
    lines.append(f"| {' | '.join('---' for _ in head)} |")
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return [*lines, "", "</details>"]


def _cell(text: str) -> str:
    """A text that ends no cell and no code."""
    return text.replace("|", "\\|").replace("`", "'").replace("\n", " ")
