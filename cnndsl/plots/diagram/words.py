"""Turns layers and calls into the few words that a box has room for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cnndsl.analysis.summary import word
from cnndsl.elaborate.network import InputNode, LayerNode
from cnndsl.elaborate.values import Value, brief

__all__ = [
    "TIMES",
    "Teller",
    "headline",
    "input_words",
    "plain",
    "remark",
    "setting",
    "shown",
    "sizes",
]

_UNSAID = frozenset(
    ("padding", "bias", "rounding", "eps", "momentum", "count_padding", "keep", "affine", "border")
)
"""Settings that a figure leaves out: edges show what they do to sizes, or they are technicalities.

Initialisers (``init``, ``bias_init``) are left out too.
"""

Teller = Callable[[LayerNode, str], str]
"""What to write for a setting of a layer: its value, or what stands for it where that differs."""

TIMES = "×"


def sizes(dims: Sequence[int]) -> str:
    """A value's sizes.

    >>> sizes((6, 28, 28))
    '6×28×28'
    """
    return TIMES.join(map(str, dims))


def plain(node: LayerNode, name: str) -> str:
    """The value of a layer's setting, as a figure writes it."""
    return shown(getattr(node.layer, name))


def shown(value: object) -> str:
    """A setting's value: ``5×5`` for sizes, four digits of a fraction."""
    text = f"{value:.4g}" if isinstance(value, float) else word(value)
    parts = text.split("x")
    return TIMES.join(parts) if all(part.isdecimal() for part in parts) else text


def headline(node: LayerNode, tell: Teller) -> str:
    """What a layer is, with the settings that it has no names for: ``conv 6 @ 5×5``."""
    layer = node.layer
    written = [name for name in layer.positional if getattr(layer, name) is not None]
    joined = (" " if layer.spaced else " @ ").join(tell(node, name) for name in written)
    return f"{layer.keyword} {joined}".rstrip()


def remark(node: LayerNode, tell: Teller) -> tuple[str, ...]:
    """Further settings of a layer that are worth their room: ``stride 2``."""
    layer, fields = node.layer, type(node.layer).model_fields
    said = []
    for name in node.places:
        technical = name in layer.positional or name in _UNSAID or name.endswith("init")
        value = tell(node, name)
        if technical or value in (shown(fields[name].default), "no") or _is_usual(node, name):
            continue
        said.append(name if value in ("yes", name) else f"{name} {value}")
    return tuple(said)


def _is_usual(node: LayerNode, name: str) -> bool:
    """Whether a stride is the kernel's size, as a pool's mostly is."""
    return name == "stride" and getattr(node.layer, "kernel", None) == getattr(node.layer, name)


def input_words(node: InputNode) -> tuple[str, ...]:
    """What is to be said of an input beside its sizes."""
    if node.type.vocabulary is None:
        return ()
    return (f"tokens of {node.type.vocabulary:,}",)


def setting(name: str, value: Value) -> str:
    """An argument of a call: ``width 64``; a ``yes`` is the name alone."""
    if value is True:
        return name
    return f"{name} {shown(value) if not isinstance(value, range) else brief(value)}"
