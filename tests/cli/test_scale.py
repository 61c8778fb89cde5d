"""``cnndsl scale``: a table that says what it assumes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cnndsl
from cnndsl.cli import main

GIVEN = ("--bandwidth", "10Gb", "--step", "80ms")


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["scale", *words])


def test_it_says_what_it_assumes() -> None:
    shown = run("resnet50", *GIVEN, "--batch", "32").stdout
    assert "sum = 2(N - 1)/N x 102 MB / 1 GB/s + 2 ceil(log2 N) x 20 us" in shown
    assert "10 Gb/s to and from each worker at once, 80% of it for numbers: 1 GB/s" in shown
    assert "25,557,032 gradients, 53,120 running statistics" in shown
    assert "parts" not in shown


@pytest.mark.parametrize(
    "words",
    [
        ("resnet50", "--workers", "1,2,65536", "--shards-per-worker", "1024"),
        ("alexnet", "--workers", "3,6,700", "--shards-per-worker", "100"),
        ("lenet5", "--batch", "2147483647", "--efficiency", "0.123456789"),
        ("lenet5", "--latency", "0s"),
        ("vgg19", "--latency", "5s"),
        ("vgg19", "--latency", "24h", "--bandwidth", "1kb", "--step", "1ns", "--batch", "1"),
        ("lenet5", "--latency", "1ns", "--bandwidth", "1000Tb", "--step", "24h"),
        ("lenet5", "--step", "1ns", "--bandwidth", "999.9Tb", "--efficiency", "80%"),
    ],
)
def test_it_keeps_to_a_terminal(words: tuple[str, ...]) -> None:
    shown = run(words[0], *GIVEN, *words[1:])
    assert shown.exit_code == 0, shown.output
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_shards_that_are_no_node_of_the_tree_are_told() -> None:
    shown = run("lenet5", *GIVEN, "--workers", "6", "--shards-per-worker", "4").stdout
    assert "sum = (P + 1)(N - 1)/N" in shown
    assert "parts" in shown


def test_messages_that_take_too_long_are_told() -> None:
    shown = run("lenet5", *GIVEN, "--latency", "1s").stdout
    assert shown.count("never") == 4
    assert "for 90%" in shown


def test_json_is_what_python_gives() -> None:
    found = json.loads(run("lenet5", *GIVEN, "--format", "json").stdout)
    assert found == cnndsl.scale("lenet5", bandwidth="10Gb", step="80ms").to_json()
    assert found["rows"][0]["workers"] == 8
    assert repr(cnndsl.scale("lenet5", bandwidth="10Gb", step="80ms")) == (
        "<Scaling of lenet5: 0.2 MB a step; 8: 99%, 64: 99%, 512: 99%>"
    )


def test_parameters_and_models(tmp_path: Path) -> None:
    more = run("resnet18", *GIVEN, "-D", "classes=10").stdout
    assert "11,181,642 gradients" in more
    path = tmp_path / "net.onnx"
    cnndsl.parse("input 8\ndense 10 -> softmax\n").compile(device="cpu").save(path)
    assert "90 gradients" in run(str(path), *GIVEN).stdout


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--workers", "8,x"), "'8,x' is no list of numbers, as 8,64,512 is"),
        (("--workers", "0"), "0 is not in the range 1<=x<=65,536"),
        (("--workers", ""), "'' is no list of numbers"),
        *[(("--efficiency", word), "no share above 0") for word in ("0", "nan", "1.1", "80", "x")],
        (("--shards-per-worker", "0"), "not in the range"),
    ],
)
def test_options_that_mean_nothing(words: tuple[str, ...], text: str) -> None:
    shown = run("lenet5", *GIVEN, *words)
    assert shown.exit_code == 2
    assert text in shown.stderr


def test_what_has_to_be_given() -> None:
    assert "Missing option '--bandwidth'" in run("lenet5").stderr
    shown = run("lenet5", "--bandwidth", "10G", "--step", "80ms")
    assert shown.exit_code == 1
    assert "error[CNN886]: `10G` is no bandwidth" in shown.stderr
