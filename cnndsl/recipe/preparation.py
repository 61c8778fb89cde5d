"""How raw data becomes an input tensor: the lines of ``input 3x227x227 { … }`` as one value.

Raw data are pictures and arrays of whole numbers. The full range of their type is brought to 0 to
255; types that have none to speak of (32 bits and more, floating-point numbers) need a ``range``.
A picture is then brought to the input's size and channels (``fit``, ``resample``, ``background``,
``layout``); then every number ``v`` becomes, in this order::

    v = 255 - v                     where `invert yes`
    x = v * scale
    x = (x - mean) / std            per channel, so mean and std count in scaled units

Everything is float32. An array of floating-point numbers is taken as prepared already, unless
there is a ``range``.
"""

# No `from __future__ import annotations`: pydantic would have to compile every annotation of the
# classes here when they are defined, on the way to every check.

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError, create_model

from cnndsl.diagnostics.words import count
from cnndsl.frozen import frozen
from cnndsl.layers.base import LARGEST, Count, Positive, Real, Schema, ShapeFault
from cnndsl.layers.fault_kind import FaultKind
from cnndsl.types import DType, TensorType

__all__ = [
    "CHANNELS",
    "SETTINGS",
    "Background",
    "Fit",
    "FitSetting",
    "InputSetting",
    "Invert",
    "Layout",
    "LayoutSetting",
    "Mean",
    "Preparation",
    "Range",
    "Resample",
    "ResampleSetting",
    "Scale",
    "Std",
    "prepare",
]

Layout: TypeAlias = Literal["gray", "rgb", "bgr"]
"""Which channels a picture's tensor has, in order."""

Fit: TypeAlias = Literal["resize", "pad", "crop", "exact"]
"""What happens to a picture of another size than the input's."""

Resample: TypeAlias = Literal["bilinear", "bicubic", "nearest"]
"""How the pixels of a stretched or shrunk picture come about."""

CHANNELS: Mapping[Layout, int] = {"gray": 1, "rgb": 3, "bgr": 3}
"""How many channels pictures of each layout have."""


def _as_numbers(value: object) -> object:
    """One number stands for all channels; JSON has lists where a spec has tuples."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


# --- the settings -----------------------------------------------------------------------------


class InputSetting(Schema):
    """One line between an input's braces: its name, then one value."""

    positional: ClassVar[tuple[str, ...]] = ("value",)
    value: Any


class Scale(InputSetting):
    """What raw values are multiplied by; pictures have values from 0 to 255."""

    value: Positive = Field(description="the factor, such as 1/255")


class Mean(InputSetting):
    """What is subtracted from the scaled values."""

    value: Annotated[tuple[Real, ...], BeforeValidator(_as_numbers)] = Field(
        min_length=1, description="one number, or one per channel, in scaled units"
    )


class Std(InputSetting):
    """What the values are divided by at last."""

    value: Annotated[tuple[Positive, ...], BeforeValidator(_as_numbers)] = Field(
        min_length=1, description="one number, or one per channel, in scaled units"
    )


class LayoutSetting(InputSetting):
    """Which channels a picture's tensor has; by default gray for one channel, rgb for three."""

    value: Layout = Field(description="gray, rgb or bgr")


# `from` is a word of Python, so that no class statement can have it as a field.
FitSetting: type[InputSetting] = create_model(  # type: ignore[call-overload]
    "FitSetting",
    __base__=InputSetting,
    __module__=__name__,
    __doc__="""What happens to a picture of another size than the input's.

    ``resize`` stretches it, ``pad`` shrinks it if it is too large and centres it on the
    background, ``crop`` resizes it until it covers the input and cuts out the middle, ``exact``
    refuses it. ``crop from 256`` resizes it until its shorter side is 256, whatever the input is.
    """,
    value=(Fit, Field(description="resize, pad, crop or exact", examples=["crop"])),
    **{
        "from": (
            Count | None,
            Field(default=None, description="the shorter side before the cut", examples=[256]),
        )
    },
)


class ResampleSetting(InputSetting):
    """How the pixels of a stretched or shrunk picture come about.

    ``bilinear`` and ``bicubic`` average over all the pixels that a shrunk one stands for;
    ``nearest`` takes one of them.
    """

    value: Resample = Field(description="bilinear, bicubic or nearest")


class Range(InputSetting):
    """Which values become 0 and 255, for data whose type does not say it.

    These are floating-point numbers and whole numbers of 32 bits and more; of smaller types, it
    is always the smallest and the largest number that they can hold.
    """

    value: Annotated[tuple[Real, Real], BeforeValidator(_as_numbers)] = Field(
        description="the values that become 0 and 255, the lower one first", examples=[(0, 1)]
    )


class Background(InputSetting):
    """The raw value behind transparent pixels and around padded pictures.

    Left out, it is the value that becomes 0 before mean and std: 0, or 255 with `invert yes`.
    """

    value: int = Field(ge=0, le=255, description="a gray value from 0 to 255")


class Invert(InputSetting):
    """Whether dark and light change places, as for black digits on white paper."""

    value: bool = Field(description="yes or no")


SETTINGS: Mapping[str, type[InputSetting]] = {
    "scale": Scale,
    "mean": Mean,
    "std": Std,
    "layout": LayoutSetting,
    "fit": FitSetting,
    "resample": ResampleSetting,
    "range": Range,
    "background": Background,
    "invert": Invert,
}
"""The schema of every setting of an input, by its name."""


# --- the whole --------------------------------------------------------------------------------


@frozen
class Preparation:
    """How raw data becomes one input; the defaults leave a picture's values as they are."""

    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    layout: Layout | Literal["auto"] = "auto"
    fit: Fit = "resize"
    fit_from: int | None = None
    """How long the shorter side is made before the middle is cut out; None: as the input needs."""
    resample: Resample = "bilinear"
    range: tuple[float, float] | None = None
    """The values that become 0 and 255 where their type does not say it."""
    background: int = 0
    invert: bool = False

    def layout_for(self, input_type: TensorType) -> Layout | None:
        """The channels that a picture gets for this input; None where it takes no pictures.

        >>> Preparation().layout_for(TensorType((1, 32, 32)))
        'gray'
        """
        if len(input_type.dims) != 3 or input_type.dtype is not DType.FLOAT32:
            return None
        if self.layout != "auto":
            return self.layout if CHANNELS[self.layout] == input_type.channels else None
        by_channels: Mapping[int, Layout] = {1: "gray", 3: "rgb"}
        return by_channels.get(input_type.channels)

    def faults(self, input_type: TensorType) -> Iterator[ShapeFault]:
        """What does not fit an input of this type; each fault blames a setting by its name."""
        if input_type.is_tokens:
            yield from self._token_faults()
            return
        yield from self._range_faults()
        yield from self._crop_faults(input_type)
        channels = input_type.channels
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, channels):
                yield _fault(
                    name,
                    f"`{name}` has {len(values)} values, but the input `{input_type}` has"
                    f" {count(channels, 'channel')}",
                    f"give one number, or one per channel: {channels}",
                )
        if self.layout == "auto":
            return
        if len(input_type.dims) != 3:
            yield _fault(
                "layout",
                f"`layout {self.layout}` is for pictures, but the input `{input_type}` is not"
                " channels x height x width",
                "take `layout` away",
            )
        elif CHANNELS[self.layout] != channels:
            yield _fault(
                "layout",
                f"`layout {self.layout}` has {count(CHANNELS[self.layout], 'channel')}, but the"
                f" input `{input_type}` has {channels}",
                "make the layout and the input's channels agree",
            )

    def _range_faults(self) -> Iterator[ShapeFault]:
        if self.range is not None and self.range[0] >= self.range[1]:
            low, high = (f"{end:g}" for end in self.range)
            yield _fault(
                "range",
                f"`range {low} {high}` is empty: {low} is not below {high}",
                "write the value that becomes 0, then the one that becomes 255: `range 0 1`",
            )

        elif self.range is not None and self.range[1] - self.range[0] > LARGEST:
            yield _fault(
                "range",
                "`range` is wider than any number",
                "write the value that becomes 0, then the one that becomes 255: `range 0 1`",
            )

    def _crop_faults(self, input_type: TensorType) -> Iterator[ShapeFault]:
        if self.fit_from is None:
            return
        if self.fit != "crop":
            yield _fault(
                "fit",
                f"`from` belongs to `fit crop`, not to `fit {self.fit}`",
                f"write `fit crop from {self.fit_from}`",
            )
        elif len(input_type.dims) != 3:
            yield _fault(
                "fit",
                f"`fit crop from {self.fit_from}` is for pictures, but the input `{input_type}` is"
                " not channels x height x width",
                "take `fit` away",
            )
        elif self.fit_from < max(input_type.spatial):
            side = max(input_type.spatial)
            yield _fault(
                "fit",
                f"a picture whose shorter side is {self.fit_from} need not cover the input"
                f" `{input_type}`",
                f"write {side} or more: `fit crop from {side}`",
            )

    def _token_faults(self) -> Iterator[ShapeFault]:
        plain = prepare({"invert": Invert(value=self.invert)})
        for name in SETTINGS:
            if getattr(self, name) != getattr(plain, name) or (name == "invert" and self.invert):
                yield _fault(
                    name,
                    f"`{name}` has no meaning for token ids: they enter the network as they are",
                    f"take `{name}` away",
                )

    def to_json(self) -> dict[str, Any]:
        """The preparation as plain data; equal preparations give equal data."""
        data: dict[str, Any] = {
            "scale": float(self.scale),
            "mean": [float(value) for value in self.mean],
            "std": [float(value) for value in self.std],
            "fit": self.fit,
            "background": self.background,
            "invert": self.invert,
        }
        plain = Preparation()
        for name in ("fit_from", "resample", "range"):
            value = getattr(self, name)
            if value != getattr(plain, name):
                data[name] = [float(end) for end in value] if name == "range" else value
        return data if self.layout == "auto" else {**data, "layout": self.layout}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> "Preparation":
        """The preparation that :meth:`to_json` wrote.

        Raises:
            ValueError: for a setting that does not exist or has a value that it cannot have.
        """
        settings: dict[str, Schema] = {}
        values = dict(data)
        shorter = values.pop("fit_from", None)
        for name, value in values.items():
            if name not in SETTINGS:
                raise ValueError(f"there is no input setting `{name}`")
            try:
                extra = {"from": shorter} if name == "fit" and shorter is not None else {}
                settings[name] = SETTINGS[name].model_validate({"value": value, **extra})
            except ValidationError as error:
                raise ValueError(
                    f"the input setting `{name}` has an impossible value `{value}`"
                ) from error
        return prepare(settings)


def prepare(settings: Mapping[str, Schema]) -> Preparation:
    """The preparation that an input's settings make, by their names.

    >>> prepare({"scale": Scale(value=1 / 255), "mean": Mean(value=0.5)}).mean
    (0.5,)
    """
    values: dict[str, Any] = {
        name: setting.value
        for name, setting in settings.items()
        if isinstance(setting, InputSetting)
    }
    if (shorter := getattr(settings.get("fit"), "from", None)) is not None:
        values["fit_from"] = shorter
    if values.get("invert"):
        values.setdefault("background", 255)
    return Preparation(**values)


def _fault(setting: str, message: str, help: str) -> ShapeFault:
    return ShapeFault(FaultKind.PREPARATION, message, blame=(setting,), help=help)
