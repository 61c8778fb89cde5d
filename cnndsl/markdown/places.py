"""Moves diagnostics from the texts of a page's blocks to the page that they stand in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.diagnostics.source import Source, Span
from cnndsl.frozen import replace
from cnndsl.markdown.fences import Fence

__all__ = ["Places"]


class Places:
    """Knows which texts are blocks, by the resolved paths of the files that they stand for."""

    def __init__(self, blocks: Mapping[Path, Fence]) -> None:
        self._blocks = blocks
        self._known: dict[Source, Fence | None] = {}

    def diagnostic(self, one: Diagnostic) -> Diagnostic:
        """The same problem, placed in the page; a fix that cannot be made there is left out."""
        labels = tuple(replace(label, span=self.span(label.span)) for label in one.labels)
        fixes = tuple(moved for fix in one.fixes if (moved := self._fix(fix)) is not None)
        return replace(one, span=self.span(one.span), labels=labels, fixes=fixes)

    def span(self, span: Span) -> Span:
        """The place in the page, of a place in a block; the end of a block is that of its text."""
        fence = self._fence(span.source)
        if fence is None:
            return span
        most = max(len(fence.text.rstrip()), fence.offsets[0])
        start = fence.place(min(span.start, most))
        return Span(fence.source, start, max(start, fence.place(min(span.end, most))))

    def edit(self, edit: Edit) -> Edit | None:
        """The same change of the page, or None where the block has no last line to keep it in."""
        fence = self._fence(edit.span.source)
        if fence is None:
            return edit
        if not fence.closed and fence.starts[-1] < len(fence.source.text):
            return None
        start, end = fence.place(edit.span.start), fence.place(edit.span.end)
        text = edit.text.replace("\n", f"\n{fence.margin}")
        return Edit(Span(fence.source, start, max(start, end)), text)

    def _fix(self, fix: Fix) -> Fix | None:
        edits = [self.edit(edit) for edit in fix.edits]
        if any(edit is None for edit in edits):
            return None
        return replace(fix, edits=tuple(edit for edit in edits if edit is not None))

    def _fence(self, source: Source) -> Fence | None:
        """The block that a text is, or None for one of a file."""
        if source not in self._known:
            try:
                found = self._blocks.get(Path(source.name).resolve())
            except (OSError, RuntimeError, ValueError):
                found = None
            same = found is not None and found.text == source.text
            self._known[source] = found if same else None
        return self._known[source]
