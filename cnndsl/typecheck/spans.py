"""Finds where a spec says something: a setting of its recipe, an output, a layer.

Whoever finds a problem in a finished network knows what is wrong; this module knows where it is
written. Where the spec does not say it at all (a default), that is the empty span at its beginning.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from cnndsl.diagnostics.model import Label
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.network import LayerNode, Network
from cnndsl.syntax.ast import Name, Output, Setting, Train

__all__ = [
    "attribute_place",
    "label_places",
    "layer_place",
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
