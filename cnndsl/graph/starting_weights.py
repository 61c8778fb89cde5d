"""Turns a file, or a seed, into the numbers that a network's weights begin with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.class_names import with_classes
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.initializers import initialise
from cnndsl.graph.lower import network_weights
from cnndsl.graph.weight_files import classes_of_weights, read_weights
from cnndsl.graph.weights import Numbers
from cnndsl.recipe.recipe import Recipe
from cnndsl.typecheck.heads import head_positions

__all__ = ["LARGEST", "StartingWeights", "beginning", "named", "starting_weights"]

LARGEST = 1_900_000_000
"""Bytes of weights in one file; protobuf's limit is 2 GiB for all of it."""


@dataclass(frozen=True, eq=False)
class StartingWeights:
    """Weights by their full names.

    ``seed`` is what they were drawn from, None where a file has them; ``warnings`` are facts about
    that file that whoever gave it must be told.
    """

    arrays: Mapping[str, Numbers]
    seed: int | None = None
    warnings: tuple[str, ...] = ()


def beginning(
    network: TypedNetwork,
    weights: Path | None = None,
    seed: int | None = None,
    *,
    heads: bool = False,
    verify: bool = True,
) -> tuple[TypedNetwork, StartingWeights]:
    """The weights from a file, or drawn, with those that only training's ``heads`` have.

    Where the spec names no classes, the network is given those that the weights were trained for.
    With ``verify``, the file's checksum is compared first, where it has one.

    Raises:
        UserError: CNN601, CNN602 for the file, CNN606 where they are too large for one model.
    """
    network = named(network, weights)
    positions = head_positions(network.network) if heads else ()
    return network, starting_weights(network, weights, seed, heads=positions, verify=verify)


def starting_weights(
    typed: TypedNetwork,
    path: str | os.PathLike[str] | None = None,
    seed: int | None = None,
    *,
    heads: Sequence[int] = (),
    verify: bool = True,
) -> StartingWeights:
    """The weights from a file, or drawn from a seed (by default the recipe's, else 0).

    ``heads`` as in :func:`~cnndsl.graph.lower.network_weights`. With ``verify``, the file's
    checksum is compared first.

    Raises:
        UserError: CNN601 and CNN602 for the file, CNN606 where the weights are too large for one
            ONNX file.
    """
    size = 4 * sum(weight.elements for weight in network_weights(typed, heads).values())
    if size > LARGEST:
        raise UserError(
            "CNN606",
            f"the weights of `{typed.name}` take {size / 1e9:.2f} GB, "
            f"one ONNX file holds at most {LARGEST / 1e9:.1f} GB",
            help=f"make the network smaller: at most {LARGEST // 4:,} parameters fit",
        )
    if path is not None:
        said: list[str] = []
        arrays = read_weights(path, typed, said.append, heads=heads, verify=verify)
        return StartingWeights(arrays, warnings=tuple(said))
    recipe = typed.network.recipe or Recipe()
    drawn = recipe.seed if seed is None else seed
    return StartingWeights(initialise(typed, drawn, recipe.init, heads), drawn)


def named(network: TypedNetwork, weights: Path | None) -> TypedNetwork:
    """The network with the classes that weights were trained for, where its spec names none."""
    if weights is None or network.network.classes:
        return network
    return with_classes(network, classes_of_weights(weights) or ())
