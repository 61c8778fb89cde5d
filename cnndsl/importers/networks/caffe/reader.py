"""Reads a network from Caffe's prototxt: of training, of deployment, or by its solver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cnndsl.diagnostics.model import UserError
from cnndsl.importers.networks.builder import NetworkBuilder
from cnndsl.importers.networks.caffe import (
    loss_layers,
    number_layers,
    shape_layers,
    window_layers,
)
from cnndsl.importers.networks.caffe.converter import TYPES, Converter, Head
from cnndsl.importers.networks.caffe.dataflow import Use, trace
from cnndsl.importers.networks.caffe.fields import Fields, fault, meant
from cnndsl.importers.networks.caffe.inputs import DATA_LAYERS, Feed, deployed, feeds
from cnndsl.importers.networks.caffe.phases import pick
from cnndsl.importers.networks.caffe.recipe import label_of, main_head, recipe_of
from cnndsl.importers.networks.caffe.siblings import (
    is_solver,
    net_of,
    opened,
    sizes_beside,
    solver_beside,
)
from cnndsl.importers.networks.caffe.solver import Solver, known_samples, read_solver
from cnndsl.importers.networks.caffe.versions import layers_of
from cnndsl.importers.networks.given_sizes import SAY_SIZES, demand_sizes, sizes_of
from cnndsl.importers.networks.graph import ImportedNetwork
from cnndsl.importers.networks.usual_init import with_usual_init
from cnndsl.types import TensorType

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["read_caffe"]

_SAYING: tuple[ModuleType, ...] = (window_layers, number_layers, shape_layers, loss_layers)
"""The modules that say layers; loading them fills the table of types."""


def read_caffe(
    path: Path, sizes: Mapping[str, tuple[int, ...]] | None = None, samples: int = 0
) -> ImportedNetwork:
    """The network in a prototxt file, or in the one that a solver's file names.

    Args:
        path: of a net or a solver.
        sizes: of the inputs, without the batch, by name, those of an only input under ``""``; they
            go before what the file says.
        samples: how many training samples there are, by which iterations become epochs.

    Raises:
        CompileError: CNN680 where the text is not of the format, CNN681 where it is no network.
        UserError: CNN682 where it does not say how large its inputs are.
        OSError: where a file cannot be read.
    """
    fields, solver = opened(path), None
    if is_solver(fields):
        solver, solver_path = fields, path
        found = net_of(solver, path)
        if found is None or not found.is_file():
            named = f" `{found}`" if found else ""
            raise UserError(
                "CNN682",
                f"{path.name} is a solver, and its net{named} is not there",
                help="put the net's prototxt beside the solver's",
            )
        path, fields = found, opened(found)
    else:
        beside = solver_beside(path)
        solver_path, solver = beside if beside is not None else (path, None)
    reader = _Reader(path, fields, sizes or {})
    return reader.read(solver, solver_path, samples)


class _Reader:
    """Reads one file."""

    def __init__(self, path: Path, fields: Fields, sizes: Mapping[str, tuple[int, ...]]) -> None:
        self.path = path
        self.fields = fields
        self.sizes = sizes
        name = fields.text("name") or path.stem
        self.network = NetworkBuilder(name, f"{path.name} (Caffe)")
        fields.ignore("force_backward", "debug_info")

    def read(self, solver: Fields | None, solver_path: Path, samples: int) -> ImportedNetwork:
        """The network, with a recipe where it has a loss."""
        layers, left = pick(layers_of(self.fields), self.fields.inner("state"))
        given = [*deployed(self.fields), *feeds(layers)]
        flow = trace(layers, [feed.name for feed in given])
        labels = frozenset(_labels(given, flow.uses))
        converter = Converter(self.network, flow, labels)
        data = self._inputs(converter, [feed for feed in given if feed.name not in labels])
        for use in flow.uses:
            self._say(converter, use)
        for layer in left:
            converter.notes.add(
                "line",
                str(layer.line),
                "only in training; in its place stands the layer that answers",
            )
        self._measures(converter)
        heads = [head for head in converter.heads if converter.knows(head.value)]
        found = None
        if solver is not None and heads:
            self.network.notes.append(f"the recipe is that of {solver_path.name}")
            found = self._solver(solver, data, samples)
        self.network.recipe = recipe_of(converter, heads, data, found)
        self._unread(converter, solver if heads else None)
        self.network.notes.extend(converter.notes.texts())
        main = main_head(heads)
        side = {
            label_of(converter, head): converter.ours(head.value)
            for head in heads
            if head is not main
        }
        return with_usual_init(self.network.build(self._outputs(converter, heads), side))

    def _say(self, converter: Converter, use: Use) -> None:
        layer = use.layer
        if layer.type in DATA_LAYERS and not use.inputs:
            return
        if not use.inputs or not (use.outputs or layer.type in loss_layers.MEASURES):
            lacking = "bottom" if not use.inputs else "top"
            message = f"layer `{layer.name}` has no `{lacking}`"
            if lacking == "bottom" or "Loss" not in layer.type:
                raise fault(layer.span, message, f"write `{lacking}: …` there")
        if layer.type in loss_layers.MEASURES:
            for name in ("accuracy_param", "argmax_param", "hdf5_output_param", "loss_param"):
                layer.fields.ignore(name)
            for out in use.outputs:
                converter.set(out, f"refused:{out}")
            return
        scores = use.inputs[:1] if "Loss" in layer.type else use.inputs
        if any(one in converter.labels for one in scores):
            converter.refuse(use, "it computes with labels")
            return
        saying = TYPES.get(layer.type)
        if saying is None:
            why = meant(layer.type, TYPES) or "no layer here does what it does"
            layer.fields.ignore(*(field.name for field in layer.fields.message.fields))
            converter.refuse(use, why.removesuffix("?"))
            return
        function, message = saying
        function(converter, use, layer.fields.inner(message) if message else layer.fields)
        for out in use.outputs:
            if not converter.knows(out):
                self.network.refuse(layer.place, f"its blob `{out}`", "a layer here gives one")
                converter.set(out, f"refused:{out}")

    # --- inputs ---

    def _inputs(self, converter: Converter, given: Sequence[Feed]) -> Feed | None:
        for at, feed in enumerate(given):
            kind = self._type(feed, at)
            demand_sizes(feed.name, kind.dims)
            settings = dict(feed.settings)
            if kind.channels != 3:
                settings.pop("layout", None)
            converter.set(feed.name, self.network.input(feed.name, kind, settings))
            self.network.notes.extend(feed.notes)
        if not given:
            raise UserError(
                "CNN682", f"{self.path.name} has no layers that give data, and no `input`"
            )
        return given[0]

    def _type(self, feed: Feed, at: int) -> TensorType:
        if given := sizes_of(self.sizes, feed.name, first=at == 0):
            return TensorType(given)
        if feed.type is not None:
            return feed.type
        beside = sizes_beside(self.path, self.network.name) if at == 0 else None
        if beside is not None and beside[1].type is not None:
            other, found = beside
            fits = not feed.dims or all(
                mine in (0, its) for mine, its in zip(feed.dims, found.dims, strict=False)
            )
            if fits:
                self.network.notes.append(
                    f"{feed.place}: the size of `{feed.name}` is that of {other.name}, {found.type}"
                )
                return beside[1].type
        if len(feed.dims) == 3 and all(feed.dims[1:]) and feed.dims[0] == 0:
            self.network.notes.append(
                f"{feed.place}: how many channels `{feed.name}` has is not said; 3 are taken"
            )
            return TensorType((3, *feed.dims[1:]))
        raise UserError(
            "CNN682",
            f"{self.path.name} does not say how large its input `{feed.name}` is",
            notes=[f"{feed.place} gives it, from stored samples"] if feed.place else (),
            help=SAY_SIZES,
        )

    # --- outputs and training ---

    def _outputs(self, converter: Converter, heads: Sequence[Head]) -> dict[str, str]:
        main = main_head(heads)
        measured = {
            value
            for use in converter.flow.uses
            if use.layer.type in loss_layers.MEASURES
            for value in (*use.outputs, *use.inputs)
        }
        lost = {
            out for use in converter.flow.uses if "Loss" in use.layer.type for out in use.outputs
        }
        side = {head.value for head in heads if head is not main}
        ends = [
            one
            for one in converter.flow.ends()
            if one not in measured | lost | side | converter.labels and converter.knows(one)
        ]
        order = (
            ends[::-1]
            if main is None
            else [main.value, *(one for one in ends if one != main.value)]
        )
        if not order:
            order = [one for one in measured if converter.knows(one)]
        return {self._name(converter, value): converter.ours(value) for value in order}

    def _name(self, converter: Converter, value: str) -> str:
        maker = converter.maker(value)
        return value if maker is None else maker.layer.name or value

    def _solver(self, solver: Fields, data: Feed | None, samples: int) -> Solver:
        batch = data.batch if data is not None else 0
        source = data.source if data is not None else ""
        known = samples or known_samples(source)
        if known and not samples:
            self.network.notes.append(
                f"iterations are taken for epochs of {known:,} samples, as many as there are in"
                f" what `{source}` is named after"
            )
        return read_solver(solver, batch, known)

    def _measures(self, converter: Converter) -> None:
        for use in converter.flow.uses:
            kind = use.layer.type
            if kind in loss_layers.MEASURES and kind != "Silence":
                converter.note(use, f"`{kind}` only measures or writes; `cnndsl eval` measures")

    def _unread(self, converter: Converter, solver: Fields | None) -> None:
        for field, what in self.fields.unread():
            of = what if what.endswith(("_param", "_filler")) else "a layer"
            converter.notes.add("line", str(field.line), f"`{field.name}` of {of} is not read")
        for field, _ in solver.unread() if solver is not None else ():
            place = str(field.line)
            converter.notes.add("solver, line", place, f"`{field.name}` is not read")


def _labels(given: Sequence[Feed], uses: Sequence[Use]) -> list[str]:
    """The inputs that are labels: those of data layers, and what only losses read behind scores."""
    found = []
    for feed in given:
        readers = [use for use in uses if feed.name in use.inputs]
        behind = readers and all(
            ("Loss" in use.layer.type or use.layer.type in loss_layers.MEASURES)
            and use.inputs[0] != feed.name
            for use in readers
        )
        if feed.is_label or behind:
            found.append(feed.name)
    return found
