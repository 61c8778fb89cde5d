"""Biases and normalisations stand apart here and together there: what is brought answers alike.

Each network is written in two forms, and the weights of one, as another tool has them, are brought
into the other.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy
import onnx
import pytest
from click.testing import CliRunner, Result
from foreign_weights import Array, drawn
from hypothesis import given, settings
from hypothesis import strategies as st

import cnndsl
from cnndsl.cli import main
from cnndsl.graph.weights import write_weights

KERNELS = {
    "conv": "conv 6@3 groups 2",
    "depthwise": "depthwise 3 multiplier 2",
    "upconv": "upconv 6@2 stride 2",
    "dense": "flatten -> dense 6",
}
"""Layers of a kernel, the first of a network on 4x6x6."""

FORMS = {
    "normalised": " bias no -> batchnorm eps 1e-2",
    "both": " -> batchnorm eps 1e-2",
    "biased": "",
    "bare": " bias no",
}


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["weights", *map(str, words)])


def written(path: Path, kernel: str, form: str) -> Path:
    last = "" if kernel == "dense" else "flatten -> "
    path.write_text(
        f"network {path.stem}\ninput 4x6x6\n{KERNELS[kernel]}{FORMS[form]} -> relu"
        f" -> {last}dense 5{FORMS[form]} -> relu -> dense 3\n",
        encoding="utf-8",
    )
    return path


def weights_of(spec: Path) -> dict[str, Array]:
    """Random weights, under the spec's own names."""
    shapes = cnndsl.load(spec).weights
    arrays = {name: drawn(*shape, seed=at) for at, (name, shape) in enumerate(shapes.items())}
    return {
        name: numpy.abs(array) + numpy.float32(0.2) if name.endswith(".var") else array
        for name, array in arrays.items()
    }


def theirs(folder: Path, spec: Path, kind: str) -> Path:
    """Weights of a network as a state dict with other names, or as an ONNX model without ours."""
    write_weights(folder / "a.safetensors", weights_of(spec), {})
    if kind == "onnx":
        made = folder / "a.onnx"
        cnndsl.load(spec).compile(weights=folder / "a.safetensors", device="cpu").save(made)
        model = onnx.load(made)
        for at, node in enumerate(model.graph.node):
            node.name = f"node_{at}"
        del model.metadata_props[:]
        onnx.save(model, made)
        return made
    rules = {name.rpartition(".")[0]: None for name in weights_of(spec)}
    (folder / "out.txt").write_text(
        "".join(f"features.{at} {name}\n" for at, name in enumerate(rules)), "utf-8"
    )
    made = folder / "a.pt"
    words = (spec, folder / "a.safetensors", "--export", "pytorch", "-o", made)
    result = run(*words, "--map", folder / "out.txt")
    assert result.exit_code == 0, result.output
    return made


def answers(spec: Path, weights: Path) -> Any:
    x = numpy.random.default_rng(5).standard_normal((3, 4, 6, 6)).astype(numpy.float32)
    return cnndsl.load(spec).compile(weights=weights, device="cpu").run(x)


def assert_alike(folder: Path, source: Path, target: Path, *words: object) -> Result:
    brought = folder / "b.safetensors"
    result = run(target, *words, "-o", brought)
    assert result.exit_code == 0, result.output
    found, expected = answers(target, brought), answers(source, folder / "a.safetensors")
    numpy.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)
    assert numpy.ptp(expected, axis=0).min() > 1e-2
    return result


WAYS = [
    ("both", "normalised", "2 biases of kernels of the file are taken off the means"),
    ("normalised", "both", "2 biases of the spec are 0"),
    ("biased", "normalised", "2 normalisations of the spec are part of kernels in the file"),
    ("biased", "both", "2 normalisations of the spec are part of kernels in the file"),
    ("bare", "biased", "2 biases of the spec are 0"),
]


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("kind", ["pt", "onnx"])
@pytest.mark.parametrize(("there", "here", "note"), WAYS)
def test_biases_and_normalisations_come_over_as_the_spec_has_them(
    there: str, here: str, note: str, kind: str, kernel: str, tmp_path: Path
) -> None:
    source = written(tmp_path / "there.cnn", kernel, there)
    target = written(tmp_path / "here.cnn", kernel, here)
    file = theirs(tmp_path, source, kind)
    result = assert_alike(tmp_path, source, target, file)
    assert note in " ".join(result.stdout.split())


@pytest.mark.parametrize("kernel", ["conv", "depthwise", "upconv"])
@pytest.mark.parametrize("there", ["normalised", "both"])
def test_a_model_of_onnx_says_whose_normalisations_become_part_of_kernels(
    there: str, kernel: str, tmp_path: Path
) -> None:
    source = written(tmp_path / "there.cnn", kernel, there)
    target = written(tmp_path / "here.cnn", kernel, "biased")
    result = assert_alike(tmp_path, source, target, theirs(tmp_path, source, "onnx"))
    words = " ".join(result.stdout.split())
    assert "2 normalisations of the file became part of kernels" in words
    assert "proved: both answer alike" in words


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("there", ["normalised", "both"])
def test_a_map_says_whose_normalisations_become_part_of_kernels(
    there: str, kernel: str, tmp_path: Path
) -> None:
    source = written(tmp_path / "there.cnn", kernel, there)
    target = written(tmp_path / "here.cnn", kernel, "biased")
    file = theirs(tmp_path, source, "pt")
    assert run(target, file).exit_code != 0
    first = f"{kernel}1"
    last = "dense2" if kernel == "dense" else "dense1"
    (tmp_path / "names.txt").write_text(f"features.1 {first}\nfeatures.3 {last}\n", "utf-8")
    words = (file, "--map", tmp_path / "names.txt")
    unknown = run(target, *words)
    assert "error[CNN653]: `features.1` can become part of" in unknown.stderr
    assert "--eps 1e-5" in unknown.stderr
    result = assert_alike(tmp_path, source, target, *words, "--eps", "1e-2")
    assert "with features.1" in result.stdout
    output = ("-o", tmp_path / "again.safetensors")
    data = json.loads(run(target, *words, "--eps", "1e-2", "--format", "json", *output).stdout)
    changed = data["pairs"][0]["changed_by"]
    assert changed[:2] == ["features.1.running_mean", "features.1.running_var"]


@pytest.mark.parametrize(
    ("there", "here"),
    [("normalised", "bare"), ("both", "bare"), ("biased", "bare"), ("bare", "normalised")],
)
@pytest.mark.parametrize("kind", ["pt", "onnx"])
def test_what_cannot_be_said_is_refused(there: str, here: str, kind: str, tmp_path: Path) -> None:
    source = written(tmp_path / "there.cnn", "conv", there)
    target = written(tmp_path / "here.cnn", "conv", here)
    result = run(target, theirs(tmp_path, source, kind), "-o", tmp_path / "b.safetensors")
    assert "error[CNN652]" in result.stderr
    assert not (tmp_path / "b.safetensors").exists()


def test_a_normalisation_that_others_read_past_is_no_part_of_a_kernel(tmp_path: Path) -> None:
    # What `c` gives is read by the sum too, before it is normalised.
    target = tmp_path / "here.cnn"
    target.write_text("input 3x6x6\nc: conv 4@1 bias no\nadd(identity, batchnorm)\n", "utf-8")
    arrays = {"a.weight": drawn(4, 3, 1, 1), "a.bias": drawn(4)}
    numpy.savez(tmp_path / "t.npz", **arrays)  # type: ignore[arg-type]
    result = run(target, tmp_path / "t.npz", "--layout", "channels-first")
    assert "error[CNN652]" in result.stderr


def chains() -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(["normalised", "both"]), min_size=1, max_size=5)


@settings(max_examples=25, deadline=None)
@given(there=chains(), data=st.data())
def test_layers_are_folded_one_by_one(
    there: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("chain")
    choices = st.sampled_from(["normalised", "both"])
    here = [data.draw(choices) for _ in there]
    specs = []
    for name, forms in (("there", there), ("here", here)):
        lines = [f"conv {at + 2}@1{FORMS[form]} -> relu" for at, form in enumerate(forms)]
        specs.append(folder / f"{name}.cnn")
        text = "\n".join(["input 4x6x6", *lines, "flatten -> dense 3"]) + "\n"
        specs[-1].write_text(text, encoding="utf-8")
    source, target = specs
    brought = folder / "b.safetensors"
    result = run(target, theirs(folder, source, "pt"), "-o", brought)
    assert result.exit_code == 0, result.output
    numpy.testing.assert_allclose(
        answers(target, brought), answers(source, folder / "a.safetensors"), rtol=1e-3, atol=1e-3
    )


def test_neutral_normalisations_hold_what_makes_them_neutral(tmp_path: Path) -> None:
    source = written(tmp_path / "there.cnn", "conv", "biased")
    target = written(tmp_path / "here.cnn", "conv", "normalised")
    file = theirs(tmp_path, source, "pt")
    lines: Mapping[str, str] = {
        line.split()[-1]: line
        for line in run(target, file, "--dry-run").stdout.splitlines()
        if line
    }
    assert lines["batchnorm1.scale"].startswith("(all 1.00499)")
    assert lines["batchnorm1.mean"].startswith("(all 0)")
    assert lines["batchnorm1.var"].startswith("(all 1)")
    assert lines["batchnorm1.bias"].startswith("features.0.bias")
