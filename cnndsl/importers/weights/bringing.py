"""From a network and a file of weights of another tool to the network's weights.

The stages: a reader opens the file (``opening``), its layers are paired with the network's
(``matching``), the numbers are read and brought into order (``pairing``).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.canonical import canonical_text
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.files import read_regular
from cnndsl.graph.files import reason
from cnndsl.graph.manifest import sha256
from cnndsl.graph.weights import Array, compare_classes, write_weights
from cnndsl.importers.weights.matching import pair
from cnndsl.importers.weights.name_map import MapError, Rule, parse_rules
from cnndsl.importers.weights.opening import is_darknet, open_source
from cnndsl.importers.weights.pairing import Pairing
from cnndsl.importers.weights.source import WeightsSource
from cnndsl.importers.weights.targets import darknet_layers, targets_of

__all__ = [
    "ImportedWeights",
    "LayoutWord",
    "bring",
    "imported",
    "pair_source",
    "paired",
    "read_map",
    "rules_of",
]

LayoutWord: TypeAlias = Literal["channels-first", "channels-last"]
"""How axes stand in a file that does not say it."""

_LARGEST_MAP = 2**24


@dataclass(frozen=True, slots=True, eq=False)
class ImportedWeights:
    """Weights that another tool trained, for a network.

    Attributes:
        pairing: which tensor of the file each weight was.
        arrays: the weights by their names in the spec.
        metadata: what is written beside them.
        difference: by how much the network's answers differ from those of the source, where that
            could be run: the largest difference of two numbers.
    """

    pairing: Pairing
    arrays: Mapping[str, Array]
    metadata: Mapping[str, str]
    difference: float | None = None

    def write(self, path: str | os.PathLike[str]) -> int:
        """Write them as a safetensors file, with a checksum, and give its size in bytes.

        Raises:
            UserError: CNN603 where it cannot be written.
        """
        return write_weights(path, self.arrays, self.metadata)


@contextmanager
def paired(
    typed: TypedNetwork,
    path: str | os.PathLike[str],
    rules: Sequence[Rule] = (),
    layout: LayoutWord | None = None,
    eps: float | None = None,
    key: str | None = None,
) -> Iterator[Pairing]:
    """The pairs of a network and a file, whose numbers can be read as long as it is open.

    ``key`` is what the dictionary to take of a checkpoint is called, as ``cnndsl weights`` has it.

    Raises:
        UserError: CNN650, CNN651 and CNN656 where the file cannot be read, CNN652 to CNN655 where
            it cannot be paired.
    """
    name = os.fspath(path)
    layers = list(darknet_layers(targets_of(typed), name)) if is_darknet(name) else None
    with open_source(name, layers, key) as source:
        yield pair_source(typed, source, rules, layout, eps)


def pair_source(
    typed: TypedNetwork,
    source: WeightsSource,
    rules: Sequence[Rule] = (),
    layout: LayoutWord | None = None,
    eps: float | None = None,
) -> Pairing:
    """The pairs of a network and of weights that are open.

    Raises:
        UserError: as :func:`paired`.
    """
    last = None if layout is None else layout == "channels-last"
    said: list[str] = []
    compare_classes(source.classes, typed.network.classes, source.path, said.append)
    return pair(source, targets_of(typed), typed.name, rules, channels_last=last, eps=eps)


def bring(
    typed: TypedNetwork,
    path: str | os.PathLike[str],
    rules: Sequence[Rule] = (),
    layout: LayoutWord | None = None,
    eps: float | None = None,
    key: str | None = None,
) -> ImportedWeights:
    """A network's weights from a file of another tool.

    Raises:
        UserError: as :func:`paired`, and CNN601 where a number is not finite.
    """
    with paired(typed, path, rules, layout, eps, key) as pairing:
        return imported(typed, pairing)


def imported(typed: TypedNetwork, pairing: Pairing) -> ImportedWeights:
    """The weights of pairs, read.

    Raises:
        UserError: CNN601 where a number is not finite, and as the file's reader does.
    """
    text = canonical_text(typed.network)
    metadata = pairing.metadata(sha256(text), typed.network.classes)
    return ImportedWeights(pairing, pairing.read(), metadata)


def read_map(path: str | os.PathLike[str]) -> tuple[Rule, ...]:
    """The rules in a file.

    Raises:
        UserError: CNN654 where it cannot be read, or is no map.
    """
    name = os.fspath(path)
    try:
        return parse_rules(read_regular(name, _LARGEST_MAP).decode("utf-8-sig"))
    except (MapError, UnicodeDecodeError) as error:
        why = str(error) if isinstance(error, MapError) else "it is no text in UTF-8"
        raise UserError(
            "CNN654",
            f"`{name}` is no map: {why}",
            help="write two words a line, a name of the file and one of the spec",
        ) from error
    except OSError as error:
        raise UserError(
            "CNN654", f"cannot read the map `{name}`: {reason(error)}", help="give a file"
        ) from error


def rules_of(names: Mapping[str, str]) -> tuple[Rule, ...]:
    """The rules of a dictionary: names there, and names in the spec.

    Raises:
        UserError: CNN654 where one is no rule.
    """
    try:
        return tuple(
            Rule(left, right, place=f"rule {at}")
            for at, (left, right) in enumerate(names.items(), 1)
        )
    except MapError as error:
        raise UserError(
            "CNN654", f"the map is none: {error}", help="give names, as in a file"
        ) from error
