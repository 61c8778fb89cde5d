"""What a reader makes of a file of weights: layers and their tensors, unread.

What a tensor is to its layer is said by its ``role``, in one set of words for all formats. What a
kernel's axes are is said by letters: ``O`` outputs, ``I`` inputs, ``M`` the filters of each channel
of a depthwise convolution, ``D``, ``H``, ``W`` the window. Ours, ONNX's, PyTorch's and Caffe's are
``OIHW``; Keras has ``HWIO``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.files import reason
from cnndsl.graph.weights import Numbers

__all__ = [
    "LeftOut",
    "Role",
    "SourceLayer",
    "SourceTensor",
    "WeightsSource",
    "broken",
    "kernel_axes",
    "opened",
    "told_as_unreadable",
]

_WINDOW = ("", "W", "HW", "DHW")


class Role(StrEnum):
    """What a tensor is to its layer; the words are those of our weights, but for kernels."""

    KERNEL = "weight"
    """What inputs are multiplied by and summed: of convolutions, products, embeddings."""
    BIAS = "bias"
    SCALE = "scale"
    """A factor for each channel: of normalisations and scales."""
    MEAN = "mean"
    VARIANCE = "var"
    SLOPE = "slope"
    VECTOR = "vector"
    """A number for each channel that may be a factor or a slope: its file does not say."""
    IN_WEIGHT = "in_weight"
    IN_BIAS = "in_bias"
    OUT_WEIGHT = "out_weight"
    OUT_BIAS = "out_bias"
    """Those of attention, below each other as PyTorch has them."""
    OTHER = "other"
    """Nothing that a layer of ours has."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceTensor:
    """A tensor in a file.

    Attributes:
        name: what the file calls it.
        role: what it is to its layer.
        shape: its sizes, in the order of ``axes``.
        axes: a letter for each axis of a kernel; empty where there is but one order, or the
            file does not say which it is.
        dtype: NumPy's name of its numbers' type.
        read: gives its numbers, in that shape.
    """

    name: str
    role: Role
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], Numbers]
    axes: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class SourceLayer:
    """A layer of a file: its name there, what the file calls its kind, and its tensors.

    Where the file says it, ``eps`` is what a normalisation adds to variances, ``norm_of`` the layer
    with a kernel whose result it alone reads, ``place`` is a position, and ``before`` are those of
    all layers that it depends on, as bits.
    """

    name: str
    kind: str
    tensors: tuple[SourceTensor, ...]
    eps: float | None = None
    norm_of: str = ""
    place: int = 0
    before: int | None = None

    def get(self, role: Role) -> SourceTensor | None:
        """The tensor of a role."""
        return next((one for one in self.tensors if one.role == role), None)

    @property
    def roles(self) -> frozenset[Role]:
        """The roles of its tensors."""
        return frozenset(one.role for one in self.tensors)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A tensor that is no weight of any network, and what it is."""

    name: str
    what: str


@dataclass(frozen=True, eq=False)
class WeightsSource:
    """A file of weights, open.

    Attributes:
        path: the file.
        format: what it is, for people: ``PyTorch state dict (.pt)``.
        layers: in the file's order.
        ordered: whether that order is the network's; where it is not, it is that of the names.
        branches: whether it is also that in which a person wrote layers beside each other. Keras
            orders layers by how far they are from the output.
        channels_last: whether what a dense layer reads behind a `flatten` has its channels last.
            None where the file does not say.
        left_out: what is no weight.
        notes: what whoever brings the weights should know.
        classes: the names of the classes, where the file says them.
    """

    path: str
    format: str
    layers: tuple[SourceLayer, ...]
    ordered: bool = True
    branches: bool = True
    channels_last: bool | None = False
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    @cached_property
    def tensors(self) -> Mapping[str, SourceTensor]:
        """All tensors of all layers by their names."""
        return {tensor.name: tensor for layer in self.layers for tensor in layer.tensors}


def kernel_axes(order: str, rank: int) -> str:
    """The letters of a kernel's axes, ``*`` standing for its window's; an order without stays it.

    >>> kernel_axes("OI*", 4), kernel_axes("*IO", 3), kernel_axes("OI*", 2), kernel_axes("IO", 2)
    ('OIHW', 'WIO', 'OI', 'IO')
    """
    if "*" not in order:
        return order
    window = rank - (len(order) - 1)
    return order.replace("*", _WINDOW[window]) if 0 <= window < len(_WINDOW) else ""


def broken(path: str | os.PathLike[str], why: str, *, help: str = "") -> UserError:
    """CNN650 for a file that is not what it says."""
    return UserError(
        "CNN650",
        f"cannot read the weights in `{os.fspath(path)}`: {why}",
        help=help or "copy the file again from where it is whole",
    )


@contextmanager
def opened(
    path: str,
    what: str,
    kinds: Sequence[type[Exception]],
    build: Callable[[ExitStack], WeightsSource],
) -> Iterator[WeightsSource]:
    """A file of weights, open as long as the context is; what is wrong with it is CNN650.

    Args:
        path: the file.
        what: what it should be, in words.
        kinds: what its library raises about broken ones, besides the usual.
        build: makes the source, and enters what is to be closed.

    Raises:
        UserError: CNN650, here and where numbers are read.
    """
    with ExitStack() as stack:
        with told_as_unreadable(path, what, kinds):
            source = build(stack)
        yield replace(
            source,
            layers=tuple(
                replace(
                    layer, tensors=tuple(_told(one, path, what, kinds) for one in layer.tensors)
                )
                for layer in source.layers
            ),
        )


def _told(
    tensor: SourceTensor, path: str, what: str, kinds: Sequence[type[Exception]]
) -> SourceTensor:
    """A tensor whose reading says in our words what is wrong with the file."""

    def read() -> Numbers:
        with told_as_unreadable(path, what, kinds):
            return tensor.read()

    return replace(tensor, read=read)


@contextmanager
def told_as_unreadable(
    path: str | os.PathLike[str], what: str, kinds: Iterable[type[Exception]] = ()
) -> Iterator[None]:
    """Turn what libraries raise about a broken file into CNN650."""
    errors: tuple[type[Exception], ...] = (EOFError, ValueError, *kinds)
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        raise broken(path, reason(error), help="give a file that can be read") from error
    except errors as error:
        raise broken(path, f"it is no whole {what} ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
