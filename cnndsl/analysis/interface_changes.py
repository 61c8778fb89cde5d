"""Turns two networks into what changed around their layers: inputs, outputs, training, budgets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cnndsl.analysis.alignment import Alignment
from cnndsl.analysis.change_records import Change
from cnndsl.analysis.summary import word
from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.network import InputNode, TypedNetwork
from cnndsl.elaborate.unparse import train_statement
from cnndsl.elaborate.values import show
from cnndsl.frozen import replace
from cnndsl.recipe.recipe import LABELLED, Recipe
from cnndsl.syntax.ast import Name, Param, Setting, Train
from cnndsl.syntax.printer import print_expression, print_statement

__all__ = ["contract_changes", "interface_changes", "origins", "training_changes"]


def origins(at: int, typed: TypedNetwork, partners: Mapping[int, int]) -> set[int]:
    """The nodes with partners from which a value comes, through those without."""
    found: set[int] = set()
    seen: set[int] = set()
    pending = [at]
    while pending:
        one = pending.pop()
        if one in partners:
            found.add(one)
        elif one not in seen:
            seen.add(one)
            pending.extend(typed.network.nodes[one].inputs)
    return found


# --- inputs, outputs, classes -------------------------------------------------------------------


def interface_changes(old: TypedNetwork, new: TypedNetwork, pairs: Alignment) -> Iterator[Change]:
    """What whoever calls the network must know."""
    yield from _network_inputs(old, new, pairs)
    first, second = old.network.outputs, new.network.outputs
    for name in dict.fromkeys((*first, *second)):
        had, has = first.get(name), second.get(name)
        what = "output" if name == "output" else f"output {name}"
        if had is None or has is None or old.types[had].dims != new.types[has].dims:
            yield Change(what, _type(old, had), _type(new, has))
            continue
        partners = {pairs.old[one] for one in origins(had, old, pairs.old)}
        if not partners & origins(has, new, pairs.new):
            nodes = old.network.nodes[had].name, new.network.nodes[has].name
            yield Change(what, *(f"of {node}" for node in nodes))
    yield from _classes(old.network.classes, new.network.classes)


def _type(typed: TypedNetwork, at: int | None) -> str:
    return "" if at is None else str(typed.types[at])


def _network_inputs(old: TypedNetwork, new: TypedNetwork, pairs: Alignment) -> Iterator[Change]:
    nodes = new.network.nodes
    for at, node in enumerate(old.network.nodes):
        if isinstance(node, InputNode):
            partner = nodes[pairs.old[at]] if at in pairs.old else None
            if not isinstance(partner, InputNode):
                yield Change(_called(node), _input(node), "")
                continue
            if node.name != partner.name:
                yield Change("input", node.name, partner.name)
            if _input(node) != _input(partner):
                yield Change(_called(partner), _input(node), _input(partner))
            yield from _preparation(node, partner)
    for at, node in enumerate(nodes):
        if isinstance(node, InputNode) and at not in pairs.new:
            yield Change(_called(node), "", _input(node))


def _called(node: InputNode) -> str:
    return "input" if node.name == "input" else f"input {node.name}"


def _input(node: InputNode) -> str:
    words = f" vocabulary {node.type.vocabulary}" if node.type.vocabulary is not None else ""
    return f"{node.type}{words}"


def _preparation(old: InputNode, new: InputNode) -> Iterator[Change]:
    first, second = old.preparation.to_json(), new.preparation.to_json()
    for name in dict.fromkeys((*first, *second)):
        if first.get(name) != second.get(name):
            values = (_value(one.get(name)) for one in (first, second))
            yield Change(f"{_called(new)}, {name}", *values)


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    if isinstance(value, bool) or value is None:
        return "" if value is None else word(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _classes(old: Sequence[str], new: Sequence[str]) -> Iterator[Change]:
    if tuple(old) == tuple(new):
        return
    gone, come = ([x for x in one if x not in other] for one, other in ((old, new), (new, old)))
    if len(old) != len(new):
        yield Change("classes", *(_count(one) for one in (old, new)))
    elif not gone and not come:
        yield Change("classes", "in one order", "in another")
    if old and new and (gone or come):
        yield Change("classes named", _some(gone), _some(come))


def _count(names: Sequence[str]) -> str:
    return str(len(names)) if names else "without names"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


# --- parameters, budgets ------------------------------------------------------------------------


def contract_changes(old: TypedNetwork, new: TypedNetwork) -> Iterator[Change]:
    """What whoever calls the spec may set, and what is asked of the network."""
    for prefix, found in (("param", _parameters), ("expect", _budgets)):
        first, second = found(old), found(new)
        for name in dict.fromkeys((*first, *second)):
            had, has = first.get(name, ""), second.get(name, "")
            if had != has:
                yield Change(f"{prefix} {name}", had, has)


def _parameters(typed: TypedNetwork) -> dict[str, str]:
    """The value of each parameter, as a spec writes it."""
    network = typed.network
    written = [one for one in network.module.statements if isinstance(one, Param)]
    return {
        one.name.name: show(network.parameters[one.name.name])
        if one.name.name in network.parameters
        else print_expression(one.default)
        for one in written
    }


def _budgets(typed: TypedNetwork) -> dict[str, str]:
    """The bounds of each quantity."""
    found: dict[str, str] = {}
    for one in typed.network.budgets:
        bound = f"{one.comparison} {'x'.join(f'{value:,}' for value in one.value)}"
        before = found.get(one.quantity)
        found[one.quantity] = bound if before is None else f"{before} and {bound}"
    return found


# --- training -----------------------------------------------------------------------------------


def training_changes(
    old: Recipe | None, new: Recipe | None, renames: Mapping[str, str]
) -> Iterator[Change]:
    """The settings of training that differ; a label that has another name is the same."""
    first = _settings(_renamed(old or Recipe(), renames))
    second = _settings(new or Recipe())
    for name in dict.fromkeys((*first, *second)):
        had, has = first.get(name, ""), second.get(name, "")
        if had != has:
            yield Change(name, had, has)


def _renamed(recipe: Recipe, renames: Mapping[str, str]) -> Recipe:
    """A recipe whose labels are those of the other network."""

    def labelled(items: Sequence[object]) -> tuple[object, ...]:
        return tuple(
            one.model_copy(update={"label": renames.get(one.label, one.label)})  # type: ignore[attr-defined]
            for one in items
        )

    return replace(
        recipe,
        freeze=tuple(renames.get(label, label) for label in recipe.freeze),
        lr_factors=labelled(recipe.lr_factors),
        max_norms=labelled(recipe.max_norms),
        heads=tuple(replace(head, head=renames.get(head.head, head.head)) for head in recipe.heads),
    )


def _settings(recipe: Recipe) -> dict[str, str]:
    """What a recipe says of each setting, by the setting and the label it is about."""
    span = Span(Source("<recipe>", ""), 0, 0)
    found: dict[str, str] = {}
    for setting in train_statement(recipe, span, defaults=True).settings:
        name, values = setting.name.name, setting.values
        head = values[0] if values else None
        labelled = name in LABELLED or (name == "loss" and _is_head(setting, recipe))
        if labelled and isinstance(head, Name):
            name, values = f"{name} {head.name}", values[1:]
        whole = print_statement(Train((replace(setting, values=values),), span))
        text = whole.splitlines()[1].strip().partition(" ")[2]
        found[name] = f"{found[name]} -> {text}" if name in found else text
    return found


def _is_head(setting: Setting, recipe: Recipe) -> bool:
    """Whether a loss is that of another output, or of a layer."""
    first = setting.values[0]
    return isinstance(first, Name) and first.name in {head.head for head in recipe.heads}
