"""Layers and stages of the shipped networks have the counts of the papers' tables, row by row."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest
from layer_counts import CONNECTIONS, LAYERS

from cnndsl.analysis.summary import LayerSummary, summarize
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.pipeline import check, typed


def rows(table: str) -> Iterator[tuple[str, int, int | None]]:
    for line in table.strip().splitlines():
        if line.strip():
            name, params, macs = line.replace(",", "").split()
            yield name, int(params), None if macs == "-" else int(macs)


def of_row(layers: tuple[LayerSummary, ...], row: str) -> list[LayerSummary]:
    """The layers of a row: those of its name, and those in its scope."""
    return [one for one in layers if fnmatchcase(one.name, row) or one.name.startswith(f"{row}.")]


@pytest.mark.parametrize("name", LAYERS)
def test_each_row_has_the_counts_of_the_table(name: str) -> None:
    layers = summarize(typed(check(name))).layers
    seen: list[LayerSummary] = []
    for row, params, macs in rows(LAYERS[name]):
        found = of_row(layers, row)
        seen += found
        assert sum(one.params for one in found) == params, row
        assert macs is None or sum(one.macs for one in found) == macs, row
    assert sorted(one.name for one in layers if one.params or one.macs) == sorted(
        one.name for one in seen if one.params or one.macs
    )


def connections(network: TypedNetwork) -> dict[str, int]:
    """What goes into all units of each layer; a subsampling's inputs go into one unit each."""
    positions = {node.name: at for at, node in enumerate(network.network.nodes)}
    found = {}
    for layer in summarize(network).layers:
        at, units = positions[layer.name], math.prod(layer.output)
        found[layer.name] = layer.macs
        if f"{layer.name}.bias" in network.weights_of(at):
            found[layer.name] += units
        if layer.layer == "subsample":
            [source] = network.network.nodes[at].inputs
            found[layer.name] += math.prod(network.types[source].dims)
    return found


@pytest.mark.parametrize("name", CONNECTIONS)
def test_each_row_has_the_connections_of_the_paper(name: str) -> None:
    found = connections(typed(check(name)))
    for row, expected in CONNECTIONS[name].items():
        assert sum(found[part] for part in row.split()) == expected, row
    in_all = {"lenet5-1998": 340_908, "lenet1989": 64_660, "tdnn": 6_233}
    assert sum(found.values()) == in_all[name]


def test_alexnet_has_the_papers_650_000_units() -> None:
    layers = summarize(typed(check("alexnet"))).layers
    assert sum(math.prod(one.output) for one in layers if one.macs) == 659_272
