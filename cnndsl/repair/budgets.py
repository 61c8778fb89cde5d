"""Turns budgets that are not kept into changes that keep them, each proved on the edited text.

What is tried: a smaller batch, where the memory of training hangs on it; smaller constants; fewer
filters or units of the layers that cost most. The outputs stay what they are, and nothing else may
be wrong with the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from cnndsl.analysis.cost import quantity
from cnndsl.analysis.layer_costs import layer_costs
from cnndsl.analysis.memory import training_memory
from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Severity
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import shorten
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
    yield _smaller_batch(overrun, checked)
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


def _smaller_batch(overrun: Overrun, checked: Checked) -> list[_Change]:
    """The largest batch whose training step keeps the budget."""
    if overrun.quantity not in (Quantity.TRAINING_BYTES, Quantity.TRAINING_ACTIVATION_BYTES):
        return []
    network, bound = overrun.network, overrun.bound or 0
    recipe = network.network.recipe or Recipe()
    memory = training_memory(network, recipe, 1)
    fixed = memory.total - memory.activations
    if overrun.quantity is Quantity.TRAINING_ACTIVATION_BYTES:
        fixed = 0
    room = int(bound - fixed) - (overrun.statement.comparison == "<" and bound == int(bound))
    batch = recipe.shards * (room // memory.activations) if memory.activations else 0
    if not 0 < batch < recipe.batch:
        return []
    return [(_batch_edit(checked, batch), f"write `batch {batch}`")]


def _batch_edit(checked: Checked, batch: int) -> Edit:
    source = checked.source
    train = next((one for one in checked.module.statements if isinstance(one, Train)), None)
    if train is None:
        end = Span(source, len(source.text), len(source.text))
        return Edit(end, f"\ntrain {{ batch {batch} }}\n")
    for setting in train.settings:
        if setting.name.name == "batch" and setting.values:
            return Edit(setting.values[0].span.to(setting.values[-1].span), str(batch))
    brace = source.text.index("{", train.span.start) + 1
    return Edit(Span(source, brace, brace), f"\n  batch {batch}")


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
