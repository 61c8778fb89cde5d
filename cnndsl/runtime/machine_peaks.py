"""Measures what a device can do at most: a large product of matrices, and a copy of memory."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy
import onnx.parser

from cnndsl.data.sources import Array
from cnndsl.runtime import library
from cnndsl.runtime.device import Device
from cnndsl.runtime.session import refused_model, started
from cnndsl.runtime.start import ANSWERING

__all__ = ["MachinePeaks", "measure_peaks"]

_SIDE = 2048
"""Rows and columns of the matrices: large enough for a processor's full speed."""

_NUMBERS = 2**25
"""How many float32 numbers are copied (128 MiB): more than most caches hold."""

_SECONDS, _RUNS = 0.3, 3
"""Each is repeated for so long, and so many times at least."""

_PRODUCT = f"""
<ir_version: 8, opset_import: ["": 17]>
product (float[{_SIDE}, {_SIDE}] a, float[{_SIDE}, {_SIDE}] b) => (float[{_SIDE}, {_SIDE}] c) {{
  c = MatMul(a, b)
}}
"""

_COPY = f"""
<ir_version: 8, opset_import: ["": 17]>
copy (float[{_NUMBERS}] a, float[1] b) => (float[{_NUMBERS}] c) {{
  c = Add(a, b)
}}
"""
"""With one to add, so that all threads take part."""


@dataclass(frozen=True, slots=True)
class MachinePeaks:
    """What a device does in a second: floating-point operations, and bytes read and written."""

    flops: float
    bytes: float


def measure_peaks(device: Device, threads: int | None = None) -> MachinePeaks:
    """The best of some runs on a device, by ONNX Runtime, in float32.

    Raises:
        UserError: CNN701 for a device that does not work, CNN705 where there is no ONNX Runtime.
    """
    matrix = numpy.ones((_SIDE, _SIDE), numpy.float32)
    product = _fastest(_PRODUCT, {"a": matrix, "b": matrix}, matrix.shape, device, threads)
    numbers = numpy.zeros(_NUMBERS, numpy.float32)
    one = numpy.ones(1, numpy.float32)
    copy = _fastest(_COPY, {"a": numbers, "b": one}, numbers.shape, device, threads)
    return MachinePeaks(2 * _SIDE**3 / product, 2 * numbers.nbytes / copy)


def _fastest(
    text: str,
    feeds: Mapping[str, Array],
    result: tuple[int, ...],
    device: Device,
    threads: int | None,
) -> float:
    """The seconds of a model's fastest run; what it reads and writes lies on the device."""
    model = onnx.parser.parse_model(text).SerializeToString()
    session = started(model, device, ANSWERING, threads, refused_model(model))
    where: tuple[Any, ...] = ("cpu",) if device.name == "cpu" else ("cuda", device.index)
    make = library.load().OrtValue.ortvalue_from_numpy
    # ONNX Runtime computes in the arrays' own memory: they are held until the last run is over.
    arrays = {**feeds, "c": numpy.zeros(result, numpy.float32)}
    values = {name: make(array, *where) for name, array in arrays.items()}
    binding = session.io_binding()
    for name in feeds:
        binding.bind_ortvalue_input(name, values[name])
    binding.bind_ortvalue_output("c", values["c"])
    times: list[float] = []
    end = time.perf_counter() + _SECONDS
    while len(times) < _RUNS or time.perf_counter() < end:
        begin = time.perf_counter()
        session.run_with_iobinding(binding)
        times.append(time.perf_counter() - begin)
    return min(times)
