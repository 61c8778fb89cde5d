"""A plug-in of MkDocs: fenced `cnn` blocks are checked and shown with their table and picture."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from mkdocs.config import config_options
from mkdocs.config.base import Config
from mkdocs.plugins import BasePlugin
from typing_extensions import override

from cnndsl.diagnostics.model import Diagnostic, UserError
from cnndsl.display.network import layers_html, network_picture
from cnndsl.markdown.check import CheckedBlock, check_page_text
from cnndsl.markdown.fences import Fence
from cnndsl.plots.diagram.draw import Style

__all__ = ["CnndslConfig", "CnndslPlugin"]

_LOG = logging.getLogger("mkdocs.plugins.cnndsl")

OURS = frozenset({"file", "fails", "ignore", "table", "draw"})
"""The attributes of a block that are ours; others are left to the page's other extensions."""


class CnndslConfig(Config):  # type: ignore[no-untyped-call]
    """What `mkdocs.yml` can say of the plug-in."""

    table = config_options.Type(bool, default=False)
    draw = config_options.Choice(("", "blocks", "volumes"), default="")


class CnndslPlugin(BasePlugin[CnndslConfig]):  # type: ignore[no-untyped-call]
    """Checks each page, and writes its blocks as Python-Markdown reads them."""

    @override
    def on_page_markdown(self, markdown: str, /, *, page: Any, **_: Any) -> str:
        """The page's text; what is wrong with its specs is a warning, which `--strict` refuses."""
        path = page.file.abs_src_path or page.file.src_uri
        try:
            checked = check_page_text(markdown, path)
        except UserError as error:
            _LOG.warning("%s: error[%s]: %s", page.file.src_uri, error.code, error.message)
            return markdown
        above = _lines_above(page, markdown)
        for diagnostic in checked.diagnostics:
            _LOG.warning("%s", _said(diagnostic, page.file.src_uri, path, above))
        blocks = {block.fence.opening.start: block for block in checked.blocks}
        text = markdown
        for fence in reversed(checked.fences):
            where = f"{page.file.src_uri}:{fence.opening.first.line + above}"
            text = self._written(text, fence, blocks.get(fence.opening.start), where)
        return text

    def _written(self, text: str, fence: Fence, block: CheckedBlock | None, where: str = "") -> str:
        """The text with a block's opening line in plain words, and what is shown behind it."""
        shown = "".join(self._shown(fence, block, where)) if block is not None else ""
        margin, blank = fence.margin, fence.margin.rstrip()
        if shown and fence.closed:
            end = text.find("\n", fence.starts[-1])
            end = len(text) if end < 0 else end
            body = f"\n{blank}\n{margin}<div>{shown}</div>\n{blank}"
            text = text[:end] + body + text[end:]
        opening = fence.opening
        mark = opening.text[len(margin) :]
        ticks = mark[: len(mark) - len(mark.lstrip("`~"))]
        first = opening.start + len(margin) + len(ticks)
        return text[:first] + _words(fence) + text[opening.end :]

    def _shown(self, fence: Fence, block: CheckedBlock, where: str) -> Iterator[str]:
        table = self.config.table or "table" in fence.attributes
        style = fence.attributes.get("draw", self.config.draw or None)
        if style is not None and style not in ("", *get_args(Style)):
            _LOG.warning("there is no style `%s`, but %s", style, ", ".join(get_args(Style)))
            style = None
        if table and block.checked.table:
            yield layers_html(block.checked.table)
        if style is not None and block.checked.network is not None:
            chosen: Style = "volumes" if style == "volumes" else "blocks"
            try:
                yield network_picture(block.checked.network, chosen)
            except UserError as error:
                help = f" ({error.help})" if error.help else ""
                _LOG.warning("%s: error[%s]: %s%s", where, error.code, error.message, help)


def _words(fence: Fence) -> str:
    """What stands behind the fence, as extensions of Python-Markdown read it."""
    pairs = [(key, value) for key, value in fence.attributes.items() if key not in OURS]
    others = [
        f'{key}="{value}"' if value else key for key, value in pairs if value or key[0] in ".#"
    ]
    return f"{{ .{fence.language} {' '.join(others)} }}" if others else fence.language


def _lines_above(page: Any, markdown: str) -> int:
    """How many lines the file has above the text: those of its metadata."""
    whole = Path(page.file.abs_src_path).read_text("utf-8-sig") if page.file.abs_src_path else ""
    return whole.count("\n") - markdown.count("\n") if whole.endswith(markdown) else 0


def _said(diagnostic: Diagnostic, page: str, path: str, above: int) -> str:
    """A problem in a line: where it is, what it is, what helps."""
    first = diagnostic.span.first
    name = diagnostic.span.source.name
    where = f"{page}:{first.line + above}" if name == path else f"{name}:{first.line}"
    help = f" ({diagnostic.help})" if diagnostic.help else ""
    return f"{where}: {diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}{help}"
