"""Finds a net's inputs: their sizes, how raw pictures become them, and what training changes.

A net to deploy says the sizes (`input_dim`, `input_shape`, an `Input` layer). One to train has a
data layer, which says what is cut out of the stored pictures, but hardly ever how large they are
or how many channels they have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cnndsl.frozen import frozen
from cnndsl.importers.networks.caffe.fields import Fields, fault
from cnndsl.importers.networks.caffe.phases import Picked
from cnndsl.importers.networks.caffe.versions import CaffeLayer
from cnndsl.types import TensorType

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__ = ["DATA_LAYERS", "Feed", "deployed", "feeds"]

DATA_LAYERS = frozenset(
    {
        "AnnotatedData",
        "Data",
        "DummyData",
        "HDF5Data",
        "ImageData",
        "ImageSegData",
        "Input",
        "MemoryData",
        "Python",
        "VideoData",
        "WindowData",
    }
)


@frozen
class Feed:
    """A blob that a net is given.

    ``dims`` are its sizes without the batch, as far as they are said: 0 where they are not.
    ``batch`` is how many samples training takes at once, where that is said; ``mirror`` and
    ``crops`` are what training does to them.
    """

    name: str
    dims: tuple[int, ...]
    settings: dict[str, tuple[Value, ...]]
    batch: int = 0
    mirror: bool = False
    crops: int = 0
    source: str = ""
    place: str = ""
    is_label: bool = False
    notes: tuple[str, ...] = ()

    @property
    def type(self) -> TensorType | None:
        """Its type, where all sizes are said."""
        return TensorType(self.dims) if self.dims and all(self.dims) else None


def deployed(net: Fields) -> list[Feed]:
    """The inputs that stand in the net itself: `input` with `input_dim` or `input_shape`."""
    names = net.texts("input")
    shapes = [shape.wholes("dim") for shape in net.inners("input_shape")]
    dims = net.wholes("input_dim")
    if not shapes and dims:
        shapes = [dims[at : at + 4] for at in range(0, len(dims), 4)]
        if len(dims) % 4:
            places = net.fields("input_dim")
            raise fault(places[-1].span, f"{len(dims)} times `input_dim`, not 4 for each input")
    if names and len(shapes) == 1:
        shapes *= len(names)
    if len(names) != len(shapes):
        place = (net.fields("input") or net.fields("input_shape") or net.fields("input_dim"))[-1]
        raise fault(place.span, f"{len(names)} inputs, and {len(shapes)} shapes for them")
    if len({*names}) < len(names):
        raise fault(net.fields("input")[-1].span, "an input of this name is there twice")
    return [Feed(name, tuple(shape[1:]), {}) for name, shape in zip(names, shapes, strict=True)]


def feeds(layers: Sequence[Picked]) -> list[Feed]:
    """The blobs that data layers give, each once: that of training goes before that of testing."""
    found: dict[str, Feed] = {}
    tested: dict[str, Feed] = {}
    for picked in layers:
        if picked.layer.type not in DATA_LAYERS or picked.layer.bottoms:
            continue
        target = tested if picked.phases == {"TEST"} else found
        for feed in _given(picked.layer):
            target.setdefault(feed.name, feed)
    for name, feed in tested.items():
        found.setdefault(name, feed)
    return list(found.values())


def _given(layer: CaffeLayer) -> Iterator[Feed]:
    kind = layer.type
    if kind == "Input":
        shapes = [one.wholes("dim") for one in layer.fields.inner("input_param").inners("shape")]
        shapes = shapes * len(layer.tops) if len(shapes) == 1 else shapes
        if len(shapes) != len(layer.tops):
            raise fault(layer.span, f"{len(layer.tops)} blobs, and {len(shapes)} shapes for them")
        for top, shape in zip(layer.tops, shapes, strict=True):
            yield Feed(top, tuple(shape[1:]), {}, place=layer.place)
    elif kind == "DummyData":
        yield from _dummies(layer)
    elif kind == "Python":
        layer.fields.ignore("python_param")
        for top in layer.tops:
            yield Feed(top, (), {}, place=layer.place, is_label="label" in top)
    else:
        yield from _stored(layer)


def _dummies(layer: CaffeLayer) -> Iterator[Feed]:
    fields = layer.fields.inner("dummy_data_param")
    fields.ignore("data_filler")
    shapes = [one.wholes("dim")[1:] for one in fields.inners("shape")]
    if not shapes:
        sides = [fields.wholes(name) for name in ("channels", "height", "width")]
        fields.ignore("num")
        shapes = [list(one) for one in zip(*sides, strict=True)]
    shapes = shapes * len(layer.tops) if len(shapes) == 1 else shapes
    for top, shape in zip(layer.tops, shapes, strict=False):
        yield Feed(top, tuple(shape), {}, place=layer.place)


_PARAMETERS = {
    "AnnotatedData": "data_param",
    "Data": "data_param",
    "HDF5Data": "hdf5_data_param",
    "ImageData": "image_data_param",
    "ImageSegData": "image_data_param",
    "MemoryData": "memory_data_param",
    "VideoData": "video_data_param",
    "WindowData": "window_data_param",
}


_PICTURES = ("AnnotatedData", "Data", "ImageData", "ImageSegData", "WindowData")


def _stored(layer: CaffeLayer) -> Iterator[Feed]:
    """The blobs of a layer that reads stored samples: the samples, then their labels."""
    fields = layer.fields.inner(_PARAMETERS[layer.type])
    fields.ignore("backend", "rand_skip", "prefetch", "shuffle", "root_folder", "cache_images")
    fields.ignore("fg_threshold", "bg_threshold", "fg_fraction", "context_pad", "crop_mode")
    fields.ignore("force_encoded_color")
    transform = layer.fields.inner("transform_param")
    settings, notes = _prepared(layer, fields, transform)
    batch, source = fields.whole("batch_size", 0), fields.text("source")
    mirror = transform.flag("mirror", default=fields.flag("mirror", default=False))
    dims = _stored_dims(layer, fields, transform)
    crops = transform.whole("crop_size", fields.whole("crop_size", 0))
    for at, top in enumerate(layer.tops):
        if layer.type == "HDF5Data":
            # A file holds any arrays under the blobs' names.
            named = top.startswith("label")
            yield Feed(top, (), {}, batch, source=source, place=layer.place, is_label=named)
        elif at == 0:
            yield Feed(top, dims, settings, batch, mirror, crops, source, layer.place, notes=notes)
        else:
            yield Feed(top, (), {}, place=layer.place, is_label=True)


def _stored_dims(layer: CaffeLayer, fields: Fields, transform: Fields) -> tuple[int, ...]:
    """How large a stored sample enters the net, 0 for what is not said."""
    crop = transform.whole("crop_size", fields.whole("crop_size", 0))
    height, width = transform.whole("crop_h", crop), transform.whole("crop_w", crop)
    stored = fields.whole("new_height", 0), fields.whole("new_width", 0)
    channels = _channels(layer, fields, transform)
    if layer.type == "MemoryData":
        channels = fields.whole("channels", 0)
        stored = fields.whole("height", 0), fields.whole("width", 0)
    return (channels, height or stored[0], width or stored[1])


def _channels(layer: CaffeLayer, fields: Fields, transform: Fields) -> int:
    """How many channels pictures have, 0 where that is not said."""
    color = fields.flag("is_color", default=True)
    if transform.flag("force_gray", default=False) or not color:
        return 1
    forced = transform.flag("force_color", default=False) or layer.type == "ImageData"
    return 3 if forced or len(transform.numbers("mean_value")) == 3 else 0


def _prepared(
    layer: CaffeLayer, fields: Fields, transform: Fields
) -> tuple[dict[str, tuple[Value, ...]], tuple[str, ...]]:
    """How stored samples are prepared, as an input's settings, and what these do not say."""
    settings: dict[str, tuple[Value, ...]] = {}
    if layer.type in _PICTURES and _channels(layer, fields, transform) != 1:
        settings["layout"] = ("bgr",)  # As OpenCV reads pictures.
    scale = transform.positive("scale", fields.positive("scale", 1.0))
    if scale != 1:
        settings["scale"] = (scale,)
    if means := transform.numbers("mean_value"):
        # Caffe subtracts before it scales, ours after.
        values = tuple(mean * scale for mean in means)
        settings["mean"] = (values[0],) if len(set(values)) == 1 else (values,)
    mean_file = transform.text("mean_file") or fields.text("mean_file")
    if not mean_file:
        return settings, ()
    note = (
        f"{layer.place}: the mean picture `{mean_file}` is subtracted, which is another file;"
        " `mean` in the braces of `input` takes a number for each channel"
    )
    return settings, (note,)
