"""Names that agree but for a part: the error says which part, and not how many layers there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy
from click.testing import CliRunner, Result
from foreign_weights import Array, drawn
from safetensors.numpy import save_file

import cnndsl
from cnndsl.cli import main
from cnndsl.importers.weights.shipped_maps import shipped_maps


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["weights", *map(str, words)])


def resnet_state(**more: Array) -> dict[str, Any]:
    """ResNet-18's state dict, by the names of torchvision's."""
    targets = cnndsl.load("resnet18").weights
    rules = next(one for one in shipped_maps() if "resnet-basic" in one.name).rules
    words = {"scale": "weight", "mean": "running_mean", "var": "running_var"}
    state: dict[str, Any] = {}
    for name, shape in targets.items():
        layer, _, part = name.rpartition(".")
        theirs = next(filter(None, (rule.source(layer) for rule in rules)))
        state[f"{theirs}.{words.get(part, part)}"] = numpy.zeros(shape, numpy.float32)
    return state | more


def test_a_head_more_is_what_the_error_tells_of(tmp_path: Path) -> None:
    more = {"aux.weight": drawn(7, 512), "aux.bias": drawn(7)}
    save_file(resnet_state(**more), tmp_path / "t.safetensors")
    result = run("resnet18", tmp_path / "t.safetensors", "--dry-run")
    assert "`resnet18` has no weight for 2 tensors" in result.stderr
    assert "left over: `aux.weight` (7x512)" in result.stderr
    assert "or `aux -` to leave them out" in result.stderr
    (tmp_path / "names.txt").write_text("aux -\n", "utf-8")
    result = run(
        "resnet18", tmp_path / "t.safetensors", "--map", tmp_path / "names.txt", "--dry-run"
    )
    assert result.exit_code == 0, result.output


def test_a_head_less_is_what_the_error_tells_of(tmp_path: Path) -> None:
    state = {name: one for name, one in resnet_state().items() if not name.startswith("fc.")}
    save_file(state, tmp_path / "t.safetensors")
    result = run("resnet18", tmp_path / "t.safetensors", "--dry-run")
    assert "has nothing for `fc` of `resnet18` (dense, 1000x512)" in result.stderr


def test_counters_of_averages_are_left_out_before_names_are_read(tmp_path: Path) -> None:
    state = {f"module.{name}": one for name, one in resnet_state().items()}
    save_file({**state, "n_averaged": numpy.array(7)}, tmp_path / "t.safetensors")
    result = run("resnet18", tmp_path / "t.safetensors", "--dry-run")
    assert result.exit_code == 0, result.output
    assert "paired by: the names of torchvision's" in result.stdout
    assert "left out: 1 tensor, a counter of training steps" in result.stdout
