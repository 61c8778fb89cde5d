"""Turns a model and a wish to see what made its answers into what explains them."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TypedDict

from typing_extensions import Unpack

from cnndsl.autodiff.salience import CLASS, GRADIENT, SALIENCE, Salience
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.onnx_weights import refuse_rounded, weights_of_model
from cnndsl.runtime.explainer import METHODS, Explainer, Method, Slopes
from cnndsl.runtime.model import Model
from cnndsl.runtime.session import Session

__all__ = ["ExplainOptions", "Rebuild", "explainer"]

Rebuild = Callable[[str, Salience], tuple[TypedNetwork, Artifact]]
"""From the spec that a model carries: its network, and the differentiated model without weights."""


class ExplainOptions(TypedDict, total=False):
    """What may be asked of an explanation; all of it may be left out."""

    method: Method
    """``gradcam`` (the default), ``gradient``, ``smoothgrad`` or ``occlusion``."""

    target: str | int | None
    """The name or index of the class to explain; by default, of each picture, the answer."""

    layer: str
    """Whose feature maps ``gradcam`` takes; by default the last convolution's."""

    batch: int
    """How many covered copies of a picture ``occlusion`` runs at once; by default 16."""

    device: str
    """Where the model of a path and the differentiated one run."""

    verify: bool
    """Whether to compare the checksum of a file with its content; by default yes."""


def explainer(
    source: Model | str | os.PathLike[str],
    rebuild: Rebuild,
    **options: Unpack[ExplainOptions],
) -> Explainer:
    """What explains a model's answers; ``rebuild`` makes its spec a network again.

    Raises:
        UserError: as :func:`cnndsl.autodiff.salience.salience_graph` and :class:`Explainer` do,
            and CNN712 where the spec that the model carries is none any more.
        ValueError: for another method, and a batch below 1.
    """
    method, batch = options.get("method", "gradcam"), options.get("batch", 16)
    device, verify = options.get("device", "auto"), options.get("verify", True)
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}, not {method!r}")
    if batch < 1:
        raise ValueError(f"`batch` must be 1 or more, not {batch}")
    layer = options.get("layer", "")
    if layer and method != "gradcam":
        raise ValueError(f"`layer` is for `gradcam`: `{method}` takes no feature maps")
    model = source if isinstance(source, Model) else Model(source, device=device, verify=verify)
    name = model.manifest.network if isinstance(source, Model) else os.fspath(source)
    slopes = None
    if method != "occlusion":
        wanted = Salience(
            target=None,
            method="gradcam" if method == "gradcam" else "gradient",
            layer=layer,
            is_whole=True,
        )
        slopes = _slopes(model, name, rebuild, wanted, device)
    return Explainer(model.member(), name, method, options.get("target"), slopes, batch)


def _slopes(model: Model, name: str, rebuild: Rebuild, wanted: Salience, device: str) -> Slopes:
    """The session of the differentiated model, with the weights of the one that answers."""
    refuse_rounded(model.manifest, name)
    try:
        network, bare = rebuild(model.manifest.spec, wanted)
    except CompileError as error:
        raise UserError(
            "CNN712",
            f"the spec in `{name}` is none any more: {error.diagnostics[0].message}",
            help="use `--explain occlusion`, which needs no spec, or compile the model again",
        ) from error
    source = model.source
    if isinstance(source, Artifact):
        weights = source.weights
    else:
        weights = weights_of_model(source, network, verify=False)  # it was when it was opened
    session = Session(replace(bare, weights=weights).for_runtime(), device)
    return Slopes(session, network.network.inputs[0].name, CLASS, SALIENCE, GRADIENT)
