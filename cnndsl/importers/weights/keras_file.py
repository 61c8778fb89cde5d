"""Reads Keras's files of weights: ``.weights.h5``, ``.keras``, and the older ``.h5``.

Keras 3 stores a layer's variables by numbers, in groups named after the layer's class; its own
name is an attribute. The older ``.h5`` stores them by names, and the order of the layers. A
``.keras`` file is a zip of the former and of the model's configuration, which says what each layer
is and in which order. Kernels are ``HWIO``, and so is what a dense layer reads of feature maps.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any
from zipfile import ZipFile

from cnndsl.diagnostics.model import UserError
from cnndsl.files import check_regular, natural, open_regular
from cnndsl.graph.archives import ZIP_ERRORS
from cnndsl.graph.weights import Numbers
from cnndsl.importers.weights.keras_graph import (
    DEPTHWISE,
    POINTWISE,
    KerasLayer,
    connected,
    in_configuration,
    layers_of,
)
from cnndsl.importers.weights.source import (
    LeftOut,
    Role,
    SourceLayer,
    SourceTensor,
    WeightsSource,
    broken,
    kernel_axes,
    opened,
)
from cnndsl.limits import Limits

__all__ = ["open_keras"]

_CONFIG = 2**26
"""The bytes of the longest configuration that is read."""

_MOST = 100_000
_DEEPEST = 32

_ERRORS = (*ZIP_ERRORS, KeyError, TypeError)

_SHOWN_NUMBERS = 4

_OPTIMIZER = "an optimizer's state"

_KERNELS = {
    "conv1d": "*IO",
    "conv2d": "*IO",
    "conv3d": "*IO",
    "depthwise_conv1d": "*IM",
    "depthwise_conv2d": "*IM",
    "conv1d_transpose": "*OI",
    "conv2d_transpose": "*OI",
    "conv3d_transpose": "*OI",
    "dense": "IO",
}
"""What the axes of a layer's kernel are, by its class."""

_BY_CLASS = {
    **dict.fromkeys(_KERNELS, ("kernel", "bias")),
    "separable_conv1d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "separable_conv2d": ("depthwise_kernel", "pointwise_kernel", "bias"),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
    "layer_normalization": ("gamma", "beta"),
    "group_normalization": ("gamma", "beta"),
    "rms_normalization": ("scale",),
    "layer_scale": ("gamma",),
    "p_re_lu": ("alpha",),
    "embedding": ("embeddings",),
}
"""A layer's variables in the order of their numbers; a configuration may say that some lack."""

_ROLES = {
    "kernel": Role.KERNEL,
    "depthwise_kernel": Role.KERNEL,
    "pointwise_kernel": Role.KERNEL,
    "embeddings": Role.KERNEL,
    "bias": Role.BIAS,
    "gamma": Role.SCALE,
    "scale": Role.SCALE,
    "beta": Role.BIAS,
    "moving_mean": Role.MEAN,
    "moving_variance": Role.VARIANCE,
    "alpha": Role.SLOPE,
}


def open_keras(path: str) -> AbstractContextManager[WeightsSource]:
    """The layers of a file of Keras's, in the model's order where the file says it.

    Raises:
        UserError: CNN656 without h5py, CNN650 where it is no whole file of Keras's.
    """
    return opened(path, "file of Keras", _ERRORS, partial(_source, path))


def _source(path: str, stack: ExitStack) -> WeightsSource:
    check_regular(path)
    config: Mapping[str, Any] = {}
    name = path
    form = "Keras weights"
    if path.lower().endswith(".keras"):
        config, name = _unpacked(path, stack)
        form = "Keras model (.keras)"
    h5py = _h5py()  # behind what is said of a damaged archive without it
    file = stack.enter_context(h5py.File(name, "r"))
    return _Reader(path, file, config, h5py).source(form)


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise UserError(
            "CNN656",
            "files of Keras are HDF5, and the package h5py, which reads them, is not installed",
            help='`pip install "cnndsl[keras]"`',
        ) from error
    return h5py


def _unpacked(path: str, stack: ExitStack) -> tuple[Mapping[str, Any], str]:
    """The configuration in a ``.keras`` file, and where its weights are unpacked for a while."""
    most = Limits.current().unpacked
    with open_regular(path) as file, ZipFile(file) as archive:
        config = _configuration(archive)
        target = stack.enter_context(tempfile.TemporaryDirectory(prefix="cnndsl-"))
        name = os.path.join(target, "model.weights.h5")
        with archive.open("model.weights.h5") as packed, open(name, "wb") as unpacked:
            size = 0
            while piece := packed.read(2**20):
                size += len(piece)
                if size > most:
                    raise broken(
                        path,
                        f"its weights unpack to more than {most:,} bytes",
                        help="raise the limit: `CNNDSL_LIMITS=unpacked=…`, if that is meant",
                    )
                unpacked.write(piece)
    return config, name


def _configuration(archive: ZipFile) -> Mapping[str, Any]:
    with archive.open("config.json") as file:
        return _json(_whole(file))


def _whole(file: IO[bytes]) -> bytes:
    text = file.read(_CONFIG + 1)
    if len(text) > _CONFIG:
        raise ValueError("its configuration is too long")
    return text


def _json(text: str | bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("its configuration is nested too deeply") from error
    return found if isinstance(found, dict) else {}


@dataclass(eq=False)
class _Reader:
    path: str
    file: Any
    config: Mapping[str, Any]
    h5py: Any
    left: list[LeftOut] = field(default_factory=list)

    def source(self, form: str) -> WeightsSource:
        """The file's layers, in whichever of the forms it is."""
        config = self.config or _json(self.file.attrs.get("model_config", "{}"))
        known = list(layers_of(config))
        root = self.file.get("model_weights", self.file)
        older = "layer_names" in root.attrs
        layers = list(self._by_names(root, known) if older else self._by_numbers(known))
        if older:
            form = "Keras model (.h5)" if root is not self.file else "Keras weights (.h5)"
        if not layers:
            raise broken(self.path, "no layer in it has weights", help="give a file of weights")
        places = {one.name: at for at, one in enumerate(known)}
        inside = all(in_configuration(layer) in places for layer in layers)
        if inside and places:
            layers.sort(key=lambda layer: places[in_configuration(layer)])
            layers = list(connected(layers, known, config))
        first = {one.config.get("data_format") == "channels_first" for one in known}
        return WeightsSource(
            self.path,
            form,
            tuple(layers),
            ordered=older or (inside and bool(places)),
            branches=False,
            channels_last=not any(first),
            left_out=tuple(self.left),
        )

    def _by_names(self, root: Any, known: list[KerasLayer]) -> Iterator[SourceLayer]:
        """The older form: groups for layers, with the names of their weights in order."""
        kinds = {one.name: one for one in known}
        for name in map(_text, root.attrs["layer_names"]):
            group = self._member(root, name)
            parts: dict[str, list[SourceTensor]] = {}
            for weight in map(_text, group.attrs.get("weight_names", ())):
                word = re.sub(r":\d+$", "", weight.rpartition("/")[2])
                # A layer that is a model has the weights of its own layers.
                owner = weight.rpartition("/")[0].rpartition("/")[2]
                inner = owner if owner in kinds and kinds[owner].kind != "functional" else name
                parts.setdefault(inner, []).append(
                    self._tensor(weight, self._member(group, weight), word, kinds.get(inner))
                )
            for inner, tensors in parts.items():
                kind = kinds[inner].kind if inner in kinds else ""
                eps = _eps(kinds.get(inner))
                yield from _divided(SourceLayer(inner, kind, tuple(tensors), eps))
        if "optimizer_weights" in self.file:
            self._leave(self.file["optimizer_weights"], "optimizer_weights")

    def _by_numbers(self, known: list[KerasLayer]) -> Iterator[SourceLayer]:
        """Keras 3: a group ``vars`` for each layer, wherever it stands."""
        kinds = {one.name: one for one in known}
        groups = dict(self._groups(self.file, "", 0))
        names = {path: _text(group.attrs.get("name", "")) for path, group in groups.items()}
        for path, group in groups.items():
            if path.split("/")[0] == "optimizer":
                self._leave(group, f"{path}/vars")
                continue
            if not len(group):
                continue
            name = names[path] or path.rpartition("/")[2]
            if re.fullmatch(r"normalization(_\d+)?", path.rpartition("/")[2]):
                self._leave_measured(group, f"{path}/vars", name)
                continue
            kind = re.sub(r"_\d+$", "", path.rpartition("/")[2])
            layer = kinds.get(name)
            words = _words(kind, layer, len(group))
            tensors = []
            for at, number in enumerate(sorted(group, key=natural)):
                word = words[at] if at < len(words) else ""
                tensors.append(
                    self._tensor(f"{path}/vars/{number}", group[number], word, layer, kind)
                )
            full = "/".join((*_outer(path, names), name))
            yield from _divided(SourceLayer(full, kind, tuple(tensors), _eps(layer)))

    def _groups(self, group: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
        """All groups called ``vars``, with the path of what has them, by the names' order."""
        if depth > _DEEPEST:
            raise ValueError("its groups are nested too deeply")
        for name in sorted(group, key=natural):
            one = self._member(group, name)
            if not isinstance(one, self.h5py.Group):
                continue
            if name == "vars":
                yield path, one
            else:
                yield from self._groups(one, f"{path}/{name}" if path else name, depth + 1)

    def _member(self, group: Any, path: str) -> Any:
        """What lies in a group, by its path: never what is in another file."""
        for name in path.split("/"):
            link = group.get(name, getlink=True)
            if link is None:
                raise ValueError(f"`{path}` is not there")
            if not isinstance(link, self.h5py.HardLink):
                raise broken(self.path, f"`{path}` is a link to somewhere else")
            group = group[name]
        return group

    # Long, because a variable's place says nothing of what it is.
    def _tensor(
        self, name: str, dataset: Any, word: str, layer: KerasLayer | None, kind: str = ""
    ) -> SourceTensor:
        if not isinstance(dataset, self.h5py.Dataset) or dataset.external or dataset.is_virtual:
            raise ValueError(f"`{name}` is no array of this file")
        kind = layer.kind if layer is not None else kind
        role = _ROLES.get(word, Role.OTHER)
        shape = tuple(dataset.shape or ())
        order = {"depthwise_kernel": "*IM", "pointwise_kernel": "*IO"}.get(
            word, _KERNELS.get(kind, "")
        )
        if role is Role.KERNEL and not order and word == "kernel":
            order = {2: "IO"}.get(len(shape), "*IO")
        axes = kernel_axes(order, len(shape))

        def read() -> Numbers:
            most = Limits.current().unpacked
            if dataset.nbytes > most:
                raise broken(self.path, f"`{name}` has more than {most:,} bytes")
            numbers: Numbers = dataset[()]
            return numbers

        return SourceTensor(name, role, shape, str(dataset.dtype), read, axes)

    def _leave_measured(self, group: Any, path: str, name: str) -> None:
        """Leave out what a `Normalization` measured of samples, and say it: mean and variance."""
        for number, word in (("0", "mean"), ("1", "variance"), ("2", "count")):
            if number not in group:
                continue
            shown = ""
            if word != "count":
                numbers = [f"{one:.6g}" for one in group[number][()].ravel()[:_SHOWN_NUMBERS]]
                more = " …" if group[number].size > _SHOWN_NUMBERS else ""
                shown = f", {' '.join(numbers)}{more}"
            what = (
                f"the {word} of `{name}`{shown}: the braces of `input` say what is done to samples"
            )
            self.left.append(LeftOut(f"{path}/{number}", what))

    def _leave(self, group: Any, path: str) -> None:
        def visit(name: str, one: Any) -> None:
            if isinstance(one, self.h5py.Dataset) and len(self.left) < _MOST:
                self.left.append(LeftOut(f"{path}/{name}", _OPTIMIZER))

        group.visititems(visit)


def _outer(path: str, names: Mapping[str, str]) -> Iterator[str]:
    """The names of the models that a layer stands in, the outermost first."""
    parts = path.split("/layers/")
    for end in range(1, len(parts)):
        model = "/layers/".join(parts[:end])
        yield names.get(model) or model.rpartition("/")[2]


def _eps(layer: KerasLayer | None) -> float | None:
    found = None if layer is None else layer.config.get("epsilon")
    return float(found) if isinstance(found, int | float) else None


def _words(kind: str, layer: KerasLayer | None, number: int) -> tuple[str, ...]:
    """What a layer's variables are, by their numbers."""
    kind = layer.kind if layer is not None else kind
    words = _BY_CLASS.get(kind, ())
    lacking = {
        word
        for word, setting in (("gamma", "scale"), ("beta", "center"), ("bias", "use_bias"))
        if layer is not None and layer.config.get(setting) is False
        if word == "bias" or kind.endswith("normalization")
    }
    words = tuple(one for one in words if one not in lacking)
    if len(words) == number:
        return words
    if kind == "batch_normalization" and number in (2, 3):
        # Nothing says whether the one of three is gamma or beta.
        return ("moving_mean", "moving_variance") if number == 2 else ()
    return words[:number] if number < len(words) and words[0] == "kernel" else ()


def _divided(layer: SourceLayer) -> Iterator[SourceLayer]:
    """A separable convolution as the two that it is."""
    kernels = [one for one in layer.tensors if one.role is Role.KERNEL]
    if len(kernels) != 2:
        yield layer
        return
    rest = tuple(one for one in layer.tensors if one is not kernels[0])
    yield SourceLayer(f"{layer.name}.{DEPTHWISE}", "depthwise", (kernels[0],))
    yield SourceLayer(f"{layer.name}.{POINTWISE}", "pointwise", rest)


def _text(value: Any) -> str:
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
