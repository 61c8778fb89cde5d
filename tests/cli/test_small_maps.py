"""`cnndsl run` of small inputs: feature maps as rows of numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cnndsl.cli import main


def small_maps(folder: Path, text: str, spec: str, layers: str) -> list[str]:
    path, numbers = folder / "maps.cnn", folder / "x.txt"
    path.write_text(spec)
    numbers.write_text(text)
    result = CliRunner().invoke(main, ["run", str(path), str(numbers), "--layers", layers])
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def test_small_maps_are_rows_of_numbers(tmp_path: Path) -> None:
    spec = "input 1x2x3\nF: filter [[[2]], [[-1]]]\nG: filter [[1/4]]\nreshape 12 -> relu\n"
    shown = small_maps(tmp_path, "1 2 0\n-3 0 5\n", spec, "F,G")
    assert shown[-12:] == [
        "  F 2x2x3: from -6 to 10, mean 0.4167",
        "     2   4   0",
        "    -6   0  10",
        "",
        "    -1  -2   0",
        "     3   0  -5",
        "  G 2x2x3: from -1.5 to 2.5, mean 0.1042",
        "     0.5000   1.0000   0.0000",
        "    -1.5000   0.0000   2.5000",
        "",
        "    -0.2500  -0.5000   0.0000",
        "     0.7500   0.0000  -1.2500",
    ]


def test_the_answer_is_rows_of_numbers_where_it_is_a_small_map(tmp_path: Path) -> None:
    shown = small_maps(tmp_path, "1 -2 3\n", "input 1x3\nrelu\n", "relu1")
    assert shown[1:3] == ["  output 1x3: from 0 to 3, mean 1.333", "    1  0  3"]


@pytest.mark.parametrize(
    ("height", "width", "rows"), [(10, 20, 10), (10, 21, 0), (67, 3, 0), (2, 26, 2), (2, 27, 0)]
)
def test_large_and_wide_maps_are_their_range(
    tmp_path: Path, height: int, width: int, rows: int
) -> None:
    """Of more than 200 numbers, or where a row would be wider than a terminal."""
    spec = f"input 1x{height}x{width}\nrelu\nreshape {height * width} -> relu\n"
    text = "7 " * width + "\n"
    shown = small_maps(tmp_path, text * height, spec, "relu1")
    assert len([line for line in shown if line.startswith("    ")]) == rows + 5  # the best classes
    assert max(len(line) for line in shown if "x.txt" not in line) <= 80  # its folder may be deep
