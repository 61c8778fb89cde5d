"""Turns an error that ends a run into one that says what is kept, and how to go on from it."""

from __future__ import annotations

from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.checkpoint import list_checkpoints
from cnndsl.runtime.run_folder import RunFolder

__all__ = ["advised"]


def advised(error: UserError, folder: RunFolder) -> UserError:
    """The same error; its help leads on in a folder that has a checkpoint too."""
    found = list_checkpoints(folder.checkpoints)
    help = error.help
    if error.code == "CNN603":
        help = "make room, or see that it may be written there; then go on with `--resume`"
    if not found or error.code in ("CNN806", "CNN807"):
        return UserError(error.code, error.message, error.notes, help)
    if error.code == "CNN805":
        best = folder.path / "best.safetensors"
        weights = f", perhaps with `--weights {best}`" if best.exists() else ""
        help = f"{help}, and another `--out`{weights}"
    note = f"what was learnt before is in `{found[-1]}`"
    return UserError(error.code, error.message, (*error.notes, note), help)
