"""Asks models more than their answers: several together, why, how fast, in int8, on paper."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from typing_extensions import Unpack

from cnndsl import pipeline
from cnndsl.api import Network, load
from cnndsl.diagnostics.model import UserError

if TYPE_CHECKING:
    from cnndsl.autodiff.salience import Salience
    from cnndsl.data.formats.memory import ArrayData
    from cnndsl.elaborate.network import TypedNetwork
    from cnndsl.graph.artifact import Artifact
    from cnndsl.runtime.evaluate import EvaluationOptions
    from cnndsl.runtime.evaluation import Evaluation
    from cnndsl.runtime.explain import ExplainOptions
    from cnndsl.runtime.explainer import Explanation
    from cnndsl.runtime.model import Model
    from cnndsl.runtime.profile import Profile
    from cnndsl.runtime.quantize import Quantized, QuantizeOptions
    from cnndsl.training.scaling import Scaling

__all__ = [
    "Weighted",
    "draw_filters",
    "evaluate",
    "explain",
    "profile",
    "quantize",
    "scale",
]

Weighted: TypeAlias = "tuple[Network, str | os.PathLike[str], str]"
"""A network, the file of its weights, and what to call the two."""


def evaluate(
    models: Sequence[str | os.PathLike[str] | Weighted],
    data: str | os.PathLike[str] | ArrayData,
    **options: Unpack[EvaluationOptions],
) -> Evaluation:
    """How good several models are together on labelled data: the mean of their answers counts.

    A model is a compiled one's path; or a network, the file of its weights, and what to call it.
    The first one's recipe says what the loss is. ``parts`` of what is returned tell how good each
    is alone.

    Raises:
        UserError: as :meth:`Network.evaluate` does, and CNN710 for a model that differs.
        ValueError: as :meth:`Network.evaluate` does, and where there are no models.
    """
    from cnndsl.runtime.evaluate import Trained, evaluate_trained

    if not models:
        raise ValueError("an ensemble has at least one model")
    verify = options.get("verify", True)
    trained = []
    for one in models:
        if isinstance(one, tuple):
            network, weights, name = one
        else:
            network, weights = load(one, verify=verify), one
            name = os.fspath(one)
        trained.append(Trained(name, network.typed, weights))
    return evaluate_trained(trained, data, pipeline.answering, **options)


def explain(
    model: Model | str | os.PathLike[str],
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    on_broken: Callable[[UserError], None] | None = None,
    tell: Callable[[str], None] = lambda note: None,
    **options: Unpack[ExplainOptions],
) -> Iterator[Explanation]:
    """Which pixels of each picture made a model's answer.

    Args:
        model: what ``compile`` made, or the path of a compiled model.
        paths: as :meth:`Model.predict` takes them.
        on_broken: learns of each input that is broken, which is left out.
        tell: learns what was passed over in folders.
        options: as :class:`cnndsl.runtime.explain.ExplainOptions` tells of each: ``method``,
            ``target``, ``layer``, ``batch``, ``device``, ``verify``.

    Raises:
        UserError: CNN704 for a layer that there is not, CNN711 for a network without a picture,
            CNN712 for one that cannot be differentiated, CNN713 for a class that there is not,
            CNN714 for a layer without feature maps, and as :meth:`Model.predict` does.
        ValueError: for another method, and a batch below 1.
    """
    from cnndsl.runtime.explain import explainer

    def rebuild(spec: str, wanted: Salience) -> tuple[TypedNetwork, Artifact]:
        network = pipeline.typed(pipeline.check_text(spec))
        return network, pipeline.answering(network, wanted)

    yield from explainer(model, rebuild, **options).explain(paths, on_broken, tell)


def quantize(
    network: Network,
    data: str | os.PathLike[str] | ArrayData,
    weights: str | os.PathLike[str] | None = None,
    **options: Unpack[QuantizeOptions],
) -> Quantized:
    """A model that computes in int8, and how good and how fast it is beside the one in float32.

    Args:
        network: the network.
        data: what ranges are taken from, and the two are compared by: labelled data as for
            :meth:`Network.train`, or pictures and arrays as for :meth:`Model.predict`.
        weights: as for :meth:`Network.compile`.
        options: as :class:`cnndsl.runtime.quantize.QuantizeOptions` tells of each:
            ``allow_slower``, ``threads``, ``tell``, ``verify``, ``seed``, ``batch``, ``opset``.

    Raises:
        UserError: CNN612 for a model that is slower, CNN613 for one that cannot be made, and as
            :meth:`Network.compile` and reading the data do.
    """
    from cnndsl.runtime.quantize import quantized

    path = None if weights is None else Path(weights)
    return quantized(network.typed, data, path, pipeline.compile, options)


def draw_filters(
    model: str | os.PathLike[str],
    layer: str,
    path: str | os.PathLike[str],
    *,
    verify: bool = True,
) -> tuple[int, ...]:
    """Draw the kernels of a compiled model's layer.

    What is returned is their shape: filters, channels, and the window's sizes.
    Those of a layer on red, green and blue are in colour, others gray, a picture for each channel;
    of one dimension they are curves, of three a picture for each slice.

    Raises:
        UserError: CNN704 for a layer that there is not, CNN715 for one without kernels, CNN609 for
            a file that ends in neither ``.png``, ``.svg`` nor ``.pdf``, CNN603 where it cannot be
            written, and as reading the model does.
    """
    from cnndsl.plots.figure import format_of, save_figure
    from cnndsl.plots.kernels import draw_kernels
    from cnndsl.runtime.kernels import kernels_of

    format_of(path)
    network = load(model, verify=verify)
    kernels, is_colour = kernels_of(network.typed, model, layer, verify=False)
    save_figure(path, draw_kernels(kernels, layer, network.name, is_colour=is_colour))
    return tuple(kernels.shape)


def profile(
    model: Network | str | os.PathLike[str],
    *,
    training: bool = False,
    weights: str | os.PathLike[str] | None = None,
    batch: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    seconds: float = 2.0,
    verify: bool = True,
) -> Profile:
    """What an answer takes, or a training step: measured time and memory, by line and layer.

    Args:
        model: a network, the path or shipped name of a spec, or the path of a compiled model.
        training: whether a training step is measured, and no answer.
        weights: as for :meth:`Network.compile`; time hardly depends on them.
        batch: samples at once, by default 1, and in training what the recipe says.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: how many threads one operator may use; by default ONNX Runtime decides.
        seconds: how long it runs, about, before it is recorded.
        verify: whether to compare the checksum of a compiled model, or of weights, first.

    Raises:
        UserError: CNN860 where a model was compiled for another batch, CNN861 where the recording
            cannot be written, CNN701 for a device that does not work, and as :func:`load`,
            :meth:`Network.compile` and :meth:`Network.train` do.
        ValueError: for a batch below 1.
    """
    from cnndsl.graph.starting_weights import beginning
    from cnndsl.runtime.profiler import profile_model, profile_step

    if batch is not None and batch < 1:
        raise ValueError(f"`batch` must be 1 or more, not {batch}")
    network, compiled = _profiled(model, verify)
    path = compiled if weights is None else Path(weights)
    if not training:
        source = compiled or pipeline.compile(network, weights=path, verify=verify)
        return profile_model(
            network, source, batch=batch, device=device, threads=threads, seconds=seconds
        )
    network, given = beginning(network, path, heads=True, verify=verify)
    return profile_step(
        network, given.arrays, batch=batch, device=device, threads=threads, seconds=seconds
    )


def _profiled(
    model: Network | str | os.PathLike[str], verify: bool
) -> tuple[TypedNetwork, Path | None]:
    """What is profiled, and the file of it that is compiled already."""
    if isinstance(model, Network):
        return model.typed, None
    if os.fspath(model).lower().endswith(".onnx"):
        return load(model, verify=verify).typed, Path(model)
    return load(model).typed, None


def scale(
    model: Network | str | os.PathLike[str],
    *,
    bandwidth: str | float,
    step: str | float,
    workers: Sequence[int] = (8, 64, 512),
    batch: int | None = None,
    shards_per_worker: int = 1,
    latency: str | float = "20us",
    efficiency: float = 0.8,
) -> Scaling:
    """What many machines bring that train a network together, on paper: nothing is measured.

    >>> import cnndsl
    >>> cnndsl.scale("resnet50", bandwidth="10Gb", step="80ms", batch=32)
    <Scaling of resnet50: 102.4 MB a step; 8: 31%, 64: 28%, 512: 28%>

    Args:
        model: a network, or the path or shipped name of a spec, or the path of a compiled model.
        bandwidth: what a machine's line carries, in and out at once: ``"10Gb"`` are bits a second,
            ``"1.25GB"`` bytes; a number is bits a second.
        step: how long a worker computes a step alone: ``"80ms"``, or a number of seconds.
        workers: a row for each of these numbers.
        batch: the samples of that step; by default those of one of the recipe's shards.
        shards_per_worker: such steps that a worker computes before all add.
        latency: how long the shortest message takes.
        efficiency: the share of the bandwidth that carries numbers.

    Raises:
        UserError: CNN886 for what is no bandwidth or time, CNN808 for a network of which nothing
            learns, and as :func:`load` does.
        ValueError: for a number that is not above 0, more workers than 65,536, and an efficiency
            above 1.
    """
    from cnndsl.training.links import bits_per_second, seconds
    from cnndsl.training.scaling import Link, scaling

    line = bits_per_second(bandwidth) if isinstance(bandwidth, str) else bandwidth
    hop = seconds(latency, or_none=True) if isinstance(latency, str) else latency
    return scaling(
        model.typed if isinstance(model, Network) else load(model).typed,
        Link(line, efficiency, hop),
        seconds(step) if isinstance(step, str) else step,
        workers,
        batch=batch,
        shards_per_worker=shards_per_worker,
    )
