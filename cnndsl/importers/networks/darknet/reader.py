"""Reads a network from a Darknet cfg file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnndsl.importers.networks.builder import NetworkBuilder
from cnndsl.importers.networks.darknet import join_sections, number_sections, window_sections
from cnndsl.importers.networks.darknet.cfg import Section, fault, read_sections
from cnndsl.importers.networks.darknet.converter import Converter, known_names
from cnndsl.importers.networks.darknet.recipe import recipe_of
from cnndsl.importers.networks.given_sizes import demand_sizes, sizes_of
from cnndsl.importers.networks.graph import ImportedNetwork
from cnndsl.importers.networks.texts import read_source
from cnndsl.types import TensorType

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__ = ["read_darknet"]

_SAYING = (window_sections, number_sections, join_sections)
"""The modules that say sections; loading them fills the table of names."""

MOST_BYTES = 2**22
"""No cfg file is larger: that of the largest networks has 50 KiB."""

_IMAGENET = 1_281_167, 1000


def read_darknet(
    path: Path, sizes: Mapping[str, tuple[int, ...]] | None = None, samples: int = 0
) -> ImportedNetwork:
    """The network in a cfg file.

    Args:
        path: of the file.
        sizes: of the input, without the batch, under ``""``, in place of what `[net]` says.
        samples: how many training samples there are, by which batches become epochs.

    Raises:
        CompileError: CNN680 where a line is none of a cfg file, CNN681 where one makes no sense.
        OSError: where the file cannot be read.
        UserError: CNN683, where it is no text.
    """
    net, *sections = read_sections(read_source(path, MOST_BYTES), known_names())
    if not sections:
        raise fault(net.span, "a network without layers: `[net]` is the only section")
    network = NetworkBuilder(path.stem, f"{path.name} (Darknet)")
    given = sizes_of(sizes or {}, "input", first=True)
    kind = TensorType(given) if given else _input(net)
    demand_sizes("input", kind.dims)
    value = network.input("input", kind, _settings(net, sections, kind))
    converter = Converter(network, value, sections)
    for section in sections:
        converter.say(section)
    pictures = len(kind.spatial) == 2
    known = samples or _guessed(network, converter, net)
    network.recipe = recipe_of(network, net, converter.loss, known, pictures=pictures)
    if converter.frozen_up_to >= 0:
        network.notes.append(
            f"sections up to {converter.frozen_up_to} do not learn (`stopbackward`): name them"
            " behind `freeze`"
        )
    for section in (net, *sections):
        for name, line in section.unread():
            converter.notes.add("line", str(line), f"`{name}` of `[{section.name}]` is not read")
    network.notes.extend(converter.notes.texts())
    return network.build({"output": converter.current})


def _input(net: Section) -> TensorType:
    sides = [net.whole(name, 0) for name in ("channels", "height", "width")]
    inputs = net.whole("inputs", sides[0] * sides[1] * sides[2])
    if all(side > 0 for side in sides):
        return TensorType(tuple(sides))
    if inputs > 0 and not any(sides):
        return TensorType((inputs,))
    lacking = [
        name for name, side in zip(("channels", "height", "width"), sides, strict=True) if side <= 0
    ]
    raise fault(
        net.span,
        f"`[net]` does not say how large the input is: no `{lacking[0]}`",
        "write `height=…`, `width=…` and `channels=…`",
    )


def _settings(
    net: Section, sections: Sequence[Section], kind: TensorType
) -> dict[str, tuple[Value, ...]]:
    """How pictures become the input: from 0 to 1, of detectors whole, of others their middle."""
    if len(kind.spatial) != 2 or kind.channels not in (1, 3):
        return {}
    detects = any(one.name in ("yolo", "Gaussian_yolo", "region", "detection") for one in sections)
    settings: dict[str, tuple[Value, ...]] = {"scale": (1 / 255,)}
    if sections[0].name == "crop" and not sections[0].flag("noadjust", default=False):
        # `[crop]` makes 2x - 1 of each number.
        settings = {"scale": (2 / 255,), "mean": (1.0,)}
    if not detects:
        return settings | {"fit": ("crop",)}
    # Redmon's program puts the whole picture on gray, Bochkovskiy's stretches it unless told.
    whole = net.flag("letter_box", default=True)
    return settings | ({"fit": ("pad",), "background": (128,)} if whole else {})


def _guessed(network: NetworkBuilder, converter: Converter, net: Section) -> int:
    """How many samples ImageNet has, where there are as many outputs as it has classes."""
    count, classes = _IMAGENET
    kind = network.type_of(converter.current)
    counts = net.whole("max_batches", 0) > 0
    if converter.loss != "crossentropy" or kind is None or kind.elements != classes or not counts:
        return 0
    network.notes.append(
        f"its {classes} classes are taken for ImageNet's, and its batches for epochs of {count:,}"
        " samples"
    )
    return count
