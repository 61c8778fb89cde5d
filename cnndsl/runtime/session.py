"""Turns a model's bytes or file into a session on a device: arrays in, arrays out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.files import reason
from cnndsl.runtime import library
from cnndsl.runtime.device import CPU, CUDA, Device, choose, cuda_options, session_options

__all__ = ["Port", "Session", "run_failure"]


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model: its name, element type, and sizes with the batch first.

    A size that is not fixed is its name: ``("N", 1, 32, 32)``.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


class Session:
    """A model that is ready to run.

    Args:
        model: the model, or the path of its file.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: how many threads one operator may use; by default ONNX Runtime decides.

    Raises:
        UserError: CNN604 for a model that ONNX Runtime does not take, CNN701 for a device that
            does not work, CNN705 where there is no ONNX Runtime.
    """

    device: Device
    """Where it runs and why there."""

    def __init__(
        self,
        model: bytes | str | os.PathLike[str],
        device: str = "auto",
        *,
        threads: int | None = None,
    ) -> None:
        ort = library.load()
        self.device = choose(device)
        source = model if isinstance(model, bytes) else _loadable(os.fspath(model))
        self._session = _start(ort, source, self.device, threads)
        self.inputs = _ports(self._session.get_inputs())
        self.outputs = _ports(self._session.get_outputs())

    def run(
        self, feeds: Mapping[str, Array], outputs: Sequence[str] | None = None
    ) -> dict[str, Array]:
        """The outputs, by name (all of them, or those asked for), for a batch of every input.

        Raises:
            UserError: CNN703 where ONNX Runtime cannot run these arrays.
        """
        names = [port.name for port in self.outputs] if outputs is None else list(outputs)
        try:
            arrays = self._session.run(names, dict(feeds))
        except Exception as error:
            advice = "check the input against the spec's `input`"
            raise run_failure(error, self.device, "the network", advice) from error
        return {name: numpy.asarray(array) for name, array in zip(names, arrays, strict=True)}


def _loadable(path: str) -> str | bytes:
    """A path as ONNX Runtime takes it; the file's bytes, where its name is no UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        try:
            with open_regular(path) as file:
                return file.read()
        except OSError as error:
            raise UserError(
                "CNN604",
                f"`{path}` cannot be read: {reason(error)}",
                help="give a model that `cnndsl compile` wrote",
            ) from error
    return path


def _start(ort: Any, source: bytes | str, device: Device, threads: int | None) -> Any:
    on_cuda = device.name != "cpu"
    # The CPU stands behind CUDA for the arithmetic on shapes that a free batch brings.
    providers = [(CUDA, cuda_options(device.index)), CPU] if on_cuda else [CPU]
    options = session_options(ort, threads)
    try:
        session = ort.InferenceSession(source, options, providers=providers, enable_fallback=0)
    except Exception as error:
        where = "the model" if isinstance(source, bytes) else f"`{source}`"
        raise UserError(
            "CNN604",
            f"ONNX Runtime cannot load {where}: {library.plain(error)}",
            help="compile the model again with `cnndsl compile`",
        ) from error
    if on_cuda and session.get_providers()[0] != CUDA:
        raise UserError(
            "CNN701",
            f"`{device.name}` works, but ONNX Runtime put this model on the CPU",
            help="run `cnndsl doctor`, or use `--device cpu`",
        )
    return session


def run_failure(error: Exception, device: Device, what: str, advice: str) -> UserError:
    """CNN703: ONNX Runtime could not run this; ``advice`` is for where memory is not the cause."""
    text = library.plain(error)
    memory = "memory" in text.lower() or "alloc" in text.lower()
    return UserError(
        "CNN703",
        f"{what} cannot be run on `{device.name}`: {text}",
        help="use a smaller `--batch`" if memory else advice,
    )


_DTYPES = {"tensor(float)": "float32", "tensor(int64)": "int64", "tensor(uint8)": "uint8"}


def _ports(arguments: Sequence[Any]) -> tuple[Port, ...]:
    return tuple(
        Port(one.name, _DTYPES.get(one.type, str(one.type)), tuple(one.shape)) for one in arguments
    )
