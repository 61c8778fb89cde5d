"""Runs of layers that share all their weights are one block, called once for each."""

from __future__ import annotations

from pathlib import Path

import pytest
from imported_models import assert_same, bare, import_model

import cnndsl
from cnndsl import pipeline
from cnndsl.analysis.cost import quantity

TOWER = """
block tower() {
  conv 4@3 -> batchnorm -> relu -> maxpool 2
  conv 6@3 bias no -> batchnorm -> relu
  flatten -> dense 8 -> tanh
}
"""

TWO = "input left 1x12x12\ninput right 1x12x12\n"

SPECS = {
    "two pictures": f"""{TWO}{TOWER}
one = left -> a: tower()
two = right -> tower() share a
multiply(one, two) -> dense 2 -> softmax
""",
    "three pictures": f"""{TWO}input third 1x12x12{TOWER}
one = left -> a: tower()
two = right -> tower() share a
three = third -> tower() share a
concat(one, two, three) -> dense 2
""",
    "what stands behind is of each alone": f"""{TWO}{TOWER}
one = left -> a: tower() -> dense 5
two = right -> tower() share a -> dense 5 -> relu
add(one, two)
""",
    "residual towers": f"""{TWO}
block tower() {{
  conv 4@3 padding 1 -> relu
  add(conv 4@3 padding 1 -> batchnorm -> relu -> conv 4@3 padding 1, identity) -> relu
  globalavgpool
}}
one = left -> a: tower()
two = right -> tower() share a
maximum(one, two)
""",
    "a layer that is used again and again": """
input 4x9x9
c: conv 4@3 padding 1 -> batchnorm -> relu
conv 4@3 padding 1 -> batchnorm -> relu
conv 4@3 padding 1 share c -> relu
""",
    "the inside is read elsewhere": f"""{TWO}
c: left -> conv 4@3 -> inner: relu -> d: conv 4@3 -> relu -> globalavgpool
one = identity
two = right -> conv 4@3 share c -> relu -> conv 4@3 share d -> relu -> globalavgpool
add(one, two, inner -> globalavgpool)
""",
}


@pytest.mark.parametrize("name", SPECS)
def test_towers_come_back(name: str, tmp_path: Path) -> None:
    network = cnndsl.parse(SPECS[name].replace("c: left -> conv", "left -> c: conv"))
    model = bare(pipeline.compile(network.typed))
    found = import_model(model, tmp_path)
    for what in ("params", "macs"):
        assert quantity(found.network, what) == quantity(network.typed, f"inference_{what}")
    calls = SPECS[name].count("tower()") - SPECS[name].count("block tower()")
    assert found.text.count("tower()") - found.text.count("block tower()") == calls
    assert_same(model, found, tmp_path)


def test_a_tower_is_called_after_its_first_layers_and_shares_as_a_whole(tmp_path: Path) -> None:
    network = cnndsl.parse(SPECS["two pictures"])
    text = import_model(bare(pipeline.compile(network.typed)), tmp_path).text
    assert "block tower() {" in text
    assert text.count(" share ") == 1
    assert text.count("conv ") == 2
