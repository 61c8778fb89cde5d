"""Turns an exception inside a class of another package into an error that names that class."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from traceback import walk_tb
from types import FrameType
from typing import Any

from cnndsl.data.formats import FORMATS
from cnndsl.diagnostics.model import UserError
from cnndsl.layers import LAYERS
from cnndsl.recipe import AUGMENTATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from cnndsl.registry import Registry
from cnndsl.runtime.logs import LOGS

__all__ = ["in_use", "plugin_error"]

REGISTRIES: tuple[Registry[Any], ...] = (
    LAYERS, LOSSES, OPTIMIZERS, SCHEDULES, AUGMENTATIONS, FORMATS, LOGS
)  # fmt: skip


def plugin_error(error: BaseException) -> UserError | None:
    """What to say where an exception went through a class of another package; None elsewhere."""
    for frame, line in reversed([*_frames(error)]):
        for registry, kind, point in _loaded():
            if frame.f_globals.get("__name__") == kind.__module__ and _is_of(frame, kind):
                text = " ".join(str(error).split())
                said = f"{type(error).__name__}: {text}" if text else type(error).__name__
                where = f"line {line} of `{Path(frame.f_code.co_filename).name}`"
                return registry.failed(point, f"failed at {where}: {said[:300]}")
    return None


def in_use() -> str:
    """The loaded classes of other packages, in words; empty where there are none."""
    return ", ".join(
        f"the {one.noun} `{point.name}` of `{point.value}`" for one, _, point in _loaded()
    )


def _loaded() -> Iterator[tuple[Registry[Any], type[Any], EntryPoint]]:
    return ((one, kind, point) for one in REGISTRIES for kind, point in one.of_others())


def _is_of(frame: FrameType, kind: type[Any]) -> bool:
    """Whether a frame of the class's module works for the class: not for another one there."""
    mine = frame.f_locals.get("self")
    return isinstance(mine, kind) or not hasattr(type(mine), "keyword")


def _frames(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    """All frames that an exception, and what it was raised from, went through: inner ones last."""
    yield from walk_tb(error.__traceback__)
    if error.__cause__ is not None:
        yield from _frames(error.__cause__)
