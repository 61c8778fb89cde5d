"""Turns the statement ``classes`` into the names of the classes, and names into a statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from cnndsl.diagnostics.model import Diagnostic, Label, Report, Severity, UserError
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import shorten
from cnndsl.elaborate.modules import Loader
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.frozen import replace
from cnndsl.syntax.ast import Classes, ClassesFile, Input, Text

__all__ = ["class_names", "is_writable", "with_classes"]

_NO_TEXT = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Ends of lines, control characters, and bytes that are no UTF-8."""


def class_names(
    statement: Classes | ClassesFile, spec: Path, report: Report, loader: Loader
) -> tuple[str, ...]:
    """The names of the classes, in the order of the output; files lie beside the ``spec``."""
    if isinstance(statement, Classes):
        names = tuple(name.value for name in statement.names)
        report.extend(_problems(names, [name.span for name in statement.names]))
        return names
    folder = spec.parent
    try:
        name = statement.path.value
        text = loader.text(_beside(folder, name), name)
    except UserError as error:
        message = error.message.replace(str(folder / statement.path.value), statement.path.value)
        report.add(Diagnostic(error.code, message, statement.path.span, help=error.help))
        return ()
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    report.extend(_problems(names, [statement.path.span] * len(names)))
    return names


def _problems(names: Sequence[str], spans: Sequence[Span]) -> Iterator[Diagnostic]:
    """Warn of names that stand for two classes, or for none; of those in a file only once.

    Lists of others have such names, as ImageNet's has two `crane`: a network with them works, but
    neither answers nor folders of data can be told apart by them.
    """
    first: dict[str, int] = {}
    warned: set[Span] = set()
    for at, (name, span) in enumerate(zip(names, spans, strict=True)):
        before = first.setdefault(_composed(name), at)
        if span in warned or (before == at and name.strip()):
            continue
        warned.add(span)
        if not name.strip():
            yield _unclear(f"class {at} has no name", span, "give it one")
            continue
        labels = () if spans[before] == span else (Label(spans[before], f"class {before} is here"),)
        yield _unclear(
            f"the classes {before} and {at} are both called `{shorten(name)}`",
            span,
            "call each something else: nothing tells them apart in answers and in data",
            labels,
        )


def _unclear(message: str, span: Span, help: str, labels: tuple[Label, ...] = ()) -> Diagnostic:
    return Diagnostic("CNN840", message, span, labels=labels, help=help, severity=Severity.WARNING)


def _composed(name: str) -> str:
    """A name in the form in which the names of classes are compared."""
    if name.isascii():
        return name
    import unicodedata

    return unicodedata.normalize("NFC", name)


def _beside(folder: Path, name: str) -> Path:
    """The path of a file that must lie in the folder or below it.

    Raises:
        UserError: CNN109 where it lies elsewhere, CNN005 where it is no plain file: a pipe would
            be waited for.
    """
    path = folder / name
    try:
        inside = "\0" not in name and path.resolve().is_relative_to(folder.resolve())
        plain = inside and (path.is_file() or not path.exists() or path.is_dir())
    except (OSError, RuntimeError):  # too long a name, a circle of links
        inside, plain = True, False
    if not inside:
        raise UserError(
            "CNN109",
            f'`classes from "{name}"` leaves the folder of the spec',
            help="copy the file beside the spec",
        )
    if not plain:
        raise UserError("CNN005", f"`{name}` is no file", help="name a text file beside the spec")
    return path


# --- names from elsewhere ---------------------------------------------------------------------


def is_writable(name: str) -> bool:
    """Whether a spec can have a class of this name."""
    import unicodedata

    return all(one == "\t" or unicodedata.category(one) not in _NO_TEXT for one in name)


def with_classes(typed: TypedNetwork, classes: Sequence[str]) -> TypedNetwork:
    """The network with these names of its classes, where its spec gives none.

    Without them nothing would tell which output is which class. Names that are not as many as the
    main output has channels, or cannot be written into a spec, change nothing.
    """
    network = typed.network
    output = typed.main_type
    if network.classes or not classes or len(classes) != output.channels:
        return typed
    if not all(map(is_writable, classes)):
        return typed
    module = network.module
    last = max(at for at, one in enumerate(module.statements) if isinstance(one, Input))
    span = module.statements[last].span
    statement = Classes(tuple(Text(name, span) for name in classes), span)
    statements = (*module.statements[: last + 1], statement, *module.statements[last + 1 :])
    named = replace(network, classes=tuple(classes), module=replace(module, statements=statements))
    return replace(typed, network=named)
