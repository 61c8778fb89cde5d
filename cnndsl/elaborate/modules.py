"""Turns a spec's text and its imports into syntax trees.

Imports are looked for beside the importing file and, for ``std/...``, in the shipped library.
Whatever the path says, a file outside the folder of the main spec and the library is refused.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

from cnndsl import resources
from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label, Report, UserError
from cnndsl.diagnostics.source import Source, Span
from cnndsl.diagnostics.words import closest, is_slip
from cnndsl.files import open_regular
from cnndsl.frozen import mutable
from cnndsl.limits import Limits
from cnndsl.syntax.ast import Import, Module, Text
from cnndsl.syntax.parser import parse

__all__ = ["Loader", "demand_text", "find_spec", "read_text", "shipped_specs"]


def shipped_specs() -> tuple[str, ...]:
    """The names of the networks that come with the package."""
    return tuple(sorted(path.stem for path in resources.specs().glob("*.cnn")))


def find_spec(spec: str | Path) -> Path:
    """The file of a spec, given as a path or as the name of a shipped one.

    Raises:
        UserError: CNN010 where there is neither.
    """
    path = Path(spec)
    there = os.path.exists(path)  # unlike the method, False for a name that is too long
    if there or path.suffix == ".cnn" or len(path.parts) != 1:
        if there:
            return path
        if os.path.lexists(path):
            help = "make the link anew, or give the file that it stands for"
            raise UserError("CNN010", f"`{path}` is a link that leads nowhere", help=help)
        near = closest(str(path), tuple(str(other) for other in _neighbours(path)))
        help = f"did you mean `{near[0]}`?" if near else "check the path"
        raise UserError("CNN010", f"there is no file `{path}`", help=help)
    name = str(spec)
    if name in shipped_specs():
        return resources.specs() / f"{name}.cnn"
    near = closest(name, shipped_specs())
    raise UserError(
        "CNN010",
        f"there is no file and no shipped spec `{name}`",
        notes=("`cnndsl specs` lists the shipped networks",),
        help=f"did you mean `{near[0]}`?" if near else "give a path or one of the shipped names",
    )


def _neighbours(path: Path) -> list[Path]:
    try:
        return sorted(path.parent.glob("*.cnn"))[:1000]
    except OSError:
        return []


def demand_text(text: str) -> None:
    """See that a text is one that a file can hold.

    Raises:
        UserError: CNN005 where it has halves of characters.
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            "CNN005",
            f"the text is no text: character {error.start + 1} is half a character",
            help="give a text of whole characters",
        ) from error


def read_text(path: Path, limits: Limits, name: str = "") -> str:
    """The text of a file, UTF-8; messages call the file ``name`` where one is given.

    Raises:
        UserError: CNN005 where it cannot be read as text, CNN901 where it is too large.
    """
    name = name or str(path)
    try:
        with open_regular(path) as file:
            data = file.read(4 * limits.text + 1)
            size = max(len(data), os.fstat(file.fileno()).st_size)
    except IsADirectoryError:
        raise UserError("CNN005", f"`{name}` is a folder", help="give a .cnn file") from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise UserError(
            "CNN005", f"`{name}` cannot be read: {reason}", help="check the path and its rights"
        ) from None
    if len(data) > 4 * limits.text:
        raise UserError(
            "CNN901",
            f"`{name}` is larger than {4 * limits.text:,} bytes",
            help=f"split it, or raise the limit: CNNDSL_LIMITS=text={size}",
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(
            "CNN005",
            f"`{name}` is not UTF-8 text: byte {error.start} is {data[error.start]:#04x}",
            help="save it as UTF-8",
        ) from None


@mutable
class Loader:
    """Parses a file and, on demand, what it imports; each file once.

    ``edited`` holds texts that stand in for what files contain, by resolved path: repairs are
    tried out on them.
    """

    root: Path
    report: Report
    limits: Limits = field(default_factory=Limits)
    edited: Mapping[Path, str] = field(default_factory=dict)
    modules: dict[Path, Module] = field(default_factory=dict)
    characters: int = 0
    """How many characters all imported files have together."""

    def main(self, path: Path) -> Module:
        """The module of the spec itself."""
        return self.parsed(path.resolve(), Source(str(path), self.text(path)))

    def text(self, path: Path, name: str = "") -> str:
        """The text of a file, or the one that stands in for it, be it empty.

        Raises:
            UserError: as :func:`read_text` does.
        """
        text = self.edited.get(path.resolve())
        return read_text(path, self.limits, name) if text is None else text

    def parsed(self, path: Path, source: Source) -> Module:
        """Parse a text that stands for a file."""
        module = parse(source, self.report, self.limits)
        if module.passages:
            from cnndsl.elaborate.foreign_passages import say_in_our_words  # no right spec has any

            say_in_our_words(module.passages, self.report)
        self.modules[path] = module
        return module

    def imported(self, statement: Import, importer: Path) -> tuple[Path, Module] | None:
        """The module that an import names, or None with a diagnostic in the report."""
        path = self._locate(statement.path, importer)
        if path is None:
            return None
        if path in self.modules:
            return path, self.modules[path]
        try:
            text = self.text(path, statement.path.value)
        except UserError as error:
            self._fail(error.code, error.message, statement.path.span, error.help)
            return None
        self.characters += len(text)
        if self.characters > self.limits.text:
            message = f"the imported files have more than {self.limits.text:,} characters together"
            help = f"import less, or raise the limit: CNNDSL_LIMITS=text={2 * self.characters}"
            self._fail("CNN901", message, statement.path.span, help)
            return None
        return path, self.parsed(path, Source(_shown(path), text))

    def _locate(self, text: Text, importer: Path) -> Path | None:
        name = text.value
        if not name or "\0" in name or len(name) > 1000:
            self._fail("CNN107", "this is no path", text.span, 'write `import "blocks.cnn"`')
            return None
        library = resources.specs().resolve()
        shipped = name.startswith("std/")
        base = library if shipped else importer.parent
        path = base / (name if name.endswith(".cnn") else f"{name}.cnn")
        try:
            resolved = path.resolve()
            found = resolved in self.edited or resolved.is_file()
        except (OSError, RuntimeError):
            resolved, found = path, False
        if not any(resolved.is_relative_to(root) for root in (self.root, library)):
            self._fail(
                "CNN109",
                f'`import "{name}"` leaves the folder of the spec',
                text.span,
                "copy the file beside the spec, or use the shipped `std/` blocks",
            )
            return None
        if found:
            return resolved
        near = closest(name, _importable(base, name, shipped=shipped))
        help = f'did you mean `import "{near[0]}"`?' if near else "check the path"
        edit = Edit(text.span, f'"{near[0]}"') if near else None
        safe = len(near) == 1 and is_slip(name, near[0])
        fixes = (Fix(f'write `"{near[0]}"`', (edit,), safe=safe),) if edit else ()
        message = f'there is no file for `import "{name}"`'
        self.report.add(Diagnostic("CNN107", message, text.span, help=help, fixes=fixes))
        return None

    def _fail(self, code: str, message: str, span: Span, help: str) -> None:
        self.report.add(Diagnostic(code, message, span, help=help))

    def cycle(self, statement: Import, first: Import | None) -> None:
        """Report an import that leads back to a file which is still being read."""
        labels = (Label(first.span, "imported here first"),) if first else ()
        self.report.add(
            Diagnostic(
                "CNN108",
                f'`import "{statement.path.value}"` leads back to a file that imports this one',
                statement.path.span,
                labels=labels,
                help="move the shared blocks into a file that imports neither",
            )
        )


def _importable(base: Path, name: str, *, shipped: bool) -> tuple[str, ...]:
    """What could have been meant by a name, spelled as it is: with or without `.cnn`."""
    if shipped:
        return tuple(f"std/{path.stem}" for path in sorted((base / "std").glob("*.cnn")))
    try:
        paths = sorted(base.glob("*.cnn"))[:1000]
    except OSError:
        return ()
    return tuple(path.name if name.endswith(".cnn") else path.stem for path in paths)


def _shown(path: Path) -> str:
    """A path as diagnostics show it: relative to the working folder where it lies below it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
