"""Collects a network's outputs, batch by batch, and makes one ``.npz`` file of them.

How many samples there will be is known only at the end, and an array's header says it first; so
the numbers wait in temporary files next to the target and memory stays flat.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import numpy
from numpy.lib import format as npy
from typing_extensions import override

from cnndsl.data.sources import Array
from cnndsl.graph.files import cannot_write, write_atomically

__all__ = ["NAMES", "ResultsFile"]

NAMES = "names"
"""The array of the samples' names beside the outputs."""

_PIECE = 2**20


@dataclass(slots=True)
class _Column:
    """One output's rows so far."""

    file: IO[bytes]
    dtype: numpy.dtype[numpy.generic]
    dims: tuple[int, ...]


class ResultsFile:
    """A ``.npz`` file to be: ``add`` batches, then ``finish`` writes it, whole or not at all.

    It gets one array for each output, the samples along its first axis, and ``names``. A context
    manager: leaving it takes the temporary files away.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.count = 0
        self._columns: dict[str, _Column] = {}
        self._names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for column in self._columns.values():
            with contextlib.suppress(OSError):  # what a full disk has not taken is not needed
                column.file.close()

    def add(self, names: list[str], outputs: Mapping[str, Array]) -> None:
        """Take a batch: the samples' names and every output's array.

        Raises:
            UserError: CNN603, where the disk does not take it.
        """
        try:
            for name, array in outputs.items():
                if name not in self._columns:
                    file = tempfile.TemporaryFile(dir=self.path.absolute().parent)  # noqa: SIM115
                    self._columns[name] = _Column(file, array.dtype, array.shape[1:])
                self._columns[name].file.write(numpy.ascontiguousarray(array).data)
                # A disk that does not take it says so here, and not when the file is closed.
                self._columns[name].file.flush()
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self._names.extend(names)
        self.count += len(names)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every output's array so far."""
        return {name: (self.count, *column.dims) for name, column in self._columns.items()}

    def finish(self) -> int:
        """Write the file and give its size in bytes.

        Raises:
            UserError: CNN603, where it cannot be written.
        """
        return write_atomically(self.path, self._pieces())

    def _pieces(self) -> Iterator[bytes]:
        sink = _Sink()
        # An open file without seeking: zipfile then puts sizes behind the data of a member.
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, column in self._columns.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    npy.write_array_header_1_0(member, self._header(column))
                    column.file.seek(0)
                    while piece := column.file.read(_PIECE):
                        member.write(piece)
                        yield sink.drain()
            with archive.open(f"{self._names_key()}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, numpy.array(self._names, dtype=numpy.str_))
        yield sink.drain()

    def _names_key(self) -> str:
        """``names``, or what is free where a layer is called that."""
        name = NAMES
        while name in self._columns:
            name += "_"
        return name

    def _header(self, column: _Column) -> dict[str, object]:
        return {
            "descr": npy.dtype_to_descr(column.dtype),
            "fortran_order": False,
            "shape": (self.count, *column.dims),
        }


class _Sink(io.RawIOBase):
    """Where the archive is written to: what has come in until it is drained."""

    def __init__(self) -> None:
        self._waiting = bytearray()

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, piece: object) -> int:
        before = len(self._waiting)
        self._waiting += memoryview(piece)  # type: ignore[arg-type]
        return len(self._waiting) - before

    def drain(self) -> bytes:
        taken = bytes(self._waiting)
        self._waiting.clear()
        return taken
