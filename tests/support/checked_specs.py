"""Short ways to check a text in a test: its problems, its layers, its types."""

from __future__ import annotations

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.limits import Limits
from cnndsl.pipeline import check_text, typed
from cnndsl.typecheck.checked import Checked

__all__ = ["codes", "network", "only", "outputs", "shapes"]


def codes(text: str, **limits: int) -> list[tuple[int, str]]:
    """The line and the code of every problem of a text."""
    found = check_text(text, limits=Limits(**limits)).diagnostics
    return [(item.span.first.line, item.code) for item in found]


def only(text: str) -> Diagnostic:
    """The one problem of a text."""
    (diagnostic,) = check_text(text).diagnostics
    return diagnostic


def network(text: str, name: str = "spec.cnn", **parameters: object) -> TypedNetwork:
    """The network of a text that must be right; warnings are allowed."""
    return typed(_checked(text, name, parameters))


def _checked(text: str, name: str, parameters: dict[str, object]) -> Checked:
    return check_text(text, name, parameters)


def shapes(text: str) -> dict[str, str]:
    """The output of every layer of a right text, by its name; inputs left out."""
    built = network(text)
    nodes = zip(built.network.nodes, built.types, strict=True)
    return {node.name: str(kind) for node, kind in nodes if node not in built.network.inputs}


def outputs(text: str) -> dict[str, str]:
    """The shape of every output of a right text."""
    built = network(text)
    return {name: str(built.types[at]) for name, at in built.network.outputs.items()}
