"""What others' parsers read in the texts of drawings: pydot in dot, Mermaid itself in Mermaid."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT
from drawings import HOSTILE, SPECS

import cnndsl
from cnndsl.diagnostics.render.characters import visible
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.plots.diagram.build import diagram
from cnndsl.plots.diagram.dot import dot
from cnndsl.plots.diagram.draw import drawn
from cnndsl.plots.diagram.graph import Box, Diagram, Graph, border_names, links_of
from cnndsl.plots.diagram.labels import remark_of, title_of
from cnndsl.plots.diagram.mermaid import mermaid
from cnndsl.plots.diagram.theme import THEMES

EXPANDED = ("googlenet", "siamese", "unet")
DRAWINGS = [*((name, False) for name in SPECS), *((name, True) for name in EXPANDED)]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:pydot")

Read = tuple[Counter[str], Counter[tuple[str, str]]]
"""How often there is a node of each text, and which names edges lead from and to."""


def typed(name: str) -> TypedNetwork:
    return cnndsl.load(name).typed


def expected(built: Diagram, newline: str) -> Read:
    """What there is to be read in the text of a diagram."""
    texts: Counter[str] = Counter()
    edges: Counter[tuple[str, str]] = Counter()
    graphs = {"n": built.graph}
    graphs |= {f"d{number}": one.graph for number, one in enumerate(built.details, start=1)}
    for prefix, graph in graphs.items():
        links = links_of(graph)
        texts.update(
            newline.join(map(visible, (title_of(box), *remark_of(box)))) for box in graph.boxes()
        )
        texts.update("" for _ in border_names(prefix, links))
        edges.update(link.ends(prefix) for link in links)
    return texts, edges


def hostile(name: str) -> Diagram:
    return Diagram(name, Graph((Box("layer", "other", name, name, (name,), (name,)),), ()))


# --- dot --------------------------------------------------------------------------------------


def pydot_reads(text: str) -> Read:
    pydot = pytest.importorskip("pydot")
    [graph] = pydot.graph_from_dot_data(text)
    nodes, edges = [], []
    for one in graphs_in(graph):
        nodes += [
            node for node in one.get_nodes() if node.get_name() not in ("graph", "node", "edge")
        ]
        edges += one.get_edges()
    texts = Counter(unquoted(node.get_label()) for node in nodes)
    return texts, Counter((edge.get_source(), edge.get_destination()) for edge in edges)


def graphs_in(graph: Any) -> Iterator[Any]:
    yield graph
    for inner in graph.get_subgraphs():
        yield from graphs_in(inner)


def unquoted(label: str) -> str:
    r"""A label as Graphviz shows it: ``\"`` is a quote, ``\n`` a new line."""
    letters = iter(label[1:-1])
    return "".join(
        {"n": "\n"}.get(following := next(letters), following) if letter == "\\" else letter
        for letter in letters
    )


@pytest.mark.parametrize(("name", "expand"), DRAWINGS)
def test_pydot_reads_every_box_and_arrow(name: str, expand: bool) -> None:
    text = drawn(typed(name), "dot", expand=expand).decode()
    assert pydot_reads(text) == expected(diagram(typed(name), expand=expand), "\n")


@pytest.mark.parametrize("name", HOSTILE)
def test_pydot_reads_a_hostile_name_as_a_name(name: str) -> None:
    assert pydot_reads(dot(hostile(name), THEMES["light"])) == expected(hostile(name), "\n")


# --- Mermaid ----------------------------------------------------------------------------------


def mermaid_reads(folder: Path, texts: list[str]) -> list[dict[str, Any]]:
    """What Mermaid says of texts, if Node.js and what `.ci/companions.sh` installs are there."""
    node, modules = shutil.which("node"), os.environ.get("NODE_PATH", "")
    if node is None or not all(Path(modules, name).is_dir() for name in ("mermaid", "jsdom")):
        pytest.skip("needs Node.js, and mermaid and jsdom in NODE_PATH")
    files = [folder / f"{number}.mmd" for number in range(len(texts))]
    for file, text in zip(files, texts, strict=True):
        file.write_text(text, encoding="utf-8")
    command = [node, str(ROOT / "tests" / "support" / "mermaid_reader.mjs"), modules]
    done = subprocess.run([*command, *map(str, files)], capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.decode().splitlines()]


def as_read(said: dict[str, Any]) -> Read:
    assert "refused" not in said, said
    texts = Counter(unescaped(text).strip() for _, text in said["nodes"])
    return texts, Counter((start, end) for start, end in said["edges"])


def unescaped(text: str) -> str:
    """A label as Mermaid shows it; its parser keeps ``#35;`` in a form of its own."""
    return re.sub("ﬂ°°([0-9]+)¶ß", lambda found: chr(int(found[1])), text)


def test_mermaid_reads_every_box_and_arrow(tmp_path: Path) -> None:
    texts = [drawn(typed(name), "mermaid", expand=expand).decode() for name, expand in DRAWINGS]
    for (name, expand), said in zip(DRAWINGS, mermaid_reads(tmp_path, texts), strict=True):
        assert as_read(said) == expected(diagram(typed(name), expand=expand), "<br>"), name


def test_mermaid_reads_a_hostile_name_as_a_name(tmp_path: Path) -> None:
    texts = [mermaid(hostile(name), THEMES["light"]) for name in HOSTILE]
    for name, said in zip(HOSTILE, mermaid_reads(tmp_path, texts), strict=True):
        assert as_read(said) == expected(hostile(name), "<br>")


def test_mermaid_refuses_what_is_no_diagram(tmp_path: Path) -> None:
    [said] = mermaid_reads(tmp_path, ['flowchart TB\n a["x"]] --> b'])
    assert "refused" in said
