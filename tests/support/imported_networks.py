"""Networks of ours as a front end would hand them over: without blocks, loops and names."""

from __future__ import annotations

from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.elaborate.values import Value
from cnndsl.importers.networks.builder import NetworkBuilder
from cnndsl.importers.networks.graph import ImportedNetwork

__all__ = ["as_imported"]


def as_imported(typed: TypedNetwork, *, labels: bool = False) -> ImportedNetwork:
    """A network of ours as one that was read from a file."""
    network, builder = typed.network, NetworkBuilder(typed.name, "a spec")
    values: dict[int, str] = {}
    parts: dict[tuple[object, ...], tuple[str, ...]] = {}
    for at, node in enumerate(network.nodes):
        if not isinstance(node, LayerNode):
            values[at] = builder.input(node.name, node.type)
            continue
        if node.layer.keyword == "identity":
            values[at] = values[node.inputs[0]]
            continue
        index = getattr(node.layer, "index", 0)
        key = (node.inputs, node.span, node.name.rpartition(".")[0], node.trace)
        if index == 0 or key not in parts:
            owner = network.owners[at]
            parts[key] = builder.add(
                node.layer.keyword,
                [values[one] for one in node.inputs],
                _settings(node),
                label=node.name if labels else "",
                place=f"the layer `{node.name}`",
                share=values[owner] if owner != at else "",
            )
        values[at] = parts[key][index]
    return builder.build({name: values[at] for name, at in network.outputs.items()})


def _settings(node: LayerNode) -> dict[str, Value]:
    given = {name: getattr(node.layer, name) for name in type(node.layer).model_fields}
    return {
        name: str(value) if name == "rounding" else value
        for name, value in given.items()
        if value is not None and name not in ("index", "of")
    }
