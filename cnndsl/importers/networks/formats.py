"""The formats of networks: how a file's is recognised, and who reads it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import listed
from cnndsl.graph.files import reason
from cnndsl.importers.networks.graph import ImportedNetwork

__all__ = ["FORMATS", "NetworkFormat", "ReadOptions", "read_network"]


@dataclass(frozen=True)
class ReadOptions:
    """What whoever imports says of a file.

    ``sizes`` are those of inputs, without the batch, by their names, those of an only input under
    "". ``samples`` is how many there are to train with: Caffe and Darknet count iterations, and a
    recipe counts epochs.
    """

    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    samples: int = 0


@dataclass(frozen=True)
class NetworkFormat:
    """A format: its name, the endings of its files, and ``module:function`` that reads one.

    The function takes a path and those of the fields of :class:`ReadOptions` that ``takes`` names.
    """

    name: str
    endings: tuple[str, ...]
    reader: str
    takes: tuple[str, ...] = ("sizes",)


_HOME = "cnndsl.importers.networks"

FORMATS: tuple[NetworkFormat, ...] = (
    NetworkFormat("ONNX", (".onnx",), f"{_HOME}.from_onnx.read:read_onnx"),
    NetworkFormat(
        "Caffe", (".prototxt",), f"{_HOME}.caffe.reader:read_caffe", ("sizes", "samples")
    ),
    NetworkFormat(
        "Darknet", (".cfg",), f"{_HOME}.darknet.reader:read_darknet", ("sizes", "samples")
    ),
    NetworkFormat("Keras", (".json", ".keras"), f"{_HOME}.keras.reader:read_keras"),
)
"""All formats, in the order in which a list of them names them."""


def read_network(path: str | os.PathLike[str], options: ReadOptions) -> ImportedNetwork:
    """The network in a file, whose ending says what it is.

    Raises:
        UserError: CNN670 for an ending that no format has, and what the format's reader raises.
    """
    name = os.fspath(path)
    for one in FORMATS:
        if name.lower().endswith(one.endings):
            module, _, function = one.reader.partition(":")
            given = {word: getattr(options, word) for word in one.takes}
            read = getattr(import_module(module), function)
            try:
                network: ImportedNetwork = read(Path(path), **given)
            except OSError as error:
                raise UserError(
                    "CNN665",
                    f"cannot read the network in `{name}`: {reason(error)}",
                    help="look whether the file is there, and whether you may read it",
                ) from error
            return network
    known = [f"{one.name} ({', '.join(one.endings)})" for one in FORMATS]
    raise UserError(
        "CNN670",
        f"`{name}` is of no format whose networks are read",
        notes=[f"formats are {listed(known)}"],
        help="export the network as ONNX: nearly every tool can",
    )
