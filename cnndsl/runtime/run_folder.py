"""Turns what a training run knows into the files of its folder, each whole at any time.

==========================  ==================================================================
``best.safetensors``        the weights of the best epoch, ``last.safetensors`` the newest
``model.onnx``              the compiled network with the best weights
``metrics.csv``             a line for each epoch; ``metrics.jsonl`` the same in JSON
``curves.png``              loss and accuracy over the epochs
``confusion.csv``, ``.png`` what the best weights mistake for what in the validation data
``spec.cnn``                the canonical spec, with all that was set for this run
``command.txt``             the command lines that trained, one for each start
``convolutions.json``       with ``--tune``, whether each timed form is the blocked one
``steps.csv``               with ``--log csv``, a line for each step
``tensorboard/``            with ``--log tensorboard``, its event files
``mlflow.txt``              with ``--log mlflow``, the number of the run there
``checkpoints/``            what ``--resume`` goes on with
==========================  ==================================================================
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from cnndsl.diagnostics.model import UserError
from cnndsl.files import read_regular
from cnndsl.graph.artifact import Artifact, Manifest
from cnndsl.graph.files import write_atomically
from cnndsl.graph.weights import Array, write_weights
from cnndsl.runtime.checkpoint import list_checkpoints, remove_leftovers
from cnndsl.runtime.folder_lock import LOCK, locked, taken

__all__ = ["RunFolder", "opened"]

_LARGEST_TEXT = 2**26

_CHECKPOINTS = "checkpoints"
_BEGINNING = (
    *("spec.cnn", "command.txt", "metrics.csv", "metrics.jsonl", "convolutions.json"),
    *("steps.csv", "mlflow.txt"),
)
"""What a run writes before its first step; one that came to nothing leaves these behind."""

# fmt: off
_RESULTS = (
    "best.safetensors", "last.safetensors", "model.onnx", "curves.png", "confusion.csv",
    "confusion.png",
)
# fmt: on


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], *, resume: bool) -> Iterator[RunFolder]:
    """The folder of a run, made where it is not there, and locked until it is left.

    Raises:
        UserError: CNN603 where it cannot be made, CNN810 where another run is in it (one that is
            over, unless ``resume``, or one that goes on in another process).
    """
    found = RunFolder(Path(path))
    found.refuse_others()
    with _clean(found), locked(found.path, partial(_busy, found.path), inside=_CHECKPOINTS):
        if not resume:
            found.refuse_results()
        remove_leftovers(found.path)
        remove_leftovers(found.checkpoints)
        yield found


@contextlib.contextmanager
def _clean(found: RunFolder) -> Iterator[None]:
    """Leave nothing behind of a run that fails before it has written anything."""
    lock = found.path / LOCK
    places = (lock, found.checkpoints, found.path, *found.path.parents)
    made = [place for place in places if not place.exists()]
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            left = {*found.path.iterdir(), *found.checkpoints.iterdir()}
            if left <= {lock, found.checkpoints}:
                for place in made:
                    if place.is_dir():
                        place.rmdir()
                    else:
                        place.unlink()
        raise


def _busy(folder: Path, process: str) -> UserError:
    return UserError(
        "CNN810",
        f"another process is training into `{folder}`",
        notes=[f"its number is {process}"] if process else (),
        help="wait until it ends, or choose another folder with `--out`",
    )


class RunFolder:
    """The files of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / _CHECKPOINTS

    def refuse_others(self) -> None:
        """Raise CNN810 where files of these names are there that no run has written."""
        if (self.path / LOCK).exists() or list_checkpoints(self.checkpoints):
            return
        for name in (*_BEGINNING, *_RESULTS):
            if (self.path / name).exists():
                raise UserError(
                    "CNN810",
                    f"the folder `{self.path}` has a `{name}` that no run has written",
                    help="choose another folder with `--out`, or move that file away",
                )

    def refuse_results(self) -> None:
        """Raise CNN810 where a run has come to anything here."""
        for name in _RESULTS:
            if (self.path / name).exists():
                raise taken("CNN810", self.path, "run", name)
        for checkpoint in list_checkpoints(self.checkpoints):
            raise taken("CNN810", self.path, "run", f"{_CHECKPOINTS}/{checkpoint.name}")

    def refuse_trained(self) -> None:
        """Raise CNN810 where a run has trained here, whose checkpoints somebody took away.

        A run writes the first checkpoint before the first line of its metrics, and before it any
        weights: one that was killed without a checkpoint has nothing that it could lose.
        """
        metrics = self.path / "metrics.jsonl"
        found = next((name for name in _RESULTS if (self.path / name).exists()), None)
        if found and metrics.is_file() and metrics.stat().st_size:
            raise UserError(
                "CNN810",
                f"a run has trained in `{self.path}`, but there is no checkpoint to go on from",
                notes=[f"training anew would replace its `{found}`"],
                help="put its checkpoints back, or move the folder away to train anew",
            )

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        # A command line may name files whose names are no UTF-8: their bytes stay what they are.
        write_atomically(self.path / name, text.encode(errors="surrogateescape"))

    def add_command(self, words: Sequence[str], *, anew: bool) -> None:
        """Note a command line as a shell takes it, below those of before unless ``anew``."""
        file = self.path / "command.txt"
        line = f"{shlex.join(words)}\n".encode(errors="surrogateescape")
        try:
            before = b"" if anew or not file.exists() else read_regular(file, _LARGEST_TEXT)
        except OSError:
            before = b""  # Somebody has made something else of it.
        write_atomically(file, before + line)

    def write_weights(self, name: str, weights: Mapping[str, Array], manifest: Manifest) -> None:
        """Write weights as ``NAME.safetensors``, with what they are the weights of."""
        facts = {
            "classes": json.dumps(manifest.classes),
            "network": manifest.network,
            "spec_sha256": manifest.spec_sha256,
        }
        write_weights(self.path / f"{name}.safetensors", weights, facts)

    def write_model(self, model: Artifact) -> None:
        """Write the compiled network."""
        model.write(self.path / "model.onnx")
