"""From a network's weights to a state dict that PyTorch's model of it loads with ``strict=True``.

Names are those of a map, the other way around: the user's, else the shipped one whose names all
layers have, else the spec's own with PyTorch's words for tensors (``bn1.running_mean``).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy
from typing_extensions import TypedDict

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import abridged_lines
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.files import write_atomically
from cnndsl.graph.weight_files import open_weights, read_weights
from cnndsl.graph.weights import SHOWN, Array, Numbers, quoted, safetensors_chunks
from cnndsl.importers.weights.layout import sizes
from cnndsl.importers.weights.name_map import Rule
from cnndsl.importers.weights.pytorch_writer import checkpoint
from cnndsl.importers.weights.shipped_maps import ShippedMap, shipped_maps
from cnndsl.importers.weights.source import Role
from cnndsl.importers.weights.targets import (
    Group,
    TargetLayer,
    TargetTensor,
    targets_of,
    training_heads,
)

__all__ = [
    "Exported",
    "ExportedJson",
    "ExportedTensorJson",
    "Library",
    "export_state_dict",
    "write_state_dict",
]

Library: TypeAlias = Literal["pytorch", "timm"]
"""Whose names to give: torchvision's or plain PyTorch's, or timm's."""

_MOSTLY = 0.5
"""More than this share of a map's rules must be for layers that there are."""

_PARTS = {
    Role.KERNEL: "weight",
    Role.BIAS: "bias",
    Role.SCALE: "weight",
    Role.SLOPE: "weight",
    Role.MEAN: "running_mean",
    Role.VARIANCE: "running_var",
    Role.IN_WEIGHT: "in_proj_weight",
    Role.IN_BIAS: "in_proj_bias",
    Role.OUT_WEIGHT: "out_proj.weight",
    Role.OUT_BIAS: "out_proj.bias",
}


class ExportedTensorJson(TypedDict):
    """A tensor of a state dict, and the weight that it was; null for counters."""

    name: str
    shape: list[int]
    weight: str | None


class ExportedJson(TypedDict):
    """What ``cnndsl weights --export --format json`` prints."""

    spec: str
    file: str
    names: str
    tensors: list[ExportedTensorJson]
    written: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Exported:
    """A state dict: its tensors, whose names they are, and what each was in the spec.

    ``named`` has the spec's name of every tensor but the counters of training steps, which begin
    at 0.
    """

    network: str
    tensors: Mapping[str, Numbers]
    names: str
    named: Mapping[str, str]

    def to_json(self, spec: str, file: str, *, written: str | None = None) -> ExportedJson:
        """What each weight is called there, as data."""
        return {
            "spec": spec,
            "file": file,
            "names": self.names,
            "tensors": [
                {"name": name, "shape": list(array.shape), "weight": self.named.get(name)}
                for name, array in self.tensors.items()
            ],
            "written": written,
        }


def export_state_dict(
    typed: TypedNetwork,
    weights: str | os.PathLike[str],
    rules: Sequence[Rule] = (),
    library: Library = "pytorch",
) -> Exported:
    """The weights of a network in a file of ours, as PyTorch's model of it calls them.

    Raises:
        UserError: CNN601 and CNN602 for the file, CNN658 where a map does not name every weight,
            or two of them alike.
    """
    targets = targets_of(typed)
    arrays = _arrays(typed, weights, targets)
    layers = [one for one in targets if one.tensors[0].name in arrays]
    if rules:
        return _named(layers, arrays, tuple(rules), "the map", typed.name)
    if library == "timm":  # whose models have no classifiers on the way
        layers = [one for one in layers if one.required]
        targets = tuple(one for one in targets if one.required)
    shipped = _shipped(typed.name, targets, library)
    if shipped is not None:
        title = f"the names of {shipped.title}"
        return _named(layers, arrays, shipped.rules, title, typed.name)
    if library == "timm":
        raise UserError(
            "CNN658",
            f"there is no shipped map from `{typed.name}` to timm's names",
            help="say the names by `--map`, or export with the spec's own: `--export pytorch`",
        )
    own = (Rule(r"(.*)", r"\1"),)
    return _named(layers, arrays, own, "the spec's names", typed.name)


def write_state_dict(path: str | os.PathLike[str], exported: Exported) -> int:
    """Write a state dict as ``.safetensors``, or as PyTorch's ``.pt``, and give its size.

    Raises:
        UserError: CNN603 where it cannot be written, CNN658 for another ending.
    """
    ending = os.path.splitext(os.fspath(path))[1].lower()
    if ending == ".safetensors":
        return write_atomically(path, safetensors_chunks(exported.tensors, {"format": "pt"}))
    if ending in (".pt", ".pth", ".bin"):
        return write_atomically(path, checkpoint(exported.tensors))
    raise UserError(
        "CNN658",
        f"`{os.fspath(path)}` is no file of PyTorch's weights by its ending",
        help="write `-o NAME.safetensors` or `-o NAME.pt`",
    )


def _arrays(
    typed: TypedNetwork, weights: str | os.PathLike[str], targets: Sequence[TargetLayer]
) -> dict[str, Array]:
    """The weights in a file, those of the heads of training among them where it has them."""
    heads = training_heads(typed.network)
    if heads:
        with open_weights(weights, verify=False) as file:
            if any(one.name not in file.stored for layer in targets for one in layer.tensors):
                heads = ()
    return read_weights(weights, typed, heads=heads)


def _of_library(library: Library) -> list[ShippedMap]:
    """The shipped maps, those of the wanted library first, and for timm no others."""
    maps = shipped_maps()
    timm = [one for one in maps if "timm's" in one.title]
    return timm if library == "timm" else [one for one in maps if "torchvision's" in one.title]


def _shipped(network: str, targets: Sequence[TargetLayer], library: Library) -> ShippedMap | None:
    """The shipped map that names all layers, and has few names for others; or None.

    Raises:
        UserError: CNN658 where several do, and none is for a spec of this name.
    """
    # A map of a large network has names for the layers of many a small one, which it is not.
    used = {
        one: len(_used(one.rules, targets)) / len(one.rules)
        for one in _of_library(library)
        if all(_source(one.rules, layer.name)[0] for layer in targets)
    }
    fitting = [one for one in used if used[one] == max(used.values()) > _MOSTLY]
    named = [one for one in fitting if network.replace("_", "-") in one.specs]
    if len(fitting) > 1 and not named:
        raise UserError(
            "CNN658",
            f"`{network}` may be one of several models: {', '.join(one.title for one in fitting)}",
            help=f"give the network the name of one (`network {fitting[0].specs[0]}`), or say the"
            " names by `--map`",
        )
    return next(iter(named or fitting), None)


def _used(rules: Sequence[Rule], layers: Sequence[TargetLayer]) -> set[Rule]:
    found = (next((one for one in rules if one.source(layer.name)), None) for layer in layers)
    return {one for one in found if one is not None}


def _source(rules: Sequence[Rule], name: str) -> tuple[str, str]:
    """What a name of the spec is in the other tool's file, and the axes there."""
    for rule in rules:
        if (found := rule.source(name)) is not None:
            return found, rule.axes
    return "", ""


def _named(
    layers: Sequence[TargetLayer],
    arrays: Mapping[str, Array],
    rules: Sequence[Rule],
    names: str,
    network: str,
) -> Exported:
    tensors: dict[str, Numbers] = {}
    named: dict[str, str] = {}
    lacking: list[str] = []
    for layer in layers:
        whole, axes = _source(rules, layer.name)
        for tensor in layer.tensors:
            single, own = _source(rules, tensor.name)
            name = single or _joined(whole, axes, layer, tensor)
            if not name:
                lacking.append(quoted(tensor.name))
                continue
            if name in tensors:
                raise _twice(names, tensor.name, named[name], name)
            there = own if single else axes
            tensors[name] = _shaped(arrays[tensor.name], layer, tensor, there)
            named[name] = tensor.name
        if layer.group is Group.NORM and whole:
            tensors[f"{whole}.num_batches_tracked"] = numpy.zeros((), numpy.int64)
    if lacking:
        raise UserError(
            "CNN658",
            f"{names} gives no name to {lacking[0]} of `{network}`",
            notes=[f"nor to {one}" for one in abridged_lines(lacking[1:], SHOWN)],
            help="add a rule for it: the name there, then the spec's",
        )
    return Exported(network, tensors, names, named)


def _twice(names: str, one: str, other: str, name: str) -> UserError:
    return UserError(
        "CNN658",
        f"{names} gives {quoted(one)} and {quoted(other)} one name: {quoted(name)}",
        help="give each a name of its own by `--map`",
    )


def _joined(whole: str, axes: str, layer: TargetLayer, tensor: TargetTensor) -> str:
    """A tensor's full name; that of a lone vector is its layer's."""
    if layer.group is Group.VECTOR and "C" in axes:
        return whole
    return f"{whole}.{_PARTS[tensor.role]}" if whole else ""


def _shaped(array: Array, layer: TargetLayer, tensor: TargetTensor, axes: str) -> Numbers:
    """A weight with the axes that it has there.

    Raises:
        UserError: CNN658 where it cannot have them.
    """
    made = _with_axes(array, layer, tensor, axes)
    if made is None:
        raise UserError(
            "CNN658",
            f"{quoted(tensor.name)} ({sizes(tensor.shape)}) has no axes {axes}",
            help="take the third word of its rule out of the map",
        )
    return made


def _with_axes(array: Array, layer: TargetLayer, tensor: TargetTensor, axes: str) -> Numbers | None:
    if not axes or tensor.role not in (Role.KERNEL, Role.SCALE, Role.SLOPE):
        return array
    if "C" in axes:
        shape = tuple(array.size if letter == "C" else 1 for letter in axes)
        return array.reshape(shape) if tensor.role is not Role.KERNEL else None
    if tensor.role is not Role.KERNEL:
        return array
    if not layer.axes or not {"O", "I"} <= set(axes) or "M" in axes:
        return None
    size = dict(zip(layer.axes, tensor.shape, strict=True))
    window = [letter for letter in "DHW" if letter in axes]
    if len(axes) > len(layer.axes):  # a convolution of what is dense here
        channels, *places = layer.maps or (size["I"], *(1 for _ in window))
        if len(places) != len(window) or channels * math.prod(places) != size["I"]:
            return None
        size |= {"I": channels, **dict(zip(window, places, strict=True))}
    elif len(axes) < len(layer.axes):  # dense, of a convolution here
        size["I"] = math.prod(tensor.shape) // size["O"]
    ours = "".join(one for one in layer.axes if one in "OI") + "".join(window)
    if set(ours) != set(axes):
        return None
    turned = array.reshape(tuple(size[letter] for letter in ours))
    return numpy.ascontiguousarray(turned.transpose([ours.index(letter) for letter in axes]))
