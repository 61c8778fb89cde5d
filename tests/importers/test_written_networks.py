"""Networks are written as specs that say the same, and in about as many lines as people take."""

from __future__ import annotations

import pytest
from documents import ROOT
from imported_networks import as_imported

from cnndsl import pipeline
from cnndsl.analysis.cost import quantity
from cnndsl.diagnostics.model import Severity
from cnndsl.importers.networks.proof import correspondence
from cnndsl.importers.networks.write import written

SPECS = [path.stem for path in sorted((ROOT / "specs").glob("*.cnn"))]


@pytest.mark.parametrize("blocks", [True, False], ids=["blocks", "flat"])
@pytest.mark.parametrize("spec", SPECS)
def test_a_shipped_network_is_written_as_it_is(spec: str, blocks: bool) -> None:
    typed = pipeline.load(spec)
    network = as_imported(typed, labels=blocks)
    assert network.refused == ()
    spec_of = written(network, blocks=blocks)
    checked = pipeline.check_text(spec_of.text)
    assert [one for one in checked.diagnostics if one.severity is Severity.ERROR] == []
    again = checked.typed()
    correspondence(spec_of.network, spec_of.order, again)
    for name in ("params", "macs"):
        assert quantity(again, name) == quantity(typed, f"inference_{name}")


def lines(text: str) -> int:
    """The lines that say something of the network."""
    said = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return len(said)


@pytest.mark.parametrize(
    ("spec", "most"),
    [("resnet50", 26), ("resnet152", 26), ("vgg16", 16), ("googlenet", 30), ("densenet121", 28)],
)
def test_what_repeats_is_written_once(spec: str, most: int) -> None:
    assert lines(written(as_imported(pipeline.load(spec))).text) <= most
