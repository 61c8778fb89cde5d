"""Reads NumPy's archives (``.npz``), and folders of ``.npy`` files, named as PyTorch's or Keras's.

A name's last word, behind a dot, a slash or `_`, says what an array is: ``conv1.weight``,
``conv1/kernel``, ``bn1/moving_mean``. What the axes of kernels are is not said: that shows in
the shapes that fit, or is asked for.
"""

from __future__ import annotations

import math
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from types import MappingProxyType
from typing import IO, Any
from zipfile import ZipFile

import numpy

from cnndsl.files import natural, open_regular
from cnndsl.graph.archives import ZIP_ERRORS
from cnndsl.graph.npy import read_npy_header
from cnndsl.graph.weights import Numbers
from cnndsl.importers.weights.source import (
    LeftOut,
    Role,
    SourceLayer,
    SourceTensor,
    WeightsSource,
    broken,
    opened,
)
from cnndsl.importers.weights.state_dict import Entry
from cnndsl.limits import Limits

__all__ = ["open_npy_folder", "open_npz"]

_MOST = 100_000

_ROLES: Mapping[str, Role] = MappingProxyType(
    {
        **dict.fromkeys(("weight", "weights", "kernel", "w", "embeddings"), Role.KERNEL),
        **dict.fromkeys(("depthwise_kernel", "pointwise_kernel", "filters"), Role.KERNEL),
        **dict.fromkeys(("bias", "biases", "b", "beta", "offset"), Role.BIAS),
        **dict.fromkeys(("scale", "gamma"), Role.SCALE),
        **dict.fromkeys(("running_mean", "moving_mean", "mean"), Role.MEAN),
        **dict.fromkeys(("running_var", "moving_variance", "variance", "var"), Role.VARIANCE),
        **dict.fromkeys(("slope", "alpha"), Role.SLOPE),
    }
)
"""What an array is, by the last word of its name in lower case."""


def open_npz(path: str) -> AbstractContextManager[WeightsSource]:
    """The arrays of an archive, in its order.

    Raises:
        UserError: CNN650 where it is no whole archive.
    """
    return opened(path, "`.npz` file", (*ZIP_ERRORS, KeyError), partial(_archive, path))


def _archive(path: str, stack: ExitStack) -> WeightsSource:
    archive = stack.enter_context(ZipFile(stack.enter_context(open_regular(path))))
    members = {name.removesuffix(".npy"): name for name in archive.namelist()}
    if len(members) > _MOST:
        raise broken(path, f"it holds more than {_MOST:,} arrays", help="give weights")
    entries = {
        name: _entry(path, member, partial(archive.open, member))
        for name, member in members.items()
    }
    return _source(path, "NumPy archive (.npz)", entries, ordered=True)


def open_npy_folder(path: str) -> AbstractContextManager[WeightsSource]:
    """The ``.npy`` files of a folder and those in it, by their paths.

    Raises:
        UserError: CNN650 where one is no whole array, or there is none.
    """
    return opened(path, "folder of `.npy` files", (), partial(_folder, path))


def _folder(path: str, stack: ExitStack) -> WeightsSource:
    del stack  # each file is opened when it is read
    names = sorted(_npy_files(path), key=natural)
    if not names:
        raise broken(
            path, "it is a folder without `.npy` files", help="give a file, or such a folder"
        )
    entries = {
        name.removesuffix(".npy").replace(os.sep, "/"): _entry(
            path, name, partial(open_regular, os.path.join(path, name))
        )
        for name in names
    }
    return _source(path, "folder of NumPy arrays", entries, ordered=False)


def _npy_files(folder: str) -> Iterator[str]:
    found = 0
    for here, _, files in os.walk(folder):
        for name in files:
            if name.endswith(".npy"):
                found += 1
                if found > _MOST:
                    raise ValueError(f"more than {_MOST:,} arrays")
                yield os.path.relpath(os.path.join(here, name), folder)


def _entry(path: str, member: str, open_member: Callable[[], IO[bytes]]) -> Entry:
    with open_member() as file:
        try:
            shape, _, dtype = _header(file)
        except ValueError as error:
            raise broken(path, f"`{member}` is no array ({error})") from error
    if math.prod(shape) * dtype.itemsize > Limits.current().unpacked:
        most = Limits.current().unpacked
        raise broken(
            path,
            f"`{member}` says that it has more than {most:,} bytes",
            help="raise the limit: `CNNDSL_LIMITS=unpacked=…`, if that is meant",
        )
    return Entry(shape, dtype.name, partial(_read, path, member, open_member))


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, numpy.dtype[numpy.generic]]:
    """What stands before an array's numbers; that Python 2 wrote it is nobody's concern."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return read_npy_header(file)


def _read(path: str, member: str, open_member: Callable[[], IO[bytes]]) -> Numbers:
    with open_member() as file:
        shape, fortran, dtype = _header(file)
        if dtype.hasobject:
            raise broken(path, f"`{member}` holds objects of Python, which are never read")
        size = math.prod(shape) * dtype.itemsize
        content = bytearray()
        # Piece by piece: what is claimed is believed only as far as it is there.
        while len(content) < size and (piece := file.read(min(2**20, size - len(content)))):
            content += piece
    if len(content) < size:
        raise broken(path, f"`{member}` is cut short")
    numbers: numpy.ndarray[Any, Any] = numpy.frombuffer(content, dtype)
    return numbers.reshape(shape, order="F" if fortran else "C")


def _source(path: str, form: str, entries: Mapping[str, Entry], *, ordered: bool) -> WeightsSource:
    groups: dict[str, list[tuple[str, str, Entry]]] = {}
    left = []
    for name, entry in entries.items():
        layer, word = _parted(name)
        if word == "num_batches_tracked":
            left.append(LeftOut(name, "a counter of training steps"))
        else:
            groups.setdefault(layer, []).append((name, word, entry))
    layers = []
    for layer, parts in groups.items():
        words = {word for _, word, _ in parts}
        tensors = tuple(
            SourceTensor(name, _role(word, entry, words), entry.shape, entry.dtype, entry.read)
            for name, word, entry in parts
        )
        layers.append(SourceLayer(layer, "", tensors))
    return WeightsSource(
        path, form, tuple(layers), ordered=ordered, channels_last=None, left_out=tuple(left)
    )


def _parted(name: str) -> tuple[str, str]:
    """The name of a layer, and the word for its array; the whole name where it has no such word."""
    plain = re.sub(r":\d+$", "", name)
    for separator in "/.":
        layer, between, word = plain.rpartition(separator)
        if between and word.lower() in (*_ROLES, "num_batches_tracked"):
            return layer, word.lower()
    for word in sorted(_ROLES, key=len, reverse=True):
        if plain.lower().endswith(f"_{word}"):
            return plain[: -len(word) - 1], word
    return plain, ""


def _role(word: str, entry: Entry, beside: set[str]) -> Role:
    role = _ROLES.get(word)
    wide = sum(size != 1 for size in entry.shape) > 1
    if role is None:
        return Role.KERNEL if wide else Role.VECTOR
    if role is Role.KERNEL and len(entry.shape) <= 1:
        norm = {"bias", "b", "beta", "running_mean", "moving_mean", "mean"} & beside
        return Role.SCALE if norm else Role.VECTOR
    return role
