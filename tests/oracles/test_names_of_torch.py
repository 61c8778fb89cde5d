"""PyTorch's own lists of its layers: each is ours by another name, or said to be another."""

from __future__ import annotations

import inspect

import pytest

from cnndsl.layers import FOREIGN
from cnndsl.layers.absent import absence
from cnndsl.pipeline import check_text

nn = pytest.importorskip("torch.nn")

MODULES = sorted(
    name
    for name, value in inspect.getmembers(nn, inspect.isclass)
    if issubclass(value, nn.Module) and name not in FOREIGN
)


@pytest.mark.parametrize("name", MODULES)
def test_no_layer_of_another_kind_is_written_in_a_layers_place(name: str) -> None:
    for text in (f"input 3x8x8\n{name}\n", f"input 3x8x8\nx: relu -> nn.{name}(3, 3)\n"):
        found = check_text(text).diagnostics
        assert not [fix for item in found for fix in item.fixes if fix.safe]


@pytest.mark.parametrize("name", sorted({*nn.modules.activation.__all__} - {*FOREIGN}))
def test_an_activation_that_is_not_here_is_said_to_be_absent(name: str) -> None:
    assert absence(name) is not None
