"""Turns a compiled model's file back into its graph, and into the numbers of its weights.

A file may be anybody's: it is no model of cnndsl's because it says so.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable

import numpy
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.files import open_regular
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.files import reason
from cnndsl.graph.lower import network_weights
from cnndsl.graph.manifest import Manifest, read_artifact
from cnndsl.graph.raw_inputs import prepare_outside
from cnndsl.graph.weights import Array, compare_classes, refuse_not_finite

__all__ = ["numbers_of", "read_model", "refuse_rounded", "rounded_model", "weights_of_model"]

_LARGEST = 2**31
"""The bytes of the largest file that protobuf can be: nothing larger is read."""


def weights_of_model(
    path: str | os.PathLike[str],
    typed: TypedNetwork,
    *,
    verify: bool = True,
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, Array]:
    """The weights in a model that was compiled from this network, by their names in the spec.

    With ``verify``, the model's checksum is compared first. ``tell`` learns of other names of
    classes.

    Raises:
        UserError: CNN604 where it cannot be read, or lacks one, CNN607 where it was damaged,
            CNN611 where it is not in float32, CNN601 where a weight is not finite or the classes
            stand in another order.
    """
    manifest = read_artifact(path, verify=verify)
    refuse_rounded(manifest, os.fspath(path))
    compare_classes(manifest.classes, typed.network.classes, path, tell)
    stored = {one.name: one for one in read_model(path).graph.initializer}
    weights: dict[str, Array] = {}
    for name, weight in network_weights(typed).items():
        if name not in stored or tuple(stored[name].dims) != weight.shape:
            raise _unreadable(path, f"does not hold the weight `{name}` that its spec has")
        numbers = numbers_of(stored[name])
        if numbers is None:
            raise _unreadable(path, f"does not hold the weight `{name}` as float32")
        weights[name] = numbers
    refuse_not_finite(weights, path)
    return weights


def rounded_model(
    path: str | os.PathLike[str],
    typed: TypedNetwork,
    *,
    verify: bool = True,
    tell: Callable[[str], None] = lambda text: None,
) -> Artifact | None:
    """A model that is not in float32, which alone gives its answers; None for one that is.

    It takes prepared inputs, also where the file takes raw pictures. ``verify`` and ``tell`` are as
    for :func:`weights_of_model`.

    Raises:
        UserError: as :func:`weights_of_model` does, and CNN611 where the network is not the one
            that was read from it.
    """
    manifest = read_artifact(path, verify=verify)
    if manifest.precision == "float32":
        return None
    if manifest.spec != typed.network.module.source.text:
        refuse_rounded(manifest, os.fspath(path))
    compare_classes(manifest.classes, typed.network.classes, path, tell)
    model = read_model(path)
    prepare_outside(model, typed, manifest.raw)
    names = {one.name for one in model.graph.input}, [one.name for one in model.graph.output]
    if names != ({one.name for one in typed.network.inputs}, [*typed.network.outputs]):
        raise _unreadable(path, "has not the inputs and outputs of its spec")
    return Artifact(manifest, model, {})


def refuse_rounded(manifest: Manifest, name: str) -> None:
    """Raise CNN611 where a model's weights are wanted, and it is not in float32."""
    if manifest.precision == "float32":
        return
    raise UserError(
        "CNN611",
        f"`{name}` computes in {manifest.precision}: its weights are not the network's any more",
        help="give the weights that it was compiled with, or a model in float32",
    )


def read_model(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """The graph and weights of a model whose weights are all in its file, as cnndsl's are.

    Raises:
        UserError: CNN604 where it cannot be read, or refers to other files.
    """
    try:
        with open_regular(path, most=_LARGEST) as file:
            model: onnx.ModelProto = onnx.ModelProto.FromString(file.read())
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {reason(error)}") from error
    except DecodeError as error:
        raise _unreadable(path, "is not an ONNX model") from error
    if model.functions:
        raise _unreadable(path, "defines functions, which cnndsl never does")
    for tensor in model.graph.initializer:
        if tensor.data_location == onnx.TensorProto.EXTERNAL or tensor.external_data:
            raise _unreadable(path, "keeps weights in other files, which cnndsl never does")
    return model


def numbers_of(tensor: onnx.TensorProto) -> Array | None:
    """A weight's numbers; None where they are no float32, or not as many as its shape says."""
    if tensor.data_type != onnx.TensorProto.FLOAT:
        return None
    count = math.prod(tensor.dims)
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != 4 * count:
            return None
        flat = numpy.frombuffer(tensor.raw_data, "<f4")
    elif len(tensor.float_data) == count:
        flat = numpy.asarray(tensor.float_data, numpy.float32)
    else:
        return None
    return flat.astype(numpy.float32, copy=False).reshape(tuple(tensor.dims))


def _unreadable(path: str | os.PathLike[str], why: str) -> UserError:
    return UserError(
        "CNN604",
        f"`{os.fspath(path)}` {why}",
        help="give a model that `cnndsl compile` or `cnndsl train` wrote",
    )
