"""The Python API: what other tools embed. Import it from :mod:`cnndsl` itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import Unpack, override

from cnndsl import pipeline
from cnndsl.diagnostics.model import Diagnostic, UserError
from cnndsl.network_figures import NetworkFigures

if TYPE_CHECKING:
    from cnndsl.analysis.summary import Summary
    from cnndsl.autodiff.rules import Target
    from cnndsl.autodiff.salience import Salience
    from cnndsl.data.formats.memory import ArrayData
    from cnndsl.elaborate.network import TypedNetwork
    from cnndsl.emit import Stage
    from cnndsl.graph.compile_options import CompileOptions
    from cnndsl.recipe.settings import PrecisionWord
    from cnndsl.runtime.evaluate import EvaluationOptions
    from cnndsl.runtime.evaluation import Evaluation
    from cnndsl.runtime.events import Listener
    from cnndsl.runtime.model import Model
    from cnndsl.runtime.training import Training, TrainingOptions
    from cnndsl.training.export import TrainingFiles
    from cnndsl.typecheck.checked import Checked
    from cnndsl.typecheck.explained import LayerArithmetic

__all__ = ["Network", "check", "checked", "load", "parse", "settled", "train"]


class Network(NetworkFigures):
    """A network that was checked and is right.

    >>> import cnndsl
    >>> lenet = cnndsl.load("lenet5")
    >>> lenet
    <Network lenet5: 1x32x32 -> 10>
    >>> lenet.summary().params
    61706
    """

    def __init__(self, checked: Checked) -> None:
        self._checked = checked
        self._typed: TypedNetwork = pipeline.typed(checked)

    @override
    def __repr__(self) -> str:
        inputs = ", ".join(str(node.type) for node in self._typed.network.inputs)
        return f"<Network {self.name}: {inputs} -> {self._typed.main_type}>"

    @property
    def name(self) -> str:
        """The name behind ``network``, or the file's."""
        return self._typed.name

    @property
    def typed(self) -> TypedNetwork:
        """What the stages behind checking take."""
        return self._typed

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the output; empty where the spec has none."""
        return self._typed.network.classes

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """The shape of every input, without the batch."""
        return {node.name: node.type.dims for node in self._typed.network.inputs}

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """The shape of every output, without the batch; the main one first."""
        nodes = self._typed.network.outputs
        return {name: self._typed.types[node].dims for name, node in nodes.items()}

    @property
    def layers(self) -> dict[str, tuple[int, ...]]:
        """The output shape of every layer in order, then of every label of a block or loop."""
        types = self._typed.types
        pairs = zip(self._typed.network.nodes, types, strict=True)
        layers = {node.name: kind.dims for node, kind in pairs}
        return layers | {name: types[at].dims for name, at in self._typed.network.scopes.items()}

    @property
    def weights(self) -> dict[str, tuple[int, ...]]:
        """The shape of every weight, by the name that weight files and the ONNX model use."""
        used = map(self._typed.weights_of, range(len(self._typed.weights)))
        return {name: weight.shape for weights in used for name, weight in weights.items()}

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is not wrong but was probably not meant."""
        return self._checked.diagnostics

    @property
    def text(self) -> str:
        """The canonical spec: it stands on its own and has this network's parameters in it."""
        from cnndsl.elaborate.canonical import canonical_text

        return canonical_text(self._typed.network)

    def emit(self, stage: Stage, **options: Any) -> str:
        """The text of a stage of compiling, as ``cnndsl compile --emit`` shows it.

        Args:
            stage: ``ast``, ``network``, ``forward``, ``gradients``, ``step`` or ``model``.
            options: of those of :meth:`compile`, and ``target``, what the stage depends on.

        Raises:
            UserError: as :meth:`compile` does, and for a step that cannot be made.
            ValueError: for another stage, or a batch below 1.
            TypeError: for an option that changes nothing in the stage.
        """
        from cnndsl.emit import TAKES, emit

        if stage not in TAKES:
            raise ValueError(f"there is no stage `{stage}`, but {', '.join(TAKES)}")
        for name in options.keys() - TAKES[stage]:
            raise TypeError(f"the stage `{stage}` has no option `{name}`")
        _demand_samples(options.get("batch"))
        if options.get("weights") is not None:
            options["weights"] = Path(options["weights"])
        return emit(self._checked, stage, **options)

    def summary(self, batch: int | None = None) -> Summary:
        """Parameters, MACs, memory and receptive fields, per layer and in total.

        Raises:
            ValueError: where a training step's batch is to have no samples.
        """
        _demand_samples(batch)
        from cnndsl.analysis.summary import summarize

        return summarize(self._typed, batch)

    def arithmetic(self, layer: str | int) -> tuple[LayerArithmetic, ...]:
        """How the numbers of a label's or a line's layers come about (CNN640, CNN641)."""
        from cnndsl.typecheck.explained import explained

        return explained(self._checked, str(layer))

    def compile(
        self,
        weights: str | os.PathLike[str] | None = None,
        *,
        raw: bool = False,
        salience: Salience | None = None,
        float16: bool = False,
        device: str = "auto",
        **options: Unpack[CompileOptions],
    ) -> Model:
        """An ONNX model of the network, ready to run or to be saved.

        Args:
            weights: a safetensors or ``.npz`` file or a compiled model; without one, weights are
                drawn as the spec asks for.
            raw: whether the model takes pictures as bytes, ``N x height x width x channels``, and
                prepares them in its graph; inputs that are no pictures stay as they are.
            salience: what map of its input the model gives beside its answers
                (:class:`cnndsl.Salience`).
            float16: whether it computes in float16, for CUDA, and holds its weights so; inputs and
                outputs stay float32.
            device: where the model will run: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
            options: ``verify``, ``seed``, ``batch`` and ``opset``, as
                :class:`~cnndsl.graph.compile_options.CompileOptions` describes them.

        Raises:
            UserError: for weights that do not fit or cannot be read, an unknown opset, a network
                without pictures that is to be ``raw``, and weights beyond float16.
            ValueError: for a batch below 1, and a salience map in float16.
        """
        _demand_samples(options.get("batch"))
        if float16 and salience is not None:
            raise ValueError("a salience map is made in float32: leave out `float16`")
        from cnndsl.runtime.model import Model

        path = None if weights is None else Path(weights)
        artifact = pipeline.compile(
            self._typed,
            weights=path,
            raw=raw,
            salience=salience,
            form="float16" if float16 else "plain",
            **options,
        )
        return Model(artifact, device=device, network=self._typed)

    def compile_training(
        self,
        weights: str | os.PathLike[str] | None = None,
        *,
        target: Target = "cpu",
        split: bool = False,
        precision: PrecisionWord | None = None,
        **options: Unpack[CompileOptions],
    ) -> TrainingFiles:
        """The network's training step as ONNX models, for programs that train by themselves.

        Args:
            weights: what training begins with: a safetensors or ``.npz`` file or a compiled
                model; without one, weights are drawn as the spec asks for.
            target: where the step is to be fast, ``cpu`` or ``cuda``; it runs on both. ``host`` is
                the CPU of this machine: faster, but tied to ONNX Runtime and to CPUs of its kind.
            split: whether to make two models of it, of the gradients and of the update by them.
            precision: what products are computed in, instead of the recipe's: ``float32``,
                ``float16`` or ``bfloat16``; for ``cpu`` the low types are emulated.
            options: as for :meth:`compile`.

        Raises:
            UserError: for a network that cannot be trained so, weights that do not fit or cannot
                be read, and an unknown opset.
            ValueError: for a batch below 1.
        """
        from cnndsl.elaborate.overrides import in_precision

        _demand_samples(options.get("batch"))
        path = None if weights is None else Path(weights)
        return pipeline.compile_training(
            in_precision(self._typed, precision),
            weights=path,
            target=target,
            split=split,
            **options,
        )

    def evaluate(
        self,
        data: str | os.PathLike[str] | ArrayData,
        weights: str | os.PathLike[str],
        **options: Unpack[EvaluationOptions],
    ) -> Evaluation:
        """How good the network is on labelled data.

        Args:
            data: as ``train`` takes it.
            weights: a safetensors or ``.npz`` file, or a model compiled from this network.
            options: as :class:`cnndsl.runtime.evaluate.EvaluationOptions` tells of each:
                ``split``, ``valid``, ``crops``, ``flip``, ``device``, ``batch``, ``threads``,
                ``verify``, ``skip_broken``, ``workers``, ``tell``.

        Raises:
            UserError: for data or weights that cannot be read or do not fit, and for views that
                there are not.
            ValueError: for another ``split`` or number of crops, a batch below 1, and where
                ``valid`` is no share between 0 and 1.
        """
        from cnndsl.runtime.evaluate import Trained, evaluate_trained

        model = Trained(os.fspath(weights), self._typed, weights)
        return evaluate_trained([model], data, pipeline.answering, **options)

    def train(
        self,
        data: str | os.PathLike[str] | ArrayData,
        listener: Listener | None = None,
        **options: Unpack[TrainingOptions],
    ) -> Training:
        """Train the network; the model and all else that comes out is in a folder.

        Ctrl-C ends the run after the present step; it can be resumed then.

        Args:
            data: ``digits``, a folder, a ``.npz`` or a CSV file (``docs/data.md``), or arrays:
                a pair ``(x, y)``, for several inputs ``({"left": x1, "right": x2}, y)``, or a
                mapping of what a ``.npz`` file would hold.
            listener: is told what happens; by default nobody is, in a notebook its display.
            options: as :class:`cnndsl.runtime.training.TrainingOptions` tells of each:
                ``valid``, ``out``, ``epochs``, ``batch``, ``seed``, ``settings``, ``weights``,
                ``verify``, ``resume``, ``device``, ``threads``, ``skip_broken``, ``keep``,
                ``tune``, ``command``, ``logs``, ``workers``.

        Raises:
            UserError: for data, weights and settings that do not fit, a folder that is taken or
                cannot be written, and a run that diverges.
            TypeError: for an option that there is not, and what is no data.
            ValueError: where ``valid`` is no share between 0 and 1, or ``keep`` is below 1.
        """
        from cnndsl.runtime.sharing import requested
        from cnndsl.runtime.training import Training

        request, listener = requested(self._typed, data, listener, options)
        outcome = pipeline.train(request, listener)
        return Training(
            folder=request.folder,
            how=outcome.how,
            records=outcome.records,
            best=outcome.best,
            seconds=outcome.seconds,
            network=request.network,
            valid=request.valid,
            device=request.device,
            skipped=outcome.skipped,
            measure=partial(pipeline.evaluate, request.network, device=request.device),
        )


def _demand_samples(batch: int | None) -> None:
    if batch is not None and batch < 1:
        raise ValueError(f"`batch` must be 1 or more, not {batch}")


def load(spec: str | os.PathLike[str], **parameters: object) -> Network:
    """Load a network: a file's path or the name of a shipped spec.

    Keyword arguments set the spec's ``param`` statements. A compiled model (``.onnx``) has its
    spec in it, with its parameters; with ``verify=False`` its checksum is not compared.

    >>> import cnndsl
    >>> cnndsl.load("resnet50", classes=10).outputs
    {'output': (10,)}

    Raises:
        CompileError: where the spec is wrong; ``str()`` of it is what ``cnndsl check`` shows.
        UserError: where there is no such file or parameter.
    """
    return Network(checked(spec, parameters))


def checked(spec: str | os.PathLike[str], parameters: Mapping[str, object]) -> Checked:
    """What checking finds of a spec, or of the one that a compiled model was made from.

    Raises:
        UserError: as :func:`load` does.
    """
    if not os.fspath(spec).lower().endswith(".onnx"):
        return pipeline.check(Path(spec) if isinstance(spec, os.PathLike) else spec, parameters)
    from cnndsl.graph.artifact import read_artifact

    manifest = read_artifact(spec, verify=parameters.get("verify") is not False)
    if parameters.keys() - {"verify"}:
        raise settled(spec)
    return pipeline.check_text(manifest.spec, os.fspath(spec))


def settled(model: str | os.PathLike[str]) -> UserError:
    """CNN114 of parameters that are given for a compiled model."""
    message = f"`{os.fspath(model)}` is a compiled model: its parameters are settled"
    return UserError("CNN114", message, help="set parameters of a spec, or leave them out")


def parse(text: str, name: str = "spec.cnn", **parameters: object) -> Network:
    r"""Load a network from a text; ``name`` stands for its file in messages and imports.

    >>> import cnndsl
    >>> cnndsl.parse("input 1x28x28\nconv 8@5 -> relu -> flatten -> dense 10").outputs
    {'output': (10,)}

    Raises:
        CompileError: where the text is wrong.
    """
    return Network(pipeline.check_text(text, name, parameters))


def train(
    spec: str | os.PathLike[str],
    data: str | os.PathLike[str] | ArrayData,
    listener: Listener | None = None,
    **options: Unpack[TrainingOptions],
) -> Training:
    """Train a network: the same as ``load(spec).train(data, …)``.

    Raises:
        CompileError: where the spec is wrong.
        UserError: as :meth:`Network.train` does.
    """
    return load(spec).train(data, listener, **options)


def check(spec: str | os.PathLike[str], **parameters: object) -> list[Diagnostic]:
    r"""What is wrong with a spec: a path, a shipped name, or a text (which has a line break).

    Of a page in Markdown, that is what is wrong with its fenced ``cnn`` blocks.

    >>> import cnndsl
    >>> [problem] = cnndsl.check("input 3x224x224\nconv 96@11 stride 4\n")
    >>> problem.code, problem.message
    ('CNN301', 'the kernel does not tile the input: (224 - 11)/4 + 1 = 54.25')

    Raises:
        UserError: where there is no such file or parameter.
    """
    if isinstance(spec, str) and "\n" in spec:
        return list(pipeline.check_text(spec, parameters=parameters).diagnostics)
    path = Path(spec) if isinstance(spec, os.PathLike) else spec
    from cnndsl.markdown.fences import is_markdown

    if is_markdown(path):
        from cnndsl.markdown.check import check_page

        return list(check_page(path, parameters).diagnostics)
    return list(pipeline.check(path, parameters).diagnostics)
