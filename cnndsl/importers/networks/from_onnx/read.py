"""From an ONNX file, or a model in memory, to the common form of imported networks."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count
from cnndsl.importers.networks.builder import NetworkBuilder
from cnndsl.importers.networks.from_onnx.branches import take_branches
from cnndsl.importers.networks.from_onnx.graph import OnnxGraph, as_graph, vocabulary
from cnndsl.importers.networks.from_onnx.lowered import with_layers
from cnndsl.importers.networks.from_onnx.shapes import BATCH, settle, unfolded
from cnndsl.importers.networks.from_onnx.source import opened, opset_of, unreadable
from cnndsl.importers.networks.from_onnx.translator import Translator
from cnndsl.importers.networks.from_onnx.well_formed import ill_formed
from cnndsl.importers.networks.graph import ImportedNetwork
from cnndsl.types import DType, TensorType

if TYPE_CHECKING:
    import onnx

__all__ = ["read_onnx", "read_onnx_model"]

_AS_FLOATS = "export the network with inputs of float32"
_FLOATS = {"FLOAT": "", "FLOAT16": "float16", "BFLOAT16": "bfloat16", "DOUBLE": "float64"}


def read_onnx(
    path: str | os.PathLike[str], sizes: Mapping[str, tuple[int, ...]] | None = None
) -> ImportedNetwork:
    """The network in an ONNX file.

    Raises:
        UserError: CNN665 to CNN668, where the file or its inputs cannot be understood.
    """
    return read_onnx_model(opened(path), os.fspath(path), sizes)


def read_onnx_model(
    model: onnx.ModelProto, name: str, sizes: Mapping[str, tuple[int, ...]] | None = None
) -> ImportedNetwork:
    """The network of a model in memory; ``name`` stands for its file."""
    opset = opset_of(model)
    if why := ill_formed(model, opset):
        raise unreadable(name, why)
    try:
        graph = as_graph(model, opset)
        _fix_inputs(graph, name, sizes or {})
        take_branches(graph)
    except ValueError as error:
        raise unreadable(name, str(error)) from error
    raw = unfolded(graph)
    settle(graph)
    with_layers(graph, raw)
    builder = NetworkBuilder(Path(name).stem, f"{Path(name).name} (ONNX, opset {opset})")
    translator = Translator(graph, builder)
    _add_inputs(graph, builder, translator, name)
    _note_precision(graph, builder)
    translator.run()
    outputs: dict[str, str] = {}
    for one in graph.outputs:
        if one not in translator.values:
            builder.refuse(f"output `{one}`", "a constant", "it does not depend on any input")
            continue
        outputs[one] = translator.values[one]
    return builder.build(outputs)


# --- inputs -------------------------------------------------------------------------------------


def _fix_inputs(graph: OnnxGraph, name: str, sizes: Mapping[str, tuple[int, ...]]) -> None:
    """Give every input a shape of numbers: the batch first, then the sizes that are known."""
    unknown = [one for one in sizes if one and one not in graph.inputs]
    if unknown:
        raise UserError(
            "CNN668",
            f"`{name}` has no input `{unknown[0]}`",
            notes=[f"its inputs are {', '.join(f'`{known}`' for known in graph.inputs)}"],
            help="name one of them, or leave the name out where there is only one",
        )
    first = [shape[0] for shape in graph.inputs.values() if shape]
    fixed = [one for one in first if isinstance(one, int) and one > 0]
    graph.batch = fixed[0] if fixed else BATCH
    for one, shape in graph.inputs.items():
        given = sizes.get(one) or (sizes.get("") if len(graph.inputs) == 1 else None)
        dims = given or shape[1:]
        if len(shape) < 2:
            raise _no_batch(name, one, shape)
        if not shape or len(dims) + 1 != len(shape) or not all(_is_size(dim) for dim in dims):
            raise _open_input(name, one, shape, given)
        graph.shapes[one] = (graph.batch, *(dim for dim in dims if isinstance(dim, int)))


def _is_size(dim: int | str) -> bool:
    return isinstance(dim, int) and dim > 0


def _no_batch(name: str, one: str, shape: tuple[int | str, ...]) -> UserError:
    """CNN668: an input that is no batch of samples with sizes."""
    shown = "x".join(map(str, shape)) or "a single number"
    return UserError(
        "CNN668",
        f"the input `{one}` of `{name}` is {shown}: there are no sizes beside the batch",
        help="export the network with a batch as the first dimension of each input",
    )


def _open_input(
    name: str, one: str, shape: tuple[int | str, ...], given: tuple[int, ...] | None
) -> UserError:
    """CNN668: an input whose sizes are not all known."""
    shown = "x".join(map(str, shape)) or "a single number"
    if given is not None:
        message = f"the input `{one}` of `{name}` is {shown}: its sizes are not"
        return UserError(
            "CNN668",
            f"{message} {'x'.join(map(str, given))}",
            help=f"give {count(max(0, len(shape) - 1), 'size')}, without the batch",
        )
    example = "x".join(str(dim) if _is_size(dim) else "224" for dim in shape[1:]) or "3x224x224"
    return UserError(
        "CNN668",
        f"the input `{one}` of `{name}` has no fixed size: it is {shown}",
        help=f"say which sizes it takes: `--input {one}={example}`, say",
    )


def _add_inputs(
    graph: OnnxGraph, builder: NetworkBuilder, translator: Translator, name: str
) -> None:
    from onnx import TensorProto

    for one in graph.inputs:
        kind = TensorProto.DataType.Name(graph.types.get(one, 1))
        dims = graph.shapes[one][1:]
        type = TensorType(dims)
        if kind in ("INT32", "INT64"):
            if not (rows := vocabulary(graph, one)):
                why = f"its input `{one}` is of whole numbers that no table is read by"
                raise unreadable(name, why, _AS_FLOATS)
            type = TensorType(dims, DType.INT64, rows)
        elif kind not in (*_FLOATS, "UINT8", "INT8"):
            why = f"its input `{one}` is of {kind.lower()}, not of numbers"
            raise unreadable(name, why, _AS_FLOATS)
        elif kind in ("UINT8", "INT8"):
            builder.notes.append(f"the input `{one}` takes {kind.lower()}, and the spec's float32")
        translator.values[one] = builder.input(one, type)


def _note_precision(graph: OnnxGraph, builder: NetworkBuilder) -> None:
    """Say where numbers are of another type than ours."""
    read = {one for node in graph.nodes for one in node.inputs}
    kinds = Counter(
        array.dtype.name
        for one, array in graph.constants.items()
        if one in read and array.dtype.kind in "fV" and array.dtype.name != "float32"
    )
    for kind, number in kinds.items():
        become = "becomes" if number == 1 else "become"
        builder.notes.append(f"{count(number, 'constant')} of {kind} {become} float32")
