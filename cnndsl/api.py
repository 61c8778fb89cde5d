"""The Python API: what other tools embed. Import it from :mod:`cnndsl` itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from cnndsl import pipeline
from cnndsl.diagnostics.model import Diagnostic

if TYPE_CHECKING:
    from cnndsl.pipeline import Checked
    from cnndsl.runtime.model import Model
    from cnndsl.semantics.network import TypedNetwork
    from cnndsl.semantics.summary import Summary

__all__ = ["Network", "check", "load", "parse"]


class Network:
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
        main = self._typed.types[self._typed.network.outputs["output"]]
        return f"<Network {self.name}: {inputs} -> {main}>"

    @property
    def name(self) -> str:
        """The name behind ``network``, or the file's."""
        return self._typed.name

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
        scopes = self._typed.network.scopes
        return layers | {name: types[node].dims for name, node in scopes.items()}

    @property
    def weights(self) -> dict[str, tuple[int, ...]]:
        """The shape of every weight, by the name that weight files and the ONNX model use."""
        pairs = zip(self._typed.network.nodes, self._typed.weights, strict=True)
        return {f"{node.name}.{one.name}": one.shape for node, own in pairs for one in own}

    @property
    def warnings(self) -> tuple[Diagnostic, ...]:
        """What is not wrong but was probably not meant."""
        return self._checked.diagnostics

    @property
    def text(self) -> str:
        """The canonical spec: it stands on its own and has this network's parameters in it."""
        from cnndsl.semantics.canonical import canonical_text

        return canonical_text(self._typed.network)

    def summary(self, batch: int | None = None) -> Summary:
        """Parameters, MACs, memory and receptive fields, per layer and in total."""
        from cnndsl.semantics.summary import summarize

        return summarize(self._typed, batch)

    def compile(
        self,
        weights: str | os.PathLike[str] | None = None,
        *,
        seed: int | None = None,
        batch: int | None = None,
        opset: int = 18,
        device: str = "auto",
    ) -> Model:
        """An ONNX model of the network, ready to run or to be saved.

        Args:
            weights: a safetensors file; without one, weights are drawn as the spec asks for.
            seed: of the drawn weights; by default the spec's, else 0.
            batch: a fixed batch size; by default the model takes any.
            opset: the version of the ONNX operator set, 18 to 21.
            device: where the model will run: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

        Raises:
            UserError: for weights that do not fit or cannot be read, and an unknown opset.
        """
        from cnndsl.runtime.model import Model

        path = None if weights is None else Path(weights)
        artifact = pipeline.compile(self._typed, weights=path, seed=seed, batch=batch, opset=opset)
        return Model(artifact, device=device)


def load(spec: str | os.PathLike[str], **parameters: object) -> Network:
    """Load a network: a file's path or the name of a shipped spec.

    Keyword arguments set the spec's ``param`` statements.

    >>> import cnndsl
    >>> cnndsl.load("resnet50", classes=10).outputs
    {'output': (10,)}

    Raises:
        CompileError: where the spec is wrong; ``str()`` of it is what ``cnndsl check`` shows.
        UserError: where there is no such file or parameter.
    """
    return Network(
        pipeline.check(Path(spec) if isinstance(spec, os.PathLike) else spec, parameters)
    )


def parse(text: str, name: str = "spec.cnn", **parameters: object) -> Network:
    r"""Load a network from a text; ``name`` stands for its file in messages and imports.

    >>> import cnndsl
    >>> cnndsl.parse("input 1x28x28\nconv 8@5 -> relu -> flatten -> dense 10").outputs
    {'output': (10,)}

    Raises:
        CompileError: where the text is wrong.
    """
    return Network(pipeline.check_text(text, name, parameters))


def check(spec: str | os.PathLike[str], **parameters: object) -> list[Diagnostic]:
    r"""What is wrong with a spec: a path, a shipped name, or a text (which has a line break).

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
    return list(pipeline.check(path, parameters).diagnostics)
