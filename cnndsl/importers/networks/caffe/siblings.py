"""Looks beside a net's file for what it does not say itself: its solver, its sizes.

Caffe's files come in threes, `train_val.prototxt`, `deploy.prototxt`, `solver.prototxt`, and name
each other by paths that hold in another folder only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.source import Source
from cnndsl.importers.networks.caffe.fields import Fields
from cnndsl.importers.networks.caffe.inputs import Feed, deployed, feeds
from cnndsl.importers.networks.caffe.phases import pick
from cnndsl.importers.networks.caffe.prototext import parse
from cnndsl.importers.networks.caffe.versions import layers_of
from cnndsl.importers.networks.texts import read_source

__all__ = ["is_solver", "net_of", "opened", "sizes_beside", "solver_beside"]

MOST_BYTES = 2**24
"""No prototxt is larger; ResNet-152's has 100 KiB. (Some hold weights, as text.)"""

_MOST_FILES = 50
"""So many files beside a net's are looked at."""


def opened(path: Path) -> Fields:
    """The message in a file.

    Raises:
        CompileError: CNN680, where it is not of the format.
        OSError: where it cannot be read.
        UserError: CNN683, where it is no text.
    """
    source = read_source(path, MOST_BYTES)
    return Fields(parse(source), _start(source), path.name)


def _start(source: Source):  # type: ignore[no-untyped-def]
    from cnndsl.diagnostics.source import Span

    return Span(source, 0, min(1, len(source.text)))


def is_solver(fields: Fields) -> bool:
    """Whether a message is a solver's, not a net's."""
    names = {field.name for field in fields.message.fields}
    mine = {"base_lr", "lr_policy", "net", "train_net", "max_iter", "net_param", "train_net_param"}
    return bool(names & mine) and not names & {"layer", "layers"}


def net_of(solver: Fields, path: Path) -> Path | None:
    """The file of a solver's net: where its path leads, or of that name beside the solver."""
    named = solver.text("net") or solver.text("train_net")
    if not named:
        return None
    there = [path.parent / named, path.parent / PurePosixPath(named).name]
    return next((one for one in there if one.is_file()), there[-1])


def solver_beside(path: Path) -> tuple[Path, Fields] | None:
    """The solver in a net's folder that names its file, or the only one whose name fits."""
    for other, fields in _beside(path):
        if is_solver(fields):
            named = fields.text("net") or fields.text("train_net")
            if PurePosixPath(named).name == path.name:
                return other, fields
    return None


def sizes_beside(path: Path, name: str) -> tuple[Path, Feed] | None:
    """The input of the net to deploy of the same name in the same folder."""
    for other, fields in _beside(path):
        if is_solver(fields) or not _may_be(other, path, name, fields.text("name")):
            continue
        try:
            given = [*deployed(fields), *feeds(pick(layers_of(fields), fields.inner("state"))[0])]
        except CompileError:
            continue
        if given and given[0].type is not None:
            return other, given[0]
    return None


def _may_be(other: Path, path: Path, name: str, its: str) -> bool:
    """Whether a file is the same net to deploy: of the same name, or a file name that says so."""
    stem = path.stem
    for word in ("train_test", "train_val", "train", "trainval", "test"):
        stem = stem.removesuffix(word).rstrip("_-")
    return its == name or other.stem == stem or (not stem and other.stem == "deploy")


def _beside(path: Path) -> Iterator[tuple[Path, Fields]]:
    try:
        others = sorted(one for one in path.parent.glob("*.prototxt") if one.name != path.name)
    except OSError:
        return
    for other in others[:_MOST_FILES]:
        try:
            yield other, opened(other)
        except (OSError, UserError, CompileError):
            continue
