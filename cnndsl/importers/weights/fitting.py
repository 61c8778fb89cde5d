"""Says whether a layer of a file can be a layer of a network, and how its tensors come over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from cnndsl.diagnostics.model import UserError
from cnndsl.importers.weights.layout import Conversion, as_is, conversion, sizes
from cnndsl.importers.weights.pairing import Pair
from cnndsl.importers.weights.source import (
    Role,
    SourceLayer,
    SourceTensor,
    WeightsSource,
    kernel_axes,
)
from cnndsl.importers.weights.targets import Group, TargetLayer, TargetTensor, group_of

__all__ = ["AmbiguousWeightsError", "Fit", "Fitting"]

Fit: TypeAlias = tuple[Pair, ...]
"""The pairs of a layer's weights."""

_IDENTITY = {Role.SCALE: 1.0, Role.BIAS: 0.0}
"""What a normalisation without a scale or a bias of its own has in their place."""

_NUMBERS = ("float32", "float64", "float16", "bfloat16")


class AmbiguousWeightsError(UserError):
    """CNN653: there are several ways, and none is to be taken."""


@dataclass(eq=False)
class Fitting:
    """How axes stand in a file: channels first (as here), or last."""

    channels_last: bool
    notes: list[str] = field(default_factory=list)

    @classmethod
    def of(
        cls, source: WeightsSource, targets: Sequence[TargetLayer], channels_last: bool | None
    ) -> Fitting:
        """The order of a file's axes, by the shapes that fit where it is not known.

        Raises:
            UserError: CNN653 where both fit.
        """
        if channels_last is not None:
            return cls(channels_last)
        shapes = {last: _fitting_kernels(source, targets, cls(last)) for last in (False, True)}
        if shapes[False] == shapes[True] and shapes[False]:
            raise AmbiguousWeightsError(
                "CNN653",
                f"the shapes of `{source.path}` do not say how its axes stand: kernels may be OIHW"
                " or HWIO",
                help="add `--layout channels-first`, as in PyTorch, or `--layout channels-last`, as"
                " in Keras",
            )
        last = shapes[True] > shapes[False]
        words = "last, as in Keras" if last else "first, as in PyTorch"
        return cls(last, [f"by the shapes of its kernels, channels stand {words}"])

    def layer(self, source: SourceLayer, target: TargetLayer, axes: str = "") -> Fit | str:
        """The pairs of a layer's weights, or why it cannot be this one, in words."""
        here = group_of(source.roles)
        if here is not target.group:
            return f"it is {_article(here)}, and `{target.name}` is {_article(target.group)}"
        pairs: list[Pair] = []
        used: set[str] = set()
        for tensor in target.tensors:
            found = _counterpart(source, tensor)
            if found is None:
                identity = target.group is Group.NORM and tensor.role in _IDENTITY
                if not identity and not tensor.optional:
                    return f"it has nothing for `{tensor.name}`"
                fill = _IDENTITY[tensor.role] if identity else 0.0
                pairs.append(Pair(tensor, None, Conversion("", as_is), fill))
                continue
            made = self.tensor(found, target, tensor, axes if tensor.role is Role.KERNEL else "")
            if made is None:
                return (
                    f"`{found.name}` is {sizes(found.shape)}, and `{tensor.name}`"
                    f" {sizes(tensor.shape)}"
                )
            if found.dtype not in _NUMBERS:
                return f"`{found.name}` is {found.dtype}"
            used.add(found.name)
            pairs.append(made)
        if surplus := [one.name for one in source.tensors if one.name not in used]:
            return f"`{target.name}` has nothing for `{surplus[0]}`"
        return tuple(pairs)

    def tensor(
        self, source: SourceTensor, layer: TargetLayer, target: TargetTensor, axes: str = ""
    ) -> Pair | None:
        """A weight of a tensor; None where its shape does not allow that."""
        axes = axes or source.axes or self._usual_axes(source, layer)
        made = conversion(source, layer, target, self.channels_last, axes)
        return None if made is None else Pair(target, source, made)

    def _usual_axes(self, source: SourceTensor, layer: TargetLayer) -> str:
        """The axes of a kernel that its file says nothing of."""
        rank = len(source.shape)
        if not layer.axes:
            return ""
        if not self.channels_last:
            order = "IO*" if layer.axes.startswith("IO") else "OI*"
        elif layer.keyword == "depthwise" and rank > 2:
            order = "*IM"
        else:
            order = "*OI" if layer.axes.startswith("IO") else "*IO"
        return kernel_axes(order, rank)


def _counterpart(source: SourceLayer, target: TargetTensor) -> SourceTensor | None:
    found = source.get(target.role)
    if found is None and target.role in (Role.SCALE, Role.SLOPE):
        return source.get(Role.VECTOR) or source.get(Role.SCALE)
    return found


def _article(group: Group) -> str:
    words = {
        Group.KERNEL: "a layer with a kernel",
        Group.NORM: "a normalisation with running statistics",
        Group.AFFINE: "a scale with a bias",
        Group.VECTOR: "a vector",
        Group.OFFSET: "a bias alone",
        Group.ATTENTION: "an attention",
    }
    return words.get(group, "nothing that a spec has")


def _fitting_kernels(
    source: WeightsSource, targets: Sequence[TargetLayer], fitting: Fitting
) -> int:
    """How many kernels of a file could be one of a network's, for an order of the axes."""
    # Many layers are alike, and one of each is enough.
    wanted = {
        (one.keyword, *(tensor.shape for tensor in one.tensors), one.maps): one
        for one in targets
        if one.group is Group.KERNEL
    }
    found: dict[tuple[object, ...], bool] = {}
    count = 0
    for one in source.layers:
        if group_of(one.roles) is Group.KERNEL:
            key = tuple((tensor.role, tensor.shape) for tensor in one.tensors)
            if key not in found:
                found[key] = any(
                    not isinstance(fitting.layer(one, target), str) for target in wanted.values()
                )
            count += found[key]
    return count
