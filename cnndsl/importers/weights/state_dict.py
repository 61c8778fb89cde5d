"""Turns PyTorch's names of tensors into layers: ``layer1.0.bn1.running_mean`` is one's mean.

The axes of PyTorch's tensors are ours. Where a checkpoint has more than the state dict, that is
found in it, and words that wrappers put before every name are taken off.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cnndsl.diagnostics.words import abridged, count
from cnndsl.graph.weights import SHOWN, Numbers
from cnndsl.importers.weights.source import (
    LeftOut,
    Role,
    SourceLayer,
    SourceTensor,
    WeightsSource,
    broken,
)

__all__ = ["BETWEEN", "Entry", "state_dict_source"]

BETWEEN = "\0"
"""Stands between the keys of dictionaries that lie in each other."""

_HOLDERS = (
    *("state_dict", "model_state_dict", "model", "net", "network", "module", "weights", "params"),
    *("model_state", "net_state_dict", "params_ema", "state_dict_ema", "model_ema", "ema"),
)
"""What checkpoints call the state dict: the first that is there counts."""

_WRAPPERS = ("module", "_orig_mod", "model", "net", "network")
"""What wrappers put before every name: DataParallel, torch.compile, Lightning."""

_OPTIMIZER = ("optimizer", "optim", "opt_state", "lr_scheduler", "scheduler", "scaler", "amp")

_ROLES: Mapping[str, Role] = MappingProxyType(
    {
        "running_mean": Role.MEAN,
        "running_var": Role.VARIANCE,
        "in_proj_weight": Role.IN_WEIGHT,
        "in_proj_bias": Role.IN_BIAS,
        "in_weight": Role.IN_WEIGHT,
        "in_bias": Role.IN_BIAS,
        "out_weight": Role.OUT_WEIGHT,
        "out_bias": Role.OUT_BIAS,
        "slope": Role.SLOPE,
    }
)
"""What a tensor is by the last word of its name, in PyTorch's files and in ours."""

_TOGETHER: Mapping[str, Role] = MappingProxyType(
    {"scale": Role.SCALE, "mean": Role.MEAN, "var": Role.VARIANCE}
)
"""Words of our files, and of Flax, that mean it where the layer has `scale` and `bias` or more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A tensor by its name, unread."""

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Numbers]


def state_dict_source(
    path: str,
    form: str,
    entries: Mapping[str, Entry],
    *,
    ordered: bool = True,
    key: str | None = None,
) -> WeightsSource:
    """The layers of a state dict; names are joined by NUL where they lie in dictionaries.

    ``key`` is what the dictionary to take is called.

    Raises:
        UserError: CNN650 where no dictionary of tensors is the state dict.
    """
    chosen, left, notes = _chosen(path, entries, key)
    layers, counters = _divided(chosen)
    return WeightsSource(
        path,
        form,
        tuple(layers),
        ordered=ordered,
        left_out=(*left, *counters),
        notes=tuple(notes),
    )


def _divided(entries: Mapping[str, Entry]) -> tuple[list[SourceLayer], list[LeftOut]]:
    """Layers by the names before the last dot, in the order of their first tensors."""
    counters = [name for name, entry in entries.items() if _is_counter(name, entry)]
    left = [LeftOut(name, "a counter of training steps") for name in counters]
    numbers = {name: entry for name, entry in entries.items() if not _is_counter(name, entry)}
    front = _front(numbers)
    groups: dict[str, dict[str, tuple[str, Entry]]] = {}
    for name, entry in numbers.items():
        layer, _, part = name[len(front) :].rpartition(".")
        outer, _, last = layer.rpartition(".")
        if last == "out_proj" and "in_proj_weight" in groups.get(outer, ()):
            layer, part = outer, f"out_proj.{part}"
        groups.setdefault(layer, {})[part] = name, entry
    layers = []
    for layer, parts in groups.items():
        layers += _layers(layer, parts)
    return layers, left


def _is_counter(name: str, entry: Entry) -> bool:
    """Of a normalisation's batches, or of the models that were averaged: one whole number."""
    part = name.rpartition(".")[2]
    return part == "num_batches_tracked" or (
        entry.dtype in ("int64", "I64") and math.prod(entry.shape) == 1
    )


def _front(names: Iterable[str]) -> str:
    """The words that wrappers have put before every name."""
    front, rest = "", list(names)
    while rest:
        first = rest[0].partition(".")[0]
        if first not in _WRAPPERS or not all(name.startswith(f"{first}.") for name in rest):
            return front
        front += f"{first}."
        rest = [name[len(first) + 1 :] for name in rest]
    return front


def _layers(layer: str, parts: Mapping[str, tuple[str, Entry]]) -> list[SourceLayer]:
    """A layer, and one more for each tensor of a name that layers do not have."""
    named: list[SourceTensor] = []
    alone: list[SourceLayer] = []
    for part, (name, entry) in parts.items():
        role = _role(part, entry, parts)
        tensor = SourceTensor(name, role, entry.shape, entry.dtype, entry.read)
        if part in _OWN or role not in (Role.VECTOR, Role.OTHER):
            named.append(tensor)
        else:
            full = f"{layer}.{part}" if layer else part
            alone.append(SourceLayer(full, "", (tensor,)))
    if not named:
        return alone
    return [*alone, SourceLayer(layer, "", tuple(named))]


_OWN = ("weight", "bias")


def _role(part: str, entry: Entry, parts: Mapping[str, object]) -> Role:
    """What a tensor is to its layer, by its name, its shape and what stands beside it."""
    vector = sum(size != 1 for size in entry.shape) <= 1
    if part in _ROLES:
        return _ROLES[part]
    if part in _TOGETHER and "scale" in parts:
        return _TOGETHER[part]
    if part == "bias":
        return Role.BIAS
    if part.startswith("out_proj."):
        return Role.OUT_WEIGHT if part.endswith("weight") else Role.OUT_BIAS
    if part != "weight":
        return Role.VECTOR if vector else Role.OTHER
    if len(entry.shape) > 1:
        return Role.KERNEL
    return Role.SCALE if {"running_mean", "bias"} & parts.keys() else Role.VECTOR


def _chosen(
    path: str, entries: Mapping[str, Entry], wanted: str | None
) -> tuple[Mapping[str, Entry], list[LeftOut], list[str]]:
    """The state dict in a checkpoint, what else has tensors, and what to say of it."""
    dictionaries: dict[str, dict[str, Entry]] = {}
    left: list[LeftOut] = []
    for name, entry in entries.items():
        keys = name.split(BETWEEN)
        if any(key.lower().startswith(_OPTIMIZER) for key in keys[:-1]):
            left.append(LeftOut(".".join(keys), "an optimizer's state"))
        else:
            dictionaries.setdefault(BETWEEN.join(keys[:-1]), {})[keys[-1]] = entry
    if not dictionaries:
        raise broken(path, "there is an optimizer's state in it, and no weights", help="give both")
    if wanted is None and len(dictionaries) == 1:
        return next(iter(dictionaries.values())), left, []
    holders = sorted(
        (_HOLDERS.index(last), name)
        for name in dictionaries
        if (last := name.rpartition(BETWEEN)[2]) in _HOLDERS
    )
    if wanted is None and not holders:
        merged = {name.replace(BETWEEN, "."): one for name, one in entries.items()}
        for one in left:
            merged.pop(one.name, None)
        return merged, left, []
    taken = holders[0][1] if wanted is None else _called(path, wanted, dictionaries)
    notes = [
        f"{count(len(tensors), 'tensor')} of `{_dotted(name) or 'the top'}`"
        f" {'is' if len(tensors) == 1 else 'are'} left out: the weights are taken from"
        f" `{_dotted(taken)}`, and `--key` says which to take"
        for name, tensors in dictionaries.items()
        if name != taken
    ]
    return dictionaries[taken], left, notes


def _called(path: str, wanted: str, names: Iterable[str]) -> str:
    """The dictionary that a user names.

    Raises:
        UserError: CNN650 where there is none.
    """
    there = [name for name in names if name]
    for name in there:
        if _dotted(name) == wanted:
            return name
    listed = abridged([f"`{_dotted(name)}`" for name in there], SHOWN) if there else "none"
    raise broken(
        path,
        f"it has no dictionary of tensors `{wanted}`: there is {listed}",
        help="leave `--key` out, or give the name of one of these",
    )


def _dotted(name: str) -> str:
    return name.replace(BETWEEN, ".")
