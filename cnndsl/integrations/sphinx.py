"""An extension of Sphinx: the directive `cnn`, whose spec is checked and shown."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.directives.code import container_wrapper
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from typing_extensions import override

from cnndsl import pipeline
from cnndsl.diagnostics.model import Diagnostic, Severity, UserError
from cnndsl.diagnostics.source import Span
from cnndsl.markdown.claims import settled
from cnndsl.markdown.fences import Fence
from cnndsl.plots.diagram.draw import Format, Style, drawn
from cnndsl.typecheck.checked import Checked
from cnndsl.typecheck.table import Row
from cnndsl.version import __version__

__all__ = ["CnnDirective", "drawing", "setup"]

_LOG = logging.getLogger(__name__)
_FILES = "cnndsl.files"
"""Where a page's named blocks are kept while it is read."""


class drawing(nodes.General, nodes.Element):  # type: ignore[misc]  # noqa: N801 (docutils' way)
    """The picture of a network, as a file of each kind that builders take."""


class CnnDirective(SphinxDirective):
    """A spec: its text, or the path of its file or the name of a shipped one."""

    has_content = True
    optional_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = {
        "file": directives.unchanged_required,
        "fails": directives.flag,
        "table": directives.flag,
        "draw": lambda word: directives.choice(word or "blocks", ("blocks", "volumes")),
        "caption": directives.unchanged,
        "name": directives.unchanged,
        "class": directives.class_option,
    }

    @override
    def run(self) -> list[nodes.Node]:
        """The nodes that take the directive's place."""
        if bool(self.arguments) == bool(self.content):
            raise self.error("give the name of a spec, or its text below the directive")
        try:
            checked = self._read() if self.arguments else self._written()
        except UserError as error:
            location = (self.env.docname, self.lineno)
            said = f"error[{error.code}]: {error.message}"
            _LOG.warning(_with_help(said, error.help), location=location, type="cnndsl")
            return []
        found: list[nodes.Node] = [self._code(checked)]
        if "table" in self.options and checked.table:
            found.append(_table(checked.table))
        if "draw" in self.options and checked.network is not None:
            try:
                found.append(_drawing(checked, self.options["draw"]))
            except UserError as error:
                self._warn(error.code, _with_help(error.message, error.help), None)
        return found

    def _read(self) -> Checked:
        """Check a file or a shipped spec."""
        name = self.arguments[0]
        _, path = self.env.relfn2path(name)
        there = Path(path).exists()
        if there:
            self.env.note_dependency(path)
        checked = pipeline.check(Path(path) if there else name)
        self._tell(checked)
        return checked

    def _written(self) -> Checked:
        """Check the text below the directive; its lines have the page's numbers."""
        page, above = self.content.items[0]
        if above < self.lineno:  # MyST counts from the directive
            above = self.lineno + self.content_offset
        kept: Any = self.env.temp_data
        files: dict[Path, str] = kept.setdefault(_FILES, {})
        folder = Path(page).parent
        path = folder / self.options["file"] if "file" in self.options else Path(page)
        text = "\n" * above + "\n".join(self.content) + "\n"
        if "file" in self.options:
            files[path.resolve()] = text
        checked = pipeline.check_text(text, str(path), files=files)
        self._tell(checked)
        return checked

    def _tell(self, checked: Checked) -> None:
        """Warn of what is wrong, and not said to be: with `-W` that fails the build."""
        if "fails" in self.options:
            if not checked.failed:
                self._warn("CNN691", "the block is said to fail, and has no errors", None)
            return
        source = checked.source
        whole = Span(source, 0, len(source.text))
        block = Fence(source, "cnn", {}, whole, source.text, (0,), (0,), "", closed=True)
        for one in settled([block], checked.diagnostics):
            message = _with_help(one.message, one.help)
            self._warn(one.code, message, one)

    def _warn(self, code: str, message: str, problem: Diagnostic | None) -> None:
        place: Any = (self.env.docname, self.lineno)
        severity = Severity.ERROR
        if problem is not None:
            severity = problem.severity
            place = f"{problem.span.source.name}:{problem.span.first.line}"
        _LOG.warning(f"{severity}[{code}]: {message}", location=place, type="cnndsl", subtype=code)

    def _code(self, checked: Checked) -> nodes.Node:
        text = "\n".join(self.content) if self.content else checked.source.text.rstrip("\n")
        code: nodes.Node = nodes.literal_block(text, text, language=_language())
        self.set_source_info(code)
        code["classes"] += self.options.get("class", [])
        if self.options.get("caption"):
            code = container_wrapper(self, code, self.options["caption"])
        self.add_name(code)
        return code


def _with_help(message: str, help: str) -> str:
    return f"{message} ({help})" if help else message


def _language() -> str:
    """The name of our lexer, where Pygments finds it."""
    from pygments.lexers import find_lexer_class_by_name
    from pygments.util import ClassNotFound

    try:
        find_lexer_class_by_name("cnn")
    except ClassNotFound:
        return "text"
    return "cnn"


def _table(rows: Sequence[Row]) -> nodes.table:
    """The layer table."""
    heads = ("name", "layer", "output", "params")
    group = nodes.tgroup(cols=len(heads))
    group += [nodes.colspec(colwidth=1) for _ in heads]
    body = [
        (row.name, row.layer, row.output, f"{row.params:,}" if row.params else "") for row in rows
    ]
    group += nodes.thead("", _row(heads))
    group += nodes.tbody("", *map(_row, body))
    return nodes.table("", group, classes=["cnndsl-layers"])


def _row(cells: Sequence[str]) -> nodes.row:
    return nodes.row("", *(nodes.entry("", nodes.paragraph(text=cell)) for cell in cells))


def _drawing(checked: Checked, style: Style) -> drawing:
    typed = checked.typed()
    kinds: tuple[Format, ...] = ("svg", "pdf")
    files = {kind: drawn(typed, kind, style=style) for kind in kinds}
    return drawing(alt=f"the network {typed.name}", **files)


# --- builders ---------------------------------------------------------------------------------


def _html(writer: Any, node: nodes.Element) -> None:
    source = f"data:image/svg+xml;base64,{b64encode(node['svg']).decode()}"
    words = {"src": source, "alt": node["alt"], "style": "max-width:100%"}
    writer.body.append(writer.emptytag(node, "img", "\n", CLASS="cnndsl-drawing", **words))
    raise nodes.SkipNode


def _latex(writer: Any, node: nodes.Element) -> None:
    name = f"cnndsl-{sha256(node['pdf']).hexdigest()[:16]}.pdf"
    (Path(writer.builder.outdir) / name).write_bytes(node["pdf"])
    writer.body.append(f"\n\\par\\noindent\\sphinxincludegraphics{{{{{name[:-4]}}}.pdf}}\\par\n")
    raise nodes.SkipNode


def _text(writer: Any, node: nodes.Element) -> None:
    if hasattr(writer, "add_text"):
        writer.new_state(0)
        writer.add_text(f"[{node['alt']}]")
        writer.end_state()
    else:
        writer.body.append(f"[{node['alt']}]")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, object]:
    """Called by Sphinx, which names this module in ``extensions``."""
    app.add_directive("cnn", CnnDirective)
    writers = {"html": _html, "latex": _latex, "text": _text, "man": _text, "texinfo": _text}
    visitors: Any = {name: (writer, None) for name, writer in writers.items()}
    app.add_node(drawing, **visitors)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}
