"""Turns the texts of the shipped specs into a list: what each says of itself.

Nothing is counted here, so that the list is there at once: the numbers are the specs' own claims,
which the project's tests prove. Paper and year stand in a spec's first comment::

    # ResNet-18 (He, Zhang, Ren & Sun, 2015, table 1).
"""

from __future__ import annotations

import re

from typing_extensions import TypedDict

from cnndsl import resources
from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source
from cnndsl.elaborate.modules import read_text, shipped_specs
from cnndsl.elaborate.quantities import Quantity
from cnndsl.files import natural
from cnndsl.frozen import frozen
from cnndsl.limits import Limits
from cnndsl.syntax.ast import Expect, Input, Module
from cnndsl.syntax.parser import parse

__all__ = ["CatalogueJson", "Entry", "EntryJson", "catalogue", "entry"]

_TITLE = re.compile(r"# ([^()]+) \(([^()]+?), (\d{4})\b")
"""A first comment: the network, and in brackets authors and year, whatever follows them."""

_NO_PAPER = "no paper"
"""What stands for the authors where nobody has published the network."""

_COUNTS = (
    Quantity.PARAMS,
    Quantity.INFERENCE_PARAMS,
    Quantity.MACS,
    Quantity.INFERENCE_MACS,
    Quantity.BUFFERS,
    Quantity.DEPTH,
)


_CLAIMED = (Quantity.PARAMS, Quantity.MACS, Quantity.DEPTH)

_INFERENCE = {
    Quantity.INFERENCE_PARAMS: Quantity.PARAMS,
    Quantity.INFERENCE_MACS: Quantity.MACS,
}


class EntryJson(TypedDict):
    """A shipped network; sizes of inputs are one text."""

    name: str
    title: str
    input: str
    params: int
    inference_params: int
    macs: int
    inference_macs: int
    buffers: int
    depth: int
    year: int
    paper: str | None


CatalogueJson = list[EntryJson]
"""What ``cnndsl specs --format json`` prints."""


@frozen
class Entry:
    """A shipped spec: its name, what its first comment says, its inputs, and what it claims.

    ``paper`` are the paper's authors as the spec cites them, empty where there is none; ``year``
    is the paper's, or else that of the spec. ``counts`` are of :class:`Quantity`, by name, and for
    every spec the same ones.
    """

    name: str
    title: str
    paper: str
    year: int
    inputs: tuple[str, ...]
    counts: dict[str, int]

    @property
    def citation(self) -> str:
        """The paper in a few words: more than two authors are the first "et al."."""
        if not self.paper:
            return f"{self.year}"
        first, more, _ = self.paper.partition(", ")
        return f"{first}{' et al.' if more else ''}, {self.year}"

    def to_json(self) -> EntryJson:
        """The entry as plain data, with the same keys for all; sizes of inputs are one text."""
        return {
            "name": self.name,
            "title": self.title,
            "input": ", ".join(self.inputs),
            "params": self.counts[Quantity.PARAMS],
            "inference_params": self.counts[Quantity.INFERENCE_PARAMS],
            "macs": self.counts[Quantity.MACS],
            "inference_macs": self.counts[Quantity.INFERENCE_MACS],
            "buffers": self.counts[Quantity.BUFFERS],
            "depth": self.counts[Quantity.DEPTH],
            "year": self.year,
            "paper": self.paper or None,
        }


def catalogue() -> tuple[Entry, ...]:
    """All shipped specs, by name, where numbers count: `resnet18` comes before `resnet101`."""
    return tuple(entry(name) for name in sorted(shipped_specs(), key=natural))


def entry(name: str) -> Entry:
    """What a shipped spec says of itself.

    Raises:
        ValueError: where its first comment does not name the network, its paper and the year,
            or parameters, MACs or depth are not claimed.
    """
    path = resources.specs() / f"{name}.cnn"
    module = parse(Source(path.name, read_text(path, Limits())), Report())
    first = module.comments[0].text if module.comments else ""
    said = _TITLE.match(first)
    if said is None:
        raise ValueError(f"{path.name} does not begin with `# NETWORK (AUTHORS, YEAR)`")
    title, authors, year = said.groups()
    return Entry(
        name=name,
        title=title,
        paper="" if authors == _NO_PAPER else authors,
        year=int(year),
        inputs=_inputs(module),
        counts=_counts(module),
    )


def _inputs(module: Module) -> tuple[str, ...]:
    """The sizes behind each ``input`` and its name, as they are written; no vocabulary."""
    return tuple(
        one.arguments[0].span.text
        for one in module.statements
        if isinstance(one, Input) and one.arguments
    )


def _counts(module: Module) -> dict[str, int]:
    """The claims. What is not claimed is as in networks without statistics or further heads."""
    claims = {
        one.quantity.name: int(one.values[0].span.text)
        for one in module.statements
        if isinstance(one, Expect) and not one.comparison and one.quantity.name in _COUNTS
    }
    if missing := [one for one in _CLAIMED if one not in claims]:
        raise ValueError(f"{module.source.name} does not say `expect {missing[0]}`")
    claims.setdefault(Quantity.BUFFERS, 0)
    for inference, whole in _INFERENCE.items():
        claims.setdefault(inference, claims[whole])
    return {count.value: claims[count] for count in _COUNTS}
