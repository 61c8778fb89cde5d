"""A compiled network that answers: arrays or files in, outputs and answers out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy
import onnx
from numpy.typing import ArrayLike
from typing_extensions import override

from cnndsl.data.arrays import as_batch
from cnndsl.data.sources import Array, ModelInput
from cnndsl.data.views import Crops, Views
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import closest, count, quoted
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.files import open_regular
from cnndsl.graph.artifact import Artifact, Manifest, read_artifact
from cnndsl.graph.onnx_weights import read_model
from cnndsl.runtime.batching import run_batch
from cnndsl.runtime.device import Device, choose
from cnndsl.runtime.inference import Member, Paths, ask
from cnndsl.runtime.kernels import kernels_figure
from cnndsl.runtime.ports import check_ports, model_inputs
from cnndsl.runtime.prediction import Prediction, maps_figure, meaning_of
from cnndsl.runtime.session import Port, Session, add_outputs
from cnndsl.runtime.workers.communicator import ALONE, Communicator
from cnndsl.typecheck.answers import Answers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Model"]


@dataclass(slots=True)
class _Ready:
    """A session, the model's own outputs, and the values of the layers that were asked for."""

    session: Session
    outputs: tuple[Port, ...]
    layers: Mapping[str, str] = field(default_factory=dict)


class Model:
    """A compiled network.

    >>> import cnndsl, numpy
    >>> model = cnndsl.load("lenet5").compile(device="cpu")
    >>> model.run(numpy.zeros((7, 1, 32, 32), numpy.float32)).shape
    (7, 10)
    >>> model.classes[:3]
    ('0', '1', '2')

    Args:
        source: what ``compile`` made, or the path of a model that it wrote.
        device: where it runs: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: how many threads one operator may use, at most as many as there are processors;
            by default ONNX Runtime decides.
        verify: whether to compare the checksum of a file with its content, which reads all of it.
        network: the network that it was compiled from, for :meth:`kernels`.

    Nothing is loaded before the model runs for the first time.

    Raises:
        UserError: CNN604 for a file that is not a model of cnndsl's, CNN607 for one that was
            damaged or changed.
        ValueError: for a number of threads below 1, when the model runs.
    """

    def __init__(
        self,
        source: Artifact | str | os.PathLike[str],
        *,
        device: str = "auto",
        threads: int | None = None,
        verify: bool = True,
        network: TypedNetwork | None = None,
    ) -> None:
        self.source: Artifact | str | os.PathLike[str] = source
        """What ``compile`` made, or the path of a model that it wrote."""
        self._device = device
        self._threads = threads
        self._ready: _Ready | None = None
        self._network = network
        self.manifest: Manifest = (
            source.manifest
            if isinstance(source, Artifact)
            else read_artifact(source, verify=verify)
        )

    @override
    def __repr__(self) -> str:
        return f"<Model {self.manifest.network}: {self.manifest.learnable:,} learnable parameters>"

    # --- what it is ---------------------------------------------------------------------------

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the main output; empty where it has none."""
        return self.manifest.classes

    @property
    def meaning(self) -> Answers:
        """What the main output's numbers are: probabilities, scores or values."""
        answers = self.manifest.answers
        return meaning_of(answers, next(iter(answers), ""), self.classes)

    @property
    def device(self) -> Device:
        """Where it runs, and why there.

        Raises:
            UserError: CNN701 for a device that does not work, CNN705 without ONNX Runtime.
        """
        return choose(self._device)

    @property
    def inputs(self) -> tuple[ModelInput, ...]:
        """Its inputs, with how raw data becomes them."""
        manifest = self.manifest
        return model_inputs(
            self._prepare().session.inputs,
            manifest.preparation,
            manifest.raw,
            manifest.vocabularies,
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model's ONNX file, whole or not at all.

        Raises:
            UserError: CNN603, where it cannot be written.
        """
        if isinstance(self.source, Artifact):
            self.source.write(path)
        else:
            _copy(self.source, path)

    # --- running ------------------------------------------------------------------------------

    def run(self, *arrays: ArrayLike | Mapping[str, ArrayLike], **named: ArrayLike) -> Array:
        """The main output for an array: one sample, or several along its first axis.

        Whole numbers are raw data and get prepared as the spec says, like a picture's values;
        floating-point numbers enter the network as they are. A model that was compiled to take raw
        pictures takes bytes only: ``N x height x width x channels``, or the spec's own shape.
        Where there are several inputs, give
        their arrays in the spec's order, by name, or a mapping of them. The output has a batch
        dimension exactly where the input has one.

        Raises:
            UserError: CNN701 for a device that does not work, CNN703 for an array that does not
                fit, CNN705 without ONNX Runtime.
        """
        feeds, single = self._feeds(arrays, named)
        ready = self._prepare()
        main = ready.outputs[0].name
        output = run_batch(ready.session, feeds, [main])[main]
        return output[0] if single else output

    def predict(
        self,
        paths: Paths,
        *,
        layers: Sequence[str] = (),
        crops: Crops = 1,
        flip: bool = False,
        batch: int = 32,
        on_broken: Callable[[UserError], None] | None = None,
        tell: Callable[[str], None] = lambda note: None,
        workers: Communicator = ALONE,
    ) -> Iterator[Prediction]:
        """What the network gives for every sample in files and folders, one after another.

        Pictures, ``.npy``, ``.npz`` and ``.txt`` files are prepared as the spec says; memory stays
        flat however many there are. ``layers`` names layers whose outputs are wanted too. With 5
        ``crops`` (the middle and the corners), 10 (these and each mirrored) or ``flip`` (a picture
        and its mirror image), the mean of the answers for all of them counts. Where there is an
        ``on_broken``, it learns of each input that is broken, which is left out. ``tell`` learns
        what was passed over in folders, at the end of each. Of several ``workers`` each answers
        for some of the batches, and all comes out of the one that leads.

        Raises:
            UserError: CNN702, CNN703 and CNN706 for inputs that are broken, do not fit or are not
                there, CNN704 for a layer that does not exist, CNN707 for classes that do not fit,
                CNN708 and CNN709 where there are no such views.
            ValueError: for a batch below 1, another number of crops, and layers of several views.
        """
        views = Views(crops, flip)
        if layers and len(views.each) > 1:
            raise ValueError("feature maps are those of one view: leave out `layers`")
        member = self.member(layers)
        names = {port.name: port.name for port in member.outputs}
        yield from ask(
            [member],
            paths,
            views,
            [names],
            batch=batch,
            on_broken=on_broken,
            tell=tell,
            workers=workers,
        )

    # --- figures ------------------------------------------------------------------------------

    def feature_maps(self, sample: str | os.PathLike[str] | ArrayLike, layer: str) -> Figure:
        """What a layer makes of a sample: a figure with its feature maps.

        The sample is a file, or an array as :meth:`run` takes it, of several the first.

        Raises:
            UserError: CNN704 for a layer that does not exist, CNN714 for one that gives a vector,
                and as :meth:`predict` and :meth:`run` do.
        """
        if isinstance(sample, str | os.PathLike):
            return next(self.predict(sample, layers=[layer])).feature_maps(layer)
        feeds, _ = self._feeds([sample], {})
        ready = self._prepare([layer])
        value = ready.layers[layer]
        maps = run_batch(ready.session, feeds, [value])[value][0]
        return maps_figure(maps, layer, self.manifest.network)

    def kernels(self, layer: str) -> Figure:
        """The kernels of a layer: a figure with a picture of each.

        Raises:
            UserError: CNN704 for a layer that there is not, CNN715 for one without kernels.
            ValueError: for a model that was opened from a file: ``cnndsl.load(path)`` has its
                network, whose ``kernels(layer, path)`` draws them.
        """
        if self._network is None:
            path = os.fspath(self.source)  # type: ignore[arg-type]  # artifacts come with a network
            raise ValueError(f"write `cnndsl.load({path!r}).kernels({layer!r}, {path!r})`")
        return kernels_figure(self._network, self.source, layer)

    def member(self, layers: Sequence[str] = ()) -> Member:
        """What this model is when it is asked, by itself or together with others.

        Raises:
            UserError: CNN604 and CNN704 as :meth:`predict` does, and as starting it does.
        """
        ready = self._prepare(layers)
        values = {layer: ready.layers[layer] for layer in layers}
        manifest = self.manifest
        return Member(
            self.source,
            ready.session,
            self.inputs,
            ready.outputs,
            manifest.answers,
            self.classes,
            values,
        )

    def _feeds(
        self, arrays: Sequence[object], named: Mapping[str, object]
    ) -> tuple[dict[str, Array], bool]:
        """Batches for the inputs, and whether they are of single samples."""
        inputs = self.inputs
        mapping = arrays[0] if len(arrays) == 1 and not named else None
        if isinstance(mapping, Mapping):
            given = self._by_name((), mapping, [one.name for one in inputs])
        else:
            given = self._by_name(arrays, named, [one.name for one in inputs])
        feeds: dict[str, Array] = {}
        single = True
        for one in inputs:
            feeds[one.name], alone = as_batch(_as_array(given[one.name]), one, "the array")
            single = single and alone
        sizes = {name: len(batch) for name, batch in feeds.items()}
        if len(set(sizes.values())) > 1:
            raise UserError(
                "CNN703",
                "the arrays hold different numbers of samples:"
                f" {', '.join(f'`{name}` {size}' for name, size in sizes.items())}",
                help="give every input as many samples",
            )
        return feeds, single

    def _by_name(
        self, arrays: Sequence[object], named: Mapping[str, object], inputs: Sequence[str]
    ) -> dict[str, object]:
        given = {**dict(zip(inputs, arrays, strict=False)), **named}
        unknown = next((name for name in named if name not in inputs), None)
        if unknown is not None:
            near = closest(unknown, inputs)
            known = f"the network has {quoted(inputs)}"
            help = f"did you mean `{near[0]}`?" if near else known
            raise UserError("CNN703", f"no input is called `{unknown}`", help=help)
        if set(given) != set(inputs) or len(arrays) + len(named) != len(inputs):
            names = quoted(inputs)
            raise UserError(
                "CNN703",
                f"the network has {count(len(inputs), 'input')}"
                f" ({names}), not the {len(arrays) + len(named)} given",
                help=f"give one array for each of {names}",
            )
        return given

    # --- sessions -----------------------------------------------------------------------------

    def _prepare(self, layers: Sequence[str] = ()) -> _Ready:
        """A session that gives these layers' values too: the present one, where it does."""
        if self._ready is None or not set(layers) <= set(self._ready.layers):
            self._ready = self._with_layers(layers) if layers else self._plain()
        return self._ready

    def _plain(self) -> _Ready:
        source = self.source
        session = self._start(source.for_runtime() if isinstance(source, Artifact) else source)
        check_ports(session.inputs, session.outputs)
        return _Ready(session, session.outputs)

    def _start(self, model: bytes | str | os.PathLike[str]) -> Session:
        return Session(model, self._device, threads=self._threads)

    def _with_layers(self, layers: Sequence[str]) -> _Ready:
        """A session of a copy of the model that gives the layers' values as outputs too."""
        source = self.source
        if isinstance(source, Artifact):
            proto = onnx.ModelProto()
            proto.CopyFrom(source.graph_only)
        else:
            proto = read_model(source)
        values = self._layer_values(proto)
        for layer in layers:
            if layer not in values:
                raise _unknown_layer(layer, values)
        own = {one.name for one in proto.graph.output}
        add_outputs(proto, [values[layer] for layer in layers])
        session = self._start(
            replace(source, graph_only=proto).for_runtime()
            if isinstance(source, Artifact)
            else proto.SerializeToString()
        )
        outputs = tuple(port for port in session.outputs if port.name in own)
        check_ports(session.inputs, outputs)
        return _Ready(session, outputs, {layer: values[layer] for layer in layers})

    def _layer_values(self, proto: onnx.ModelProto) -> dict[str, str]:
        """The value that holds each layer's result; values inside a layer have a ``/``."""
        names = [name for node in proto.graph.node for name in node.output if "/" not in name]
        return {**{name: name for name in names}, **self.manifest.layers}


def _as_array(values: object) -> Array:
    if isinstance(values, str | os.PathLike):
        raise UserError(
            "CNN703",
            f"`{os.fspath(values)}` is a path, and `run` takes arrays",
            help="let `predict` read files: `model.predict([path])`",
        )
    if numpy.ma.is_masked(values):
        raise UserError(
            "CNN703",
            "what is given is a masked array, and a network cannot leave numbers out",
            help="fill in numbers for what is masked: `array.filled(0)`",
        )
    try:
        return numpy.asarray(values)
    except (ValueError, TypeError, RuntimeError) as error:
        raise UserError(
            "CNN703",
            f"what is given is no array: {error}",
            help="give an array of numbers for each input, without labels",
        ) from error


def _unknown_layer(layer: str, layers: Iterable[str]) -> UserError:
    names = tuple(layers)
    near = closest(layer, names)
    return UserError(
        "CNN704",
        f"no layer is called `{layer}`",
        notes=() if near else [f"there are {quoted(names[:20])}"],
        help=f"did you mean `{near[0]}`?" if near else "name one of the network's layers",
    )


def _copy(source: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    from cnndsl.graph.files import write_atomically

    with open_regular(source) as file:
        write_atomically(path, iter(lambda: file.read(2**20), b""))
