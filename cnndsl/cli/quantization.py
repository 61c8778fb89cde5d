"""``cnndsl compile --quantize``: a model in int8, and how it compares with the one in float32."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from cnndsl.cli.gains import percent
from cnndsl.diagnostics.render.characters import visible
from cnndsl.diagnostics.words import count

if TYPE_CHECKING:
    from cnndsl.runtime.evaluation import Evaluation
    from cnndsl.runtime.quantize import Quantized
    from cnndsl.typecheck.checked import Checked

__all__ = ["check_quantize", "comparison", "quantized"]

_OTHERS = ("emit", "float16", "raw", "salience", "training")
"""Options that ask for another model."""


def check_quantize(ctx: click.Context, calibrate: str | None) -> None:
    """Refuse what does not go together with ``--quantize``.

    Raises:
        click.UsageError: for such options, and where there is no data to take ranges from.
    """
    if calibrate is None:
        raise click.UsageError("--quantize needs samples: add --calibrate DATA")
    for name in _OTHERS:
        parameter = "stage" if name == "emit" else name
        if ctx.get_parameter_source(parameter) is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"--quantize makes a model of its own: leave out --{name}")


def quantized(
    checked: Checked, data: str, weights: str | None, *, allow_slower: bool, **options: Any
) -> Quantized:
    """The model in int8; what is told on the way goes to standard error."""
    from cnndsl.api import Network
    from cnndsl.inspection import quantize

    return quantize(
        Network(checked),
        data,
        weights,
        allow_slower=allow_slower,
        tell=lambda note: click.echo(f"note: {visible(note)}", err=True),
        **options,
    )


def comparison(found: Quantized) -> Iterator[str]:
    """How good and how fast the model is beside the one in float32."""
    samples = count(found.count, "sample", commas=True)
    if found.before is not None and found.after is not None:
        before, after = _measured(found.before), _measured(found.after)
        yield f"float32: {before}; int8: {after}; {samples}"
    elif found.agreement is not None:
        yield f"the same answer in float32 and int8 for {percent(found.agreement)} of {samples}"
    else:
        assert found.difference is not None
        yield f"int8 differs from float32 by {percent(found.difference)} on average; {samples}"
    float32, int8 = (f"{seconds * 1e3:.3g} ms" for seconds in found.seconds)
    what = "a sample" if found.batch == 1 else f"a batch of {found.batch}"
    yield f"{float32} for {what} in float32, {int8} in int8: {found.speed:.2f} times as fast"


def _measured(evaluation: Evaluation) -> str:
    """The number that tells most of how good a model is."""
    if evaluation.accuracy is not None:
        name = "accuracy" if evaluation.top1 is None else "top1"
        return f"{name} {percent(evaluation.accuracy)}"
    if evaluation.mae is not None:
        return f"mae {evaluation.mae:.4g}"
    return f"loss {evaluation.loss:.4g}"
