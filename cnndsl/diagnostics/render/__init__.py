"""From diagnostics to text: one renderer per format, loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from types import MappingProxyType

from cnndsl.diagnostics.model import CnndslError, Diagnostic, UserError

__all__ = ["FORMATS", "render", "render_error", "render_text", "render_user_error"]

FORMATS: Mapping[str, str] = MappingProxyType(
    {
        "text": "cnndsl.diagnostics.render.text:render_text",
        "concise": "cnndsl.diagnostics.render.concise:render_concise",
        "json": "cnndsl.diagnostics.render.json:render_json",
        "sarif": "cnndsl.diagnostics.render.sarif:render_sarif",
        "github": "cnndsl.diagnostics.render.github:render_github",
    }
)
"""Where the renderer of each format is."""


def render(diagnostics: Iterable[Diagnostic], format: str, color: bool = False) -> str:
    """The diagnostics in a format of :data:`FORMATS`; only ``text`` has colours.

    Raises:
        KeyError: for an unknown format.
    """
    if format == "text":
        return render_text(diagnostics, color)
    module, _, name = FORMATS[format].partition(":")
    text: str = getattr(import_module(module), name)(diagnostics)
    return text


def render_text(diagnostics: Iterable[Diagnostic], color: bool = False) -> str:
    """The diagnostics for a person to read, each with the lines that it is about."""
    from cnndsl.diagnostics.render import text

    return text.render_text(diagnostics, color)


def render_error(error: CnndslError, *, color: bool = False) -> str:
    """The text of an error that was raised: its diagnostics, or the problem outside any spec."""
    if isinstance(error, UserError):
        return render_user_error(error, color=color)
    return render_text(getattr(error, "diagnostics", ()), color) or str(error)


def render_user_error(error: UserError, format: str = "text", color: bool = False) -> str:
    """A problem outside any spec, in the same formats.

    >>> print(render_user_error(UserError("CNN706", "no pictures in `a`", help="name a folder")))
    error[CNN706]: no pictures in `a`
      = help: name a folder
    """
    from cnndsl.diagnostics.render.user_error import as_diagnostic

    return render([as_diagnostic(error)], format, color)
