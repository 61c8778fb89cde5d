"""Turns a model's bytes or file into a session on a device: arrays in, arrays out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy
import onnx

from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.files import open_regular
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.files import reason
from cnndsl.runtime import library
from cnndsl.runtime.device import Device, choose
from cnndsl.runtime.start import ANSWERING, CPU, CUDA, MisplacedError, Purpose, start

__all__ = [
    "Port",
    "Session",
    "add_outputs",
    "refused_model",
    "run_failure",
    "started",
    "with_outputs",
]


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
        purpose: what it is for.

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
        purpose: Purpose = ANSWERING,
    ) -> None:
        self.device = choose(device)
        source = model if isinstance(model, bytes) else _loadable(os.fspath(model))
        self._session = started(source, self.device, purpose, threads, refused_model(source))
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
        return {name: _numbers(array) for name, array in zip(names, arrays, strict=True)}

    def end_recording(self) -> str:
        """The path of what was recorded, where the purpose says so; nothing is from now on."""
        return str(self._session.end_profiling())


def _numbers(array: object) -> Array:
    """An output's numbers; what is float16 inside of a model is asked for as a layer's value."""
    found = numpy.asarray(array)
    return found.astype(numpy.float32) if found.dtype == numpy.float16 else found


def with_outputs(model: Artifact, values: Iterable[str]) -> Artifact:
    """A model that gives these values of its graph as outputs too."""
    proto = onnx.ModelProto()
    proto.CopyFrom(model.graph_only)
    add_outputs(proto, values)
    return replace(model, graph_only=proto)


def add_outputs(model: onnx.ModelProto, values: Iterable[str]) -> None:
    """Let a model give these values of its graph as outputs too."""
    own = {output.name for output in model.graph.output}
    for value in dict.fromkeys(values):
        if value not in own:
            # Its type is inferred by ONNX Runtime.
            model.graph.output.add(name=value)


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


def started(
    model: bytes | str,
    device: Device,
    purpose: Purpose,
    threads: int | None,
    refused: Callable[[str], UserError],
) -> Any:
    """ONNX Runtime's session of a model on a device; ``refused`` is for one it does not take.

    Raises:
        UserError: that of ``refused``, and CNN701 where it would run elsewhere.
    """
    provider = CPU if device.name == "cpu" else CUDA
    try:
        return start(model, provider, purpose, index=device.index, threads=threads, refused=refused)
    except MisplacedError as error:
        raise UserError(
            "CNN701",
            f"`{device.name}` works, but ONNX Runtime put this model on the CPU",
            help="run `cnndsl doctor`, or use `--device cpu`",
        ) from error


def refused_model(model: bytes | str) -> Callable[[str], UserError]:
    """CNN604: what is said of a model that ONNX Runtime does not take."""
    where = "the model" if isinstance(model, bytes) else f"`{model}`"
    return lambda text: UserError(
        "CNN604",
        f"ONNX Runtime cannot load {where}: {text}",
        help="compile the model again with `cnndsl compile`",
    )


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
