"""Where the spec calls layers otherwise than the source, a map of their names lies beside it."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner
from foreign_weights import caffe_model
from safetensors.numpy import load_file

import cnndsl
from cnndsl.cli import main

LAYER = """
layer {{
  name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{name}"
  convolution_param {{ num_output: 4 kernel_size: 3 pad: 1 }}
}}
layer {{ name: "{name}/relu" type: "ReLU" bottom: "{name}" top: "{name}" }}
"""


def net(folder: Path, *names: str) -> Path:
    """A net of convolutions in a row, all alike."""
    text = 'name: "row" input: "data" input_shape { dim: 1 dim: 4 dim: 8 dim: 8 }'
    bottoms = ("data", *names)
    for name, bottom in zip(names, bottoms, strict=False):
        text += LAYER.format(name=name, bottom=bottom)
    path = folder / "row.prototxt"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_map_leads_from_the_names_of_a_net_to_those_in_loops(tmp_path: Path) -> None:
    names = ["c/first", "c/second", "c/third"]
    found = cnndsl.import_network(net(tmp_path, *names))
    assert "repeat 3" in found.text
    spec, weights = found.save(tmp_path / "row.cnn")
    assert weights is None
    assert (tmp_path / "row.map").read_text(encoding="utf-8").splitlines()[1:] == [
        f"{name:8}  {found.names[name]}" for name in names
    ]
    random = numpy.random.default_rng(0)
    arrays = {
        name: [
            random.standard_normal((4, 4, 3, 3)).astype(numpy.float32),
            random.standard_normal(4).astype(numpy.float32),
        ]
        for name in names
    }
    # In the file they stand the other way round: by order they would be exchanged.
    model = caffe_model(
        tmp_path / "row.caffemodel",
        [(name, "Convolution", arrays[name]) for name in reversed(names)],
    )
    brought = cnndsl.import_weights(spec, model, map=tmp_path / "row.map")
    brought.write(tmp_path / "row.safetensors")
    have = load_file(tmp_path / "row.safetensors")
    for name in names:
        for role, array in zip(("weight", "bias"), arrays[name], strict=True):
            numpy.testing.assert_array_equal(have[f"{found.names[name]}.{role}"], array)


def test_no_map_is_written_where_names_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = cnndsl.import_network(net(tmp_path, "one", "two"), blocks=False)
    assert found.names == {"one": "one", "two": "two"}
    assert found.name_map == ""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["import", "row.prototxt", "--flat"])
    assert (result.exit_code, result.output.splitlines()[1:]) == (
        0,
        ["it has no weights: train it, or `cnndsl weights row.cnn FILE`"],
    )
    assert not (tmp_path / "row.map").exists()


def test_the_command_names_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    net(tmp_path, "x/a", "x/b")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["import", "row.prototxt"])
    assert result.output.splitlines()[1:] == [
        "row.map: what its layers are called there",
        "it has no weights: train it, or `cnndsl weights row.cnn FILE --map row.map`",
    ]
    again = CliRunner().invoke(main, ["import", "row.prototxt", "-o", "row.cnn"])
    assert again.exit_code == 2


def test_of_a_file_of_no_format_its_own_name_is_not_offered_to_be_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "row.cnn").write_text("input 1x8x8\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["import", "row.cnn"])
    assert "CNN670" in result.output
    assert "--force" not in result.output
