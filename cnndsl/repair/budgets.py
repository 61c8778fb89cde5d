"""Turns budgets that are not kept into changes that keep them, each proved on the edited text.

What is tried: more shards of a batch, or a smaller one, where the memory of training hangs on it;
smaller constants; fewer filters or units of the layers that cost most. The outputs stay what they
are, and nothing else may be wrong with the text.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cnndsl.analysis.cost import quantity
from cnndsl.analysis.layer_costs import layer_costs
from cnndsl.analysis.memory import training_memories
from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Severity
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import shorten
from cnndsl.elaborate.arithmetic import COMPARISONS
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.elaborate.quantities import Quantity
from cnndsl.frozen import replace
from cnndsl.recipe.recipe import Recipe
from cnndsl.repair.proof import is_shipped, place_after, with_edits
from cnndsl.syntax.ast import Let, Number, Param, Train
from cnndsl.typecheck.budgets import Overrun, shown
from cnndsl.typecheck.checked import Checked
from cnndsl.types import TensorType

__all__ = ["Recheck", "afforded"]

Recheck: TypeAlias = Callable[[Mapping[Path, str]], Checked]
"""Checks the spec with texts that stand in for its files, unrepaired."""

RETRIED = 4_000
"""What all trials may cost, in layers and the like; some are made at least."""

LEAST = 6
"""So many trials are made however large the network is."""

LAYERS = 3
"""Of so many of the dearest layers fewer filters are tried."""

SHARES = (7 / 8, 3 / 4, 1 / 2, 1 / 4)
"""What parts of a number are tried."""

PROPOSALS = 2
"""So many changes are proposed for a budget."""


@dataclass
class _Trials:
    """Tries changes of one spec while there is time."""

    checked: Checked
    recheck: Recheck
    edited: Mapping[Path, str]
    others: int
    """How many errors there are besides the budgets that are passed."""
    left: int

    def kept(self, overrun: Overrun, edit: Edit) -> TypedNetwork | None:
        """The network of the edited text, where it keeps the budget and nothing else is wrong."""
        if self.left <= 0:
            return None
        self.left -= 1
        found = self.recheck(with_edits(self.edited, [edit]))
        overruns = found.inference.overruns if found.inference is not None else ()
        place = place_after(overrun.diagnostic, [edit])
        passed = [place_after(one.diagnostic) for one in overruns]
        if _errors(found.diagnostics) - len(overruns) > self.others or place in passed:
            return None
        network = overruns[0].network if overruns else found.network
        if network is None:
            return None
        return network if _outputs(network) == _outputs(overrun.network) else None


def _errors(diagnostics: Sequence[Diagnostic]) -> int:
    return sum(one.severity is Severity.ERROR for one in diagnostics)


def afforded(
    checked: Checked,
    overruns: Sequence[Overrun],
    diagnostics: tuple[Diagnostic, ...],
    recheck: Recheck,
    edited: Mapping[Path, str],
) -> tuple[Diagnostic, ...]:
    """The diagnostics, those of budgets with what would keep them."""
    cost = len(checked.table) + len(checked.source.text) // 20 + 1
    others = _errors(diagnostics) - len(overruns)
    trials = _Trials(checked, recheck, edited, others, max(LEAST, RETRIED // cost))
    proposed = {id(one.diagnostic): _repaired(one, trials) for one in overruns}
    return tuple(proposed.get(id(one), one) for one in diagnostics)


def _repaired(overrun: Overrun, trials: _Trials) -> Diagnostic:
    """The diagnostic of a budget with the changes that keep it before the one that raises it."""
    diagnostic = overrun.diagnostic
    if overrun.bound is None:
        return diagnostic
    fixes: list[Fix] = []
    for edits in _candidates(overrun, trials.checked):
        for edit, action in edits:
            network = trials.kept(overrun, edit)
            if network is not None:
                true = shown(quantity(network, overrun.quantity))
                title = f"{action}: `{overrun.quantity}` is then {true}"
                fixes.append(Fix(title, (edit,)))
                break
        if len(fixes) == PROPOSALS:
            break
    if not fixes:
        return diagnostic
    return replace(diagnostic, help=fixes[0].title, fixes=(*fixes, *diagnostic.fixes))


def _outputs(network: TypedNetwork) -> dict[str, TensorType]:
    return {name: network.types[at] for name, at in network.network.outputs.items()}


# --- what is tried ------------------------------------------------------------------------------

_Change = tuple[Edit, str]


def _candidates(overrun: Overrun, checked: Checked) -> Iterator[Sequence[_Change]]:
    """Changes that may keep a budget: several numbers for one place, the largest first."""
    yield from _for_memory(overrun, checked)
    for span, whole in _numbers(overrun, checked):
        changes = []
        for number in _parts(int(span.text)):
            before, after = span.start - whole.start, span.end - whole.start
            text = whole.text[:before] + str(number) + whole.text[after:]
            line = whole.first.line
            changes.append((Edit(span, str(number)), f"write `{shorten(text)}` in line {line}"))
        yield changes


def _parts(number: int) -> list[int]:
    """Smaller numbers, as round as the number is.

    >>> _parts(64), _parts(10)
    ([56, 48, 32, 16], [8, 7, 5, 2])
    """
    unit = 8 if number % 8 == 0 and number >= 16 else 1
    parts = (int(number * share) // unit * unit for share in SHARES)
    return [part for part in dict.fromkeys(parts) if 0 < part < number]


def _for_memory(overrun: Overrun, checked: Checked) -> Iterator[Sequence[_Change]]:
    """The fewest shards of the batch, and the largest batch, whose step keeps the budget."""
    of_all = overrun.quantity is Quantity.TRAINING_BYTES
    if not of_all and overrun.quantity is not Quantity.TRAINING_ACTIVATION_BYTES:
        return
    recipe = overrun.network.network.recipe or Recipe()
    memory = training_memories(overrun.network, recipe)
    is_below = COMPARISONS[overrun.statement.comparison or "<="]

    def keeps(batch: int, shards: int) -> bool:
        needed = memory(batch, shards)
        return is_below(needed.total if of_all else needed.activations, overrun.bound or 0)

    more = [one for one in range(recipe.shards + 1, recipe.batch + 1) if keeps(recipe.batch, one)]
    if more:
        even = (one for one in more if recipe.batch % one == 0 and one < 2 * more[0])
        yield [_setting(checked, "shards", next(even, more[0]))]
    smaller = range(1, recipe.batch)
    batch = bisect_left(smaller, True, key=lambda one: not keeps(one, recipe.shards))
    if batch:
        yield [_setting(checked, "batch", batch)]


def _setting(checked: Checked, name: str, value: int) -> _Change:
    """A setting of the recipe, in its place or as its first."""
    return _setting_edit(checked, name, value), f"write `{name} {value}`"


def _setting_edit(checked: Checked, name: str, value: int) -> Edit:
    source = checked.source
    train = next((one for one in checked.module.statements if isinstance(one, Train)), None)
    if train is None:
        end = Span(source, len(source.text), len(source.text))
        return Edit(end, f"\ntrain {{ {name} {value} }}\n")
    for setting in train.settings:
        if setting.name.name == name and setting.values:
            return Edit(setting.values[0].span.to(setting.values[-1].span), str(value))
    brace = source.text.index("{", train.span.start) + 1
    behind = source.text[brace:].split("\n", 1)[0].strip()
    rest = "\n " if behind and not behind.startswith("#") else ""
    return Edit(Span(source, brace, brace), f"\n  {name} {value}{rest}")


def _numbers(overrun: Overrun, checked: Checked) -> Iterator[tuple[Span, Span]]:
    """Whole numbers in the spec on which much hangs, each with the statement or layer around it."""
    nodes = overrun.network.network.nodes
    costs = layer_costs(overrun.network, overrun.quantity)
    dear = sorted(range(len(costs)), key=lambda at: -costs[at])
    seen: set[Span] = set()
    for at in dear:
        node = nodes[at]
        name = node.layer.positional[:1] if isinstance(node, LayerNode) else ()
        span = node.places.get(name[0]) if name and isinstance(node, LayerNode) else None
        if span is None or span in seen or not costs[at] or len(seen) == LAYERS:
            continue
        seen.add(span)
        if span.text.isdecimal() and not is_shipped(span.source):
            yield span, node.span
    for statement in checked.module.statements:
        if isinstance(statement, Let | Param):
            value = statement.value if isinstance(statement, Let) else statement.default
            if isinstance(value, Number) and value.span.text.isdecimal():
                yield value.span, statement.span
