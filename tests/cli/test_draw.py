"""`cnndsl run --draw`: a figure for each input and layer, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cnndsl.cli import main

SPEC = "input 1x3x3\nC: filter [[1, -1]]\nR: relu\nflatten -> dense 2 -> softmax\n"


def run(folder: Path, *arguments: str, inputs: int = 1) -> Result:
    (folder / "lines.cnn").write_text(SPEC)
    names = [folder / f"{at}.txt" for at in range(inputs)]
    for name in names:
        name.write_text("1 0 0\n0 1 0\n0 0 1\n")
    files = [str(folder / "lines.cnn"), *map(str, names)]
    return CliRunner().invoke(main, ["run", *files, *arguments])


def test_one_layer_of_one_input_is_one_file(tmp_path: Path) -> None:
    figure = tmp_path / "maps.svg"
    result = run(tmp_path, "--layers", "C", "--draw", str(figure))
    assert result.exit_code == 0, result.output
    assert result.stdout == f"{figure}: C 1x3x2 of {tmp_path / '0.txt'}\n"
    assert figure.read_text().startswith("<?xml")


def test_several_have_a_number_each(tmp_path: Path) -> None:
    draw = ["--layers", "C,R", "--draw", str(tmp_path / "maps.png"), "--format", "json"]
    said = json.loads(run(tmp_path, *draw, inputs=2).stdout)
    assert [Path(one["file"]).name for one in said] == [f"maps-{at}.png" for at in (1, 2, 3, 4)]
    assert [(Path(one["input"]).name, one["layer"]) for one in said] == [
        ("0.txt", "C"), ("0.txt", "R"), ("1.txt", "C"), ("1.txt", "R"),
    ]  # fmt: skip
    assert all(Path(one["file"]).read_bytes().startswith(b"\x89PNG") for one in said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--draw", "maps.png"], "--draw shows feature maps: name the layers"),
        (["--layers", "C", "--draw", "maps.png", "-o", "out.npz"], "leave out one"),
        (["--layers", "C", "--draw", "maps.bmp"], "CNN609"),
        (["--layers", "dense1", "--draw", "maps.png"], "CNN714"),
        (["--layers", "X", "--draw", "maps.png"], "CNN704"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(tmp_path, *arguments)
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert not list(tmp_path.glob("maps*"))
