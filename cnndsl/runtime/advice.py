"""Turns an error that ends a run into one that says what is kept, and how to go on from it."""

from __future__ import annotations

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.files import CannotWriteError
from cnndsl.runtime.checkpoint import CheckpointError, list_checkpoints
from cnndsl.runtime.diagnosis import DivergedError
from cnndsl.runtime.fingerprint import OtherRunError
from cnndsl.runtime.run_folder import RunFolder

__all__ = ["advised"]


def advised(error: UserError, folder: RunFolder) -> UserError:
    """The same error; its help leads on in a folder that has a checkpoint too."""
    found = list_checkpoints(folder.checkpoints)
    help = error.help
    if isinstance(error, CannotWriteError):
        help = "make room, or see that it may be written there; then go on with `--resume`"
    if not found or isinstance(error, CheckpointError | OtherRunError):
        return error.amended(help)
    if isinstance(error, DivergedError):
        best = folder.path / "best.safetensors"
        weights = f", perhaps with `--weights {best}`" if best.exists() else ""
        help = f"{help}, and another `--out`{weights}"
    return error.amended(help, [f"what was learnt before is in `{found[-1]}`"])
