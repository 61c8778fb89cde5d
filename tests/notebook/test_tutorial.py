"""The tutorial runs from top to bottom in a kernel of its own, and shows what it promises."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest
from documents import ROOT

from cnndsl.pipeline import check_text

PATH = ROOT / "examples" / "tutorial.ipynb"
CELLS: list[dict[str, Any]] = json.loads(PATH.read_text(encoding="utf-8"))["cells"]


def text_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_it_is_kept_without_outputs() -> None:
    """What a run shows changes with every version: a diff would be all pictures."""
    code = [cell for cell in CELLS if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    for name in ("nbclient", "ipykernel", "sklearn", "igraph"):
        pytest.importorskip(name, reason=f"there is no {name}")
    from nbclient import NotebookClient

    nbformat: Any = pytest.importorskip("nbformat")

    folder = tmp_path_factory.mktemp("tutorial")
    shutil.copy(PATH, folder)
    notebook = nbformat.read(folder / PATH.name, as_version=4)
    notebook.metadata["kernelspec"]["name"] = "python3"
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    cells: list[dict[str, Any]] = notebook.cells
    return cells


def shown(ran: list[dict[str, Any]], begin: str) -> dict[str, str]:
    """All that the cell shows which begins so, by kinds."""
    [cell] = [cell for cell in ran if cell["source"].startswith(begin)]
    data: dict[str, str] = {}
    for output in cell["outputs"]:
        data |= output.get("data", {})
        data["text"] = data.get("text", "") + output.get("text", "")
    return data


def test_every_cell_with_code_shows_something(ran: list[dict[str, Any]]) -> None:
    code = [cell for cell in ran if cell["cell_type"] == "code"][1:]
    assert [cell["source"] for cell in code if not cell["outputs"]] == []


def test_networks_and_mistakes_are_shown(ran: list[dict[str, Any]]) -> None:
    assert "data:image/svg+xml" in shown(ran, "%%cnn\nnetwork lenet")["text/html"]
    assert "CNN301" in shown(ran, "%%cnn --fails\nnetwork alexnet")["text/html"]
    assert "CNN403" in shown(ran, "%%cnn --fails\ninput 3x32x32")["text/plain"]


def test_the_run_is_shown_in_one_display(ran: list[dict[str, Any]]) -> None:
    [cell] = [cell for cell in ran if "lenet.train(" in cell["source"]]
    [output] = cell["outputs"]
    assert "finished after 12 epochs" in output["data"]["text/html"]
    assert "<img" in output["data"]["text/html"]


def test_it_learns_and_answers(ran: list[dict[str, Any]]) -> None:
    said = shown(ran, "training.evaluation")["text/plain"]
    assert float(said.partition("top1 ")[2].partition(",")[0].rstrip(">")) > 0.9
    assert "best 7" in shown(ran, "from PIL import Image")["text/plain"]


@pytest.mark.parametrize("begin", ["model.kernels", "model.feature_maps", "lenet.feature_maps"])
def test_figures_are_shown(ran: list[dict[str, Any]], begin: str) -> None:
    assert len(shown(ran, begin)["image/png"]) > 1000


@pytest.mark.parametrize(
    "cell",
    [one for one in CELLS if text_of(one).startswith("%%cnn")],
    ids=lambda one: str(one["id"]),
)
def test_a_spec_is_right_unless_it_is_to_fail(cell: dict[str, Any]) -> None:
    line, _, spec = text_of(cell).partition("\n")
    assert check_text(spec).failed == ("--fails" in line)
