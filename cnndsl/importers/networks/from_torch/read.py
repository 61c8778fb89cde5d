"""From a ``torch.nn.Module`` to the common form of imported networks.

``torch.export`` gives a graph of ATen operators with every shape, and the module that each belongs
to. The operators are said as ONNX's (:mod:`.operators`), and go the way of those.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from cnndsl.diagnostics.model import UserError
from cnndsl.importers.networks.builder import NetworkBuilder
from cnndsl.importers.networks.from_onnx.graph import OnnxGraph, vocabulary
from cnndsl.importers.networks.from_onnx.lowered import with_layers
from cnndsl.importers.networks.from_onnx.translator import Translator
from cnndsl.importers.networks.from_torch.aten_graph import AtenGraph
from cnndsl.importers.networks.from_torch.constants import as_array, folded
from cnndsl.importers.networks.from_torch.operators import OPERATORS
from cnndsl.importers.networks.graph import ImportedNetwork
from cnndsl.types import DType, TensorType

if TYPE_CHECKING:
    import torch

__all__ = ["read_module"]

_OPSET = 21
"""Of which version the operators are that ATen's are said as."""


def read_module(
    module: torch.nn.Module,
    example: Sequence[torch.Tensor],
) -> ImportedNetwork:
    """The network of a module; ``example`` are inputs for it, the batch first.

    Raises:
        UserError: CNN665, where PyTorch cannot export it.
    """
    import torch

    name = type(module).__name__
    inputs = tuple(_two(one) for one in example)
    traced = torch.export.export
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            program = traced(module, inputs, strict=False)
    except Exception as error:  # whatever the module's own code raises
        first = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            "CNN665",
            f"PyTorch cannot export the module `{name}`: {first[0][:200]}",
            help="give an example of its inputs, a batch of them, and see `torch.export.export`",
        ) from error
    finally:
        module.train(was_training)
    network, unknown = _network(program, name)
    if network.refused and unknown and (simpler := _decomposed(program, unknown)) is not None:
        other, _ = _network(simpler, name)
        if len(other.refused) < len(network.refused):
            return other
    return network


def _network(program: torch.export.ExportedProgram, name: str) -> tuple[ImportedNetwork, set[Any]]:
    """The network of a program, and the operators in it that are not known here."""
    import torch

    graph, unknown = _graph(program)
    builder = NetworkBuilder(name, f"{name} (PyTorch {torch.__version__.partition('+')[0]})")
    translator = Translator(graph, builder)
    for one in graph.inputs:
        builder.input(one, _type(program, graph, one))
        translator.values[one] = one
    translator.run()
    outputs = {f"output{at + 1}" if at else "output": one for at, one in enumerate(graph.outputs)}
    for key, one in outputs.items():
        if one not in translator.values:
            builder.refuse(f"`{key}`", "a constant", "it does not depend on any input")
    said = {key: translator.values[one] for key, one in outputs.items() if one in translator.values}
    return builder.build(said), unknown


def _decomposed(
    program: torch.export.ExportedProgram, unknown: set[Any]
) -> torch.export.ExportedProgram | None:
    """The program with some operators in terms of others, as PyTorch knows them; None for none."""
    import torch

    table = torch.export.default_decompositions()
    wanted = {one: table[one] for one in unknown if one in table}
    if not wanted:
        return None
    try:
        simpler: torch.export.ExportedProgram = program.run_decompositions(wanted)
    except Exception:  # whatever PyTorch's own rules raise: then it stays as it is
        return None
    return simpler


def _two(tensor: torch.Tensor) -> torch.Tensor:
    """A batch of two: one of a single sample would look like any other size of 1."""
    import torch

    return tensor if tensor.shape[0] != 1 else torch.cat([tensor, tensor])


def _graph(program: torch.export.ExportedProgram) -> tuple[OnnxGraph, set[Any]]:
    """The program's graph as records of ONNX's operators, and the operators that have none."""
    signature = program.graph_signature
    names: Mapping[str, str] = {
        **signature.inputs_to_parameters,
        **signature.inputs_to_buffers,
        **signature.inputs_to_lifted_tensor_constants,
    }
    tensors = {**program.state_dict, **program.constants}
    constants = {name: as_array(tensors[name]) for name in names.values()}
    graph = OnnxGraph(
        [], constants, {}, list(map(str, signature.user_outputs)), {}, _OPSET, frozenset(constants)
    )
    written = AtenGraph(graph, names, OPERATORS)
    known = {node: tensors[name] for node, name in names.items()}
    for node in program.graph.nodes:
        value: Any = node.meta.get("val")
        if node.op == "placeholder" and node.name not in names:
            graph.inputs[node.name] = tuple(map(int, value.shape))
        if hasattr(value, "shape"):
            graph.shapes[node.name] = tuple(map(int, value.shape))
        if node.op == "call_function" and not folded(node, known, graph):
            written.add(node)
    graph.batch = int(next(iter(graph.inputs.values()))[0])
    with_layers(graph, graph)
    return graph, written.unknown


def _type(program: torch.export.ExportedProgram, graph: OnnxGraph, name: str) -> TensorType:
    """The type of an input: token ids where an embedding reads whole numbers."""
    dims = tuple(one for one in graph.inputs[name][1:] if isinstance(one, int))
    (node,) = (one for one in program.graph.nodes if one.name == name)
    if node.meta["val"].is_floating_point():
        return TensorType(dims)
    rows = vocabulary(graph, name)
    return TensorType(dims, DType.INT64, rows) if rows else TensorType(dims)
