"""From an imported network to the text of its spec: the stages behind the front ends, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cnndsl.importers.networks.block_names import named_blocks
from cnndsl.importers.networks.blocks import Program, compressed
from cnndsl.importers.networks.graph import ImportedNetwork
from cnndsl.importers.networks.head import with_classes
from cnndsl.importers.networks.items import Leaf, Ref, Sequence, nodes_of
from cnndsl.importers.networks.naming import named
from cnndsl.importers.networks.rewriting import simplified
from cnndsl.importers.networks.rounding import rounding_rules
from cnndsl.importers.networks.settings import ROUNDING
from cnndsl.importers.networks.structure import structured, without_inner_splits
from cnndsl.importers.networks.text import module
from cnndsl.importers.networks.towers import with_towers
from cnndsl.syntax.printer import print_module
from cnndsl.syntax.sharing import SHARE

__all__ = ["Written", "written"]


@dataclass(frozen=True, eq=False)
class Written:
    """A spec's text, the network as it stands in it, and the order of its nodes there."""

    text: str
    network: ImportedNetwork
    order: tuple[int, ...]


def written(
    network: ImportedNetwork,
    *,
    blocks: bool = True,
    labels: Mapping[str, str] | None = None,
    expected: Mapping[str, int] = MappingProxyType({}),
) -> Written:
    """The spec of a network; without ``blocks`` as one list of layers.

    Where its recipe speaks of layers (``freeze``), these are known by their names in the spec only
    when that was read: ``labels`` are those, by what the source calls the layers
    (:func:`~cnndsl.importers.networks.proof.labels_of`). Without them that is left out. So with
    ``expected``, the counts that the spec expects.
    """
    network = without_inner_splits(simplified(network))
    rule, exceptions = rounding_rules(network)
    extra: dict[int, tuple[tuple[str, Leaf], ...]] = {
        at: ((ROUNDING, rounding),) for at, rounding in exceptions.items()
    }
    for at, node in enumerate(network.nodes):
        if node.share:
            extra[at] = (*extra.get(at, ()), (SHARE, Ref(node.share)))
    main = structured(network, extra)
    others = {**dict(list(network.outputs.items())[1:]), **network.heads}
    program = Program(main)
    if blocks:
        with_towers(program, others, _learning(network))
        compressed(program, others)
    program.main, head = with_classes(network, program.main)
    definitions = named_blocks(program)
    names = named(network, program.main, list(definitions.values()), dotted=not blocks)
    tree = module(network, program.main, definitions, names, rule, labels or {}, expected, head)
    return Written(print_module(tree), network, tuple(_order(program.main)))


def _learning(network: ImportedNetwork) -> frozenset[int]:
    """The positions of the layers that have weights, their own or others'."""
    known = network.types
    return frozenset(
        at
        for at, node in enumerate(network.nodes)
        if node.layer.weights(*(known[one] for one in node.inputs))
    )


def _order(main: Sequence) -> Iterator[int]:
    for item in main.items:
        yield from nodes_of(item)
