"""What a network takes on a device, layer by layer and line by line of its spec: data.

What is measured, and how, is in ``docs/profiling.md``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Literal, TypeAlias

from typing_extensions import TypedDict, override

from cnndsl.diagnostics.words import count
from cnndsl.runtime.machine_peaks import MachinePeaks

__all__ = [
    "LayerTime",
    "LayerTimeJson",
    "LineTime",
    "LineTimeJson",
    "OtherTimeJson",
    "Part",
    "Profile",
    "ProfileJson",
    "Times",
    "TimesJson",
    "summed",
]

Part: TypeAlias = Literal["forward", "backward", "update"]


@dataclass(frozen=True, slots=True)
class Times:
    """What some kernels take in one run: seconds of each part, and bytes.

    ``flops`` are two for each multiply-accumulate that their layers count. ``read`` and ``made``
    are bytes that kernels take (weights too) and give, ``in_use`` the most that the session held
    for results while one of them ran; None where ONNX Runtime does not tell.
    """

    forward: float = 0.0
    backward: float = 0.0
    update: float = 0.0
    kernels: int = 0
    flops: int = 0
    read: int = 0
    made: int = 0
    in_use: int | None = None

    @property
    def seconds(self) -> float:
        """All parts."""
        return self.forward + self.backward + self.update

    @property
    def flops_per_second(self) -> float:
        """The floating-point operations that it does in a second; none for no time."""
        return self.flops / self.seconds if self.seconds else 0.0

    def __add__(self, other: Times) -> Times:
        """Both."""
        known = [one for one in (self.in_use, other.in_use) if one is not None]
        return Times(
            self.forward + other.forward,
            self.backward + other.backward,
            self.update + other.update,
            self.kernels + other.kernels,
            self.flops + other.flops,
            self.read + other.read,
            self.made + other.made,
            max(known, default=None),
        )


@dataclass(frozen=True, slots=True)
class LayerTime:
    """A layer: its name, what the spec writes for it and where, and what it takes.

    ``within`` is the layer whose kernel computes this one too, where it has none of its own.
    """

    name: str
    phrase: str
    file: str
    line: int
    times: Times
    within: str = ""


@dataclass(frozen=True, slots=True)
class LineTime:
    """A line of a spec: its text, how many layers stand on it or are made by it, and their sum."""

    file: str
    line: int
    text: str
    layers: int
    times: Times


class TimesJson(TypedDict):
    """Times as plain data."""

    forward_seconds: float
    backward_seconds: float
    update_seconds: float
    kernels: int
    flops: int
    read_bytes: int
    made_bytes: int
    in_use_bytes: int | None


class LayerTimeJson(TimesJson):
    """A layer as plain data; ``within`` is empty where it has kernels of its own."""

    name: str
    layer: str
    file: str
    line: int
    within: str


class LineTimeJson(TimesJson):
    """A line as plain data."""

    file: str
    line: int
    text: str
    layers: int


class OtherTimeJson(TimesJson):
    """What is no layer's, as plain data."""

    name: str


class ProfileJson(TypedDict):
    """A profile as plain data; times are those of one run."""

    network: str
    what: Literal["answer", "training step"]
    device: str
    threads: int | None
    batch: int
    runs: int
    seconds: float
    kernel_seconds: float
    peak_flops_per_second: float
    peak_bytes_per_second: float
    in_use_bytes: int | None
    lines: list[LineTimeJson]
    layers: list[LayerTimeJson]
    others: list[OtherTimeJson]


@dataclass(frozen=True)
class Profile:
    """What one run of a network takes: an answer for a batch, or a training step.

    ``seconds`` is the median of ``runs`` without a recording, which costs time itself; the layers'
    times are medians of recorded runs. ``layers`` are in the spec's order; ``others`` is what
    belongs to no layer, by name: ``loss``, ``optimizer``, ``ONNX Runtime``. ``peaks`` is what the
    device does at most.
    """

    network: str
    training: bool
    device: str
    threads: int | None
    batch: int
    runs: int
    seconds: float
    peaks: MachinePeaks
    layers: tuple[LayerTime, ...]
    lines: tuple[LineTime, ...]
    others: dict[str, Times]

    @override
    def __repr__(self) -> str:
        what = "a training step" if self.training else "an answer"
        return (
            f"<Profile of {self.network}: {1e3 * self.seconds:.3f} ms for {what} of batch"
            f" {self.batch} on {self.device}>"
        )

    @property
    def kernels(self) -> Times:
        """All kernels together."""
        return summed([*(layer.times for layer in self.layers), *self.others.values()])

    def draw(self, path: str | os.PathLike[str]) -> None:
        """Draw the time of every line into a file.

        Raises:
            UserError: CNN609 where the path does not end in ``.png``, ``.svg`` or ``.pdf``,
                CNN603 where the file cannot be written.
        """
        from cnndsl.plots.figure import save_figure
        from cnndsl.plots.line_times import Bar, draw_bars

        batch = count(self.batch, "sample", commas=True)
        what = "a training step" if self.training else "an answer"
        bars = [
            Bar(f"{PurePath(one.file).name}:{one.line}", one.text, one.times)
            for one in self.lines
            if one.times.kernels
        ]
        bars += [Bar("", name, times) for name, times in self.others.items()]
        subtitle = f"{what} for {batch} on {self.device}: {1e3 * self.seconds:,.4g} ms"
        save_figure(path, draw_bars(self.network, subtitle, bars))

    def to_json(self) -> ProfileJson:
        """The profile as plain data."""
        everything = self.kernels
        return {
            "network": self.network,
            "what": "training step" if self.training else "answer",
            "device": self.device,
            "threads": self.threads,
            "batch": self.batch,
            "runs": self.runs,
            "seconds": self.seconds,
            "kernel_seconds": everything.seconds,
            "peak_flops_per_second": self.peaks.flops,
            "peak_bytes_per_second": self.peaks.bytes,
            "in_use_bytes": everything.in_use,
            "lines": [
                {
                    "file": one.file,
                    "line": one.line,
                    "text": one.text,
                    "layers": one.layers,
                    **_plain(one.times),
                }
                for one in self.lines
            ],
            "layers": [_plain_layer(one) for one in self.layers],
            "others": [{"name": name, **_plain(times)} for name, times in self.others.items()],
        }


def _plain_layer(layer: LayerTime) -> LayerTimeJson:
    times = _plain(layer.times)
    file, line = layer.file, layer.line
    plain: LayerTimeJson = {
        "name": layer.name,
        "layer": layer.phrase,
        "file": file,
        "line": line,
        "within": layer.within,
        **times,
    }
    return plain


def _plain(times: Times) -> TimesJson:
    return {
        "forward_seconds": times.forward,
        "backward_seconds": times.backward,
        "update_seconds": times.update,
        "kernels": times.kernels,
        "flops": times.flops,
        "read_bytes": times.read,
        "made_bytes": times.made,
        "in_use_bytes": times.in_use,
    }


def summed(times: Iterable[Times]) -> Times:
    """All of some times."""
    return sum(times, Times())
