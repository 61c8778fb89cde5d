"""How many shards are computed at once hangs on memory, and no bit on how many."""

from __future__ import annotations

from pathlib import Path

import pytest
from training_runs import results
from typing_extensions import override

import cnndsl
from cnndsl.analysis.memory import training_memories
from cnndsl.runtime import team
from cnndsl.runtime.events import Listener

SPEC = """\
network small
input 1x32x32 { scale 1/255 }
conv 4@5 -> relu -> maxpool 2 -> flatten -> dense 10 -> softmax
train {
  epochs 1
  batch 60
  shards 6
}
"""


class Notes(Listener):
    def __init__(self) -> None:
        self.texts: list[str] = []

    @override
    def note(self, text: str) -> None:
        self.texts.append(text)


def trained(folder: Path, left: float, monkeypatch: pytest.MonkeyPatch) -> tuple[object, list[str]]:
    monkeypatch.setattr(team, "memory_left", lambda: left)
    monkeypatch.setattr("cnndsl.runtime.sharded_step.processors", lambda: 4)
    network, notes = cnndsl.parse(SPEC), Notes()
    network.train("digits", notes, out=folder, device="cpu", threads=None)
    return results(folder), [one for one in notes.texts if "memory" in one]


def test_fewer_are_computed_at_once_where_memory_is_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = cnndsl.parse(SPEC).typed
    assert network.network.recipe is not None
    memory = training_memories(network, network.network.recipe)
    each = memory(60, 1).gradients + 3 * memory(60, 6).activations
    whole, told = trained(tmp_path / "0", float("inf"), monkeypatch)
    assert told == []
    for at, (left, said) in enumerate([(0, "1 shard"), (each, "1 shard"), (3 * each, "3 shards")]):
        found, told = trained(tmp_path / f"{at + 1}", left, monkeypatch)
        assert told == [f"memory has room for {said} at once, of 6"]
        assert found == whole
    assert trained(tmp_path / "9", 4 * each, monkeypatch) == (whole, [])
