"""Writes tensors as PyTorch's checkpoints: a zip of a pickle, and of the numbers of each tensor.

The pickle is put together from the few instructions that a dictionary of tensors takes, so PyTorch
need not be installed. The same tensors give the same bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from typing_extensions import override

from cnndsl.graph.weights import Numbers, raw_bytes

__all__ = ["checkpoint"]

_FOLDER = "archive"
_STORAGES = {"float32": "FloatStorage", "int64": "LongStorage"}
_DICT = b"ccollections\nOrderedDict\n)R"
_DAY = (1980, 1, 1, 0, 0, 0)
"""The first that a zip file can say; no file has the day on which it was written."""


def checkpoint(tensors: Mapping[str, Numbers]) -> Iterator[bytes | memoryview]:
    """The pieces of a ``.pt`` file that ``torch.load`` reads, with ``weights_only`` too."""
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_STORED) as archive:
        archive.writestr(_info("data.pkl"), _pickle(tensors))
        archive.writestr(_info("byteorder"), b"little")
        for number, array in enumerate(tensors.values()):
            with archive.open(_info(f"data/{number}"), "w", force_zip64=True) as member:
                member.write(raw_bytes(array))
            yield from sink.drained()
        archive.writestr(_info("version"), b"3\n")
    yield from sink.drained()


def _info(name: str) -> ZipInfo:
    return ZipInfo(f"{_FOLDER}/{name}", _DAY)


class _Sink(io.RawIOBase):
    """Takes what a zip file writes, piece by piece, and hands it on."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self._pieces.append(piece)
        return len(piece)

    def drained(self) -> Iterator[bytes]:
        """What was written since."""
        pieces, self._pieces = self._pieces, []
        yield from pieces


def _pickle(tensors: Mapping[str, Numbers]) -> bytes:
    """An ordered dictionary of tensors, by the instructions of protocol 2."""
    parts = [b"\x80\x02", _DICT, b"("]
    for number, (name, array) in enumerate(tensors.items()):
        parts += [_text(name), _tensor(number, array)]
    return b"".join([*parts, b"u."])


def _tensor(number: int, array: Numbers) -> bytes:
    storage = _STORAGES[array.dtype.name].encode()
    strides = [one // array.itemsize for one in array.strides]
    return b"".join(
        [
            b"ctorch._utils\n_rebuild_tensor_v2\n(",
            b"(" + _text("storage") + b"ctorch\n" + storage + b"\n",
            _text(str(number)) + _text("cpu") + _number(array.size) + b"tQ",
            _number(0),
            b"(" + b"".join(map(_number, array.shape)) + b"t",
            b"(" + b"".join(map(_number, strides)) + b"t",
            b"\x89" + _DICT + b"tR",
        ]
    )


def _text(text: str) -> bytes:
    content = text.encode("utf-8", "surrogatepass")
    return b"X" + len(content).to_bytes(4, "little") + content


def _number(number: int) -> bytes:
    size = (number.bit_length() + 8) // 8
    return b"\x8a" + bytes([size]) + number.to_bytes(size, "little", signed=True)
