"""Turns a compiled model back into the numbers of its weights."""

from __future__ import annotations

import os

import numpy
import onnx
import onnx.numpy_helper
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.files import reason
from cnndsl.graph.lower import network_weights
from cnndsl.graph.weights import Array
from cnndsl.semantics.network import TypedNetwork

__all__ = ["LARGEST_MODEL", "weights_of_model"]

LARGEST_MODEL = 2**31
"""The bytes of the largest file that protobuf can be: nothing larger is read."""


def weights_of_model(path: str | os.PathLike[str], typed: TypedNetwork) -> dict[str, Array]:
    """The weights in a model that was compiled from this network, by their names in the spec.

    Raises:
        UserError: CNN604 where it cannot be read, or lacks one.
    """
    try:
        with open_regular(path, most=LARGEST_MODEL) as file:
            graph = onnx.load(file, load_external_data=False).graph
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {reason(error)}") from error
    except DecodeError as error:
        raise _unreadable(path, "is not an ONNX model") from error
    stored = {one.name: one for one in graph.initializer}
    weights: dict[str, Array] = {}
    for name, weight in network_weights(typed).items():
        if name not in stored or tuple(stored[name].dims) != weight.shape:
            raise _unreadable(path, f"does not hold the weight `{name}` that its spec has")
        weights[name] = onnx.numpy_helper.to_array(stored[name]).astype(numpy.float32, copy=False)
    return weights


def _unreadable(path: str | os.PathLike[str], why: str) -> UserError:
    return UserError(
        "CNN604",
        f"`{os.fspath(path)}` {why}",
        help="give a model that `cnndsl compile` or `cnndsl train` wrote",
    )
