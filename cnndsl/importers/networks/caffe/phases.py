"""Picks the layers that a net is made of where its file holds two: one to train, one to test.

A spec says both at once: what trains, and what answers. So a layer counts that is in either of
them; where both have a layer for the same blob, the one that answers does.
"""

from __future__ import annotations

from collections.abc import Sequence

from cnndsl.frozen import frozen
from cnndsl.importers.networks.caffe.fields import Fields
from cnndsl.importers.networks.caffe.versions import CaffeLayer

__all__ = ["Picked", "pick"]

_PHASES = ("TRAIN", "TEST")


@frozen
class Picked:
    """A layer that counts, and the phases in which it is there."""

    layer: CaffeLayer
    phases: frozenset[str]


def pick(layers: Sequence[CaffeLayer], state: Fields) -> tuple[list[Picked], list[CaffeLayer]]:
    """The layers that count, and those that another one of the same blobs goes before.

    Args:
        layers: of the file.
        state: the net's ``state``: its level and stages.
    """
    state.ignore("phase")
    level, stages = state.whole("level", 0), frozenset(state.texts("stage"))
    found = []
    for layer in layers:
        phases = frozenset(phase for phase in _PHASES if _is_in(layer, phase, level, stages))
        if phases:
            found.append(Picked(layer, phases))
    answers = {
        top
        for one in found
        if one.phases == {"TEST"} and one.layer.bottoms
        for top in one.layer.tops
        if top not in one.layer.bottoms
    }
    kept, left = [], []
    for one in found:
        twice = one.phases == {"TRAIN"} and one.layer.bottoms and answers & {*one.layer.tops}
        (left.append(one.layer) if twice else kept.append(one))
    return kept, left


def _is_in(layer: CaffeLayer, phase: str, level: int, stages: frozenset[str]) -> bool:
    """Whether a layer is in the net of a phase, as ``Net::FilterNet`` decides."""
    fields = layer.fields
    own = fields.word("phase", "", _PHASES)
    if own and own != phase and not fields.has("include") and not fields.has("exclude"):
        return False
    if fields.has("include"):
        return any(_meets(rule, phase, level, stages) for rule in fields.inners("include"))
    return not any(_meets(rule, phase, level, stages) for rule in fields.inners("exclude"))


def _meets(rule: Fields, phase: str, level: int, stages: frozenset[str]) -> bool:
    wanted = rule.word("phase", phase, _PHASES)
    least, most = rule.whole("min_level", level), rule.whole("max_level", level)
    return (
        wanted == phase
        and least <= level <= most
        and stages.issuperset(rule.texts("stage"))
        and stages.isdisjoint(rule.texts("not_stage"))
    )
