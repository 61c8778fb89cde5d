"""Takes apart a line that gives a head's loss: ``loss aux1 crossentropy smoothing 0.1 weight 0.3``.

Without a head it is the main output's. What is left of the line states the loss itself.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence

from cnndsl.diagnostics.model import Diagnostic, Report
from cnndsl.diagnostics.words import closest, replacements, shorten
from cnndsl.elaborate.bind import bind
from cnndsl.elaborate.header import validated
from cnndsl.elaborate.values import Constants
from cnndsl.frozen import frozen, replace
from cnndsl.recipe import LOSSES
from cnndsl.recipe.heads import HeadLoss
from cnndsl.recipe.losses.base import Loss
from cnndsl.recipe.recipe import VARIANTS
from cnndsl.recipe.settings import LossWeight, Variant
from cnndsl.syntax.ast import Expr, Identifier, Name, Setting

__all__ = ["MAIN", "LossLine", "head_loss", "head_of", "take_apart"]

MAIN = "output"
"""What the main output is called."""

_WEIGHT = "weight"


@frozen
class LossLine:
    """A line of a loss: what states the loss, whose it is, and what is said of its weight."""

    setting: Setting
    head: Name | None
    weight: tuple[Expr, ...]

    @property
    def key(self) -> str:
        """What may be there once: a loss for each head."""
        return self.head.name if self.head else MAIN


def head_of(values: Sequence[Expr], known: Container[str] = ()) -> Name | None:
    """The head that a loss's line names; None where it is that of the main output.

    A label may have the name of a loss: it is one where the name of a loss stands behind it.
    """
    kinds = VARIANTS["loss"]
    first, second = [*values, None, None][:2]
    if not isinstance(first, Name):
        return None
    if isinstance(second, Name) and not _is_attribute(second, first) and second.name in kinds:
        return first
    return first if first.name in known and first.name not in kinds else None


def _is_attribute(name: Name, of: Name) -> bool:
    """Whether a word behind one of our losses is an attribute, which no packages are read for."""
    return LOSSES.is_shipped(of.name) and name.name in (_WEIGHT, *_schema(of.name).model_fields)


def take_apart(setting: Setting, known: Iterable[str]) -> LossLine:
    """The parts of a loss's line; those that are wrong stay in the loss's own."""
    head = head_of(setting.values, {*known, MAIN})
    values = list(setting.values[1:] if head else setting.values)
    kind = values[0].name if values and isinstance(values[0], Name) else ""
    schema = _schema(kind)
    weight: list[Expr] = []
    at = 1
    while at < len(values) and _WEIGHT not in schema.model_fields:
        one = values[at]
        if isinstance(one, Name) and one.name == _WEIGHT:
            weight += values[at : at + 2]
            del values[at : at + 2]
        else:
            at += 2
    return LossLine(replace(setting, values=tuple(values)), head, tuple(weight))


def _schema(kind: str) -> type[Variant]:
    """A loss by its name; one that does not load is named where it is bound."""
    return VARIANTS["loss"].loaded(kind) or Loss


def head_loss(
    line: LossLine, loss: Loss, constants: Constants, known: Mapping[str, int], report: Report
) -> Loss | HeadLoss | None:
    """The loss of a line with its head and weight; only the loss where it is the main output's."""
    head = line.head
    if head is not None and head.name != MAIN and head.name not in known:
        near = closest(head.name, tuple(known))
        help = "name an output or a label, or leave the name out for the main output"
        message = f"no output or label is called `{shorten(head.name)}`"
        fixes = replacements(head.span, near)
        help = f"did you mean `{near[0]}`?" if near else help
        report.add(Diagnostic("CNN103", message, head.span, help=help, fixes=fixes))
        return None
    if head is None and not line.weight:
        return loss
    name = Identifier("loss", line.setting.name.span)
    weight = validated(bind(LossWeight, name, line.weight, constants, report), report)
    if weight is None:
        return None
    return HeadLoss("" if line.key == MAIN else line.key, loss, weight.weight)
