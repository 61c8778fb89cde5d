"""Reads what stands at the beginning of NumPy's array files, and believes none of it."""

from __future__ import annotations

import io
import math
import struct
from typing import IO

import numpy
from numpy.lib import format as npy

__all__ = ["read_npy_header"]

_LARGEST = 2**16
"""The bytes of the longest header that is read; NumPy itself reads what the header claims."""


def read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, numpy.dtype[numpy.generic]]:
    """Shape, whether in Fortran order, and element type of the array that a file begins with.

    Raises:
        ValueError: where it does not begin with one, or with one that no memory could hold.
    """
    version = npy.read_magic(file)
    width = 2 if version == (1, 0) else 4
    prefix = file.read(width)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < width or length > _LARGEST:
        raise ValueError("its header is too long" if length > _LARGEST else "it ends too early")
    text = file.read(length)
    # Format 3.0 differs from 2.0 only in the encoding of field names, which we refuse.
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    packed = struct.pack("<H" if width == 2 else "<I", length)
    try:
        shape, fortran, dtype = read(io.BytesIO(packed + text))
    except Exception as error:
        # It is Python, and what Python's parser meets comes as errors of all kinds.
        raise ValueError("its header is not one that NumPy writes") from error
    sizes = tuple(int(size) for size in shape)
    if any(size < 0 for size in sizes) or math.prod(sizes) * dtype.itemsize >= 2**63:
        raise ValueError("its shape is impossible")
    return sizes, bool(fortran), dtype
