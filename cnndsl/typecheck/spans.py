"""Finds where a spec says something: a setting of its recipe, an output, a layer.

Whoever finds a problem in a finished network knows what is wrong; this module knows where it is
written. Where the spec does not say it at all (a default), that is the empty span at its beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from cnndsl.diagnostics.model import Label
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.head_losses import MAIN, head_of
from cnndsl.elaborate.network import LayerNode, Network
from cnndsl.syntax.ast import Name, Output, Setting, Train

__all__ = [
    "attribute_place",
    "has_main_loss",
    "label_places",
    "layer_place",
    "loss_labels",
    "loss_place",
    "output_places",
    "setting_labels",
    "setting_place",
    "settings_of",
]


def settings_of(network: Network, name: str) -> Iterator[Setting]:
    """The lines of ``train { }`` that give a setting."""
    for statement in network.module.statements:
        if isinstance(statement, Train):
            yield from (one for one in statement.settings if one.name.name == name)


def setting_place(network: Network, name: str) -> Span:
    """A setting; where it is not written, the word `train`."""
    for setting in settings_of(network, name):
        return setting.span
    for statement in network.module.statements:
        if isinstance(statement, Train):
            source, start = statement.span.source, statement.span.start
            return Span(source, start, start + len("train"))
    return Span(network.module.source, 0, 0)


def setting_labels(network: Network, name: str) -> tuple[Label, ...]:
    """A label beside a setting, where it is written."""
    return tuple(Label(setting.span, "set here") for setting in settings_of(network, name))


def loss_place(network: Network, head: str) -> Span:
    """The loss of a head, given by a name of its; where it is not written, the word `train`."""
    found = loss_labels(network, head)
    return found[0].span if found else setting_place(network, "train")


def has_main_loss(network: Network) -> bool:
    """Whether the main output's loss is written."""
    heads = [head_of(one.values) for one in settings_of(network, "loss")]
    return any(head is None or head.name == MAIN for head in heads)


def loss_labels(network: Network, head: str) -> tuple[Label, ...]:
    """A label beside the loss of a head, where it is written."""
    settings = [(head_of(one.values), one) for one in settings_of(network, "loss")]
    named = {name.name if name else MAIN: one for name, one in settings}
    positions = {**network.scopes, **network.outputs}
    same = (one for name, one in named.items() if positions.get(name) == positions.get(head, ()))
    setting = named.get(head) or next(same, None)
    return (Label(setting.span, "set here"),) if setting else ()


def attribute_place(network: Network, name: str, attribute: str) -> Span:
    """The value of a setting's attribute; the setting, where it is not written."""
    for setting in settings_of(network, name):
        for before, value in pairwise(setting.values):
            if isinstance(before, Name) and before.name == attribute:
                return value.span
    return setting_place(network, name)


def label_places(network: Network, name: str) -> dict[str, Span]:
    """The labels in settings such as ``freeze``; of one that stands twice, the last."""
    return {
        value.name: value.span
        for setting in settings_of(network, name)
        for value in setting.values
        if isinstance(value, Name)
    }


def output_places(network: Network) -> dict[str, Span]:
    """The outputs in their statements."""
    return {
        output.name: output.span
        for statement in network.module.statements
        if isinstance(statement, Output)
        for output in statement.names
    }


def layer_place(node: LayerNode) -> Span:
    """A layer as the main file has it: where it is part of a block, the call of that."""
    return node.trace[0] if node.trace else node.span
