"""Networks are written as specs that say the same, and in about as many lines as people take."""

from __future__ import annotations

import pytest
from documents import ROOT
from imported_networks import as_imported

from cnndsl import pipeline
from cnndsl.analysis.cost import quantity
from cnndsl.diagnostics.model import Severity
from cnndsl.network_import import imported

SPECS = [path.stem for path in sorted((ROOT / "specs").glob("*.cnn"))]


@pytest.mark.parametrize("blocks", [True, False], ids=["blocks", "flat"])
@pytest.mark.parametrize("spec", SPECS)
def test_a_shipped_network_is_written_as_it_is(spec: str, blocks: bool) -> None:
    typed = pipeline.load(spec)
    network = as_imported(typed, labels=blocks)
    assert network.refused == ()
    found = imported(network, spec, blocks=blocks)
    for name in ("params", "macs"):
        assert quantity(found.network, name) == quantity(typed, f"inference_{name}")
    checked = pipeline.check_text(found.text)
    assert [one for one in checked.diagnostics if one.severity is Severity.ERROR] == []


def lines(text: str) -> int:
    """The lines that say something of the network."""
    said = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return len(said)


@pytest.mark.parametrize(
    ("spec", "most"),
    [("resnet50", 32), ("resnet152", 32), ("vgg16", 20), ("googlenet", 34), ("densenet121", 32)],
)
def test_what_repeats_is_written_once(spec: str, most: int) -> None:
    assert lines(imported(as_imported(pipeline.load(spec)), spec).text) <= most
