"""From weights of another tool to those of a spec, proved by asking both the same; and back.

What is read, and how it is paired, stands in ``importers/weights/``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cnndsl import pipeline
from cnndsl.api import Network, load
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import UserError
from cnndsl.network_import import import_network

if TYPE_CHECKING:
    from cnndsl.elaborate.network import TypedNetwork
    from cnndsl.importers.weights.bringing import ImportedWeights, LayoutWord
    from cnndsl.importers.weights.exporting import Exported, Library
    from cnndsl.runtime.model import Model
    from cnndsl.runtime.weight_proof import Proof

__all__ = ["export_weights", "import_weights", "proof_of"]


def import_weights(
    spec: Network | str | os.PathLike[str],
    source: str | os.PathLike[str] | Any,
    *,
    map: str | os.PathLike[str] | Mapping[str, str] | None = None,
    layout: LayoutWord | None = None,
    eps: float | None = None,
    key: str | None = None,
    prove: bool = True,
    against: str | os.PathLike[str] | None = None,
) -> ImportedWeights:
    """The weights of a network from another tool's: ``.write(path)`` makes a file of them.

    Args:
        spec: the network: a file's path, the name of a shipped spec, or one that is loaded.
        source: a file as ``cnndsl weights`` takes it, or a module of PyTorch's.
        map: the names of the source's tensors or layers and those in the spec, or a file of these.
        layout: ``"channels-first"`` or ``"channels-last"``, for arrays of NumPy's alone.
        eps: what the source's batch normalisations add to variances, where it does not say it.
        key: which dictionary of a PyTorch checkpoint to take, such as ``model_ema``.
        prove: whether the source is asked the same as the network: an ONNX model, a module, or what
            a `.keras` file describes.
        against: a file that describes the source's network, which is asked: an ONNX model, a
            `.prototxt`, a `.cfg`, a `.json` or `.keras` of Keras's.

    Raises:
        UserError: CNN650, CNN651 and CNN656 where the source cannot be read, CNN652 to CNN655 where
            it cannot be paired, CNN601 where a number is not finite, CNN657 where both answer
            otherwise.
    """
    from dataclasses import replace

    from cnndsl.importers.weights.bringing import bring, imported, pair_source, read_map, rules_of
    from cnndsl.runtime.weight_proof import prove_module

    network = (spec if isinstance(spec, Network) else load(spec)).typed
    rules = () if map is None else rules_of(map) if isinstance(map, Mapping) else read_map(map)
    if isinstance(source, str | os.PathLike):
        brought = bring(network, source, rules, layout, eps, key)
        if not prove:
            return brought
        proof = proof_of(network, brought, source, against, eps, key)
        return replace(brought, difference=proof.difference)
    from cnndsl.importers.weights.torch_module import answer_of, module_source

    pairing = pair_source(network, module_source(source), rules, layout, eps)
    brought = imported(network, pairing)
    if not prove:
        return brought
    name, answering = type(source).__name__, pipeline.answering(network)
    proof = prove_module(network, answering, brought.arrays, answer_of(source), name)
    return replace(brought, difference=proof.difference)


def proof_of(
    network: TypedNetwork,
    brought: ImportedWeights,
    source: str | os.PathLike[str],
    against: str | os.PathLike[str] | None = None,
    eps: float | None = None,
    key: str | None = None,
) -> Proof:
    """How far the answers of brought weights are from those of the network that a file describes.

    An ONNX model is run. A description of Keras's, Caffe's or Darknet's is imported, and asked with
    the same weights: so settings that no weight shows are compared.

    Args:
        network: the network.
        brought: its weights.
        source: the file that they are from, which may describe its network itself.
        against: another file that does.
        eps: as for :func:`import_weights`.
        key: the same.

    Raises:
        UserError: CNN657 where both answer otherwise.
    """
    from cnndsl.runtime.weight_proof import Proof, prove_model, prove_module

    path = os.fspath(source if against is None else against)
    ending = os.path.splitext(path)[1].lower()
    if against is None and ending not in (".onnx", ".keras"):
        return Proof(None, "it has weights alone, and `--against` takes its network")
    answering = pipeline.answering(network)
    if ending == ".onnx":
        return prove_model(network, answering, brought.arrays, path)
    try:
        model = _described(network, path, source, eps, key)
    except (UserError, CompileError) as error:
        return Proof(None, f"its network was not understood: {error}")
    return prove_module(network, answering, brought.arrays, model.run, path)


def _described(
    network: TypedNetwork,
    path: str,
    source: str | os.PathLike[str],
    eps: float | None,
    key: str | None,
) -> Model:
    """The network that a file describes, with the weights in another."""
    from dataclasses import replace

    from cnndsl.importers.weights.bringing import bring
    from cnndsl.importers.weights.name_map import parse_rules
    from cnndsl.runtime.model import Model

    sizes = {"": network.types[0].dims} if len(network.network.inputs) == 1 else None
    described = import_network(path, sizes=sizes, blocks=False)
    found = described.network
    try:
        weights = bring(found, source, parse_rules(described.name_map), eps=eps, key=key).arrays
    except UserError:  # the file of weights may have other names than the description
        weights = bring(found, source, eps=eps, key=key).arrays
    return Model(replace(pipeline.answering(found), weights=dict(weights)), device="cpu")


def export_weights(
    spec: Network | str | os.PathLike[str],
    weights: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    map: str | os.PathLike[str] | Mapping[str, str] | None = None,
    names: Library = "pytorch",
) -> Exported:
    """Write a network's weights as a state dict that PyTorch's model of it loads.

    Args:
        spec: the network: a file's path, the name of a shipped spec, or one that is loaded.
        weights: their file, as ``compile`` takes it.
        path: the file to write: ``.pt`` or ``.safetensors``.
        map: as for :func:`import_weights`: the names there, and those in the spec.
        names: whose names to give where there is no map: ``"pytorch"``, which are torchvision's
            where it has the network and else the spec's own, or ``"timm"``.

    Raises:
        UserError: CNN601 and CNN602 for the weights, CNN603 where they cannot be written, CNN654
            for a map that is none, CNN658 where a weight has no name there.
    """
    from cnndsl.importers.weights.bringing import read_map, rules_of
    from cnndsl.importers.weights.exporting import export_state_dict, write_state_dict

    network = (spec if isinstance(spec, Network) else load(spec)).typed
    rules = () if map is None else rules_of(map) if isinstance(map, Mapping) else read_map(map)
    exported = export_state_dict(network, weights, rules, names)
    write_state_dict(path, exported)
    return exported
