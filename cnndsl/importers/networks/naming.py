"""Decides which values a spec names: what is read elsewhere, and what the source names well.

Labels of the source are kept on layers with weights, pools and joins of the main chain, and on
calls and loops whose layers have a beginning of their labels in common (``layer1``). Names that
say no more than what the layer is, with a number, are dropped where nothing reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Sequence as Items
from dataclasses import dataclass, field

from cnndsl.importers.networks.graph import ImportedNetwork
from cnndsl.importers.networks.items import (
    BindItem,
    CallItem,
    Definition,
    Item,
    JoinItem,
    LayerItem,
    RepeatItem,
    Sequence,
    inner,
    nodes_of,
    references,
)
from cnndsl.importers.networks.labels import Namer, common_label, parts_of
from cnndsl.layers import find
from cnndsl.layers.base import Layer

__all__ = ["Names", "named"]


@dataclass
class Names:
    """Names of values on the top level and in each block, labels of calls by their identity."""

    values: dict[str, str] = field(default_factory=dict)
    calls: dict[int, str] = field(default_factory=dict)
    blocks: list[dict[str, str]] = field(default_factory=list)


def named(
    network: ImportedNetwork,
    main: Sequence,
    blocks: Items[Definition],
    words: Items[str] = (),
    *,
    dotted: bool = False,
) -> Names:
    """The names of all values that need one, or have one that is worth keeping.

    ``words`` are other names that the spec has: parameters. With ``dotted``, names have the dots of
    labels: ``layer1.0.conv1``.
    """
    names = Names()
    block_names = [block.name for block in blocks]
    for block in blocks:
        taken = [*block_names, *(one.name for one in block.parameters)]
        names.blocks.append(_names_within(network, block.body, Namer(taken)))
    namer = Namer([*block_names, *words])
    if len(network.inputs) == 1:
        names.values[network.inputs[0].name] = "input"
    else:
        for one in network.inputs:
            names.values[one.name] = namer.take(one.name, "input_1")
    beside = (*list(network.outputs.items())[1:], *network.heads.items())
    outputs = {value: name for name, value in beside}
    _name_main(network, main, names, namer, outputs, dotted=dotted)
    return names


def _name_main(
    network: ImportedNetwork,
    main: Sequence,
    names: Names,
    namer: Namer,
    outputs: dict[str, str],
    *,
    dotted: bool,
) -> None:
    """Names on the top level: those that are read, then those that the source gives.

    With ``dotted``, those that the source gives in branches too: there are no blocks around them.
    """
    take = namer.take_path if dotted else namer.take
    read = {*references(main), *outputs}
    prefixes = _own_prefixes(network, main)
    prefix = len(parts_of(common_label([node.label for node in network.nodes if node.label])))
    for item in main.items:
        if isinstance(item, CallItem | RepeatItem):
            wanted = outputs.get(item.outputs[0]) or prefixes.get(id(item), "")
            if wanted or item.outputs[0] in read:
                label = take(wanted, "stage")
                names.calls[id(item)] = names.values[item.outputs[0]] = label
        if isinstance(item, CallItem):
            continue
        for one in _items(item):
            for at, value in enumerate(one.outputs):
                if value in names.values:
                    continue
                label = ".".join(parts_of(_label(network, one))[prefix:])
                if value in read:
                    names.values[value] = take(outputs.get(value) or label, _fallback(one, at))
                elif (dotted or one is item) and label and _is_worth(one, label, dotted=dotted):
                    names.values[value] = take(label)


def _names_within(network: ImportedNetwork, seq: Sequence, namer: Namer) -> dict[str, str]:
    """Names in a block: of what is read there, and nothing else."""
    read = set(references(seq))
    names: dict[str, str] = {}
    for item in seq.items:
        for one in _items(item):
            for at, value in enumerate(one.outputs):
                if value in read and value not in names:
                    last = parts_of(_label(network, one))[-1:]
                    names[value] = namer.take("".join(last), _fallback(one, at))
    return names


def _items(item: Item) -> Iterator[Item]:
    """An item and all in it, as they stand in the text; what is bound has its names from `=`."""
    for seq in inner(item):
        for one in seq.items:
            yield from _items(one)
    yield item


def _label(network: ImportedNetwork, item: Item) -> str:
    """What the source calls it."""
    match item:
        case LayerItem() | JoinItem():
            return network.nodes[item.node].label
        case CallItem():
            return common_label([network.nodes[at].label for at in nodes_of(item)])
        case BindItem(chain=Sequence(items=[*_, LayerItem() | JoinItem() as last])):
            return network.nodes[last.node].label if len(item.outputs) == 1 else ""
    return ""


def _fallback(item: Item, at: int) -> str:
    """A name for what the source has none for."""
    if isinstance(item, BindItem):
        if len(item.outputs) == 2:
            return ("left", "right")[at]
        return f"part{at + 1}" if len(item.outputs) > 1 else "branch"
    if isinstance(item, CallItem):
        return "first"
    return "skip"


def _is_worth(item: Item, label: str, *, dotted: bool) -> bool:
    """Whether a label that nothing reads says something."""
    if not isinstance(item, LayerItem | JoinItem):
        return False
    layer = find(item.keyword)
    assert layer is not None
    has_weights = layer.weights is not Layer.weights
    is_pool = item.keyword.endswith("pool")
    if not (has_weights or is_pool or isinstance(item, JoinItem)):
        return False
    *outer, last = parts_of(label.lower()) or ("",)
    if dotted and outer:
        return True
    return not re.fullmatch(rf"{item.keyword}_?\d*", last) or item.keyword in ("conv", "dense")


def _own_prefixes(network: ImportedNetwork, main: Sequence) -> dict[int, str]:
    """For calls and loops, what the labels of their layers, and no others, begin with."""
    owners: dict[str, list[int]] = {}
    common: dict[int, str] = {}
    for item in main.items:
        labels = [network.nodes[at].label for at in nodes_of(item)]
        common[id(item)] = common_label(labels)
        for label in labels:
            parts = parts_of(label)
            for end in range(1, len(parts) + 1):
                users = owners.setdefault(".".join(parts[:end]), [])
                if id(item) not in users:
                    users.append(id(item))
    return {key: one for key, one in common.items() if one and owners.get(one) == [key]}
