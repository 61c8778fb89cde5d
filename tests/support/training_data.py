"""Makes training data of every kind, byte for byte, and catches what is said about it."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import numpy.typing
import pytest
from PIL import Image

from cnndsl.data.arraysets import ArraySet, as_column
from cnndsl.data.samples import Dataset
from cnndsl.data.sources import ModelInput
from cnndsl.data.stores import StoredArray
from cnndsl.diagnostics.model import UserError
from cnndsl.recipe.preparation import Preparation
from cnndsl.types import TensorType

__all__ = [
    "array_set",
    "complaint",
    "content",
    "model_input",
    "noise",
    "tree",
    "watched_stores",
    "write_idx",
    "write_picture",
]


def model_input(*dims: int, name: str = "input", **settings: Any) -> ModelInput:
    """An input with a preparation."""
    return ModelInput(name, TensorType(dims), Preparation(**settings))


def noise(*shape: int, seed: int = 0) -> numpy.typing.NDArray[numpy.uint8]:
    """Random bytes; the same for the same seed."""
    return numpy.random.default_rng(seed).integers(0, 256, shape, numpy.uint8)


def write_picture(path: Path, values: object = ((0, 85), (170, 255))) -> Path:
    """A picture file of these values, in folders that are made where they lack."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(numpy.asarray(values, numpy.uint8)).save(path)
    return path


def write_idx(path: Path, values: numpy.typing.NDArray[numpy.uint8]) -> Path:
    """An idx file of bytes, packed where its name ends in ``.gz``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    content = header + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def array_set(labels: Sequence[int], classes: Sequence[str] = (), *, dims: int = 1) -> ArraySet:
    """A dataset in memory whose samples hold their own number."""
    values = numpy.arange(len(labels), dtype=numpy.float32)[:, None].repeat(dims, axis=1)
    column = as_column(values, model_input(dims), "set")
    numbers = numpy.array(labels, numpy.int64)
    return ArraySet("set", {"input": column}, labels=numbers, classes=classes)


def watched_stores(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[StoredArray]:
    """The arrays that a module leaves in their files from here on."""
    stores: list[StoredArray] = []

    def make(*arguments: Any) -> StoredArray:
        stores.append(StoredArray(*arguments))
        return stores[-1]

    monkeypatch.setattr(module, "StoredArray", make)
    return stores


@contextmanager
def complaint(code: str, message: str, help: str, *notes: str) -> Iterator[None]:
    """Demand a user error, word for word."""
    with pytest.raises(UserError) as caught:
        yield
    error = caught.value
    assert (error.code, error.message, error.help, error.notes) == (code, message, help, notes)


def tree(folder: Path, files: Mapping[str, int]) -> Path:
    """Pictures by their paths, each filled with its number."""
    folder.mkdir(exist_ok=True)
    for name, number in files.items():
        write_picture(folder / name, numpy.full((2, 2), number))
    return folder


def content(data: Dataset) -> list[tuple[float, str]]:
    """The number that each picture is filled with, and its label."""
    values = data.read(numpy.arange(len(data)))["input"][:, 0, 0, 0]
    return [(value, data.label_of(at)) for at, value in enumerate(values.tolist())]
