"""Ways to look at a file and a network in which biases and normalisations stand alike in both.

A normalisation with running statistics is a factor and a shift for each channel, which may as well
be part of the kernel before it. What one tool has written apart another has put together: exporters
to ONNX fold normalisations into kernels, and Keras's ResNets have biases that their normalisations
take away again. A :class:`View` has the layers as the other side has them, and says of the pairs
that are found for it what the weights become.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count
from cnndsl.graph.weights import Numbers, quoted
from cnndsl.importers.weights.layout import Conversion, as_is
from cnndsl.importers.weights.pairing import Change, Pair
from cnndsl.importers.weights.source import Role, SourceLayer, SourceTensor
from cnndsl.importers.weights.targets import Group, TargetLayer, TargetTensor, group_of

__all__ = ["View", "folded_into", "views"]

_NORM = (Role.MEAN, Role.VARIANCE, Role.SCALE, Role.BIAS)

_FOLDED = frozenset({"conv", "depthwise", "upconv", "dense"})
"""The layers of ours that a normalisation behind them can be part of."""


@dataclass(frozen=True, eq=False)
class View:
    """Layers of a file and of a network as they can be paired.

    Attributes:
        sources: the file's layers.
        targets: the network's.
        without: the normalisations of the network that are not among these.
        taken_off: for each bias that the network does not have, the mean that it is taken off.
        folded: normalisations of the file that become part of a kernel's layer, by that one's name.
    """

    sources: tuple[SourceLayer, ...]
    targets: tuple[TargetLayer, ...]
    without: tuple[TargetLayer, ...] = ()
    taken_off: Mapping[str, TargetTensor] = field(default_factory=lambda: MappingProxyType({}))
    folded: Mapping[str, SourceLayer] = field(default_factory=lambda: MappingProxyType({}))

    def settled(self, pairs: Mapping[str, Pair]) -> dict[str, Pair]:
        """The pairs of the network's own weights."""
        found = dict(pairs)
        for name, mean in self.taken_off.items():
            bias = found.pop(name, None)
            if bias is not None and bias.source is not None and mean.name in found:
                found[mean.name] = _less(found[mean.name], bias.source)
        for norm in self.without:
            for tensor in norm.tensors:
                if tensor.name not in found:
                    found[tensor.name] = _constant(tensor, _neutral(tensor.role, norm))
        return found

    def notes(self, pairs: Mapping[str, Pair]) -> Iterator[str]:
        """What to say of the pairs that were found."""
        biases = [one for name in self.taken_off if (one := pairs.get(name)) and one.source]
        if biases:
            yield (
                f"{count(len(biases), 'bias', 'biases')} of kernels of the file are taken off the"
                " means of the normalisations behind them, which is the same"
            )
        if self.without:
            yield (
                f"{count(len(self.without), 'normalisation')} of the spec"
                f" {'is' if len(self.without) == 1 else 'are'} part of kernels in the file: here"
                " they only add the bias. Answers are the same; training begins without their"
                " statistics"
            )
        zeros = [
            one
            for one in pairs.values()
            if one.source is None and one.target.optional and one.target.name not in self.taken_off
        ]
        if zeros:
            yield (
                f"{count(len(zeros), 'bias', 'biases')} of the spec are 0: the file's kernels have"
                " none"
            )


def views(sources: Sequence[SourceLayer], targets: Sequence[TargetLayer]) -> Iterator[View]:
    """The ways in which a file and a network may be alike: as they are, then what is folded."""
    here, there = tuple(sources), tuple(targets)
    yield View(here, there)
    if not any(group_of(one.roles) is Group.KERNEL for one in here):
        return
    norms = [one for one in here if group_of(one.roles) is Group.NORM]
    wanted = [one for one in there if one.group is Group.NORM]
    yield _with_biases_free(here, there)
    if len(norms) < len(wanted):
        yield _without_norms(here, there)
    if len(norms) > sum(one.required for one in wanted):
        behind = {one.norm_of: one for one in norms if one.norm_of}
        kept = tuple(one for one in here if not one.norm_of)
        if behind:
            yield replace(_with_biases_free(kept, there), folded=behind)


def _with_biases_free(here: tuple[SourceLayer, ...], there: tuple[TargetLayer, ...]) -> View:
    """Kernels whose biases may be there or not: 0, or part of the mean that is taken off behind."""
    means = {one.name: one.get(Role.MEAN) for one in there if one.group is Group.NORM}
    free: list[TargetLayer] = []
    taken_off: dict[str, TargetTensor] = {}
    for one in there:
        bias = one.get(Role.BIAS)
        mean = means.get(one.norm)
        if one.group is Group.KERNEL and bias is not None:
            tensors = (replace(tensor, optional=tensor.role is Role.BIAS) for tensor in one.tensors)
            free.append(replace(one, tensors=tuple(tensors)))
        elif one.keyword in _FOLDED and mean is not None:
            name = f"{one.name}.bias"
            taken_off[name] = mean
            added = TargetTensor(name, Role.BIAS, mean.shape, optional=True)
            free.append(replace(one, tensors=(*one.tensors, added)))
        else:
            free.append(one)
    return View(here, tuple(free), taken_off=taken_off)


def _without_norms(here: tuple[SourceLayer, ...], there: tuple[TargetLayer, ...]) -> View:
    """Kernels that have the shifts of the normalisations behind them as their biases."""
    norms = {one.name: one for one in there if one.group is Group.NORM}
    folded: dict[str, TargetLayer] = {}
    kept: list[TargetLayer] = []
    for one in there:
        norm = norms.get(one.norm)
        shift = None if norm is None else norm.get(Role.BIAS)
        if norm is None or shift is None or one.keyword not in _FOLDED:
            kept.append(one)
            continue
        folded[norm.name] = norm
        added = () if one.get(Role.BIAS) is not None else (shift,)
        kept.append(replace(one, tensors=(*one.tensors, *added)))
    targets = tuple(one for one in kept if one.name not in folded)
    return View(here, targets, without=tuple(folded.values()))


def _neutral(role: Role, norm: TargetLayer) -> float:
    """What a weight of a normalisation is where that changes nothing."""
    if role is Role.SCALE:
        return math.sqrt(1 + (norm.eps or 0.0))
    return 1.0 if role is Role.VARIANCE else 0.0


def _constant(target: TargetTensor, fill: float) -> Pair:
    return Pair(target, None, Conversion("", as_is), fill)


def _less(pair: Pair, bias: SourceTensor) -> Pair:
    def less(mean: Numbers, taken: Numbers) -> Numbers:
        return mean - taken.reshape(mean.shape)

    return replace(pair, change=Change(f"less {bias.name}", (bias,), less))


# --- a normalisation of the file as part of a kernel --------------------------------------------


def folded_into(
    layer: TargetLayer, pairs: Mapping[str, Pair], norm: SourceLayer, eps: float
) -> dict[str, Pair]:
    """The weights of a kernel's layer with a normalisation that is computed behind it.

    Raises:
        UserError: CNN655 where the layer has no bias, or not as many channels.
    """
    kernel, bias = layer.get(Role.KERNEL), layer.get(Role.BIAS)
    others = tuple(one for role in _NORM if (one := norm.get(role)) is not None)
    channels = math.prod(others[0].shape)
    if kernel is None or bias is None or layer.keyword not in _FOLDED:
        raise _no_place(norm, layer, "that layer has no bias")
    if Role.VARIANCE not in norm.roles:
        raise _no_place(norm, layer, "the file has no variance of it")
    axis = layer.axes.index("O")
    if channels != kernel.shape[axis] or any(math.prod(x.shape) != channels for x in others):
        raise _no_place(norm, layer, f"that gives {kernel.shape[axis]} channels, not {channels}")

    def statistics(given: Sequence[Numbers]) -> tuple[Numbers, Numbers, Numbers]:
        """The mean, the factor and the shift of each channel."""
        by_role = {one.role: array.reshape(-1) for one, array in zip(others, given, strict=True)}
        factor = by_role.get(Role.SCALE, 1.0) / numpy.sqrt(by_role[Role.VARIANCE] + eps)
        shift = by_role.get(Role.BIAS, numpy.zeros(channels))
        return by_role[Role.MEAN], factor, shift

    def of_kernel(numbers: Numbers, *given: Numbers) -> Numbers:
        _, factor, _ = statistics(given)
        return numbers * factor.reshape([-1 if at == axis else 1 for at in range(numbers.ndim)])

    def of_bias(numbers: Numbers, *given: Numbers) -> Numbers:
        mean, factor, shift = statistics(given)
        return (numbers - mean) * factor + shift

    how = f"with {norm.name}"
    return {
        kernel.name: replace(pairs[kernel.name], change=Change(how, others, of_kernel)),
        bias.name: replace(pairs[bias.name], change=Change(how, others, of_bias)),
    }


def _no_place(norm: SourceLayer, layer: TargetLayer, why: str) -> UserError:
    return UserError(
        "CNN655",
        f"the normalisation {quoted(norm.name)} cannot become part of {quoted(layer.name)}"
        f" ({layer.keyword}): {why}",
        help="give the layer a bias, or a `batchnorm` behind it",
    )
