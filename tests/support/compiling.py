"""Compiles typed networks that no spec stands behind, stage by stage as the pipeline does."""

from __future__ import annotations

from pathlib import Path

from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.export import export, make_manifest
from cnndsl.graph.lower import lower
from cnndsl.graph.starting_weights import starting_weights

__all__ = ["compile_network"]


def compile_network(
    typed: TypedNetwork,
    *,
    text: str,
    weights_path: Path | None = None,
    seed: int | None = None,
    batch: int | None = None,
    opset: int = 18,
) -> Artifact:
    """The model of a network; ``text`` stands for its spec."""
    forward = lower(typed, batch, opset)
    given = starting_weights(typed, weights_path, seed)
    return export(forward, make_manifest(typed, text, given.seed, forward), given)
