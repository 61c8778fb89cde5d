"""The maps that travel with cnndsl: the names that torchvision and timm give their models' layers.

Each is a file in ``names/``: a map, whose first lines say what it is for, and what the models
compute otherwise than the specs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cnndsl.importers.weights.name_map import Rule, parse_rules

__all__ = ["ShippedMap", "shipped_maps"]

_FOLDER = Path(__file__).parent / "names"


@dataclass(frozen=True, slots=True)
class ShippedMap:
    """A map: whose names they are, the specs that it is for, how many layers the models have.

    ``notes`` are what the models compute otherwise, which no weight shows.
    """

    name: str
    title: str
    specs: tuple[str, ...]
    layers: tuple[int, ...]
    rules: tuple[Rule, ...]
    notes: tuple[str, ...] = ()


@cache
def shipped_maps() -> tuple[ShippedMap, ...]:
    """All shipped maps."""
    return tuple(_read(path) for path in sorted(_FOLDER.glob("*.map")))


def _read(path: Path) -> ShippedMap:
    text = path.read_text(encoding="utf-8")
    head = [line.removeprefix("#").strip() for line in text.partition("\n\n")[0].splitlines()]
    title, *lists = head[:3]
    specs, layers = (line.partition(":")[2].replace(",", " ").split() for line in lists)
    notes = tuple(line.partition(":")[2].strip() for line in head[3:])
    return ShippedMap(
        path.stem, title, tuple(specs), tuple(map(int, layers)), parse_rules(text), notes
    )
