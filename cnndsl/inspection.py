"""Asks models more than their answers: several together, why, and what in int8."""

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
    from cnndsl.runtime.quantize import Quantized, QuantizeOptions

__all__ = ["Weighted", "draw_filters", "evaluate", "explain", "quantize"]

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
