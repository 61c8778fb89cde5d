"""Turns a run's request into facts that tell it from other runs, and compares them."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

from cnndsl.data.samples import Dataset
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.canonical import standalone
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.files import open_regular
from cnndsl.frozen import replace
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.checksum import stored_checksum
from cnndsl.graph.files import reason
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.workers.communicator import Communicator
from cnndsl.syntax.ast import Train
from cnndsl.syntax.printer import print_module

__all__ = [
    "TRAINING_DATA",
    "VALIDATION_DATA",
    "OtherRunError",
    "check_alike",
    "fingerprint_of",
    "model_fingerprint",
    "same_run",
]

TRAINING_DATA = "the fingerprint of the training data"
VALIDATION_DATA = "the fingerprint of the validation data"


_UNSAID = {"train.precision": "float32", "train.shards": 1}
"""What is so where nothing says it: older checkpoints know of nothing else."""


class OtherRunError(UserError):
    """CNN807: a checkpoint is of another run than the one that is to go on."""


def fingerprint_of(
    network: TypedNetwork, recipe: Recipe, batch: int, data: Dataset, valid: Dataset | None
) -> dict[str, Any]:
    """The facts that decide how a run goes, by the words that a message calls them."""
    module = standalone(network.network)
    kept = tuple(one for one in module.statements if not isinstance(one, Train))
    settings = dict(_flat(recipe.to_json()))
    settings["train.batch"] = batch
    return {
        "the network": network.name,
        "the spec": print_module(replace(module, statements=kept)),
        # Before the data: another seed divides it in another way.
        **settings,
        TRAINING_DATA: data.fingerprint,
        VALIDATION_DATA: valid.fingerprint if valid else None,
    }


def _flat(recipe: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for key, value in recipe.items():
        if isinstance(value, dict):
            for attribute, one in value.items():
                name = f"train.{key}" if attribute in ("name", "value") else ""
                # An initialiser has both a name and a value.
                name = "" if attribute == "value" and "name" in value else name
                yield name or f"train.{key}.{attribute}", one
        else:
            yield f"train.{key}", value


def same_run(
    path: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any], allowed: Collection[str] = ()
) -> None:
    """Make sure that a checkpoint is of the run that is to go on.

    The facts named in ``allowed`` may be others.

    Raises:
        UserError: CNN807, which names what differs, with both values.
    """
    notes: list[str] = []
    for name in dict.fromkeys((*wanted, *stored)):
        old, new = (facts.get(name, _UNSAID.get(name)) for facts in (stored, wanted))
        if old == new or name in allowed:
            continue
        if isinstance(old, str) and isinstance(new, str) and name == "the spec":
            name, old, new = _first_difference(old, new)
        notes.append(f"{name} is {_shown(old)} in the checkpoint, {_shown(new)} now")
    if notes:
        raise OtherRunError(
            "CNN807",
            f"the checkpoint `{path}` is of another run: {notes[0]}",
            notes=notes[1:],
            help="go on with what that run began with, or start another one with `--out`",
        )


def _first_difference(old: str, new: str) -> tuple[str, str | None, str | None]:
    lines = zip_longest(old.splitlines(), new.splitlines())
    number, before, now = next(
        (number, before, now) for number, (before, now) in enumerate(lines, 1) if before != now
    )
    return f"line {number} of the spec", before, now


def _shown(value: object) -> str:
    if value is None:
        return "not there"
    text = value.strip() if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{text[:60]}…`" if len(text) > 60 else f"`{text}`"


def model_fingerprint(source: Artifact | str | os.PathLike[str]) -> str | None:
    """What tells a model from any with other weights; None for a file of an older cnndsl.

    Raises:
        UserError: CNN604 for a file that cannot be read.
    """
    if isinstance(source, Artifact):
        return source.checksum()
    try:
        with open_regular(source) as file:
            return stored_checksum(file)
    except OSError as error:
        raise UserError(
            "CNN604",
            f"`{os.fspath(source)}` cannot be read: {reason(error)}",
            help="give a model that `cnndsl compile` wrote",
        ) from error


def check_alike(
    workers: Communicator, facts: Mapping[str, Any], differs: str = "has another run"
) -> None:
    """Make sure that all workers do the same: with the same data, above all.

    Raises:
        UserError: CNN878 in all of them, which names the worker that differs.
    """
    if workers.worker.count == 1:
        return
    first, *others = workers.gather((workers.worker, dict(facts)))
    for worker, found in others:
        for name, value in first[1].items():
            if found.get(name) != value:
                raise UserError(
                    "CNN878",
                    f"{worker} {differs} than {first[0]}: {name} is {_shown(found.get(name))}"
                    f" there, and {_shown(value)} here",
                    help="give all machines the same spec and the same data",
                )
