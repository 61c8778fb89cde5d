"""Makes the pictures and arrays that the feeding benchmark reads, the same ones every time.

Photographs have much more power in slow changes than in fast ones, about as one over the square of
the frequency (Field 1987): so have these, and colours that change more slowly than light and dark.
At quality 90, JPEG makes about as many bytes of a pixel of them as of ImageNet's photographs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy
import numpy.typing
from PIL import Image

__all__ = ["CASES", "Case", "make"]

Bytes: TypeAlias = "numpy.typing.NDArray[numpy.uint8]"

_PREPARED = "scale 1/255  mean [0.485, 0.456, 0.406]  std [0.229, 0.224, 0.225]"


@dataclass(frozen=True)
class Case:
    """What is read: ``count`` pictures of a size (width, height), and what becomes of them.

    ``spec`` is the network's input; ``suffix`` the files' format, or ``idx`` for MNIST's files.
    """

    suffix: str
    size: tuple[int, int]
    count: int
    batch: int
    spec: str
    augment: str = "augment crop padding 4 -> flip"

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The mean and the standard deviation of each channel, as the spec has them."""
        if self.suffix == "idx":
            return (0.1307,), (0.3081,)
        return (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    @property
    def text(self) -> str:
        """A network that takes them."""
        classes = 10 if self.suffix == "idx" else 2
        recipe = f"train {{ {self.augment} }}" if self.augment else ""
        return f"{self.spec}\nflatten -> dense {classes} -> softmax\n{recipe}\n"


_LARGE = f"input 3x224x224 {{ {_PREPARED}  fit crop from 256 }}"

CASES: Mapping[str, Case] = {
    "jpeg 256x256": Case("jpg", (256, 256), 512, 32, _LARGE),
    "jpeg 500x375": Case("jpg", (500, 375), 512, 32, _LARGE),
    "jpeg 1600x1200": Case("jpg", (1600, 1200), 32, 16, _LARGE),
    "png 256x256": Case("png", (256, 256), 512, 32, _LARGE),
    "png 32x32": Case("png", (32, 32), 4096, 128, f"input 3x32x32 {{ {_PREPARED} }}"),
    "mnist": Case(
        "idx", (28, 28), 16384, 128, "input 1x28x28 { scale 1/255  mean 0.1307  std 0.3081 }", ""
    ),
}

_DIFFERENT = 8
"""So many pictures are drawn; the others are these, moved and mirrored."""


def make(case: Case, folder: Path) -> Path:
    """The folder with a case's pictures: two classes, or MNIST's files as torchvision has them."""
    pictures = _pictures(case.size, case.count)
    if case.suffix == "idx":
        raw = folder / "MNIST" / "raw"
        raw.mkdir(parents=True)
        grays = numpy.stack([picture[..., 1] for picture in pictures])
        for part, count in (("train", case.count), ("t10k", 16)):
            _write_idx(raw / f"{part}-images-idx3-ubyte", grays[:count])
            labels = (numpy.arange(count) % 10).astype(numpy.uint8)
            _write_idx(raw / f"{part}-labels-idx1-ubyte", labels)
        return folder
    for at, picture in enumerate(pictures):
        path = folder / f"class{at % 2}" / f"{at:05}.{case.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        settings: dict[str, Any] = {"quality": 90} if case.suffix == "jpg" else {}
        Image.fromarray(picture).save(path, **settings)
    return folder


def _pictures(size: tuple[int, int], count: int) -> Iterator[Bytes]:
    random = numpy.random.default_rng(0)
    drawn = [_photograph(random, size) for _ in range(_DIFFERENT)]
    for at in range(count):
        picture = numpy.roll(drawn[at % _DIFFERENT], random.integers(0, min(size), 2), (0, 1))
        yield picture[:, ::-1] if random.integers(2) else picture


def _photograph(random: numpy.random.Generator, size: tuple[int, int]) -> Bytes:
    width, height = size
    rows = numpy.fft.fftfreq(height)[:, None] * height
    frequency = numpy.hypot(rows, numpy.fft.rfftfreq(width) * width)
    frequency[0, 0] = 1

    def field(slope: float) -> numpy.typing.NDArray[numpy.float64]:
        waves = random.normal(size=(2, *frequency.shape)) / frequency**slope
        plane = numpy.fft.irfft2(waves[0] + 1j * waves[1], (height, width))
        plane /= plane.std()
        return plane

    light = field(1.1)
    colours = numpy.stack([light + 0.4 * field(1.3) for _ in range(3)], axis=-1)
    return numpy.clip(120 + 50 * colours, 0, 255).astype(numpy.uint8)


def _write_idx(path: Path, values: Bytes) -> None:
    header = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    path.write_bytes(header + values.tobytes())
