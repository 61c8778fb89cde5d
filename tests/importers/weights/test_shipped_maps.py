"""The shipped maps: names of torchvision and timm, both ways, with and without those libraries.

`models.json` beside this file has, for each model, a digest of its tensors' names and shapes, taken
from the library: `REWRITE=1` takes it anew, and writes the maps.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner
from foreign_models import MODELS, Foreign, made
from name_map_writer import map_text, reordered
from safetensors.numpy import load_file

from cnndsl import pipeline
from cnndsl.cli import main
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.graph.weights import Array, write_weights
from cnndsl.importers.weights.exporting import Library, export_state_dict
from cnndsl.importers.weights.fitting import Fitting
from cnndsl.importers.weights.matching import pair
from cnndsl.importers.weights.order import in_order
from cnndsl.importers.weights.shipped_maps import shipped_maps
from cnndsl.importers.weights.source import Role
from cnndsl.importers.weights.state_dict import Entry, state_dict_source
from cnndsl.importers.weights.targets import Group, targets_of

RECORDED = Path(__file__).with_name("models.json")
MAPS = {one.name: one for one in shipped_maps()}
FOLDER = Path(pipeline.__file__).parent / "importers" / "weights" / "names"
Shapes = dict[str, tuple[int, ...]]


def name_of(foreign: Foreign) -> str:
    return f"{foreign.library}-{foreign.model}"


def digest(shapes: Iterable[tuple[str, tuple[int, ...]]]) -> str:
    lines = (f"{name} {'x'.join(map(str, shape))}\n" for name, shape in sorted(shapes))
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


@cache
def network(spec: str) -> TypedNetwork:
    return pipeline.load(spec)


def hollow(*shape: int) -> Array:
    """A weight of any shape, which takes no memory."""
    return numpy.broadcast_to(numpy.float32(0), shape)


def exported(spec: str, library: Library, monkeypatch: pytest.MonkeyPatch) -> Shapes:
    """What a spec's weights are called and shaped there."""
    from cnndsl.importers.weights import exporting

    arrays = {one.name: hollow(*one.shape) for x in targets_of(network(spec)) for one in x.tensors}
    monkeypatch.setattr(exporting, "_arrays", lambda typed, weights, targets: arrays)
    found = export_state_dict(network(spec), "", (), library)
    return {name: tuple(array.shape) for name, array in found.tensors.items()}


def library_of(foreign: Foreign) -> Library:
    return "timm" if foreign.library == "timm" else "pytorch"


@pytest.mark.parametrize("foreign", MODELS, ids=name_of)
def test_the_exported_names_and_shapes_are_those_that_the_model_has(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = exported(foreign.spec, library_of(foreign), monkeypatch)
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    assert digest(shapes.items()) == recorded[name_of(foreign)]


@pytest.mark.parametrize("foreign", MODELS, ids=name_of)
def test_exported_names_lead_back_to_the_same_weights(
    foreign: Foreign, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = exported(foreign.spec, library_of(foreign), monkeypatch)
    # In any order: what counts are the names.
    source = state_dict_source(
        "model", "names", entries(dict(sorted(shapes.items()))), ordered=False
    )
    targets = targets_of(network(foreign.spec))
    found = pair(source, targets, foreign.spec)
    assert found.by.startswith("the names of ")
    assert [one for one in found.notes if one.startswith("answers differ")] == [
        one for one in (foreign.note,) if one
    ]
    wanted = [one for one in targets if one.required or foreign.library == "torchvision"]
    assert [one.target.name for one in found.pairs] == [x.name for t in wanted for x in t.tensors]
    again = {one.source.name: one.target.shape for one in found.pairs if one.source}
    counters = [name for name in shapes if name.endswith("num_batches_tracked")]
    assert {*again, *counters} == {*shapes}


def test_a_small_network_is_no_model_because_its_layers_have_a_models_names(
    tmp_path: Path,
) -> None:
    spec = tmp_path / "net.cnn"
    spec.write_text("input 1x8x8\nconv 4@3 -> flatten -> dense 10\n", encoding="utf-8")
    arrays = {"conv1.weight": hollow(4, 1, 3, 3), "conv1.bias": hollow(4)}
    arrays |= {"dense1.weight": hollow(10, 144), "dense1.bias": hollow(10)}
    write_weights(tmp_path / "w.safetensors", arrays, {})
    found = export_state_dict(pipeline.load(spec), tmp_path / "w.safetensors")
    assert found.names == "the spec's names"
    assert [*found.tensors] == [*arrays]


def entries(shapes: Shapes) -> dict[str, Entry]:
    return {name: Entry(shape, "float32", lambda: hollow()) for name, shape in shapes.items()}


# --- where the libraries are ------------------------------------------------------------------


def theirs(foreign: Foreign) -> Shapes:
    """The model's own names and shapes."""
    state = made(foreign, meta=True).state_dict()
    return {name: tuple(one.shape) for name, one in state.items()}


@pytest.mark.parametrize("foreign", MODELS, ids=name_of)
def test_the_recorded_names_are_the_models(foreign: Foreign) -> None:
    shapes = theirs(foreign)
    recorded = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
    if os.environ.get("REWRITE"):
        recorded[name_of(foreign)] = digest(shapes.items())
        RECORDED.write_text(json.dumps(dict(sorted(recorded.items())), indent=1) + "\n", "utf-8")
    assert recorded[name_of(foreign)] == digest(shapes.items())


def pairs_of(foreign: Foreign) -> Iterator[tuple[str, str, str]]:
    """What the model and the spec call a layer, by the order of both, and axes unlike ours."""
    state = reordered(entries(theirs(foreign)))
    source = state_dict_source("model", "names", state)
    targets = targets_of(network(foreign.spec))
    found = in_order(source.layers, targets, Fitting(channels_last=False), ordered=True)
    assert found.problem is None
    for layer, target, _ in found.pairs:
        axes = ""
        if target.group is Group.KERNEL:
            kernel, wanted = layer.get(Role.KERNEL), target.get(Role.KERNEL)
            assert kernel is not None
            assert wanted is not None
            if len(kernel.shape) != len(wanted.shape):
                axes = {2: "OI", 4: "OIHW"}[len(kernel.shape)]
        elif target.group is Group.VECTOR and not layer.tensors[0].name.endswith(".weight"):
            axes = {1: "C", 3: "CHW"}[len(layer.tensors[0].shape)]
        yield layer.name, target.name, axes


@pytest.mark.parametrize("name", sorted({one.map for one in MODELS}))
def test_a_map_is_what_the_orders_of_both_say(name: str) -> None:
    models = [one for one in MODELS if one.map == name]
    fresh = map_text(models, [list(pairs_of(one)) for one in models])
    path = FOLDER / f"{name}.map"
    if os.environ.get("REWRITE"):
        path.write_text(fresh, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == fresh


@pytest.mark.parametrize("foreign", MODELS, ids=name_of)
def test_pytorch_loads_what_is_exported(foreign: Foreign, monkeypatch: pytest.MonkeyPatch) -> None:
    model = made(foreign, meta=True)
    shapes = exported(foreign.spec, library_of(foreign), monkeypatch)
    torch = pytest.importorskip("torch")
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    model.load_state_dict(state, strict=True, assign=True)


def test_numbers_survive_the_way_there_and_back(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    foreign = next(one for one in MODELS if one.model == "mobilenet_v3_small")
    rng = numpy.random.default_rng(0)
    targets = targets_of(network(foreign.spec))
    arrays = {
        one.name: rng.standard_normal(one.shape, numpy.float32)
        for x in targets
        for one in x.tensors
    }
    write_weights(tmp_path / "ours.safetensors", arrays, {})
    for ending in (".pt", ".safetensors"):
        there, back = tmp_path / f"theirs{ending}", tmp_path / "back.safetensors"
        words = ["weights", foreign.spec, str(tmp_path / "ours.safetensors"), "--export", "pytorch"]
        result = CliRunner().invoke(main, [*words, "-o", str(there)])
        assert result.exit_code == 0, result.output
        model = made(foreign)
        if ending == ".pt":
            model.load_state_dict(torch.load(there, weights_only=True), strict=True)
            assert (model.state_dict()["features.0.1.num_batches_tracked"] == 0).all()
        assert (
            CliRunner()
            .invoke(main, ["weights", foreign.spec, str(there), "-o", str(back)])
            .exit_code
            == 0
        )
        found = load_file(back)
        assert found.keys() == arrays.keys()
        assert all((found[name] == arrays[name]).all() for name in arrays)


WORDS = {
    "ReLU": "relu",
    "ReLU6": "relu6",
    "SiLU": "silu",
    "Hardswish": "hardswish",
    "GELU": "gelu",
    "Hardsigmoid": "hardsigmoid",
    "Sigmoid": "sigmoid",
}
"""The modules of activations, and our layers; two models of torchvision call functions instead."""


@pytest.mark.parametrize("foreign", MODELS, ids=name_of)
def test_a_map_says_where_its_model_computes_otherwise(foreign: Foreign) -> None:
    modules = list(made(foreign, meta=True).modules())
    layers = [
        one.layer for one in network(foreign.spec).network.nodes if isinstance(one, LayerNode)
    ]
    theirs = {type(one).__name__ for one in modules}
    calls_functions = foreign.map in ("googlenet", "inception-v3") and "ReLU" not in theirs
    activations = {WORDS[one] for one in theirs & WORDS.keys()}
    ours = {one.keyword for one in layers if one.keyword in WORDS.values()}
    norms = [one for one in modules if hasattr(one, "eps") and hasattr(one, "weight")]
    eps = {
        float(getattr(one, "eps", 0)) for one in layers if one.keyword in ("batchnorm", "layernorm")
    }
    alike = {one.eps for one in norms} == eps and (calls_functions or activations == ours)
    assert alike == (not foreign.note)
