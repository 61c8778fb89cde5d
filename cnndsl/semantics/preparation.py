"""How raw data becomes an input tensor: the lines of ``input 3x227x227 { … }`` as one value.

Raw data are the numbers 0 to 255 of a picture (whatever the depth of its file), or an array of
whole numbers. A picture is first brought to the input's size and channels (``fit``,
``background``, ``layout``); then every number ``v`` becomes, in this order::

    v = 255 - v                     where `invert yes`
    x = v * scale
    x = (x - mean) / std            per channel, so mean and std count in scaled units

Everything is float32. An array of floating-point numbers is taken as prepared already.
"""

# No `from __future__ import annotations`: pydantic would have to compile every annotation of the
# classes here when they are defined, on the way to every check.

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError

from cnndsl.frozen import frozen
from cnndsl.layers.base import Schema, ShapeFault
from cnndsl.types import DType, TensorType

__all__ = [
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
    "Scale",
    "Std",
    "prepare",
]

Layout: TypeAlias = Literal["gray", "rgb", "bgr"]
"""Which channels a picture's tensor has, in order."""

Fit: TypeAlias = Literal["resize", "pad", "crop", "exact"]
"""What happens to a picture of another size than the input's."""

CHANNELS: Mapping[Layout, int] = {"gray": 1, "rgb": 3, "bgr": 3}


def _as_numbers(value: object) -> object:
    """One number stands for all channels; JSON has lists where a spec has tuples."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]


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

    value: Annotated[tuple[Finite, ...], BeforeValidator(_as_numbers)] = Field(
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


class FitSetting(InputSetting):
    """What happens to a picture of another size than the input's.

    ``resize`` stretches it, ``pad`` shrinks it if it is too large and centres it on the
    background, ``crop`` resizes it until it covers the input and cuts out the middle, ``exact``
    refuses it.
    """

    value: Fit = Field(description="resize, pad, crop or exact")


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
        if input_type.dtype is DType.INT64:
            yield from self._token_faults()
            return
        channels = input_type.channels
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, channels):
                yield _fault(
                    name,
                    f"`{name}` has {len(values)} values, but the input `{input_type}` has"
                    f" {_count(channels, 'channel')}",
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
                f"`layout {self.layout}` has {_count(CHANNELS[self.layout], 'channel')}, but the"
                f" input `{input_type}` has {channels}",
                "make the layout and the input's channels agree",
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
        return data if self.layout == "auto" else {**data, "layout": self.layout}

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> "Preparation":
        """The preparation that :meth:`to_json` wrote.

        Raises:
            ValueError: for a setting that does not exist or has a value that it cannot have.
        """
        settings: dict[str, Schema] = {}
        for name, value in data.items():
            if name not in SETTINGS:
                raise ValueError(f"there is no input setting `{name}`")
            try:
                settings[name] = SETTINGS[name].model_validate({"value": value})
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
    if values.get("invert"):
        values.setdefault("background", 255)
    return Preparation(**values)


def _fault(setting: str, message: str, help: str) -> ShapeFault:
    return ShapeFault("CNN503", message, blame=(setting,), help=help)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
