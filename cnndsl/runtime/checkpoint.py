"""Turns the state of a training run into a file, and such a file back into exactly that state.

A checkpoint is one safetensors file. Its tensors are ``weight/NAME``, ``state/NAME`` and, unless
they are the present ones, the best weights so far as ``best/NAME``; its metadata hold the run's
identity and position in JSON, and the SHA-256 of the whole file, taken with zeros in the place of
the hash itself. Files are called by the steps done, ``step-00001234.ckpt``, and appear whole or
not at all.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy
from safetensors import SafetensorError, safe_open

from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.files import reason, write_atomically
from cnndsl.graph.weights import Array, safetensors_chunks
from cnndsl.runtime.events import EpochRecord
from cnndsl.training.schedules import Patience

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Position",
    "choose_checkpoint",
    "list_checkpoints",
    "read_checkpoint",
    "remove_leftovers",
    "stored_fact",
    "write_checkpoint",
]

FORMAT = "cnndsl checkpoint 1"
_NO_HASH = "0" * 64
_LARGEST_HEADER = 100_000_000


@dataclass(frozen=True, slots=True)
class Position:
    """Where a run stands between two steps.

    ``epoch`` counts the epochs that are over, ``step`` the steps done in the present one and
    ``number`` all steps. ``loss`` and ``metrics`` are the present epoch's sums over its steps
    (by the outputs of a step), ``seconds`` the time spent on it, ``total`` that of the whole run.
    """

    epoch: int = 0
    step: int = 0
    number: int = 0
    loss: float = 0.0
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    total: float = 0.0
    plateau: Patience = field(default_factory=Patience)
    early_stop: Patience = field(default_factory=Patience)
    records: tuple[EpochRecord, ...] = ()
    best: int | None = None
    """Which of the records is the best."""
    over: bool = False
    """Whether the run ended early: nothing is left to do, whatever the number of epochs."""
    stopped_by_data: bool = False
    """Whether data that could not be read stopped it here; it may go on with mended data."""

    def to_json(self) -> dict[str, Any]:
        """The position as plain data."""
        data = asdict(self)
        for record in data["records"]:
            if not record["outputs"]:  # as before there were several
                del record["outputs"]
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Position:
        """The position that :meth:`to_json` gave.

        What an older version counted within an epoch (``correct``) is dropped: it may have been
        something else.

        Raises:
            KeyError, TypeError: for anything else.
        """
        return cls(
            **{
                **{key: value for key, value in data.items() if key != "correct"},
                "plateau": Patience(**data["plateau"]),
                "early_stop": Patience(**data["early_stop"]),
                "records": tuple(EpochRecord(**record) for record in data["records"]),
            }
        )


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that a run needs to go on as if it had never stopped.

    ``identity`` says which run it is: facts by name, all of which must be the same in a run that
    goes on with it. ``environment`` is what it ran on, which may differ. ``best`` are the best
    weights so far, None before the first evaluation.
    """

    fingerprint: Mapping[str, Any]
    environment: Mapping[str, str]
    position: Position
    weights: Mapping[str, Array]
    state: Mapping[str, Array]
    best: Mapping[str, Array] | None = None


# --- files ------------------------------------------------------------------------------------


class CheckpointError(UserError):
    """CNN806: a checkpoint is not there, damaged, or none of ours."""


def write_checkpoint(folder: Path, checkpoint: Checkpoint, keep: int = 3) -> Path:
    """Write a checkpoint into a folder, then remove all but the last ``keep`` up to it.

    Those of more steps go too: they are of a future that was given up. Gives the file's path.

    Raises:
        UserError: CNN603, where it cannot be written; the older ones are all still there then.
    """
    number = checkpoint.position.number
    path = folder / f"step-{number:08}.ckpt"
    write_atomically(path, _chunks(checkpoint))
    older = [one for one in list_checkpoints(folder) if _number(one) <= number]
    for one in list_checkpoints(folder):
        if one not in older[-keep:]:
            with contextlib.suppress(OSError):
                one.unlink()
    return path


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the one of the fewest steps first."""
    return sorted((path for path in folder.glob("step-*.ckpt") if _number(path) >= 0), key=_number)


def choose_checkpoint(folder: Path, resume: str | os.PathLike[str]) -> Path | None:
    """The checkpoint to go on with; None where there is none yet.

    ``resume`` is ``latest``, ``previous`` (the one before the latest) or the path of a file.

    Raises:
        UserError: CNN806 where there is no previous one.
    """
    if resume not in ("latest", "previous"):
        return Path(resume)
    found = list_checkpoints(folder)
    if resume == "latest":
        return found[-1] if found else None
    if len(found) < 2:
        raise CheckpointError(
            "CNN806",
            f"there is no checkpoint before the last one in `{folder}`",
            help="resume from the last one, or start again with another `--out`",
        )
    return found[-2]


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that a killed process left behind."""
    for path in folder.glob(".cnndsl-*.tmp"):
        with contextlib.suppress(OSError):
            path.unlink()


def _number(path: Path) -> int:
    match = re.fullmatch(r"step-([0-9]{8,15})\.ckpt", path.name)
    return int(match[1]) if match else -1


def _chunks(checkpoint: Checkpoint) -> Iterator[bytes | memoryview]:
    arrays = {f"weight/{name}": array for name, array in checkpoint.weights.items()}
    arrays |= {f"state/{name}": array for name, array in checkpoint.state.items()}
    best = checkpoint.best
    present = best is not None and all(
        # Bits are compared, not numbers: they must come back the same.
        best[name].tobytes() == array.tobytes()
        for name, array in checkpoint.weights.items()
    )
    if best is not None and not present:
        arrays |= {f"best/{name}": array for name, array in best.items()}
    metadata = {
        "best": "present" if present else "none" if best is None else "apart",
        "environment": json.dumps(dict(checkpoint.environment)),
        "format": FORMAT,
        "identity": json.dumps(dict(checkpoint.fingerprint), ensure_ascii=False),
        "position": json.dumps(checkpoint.position.to_json()),
    }
    digest = hashlib.sha256()
    for piece in safetensors_chunks(arrays, {**metadata, "sha256": _NO_HASH}):
        digest.update(piece)
    yield from safetensors_chunks(arrays, {**metadata, "sha256": digest.hexdigest()})


# --- reading ----------------------------------------------------------------------------------


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint, every bit of it verified.

    Raises:
        UserError: CNN806, where it is not there, not whole, changed, or not a checkpoint.
    """
    try:
        _verify(path)
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata()
            parts: dict[str, dict[str, Array]] = {"weight": {}, "state": {}, "best": {}}
            for name in file.keys():  # noqa: SIM118  # it is no dictionary
                part, _, rest = name.partition("/")
                parts[part][rest] = numpy.asarray(file.get_tensor(name))
        best = {"none": None, "present": parts["weight"], "apart": parts["best"]}
        return Checkpoint(
            fingerprint=json.loads(metadata["identity"]),
            environment=json.loads(metadata["environment"]),
            position=Position.from_json(json.loads(metadata["position"])),
            weights=parts["weight"],
            state=parts["state"],
            best=best[metadata["best"]],
        )
    except OSError as error:
        raise _damaged(path, f"cannot be read: {reason(error)}") from error
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        # Its checksum is right, so another version wrote it.
        raise _damaged(path, "was written by another version of cnndsl") from error


def stored_fact(path: Path, name: str) -> object:
    """One of the facts by which a checkpoint's run is known; None where it says nothing of it.

    Nothing is verified: :func:`read_checkpoint` says what is wrong with a file.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            facts = json.loads(file.metadata()["identity"])
        return facts.get(name)
    except (OSError, SafetensorError, LookupError, TypeError, ValueError, AttributeError):
        return None


def _verify(path: Path) -> None:
    """Find out whether a file is a checkpoint and as it was written.

    Raises:
        UserError: CNN806, where it is not.
    """
    size = path.stat().st_size
    with open_regular(path) as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if len(start) < 8 or length > _LARGEST_HEADER:
            raise _damaged(path, "is empty" if size == 0 else "is not a checkpoint of cnndsl")
        header = file.read(length)
        stored, whole = _header(path, header, size)
        if size != 8 + length + whole:
            raise _damaged(path, f"is cut off: it has {size:,} of {8 + length + whole:,} bytes")
        digest = hashlib.sha256(start)
        digest.update(header.replace(stored.encode(), _NO_HASH.encode(), 1))
        while piece := file.read(2**20):
            digest.update(piece)
    if digest.hexdigest() != stored:
        raise _damaged(path, "is damaged: its content does not have its checksum")


def _header(path: Path, text: bytes, size: int) -> tuple[str, int]:
    """The stored hash, and how many bytes of numbers there must be."""
    try:
        header = json.loads(text)
        metadata = header.pop("__metadata__")
        known = metadata["format"]
        stored = str(metadata["sha256"])
        whole = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
    except (LookupError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, "is damaged, or not a checkpoint of cnndsl") from error
    if known != FORMAT:
        raise _damaged(path, f"is a `{known}`, not a `{FORMAT}`")
    return stored, int(whole)


def _damaged(path: Path, why: str) -> CheckpointError:
    others = [one for one in list_checkpoints(path.parent) if one != path]
    number = _number(path)
    # One after it may be as damaged, and would lead back here.
    before = [one for one in others if number < 0 or _number(one) < number]
    return CheckpointError(
        "CNN806",
        f"the checkpoint `{path}` {why}",
        help=f"go on from the one before it with `--resume {shlex.quote(str(before[-1]))}`"
        if before
        else "start again with another `--out`",
    )
