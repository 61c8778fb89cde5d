"""`cnndsl profile`: the table fits a terminal, and what is asked for is what is measured."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from cnndsl.cli import profile as module
from cnndsl.cli.columns import WIDTH
from cnndsl.cli.profile import profile
from cnndsl.runtime.machine_peaks import MachinePeaks
from cnndsl.runtime.profile import LineTime, Profile, Times

QUICK = ("--device", "cpu", "--seconds", "0.01")


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(profile, [*arguments, *QUICK], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def first_and_table(text: str) -> tuple[str, list[str]]:
    """The first line, and those of the table; not each ONNX Runtime tells what memory is held."""
    lines = text.splitlines()
    gap = lines.index("")
    assert gap == 2 or (gap == 3 and lines[2].startswith("at most ")), text
    return lines[0], lines[gap + 1 :]


def test_the_table_of_lenet5() -> None:
    first, table = first_and_table(printed("lenet5"))
    assert re.fullmatch(r"lenet5 on cpu: an answer for 1 sample takes \S+ ms", first)
    assert table[0].split() == ["line", "text", "ms", "share", "GFLOP/s", "limit", "MB"]
    assert [line.split()[0] for line in table[1:9]] == [str(number) for number in range(7, 15)]
    assert "C3: conv 16@5x5 -> tanh" in table[3]
    assert sum(float(line.split()[-4].rstrip("%")) for line in table[1:9]) < 101


def test_the_table_of_a_step() -> None:
    first, table = first_and_table(printed("lenet5", "--training", "--batch", "4"))
    assert re.match(r"lenet5 on cpu: a training step for 4 samples takes \S+ ms", first)
    head = ["line", "text", "ms", "share", "fwd", "bwd", "upd", "limit", "MB"]
    assert table[0].split() == head
    assert table[9].split()[0] == "loss"


@pytest.mark.parametrize("name", ["resnet20", "googlenet", "siamese", "octresnet26"])
@pytest.mark.parametrize("more", [(), ("--by", "layer")])
def test_no_line_is_wider_than_a_terminal(name: str, more: tuple[str, ...]) -> None:
    for line in printed(name, *more).splitlines():
        assert len(line) <= WIDTH
        assert line == line.rstrip()


def test_large_numbers_leave_room() -> None:
    times = Times(1e5, 2e5, 3e5, 10**6, 10**18, 10**15, 10**15, 10**12)
    lines = (LineTime("a.cnn", 12345, "conv " * 40, 3, times), LineTime("a.cnn", 2, "", 1, Times()))
    for training in (False, True):
        measured = Profile(
            "big", training, "cpu", 64, 65536, 10**6, 6e5, MachinePeaks(1e13, 1e12), (), lines, {}
        )
        for line in module._text(measured, "line"):
            assert len(line) <= WIDTH + 6


def test_lines_stand_below_the_files_that_they_are_in() -> None:
    lines = printed("resnet20").splitlines()
    own, others = lines.index("resnet20.cnn"), lines.index("residual.cnn")
    assert own < others
    assert any("conv1: conv 16@3" in line for line in lines[own:others])
    assert any("conv width@3" in line for line in lines[others:])


def test_parameters_and_weights_are_taken() -> None:
    words = ("--format", "json", "--threads", "1", "-D", "classes=7")
    measured = json.loads(printed("resnet20", *words))
    assert measured["threads"] == 1
    [head] = [one for one in measured["layers"] if one["name"] == "fc"]
    assert head["flops"] == 2 * 64 * 7


def test_a_figure_is_written(tmp_path: Path) -> None:
    path = tmp_path / "lines.png"
    assert printed("lenet5", "-o", str(path)) == f"{path}: the time of each line\n"
    with Image.open(path) as picture:
        assert picture.width == 1920


def test_the_ending_is_refused_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("cnndsl.inspection.profile", never)
    result = CliRunner().invoke(profile, ["lenet5", "-o", "lines.gif"])
    assert "CNN609" in repr(getattr(result.exception, "code", ""))
