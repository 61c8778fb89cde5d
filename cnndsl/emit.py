"""Turns a spec into the text of one stage of the road, to see what each makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from cnndsl.autodiff.rules import Target
    from cnndsl.graph.compile_options import CompileOptions
    from cnndsl.recipe.settings import PrecisionWord
    from cnndsl.typecheck.checked import Checked

__all__ = ["STAGES", "TAKES", "Stage", "emit"]

Stage: TypeAlias = Literal["ast", "network", "forward", "gradients", "step", "model"]

STAGES: tuple[Stage, ...] = get_args(Stage)
"""The stages that can be shown, in the order of the road."""

TAKES: dict[Stage, tuple[str, ...]] = {
    "ast": (),
    "network": (),
    "forward": ("batch", "opset", "raw"),
    "gradients": ("batch", "opset", "target", "precision"),
    "step": ("batch", "opset", "target", "precision"),
    "model": ("weights", "verify", "seed", "batch", "opset", "raw"),
}
"""The options of :func:`emit` that change what a stage gives."""


# Long, because it names one stage after the other.
def emit(
    checked: Checked,
    stage: Stage,
    *,
    weights: Path | None = None,
    raw: bool = False,
    target: Target = "cpu",
    precision: PrecisionWord | None = None,
    **options: Unpack[CompileOptions],
) -> str:
    """The text of a stage; the options are those of ``compile`` and ``compile_training``.

    Raises:
        CompileError: where the spec is wrong and the stage is not its tree.
        UserError: as the stages up to this one do.
    """
    from cnndsl import pipeline

    if stage == "ast":
        from cnndsl.syntax.tree_text import tree_text

        return tree_text(checked.module)
    network = pipeline.typed(checked)
    if stage == "network":
        from cnndsl.analysis.network_text import network_text

        return network_text(network)
    from cnndsl.graph.compile_options import Compilation
    from cnndsl.graph.export import graph_text, model_text
    from cnndsl.graph.lower import lower
    from cnndsl.graph.raw_inputs import raw_inputs

    how = Compilation(**options)
    if stage == "forward":
        return graph_text(lower(network, how.batch, how.opset, raw_inputs(network) if raw else ()))
    if stage == "model":
        return model_text(pipeline.compile(network, weights=weights, raw=raw, **options))
    from cnndsl.elaborate.overrides import in_precision
    from cnndsl.runtime.host import form_of
    from cnndsl.training.split import build_split
    from cnndsl.training.step import build_step

    network = in_precision(network, precision)
    size, opset, form = how.batch, how.opset, form_of(target)
    if stage == "gradients":
        gradients, _ = build_split(network, batch=size, opset=opset, **form)
        return graph_text(gradients.model)
    step = build_step(network, batch=size, opset=opset, **form)
    return graph_text(step.model)
