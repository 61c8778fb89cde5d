"""From the diagnostics of a spec to the exception that says them as ``cnndsl check`` does."""

from __future__ import annotations

from collections.abc import Iterable

from typing_extensions import override

from cnndsl.diagnostics.model import CnndslError, Diagnostic

__all__ = ["CompileError"]


class CompileError(CnndslError):
    """A spec that cannot be compiled; ``str()`` is the text that ``cnndsl check`` shows."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__(self.diagnostics)

    @override
    def __repr__(self) -> str:
        more = f" and {len(self.diagnostics) - 1} more" if len(self.diagnostics) > 1 else ""
        return f"<CompileError: {self.diagnostics[0]!r}{more}>"

    @override
    def __str__(self) -> str:
        from cnndsl.diagnostics.render import render_text

        return render_text(self.diagnostics)
