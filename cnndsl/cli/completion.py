"""Completes what is typed at a shell's prompt: specs, models, other files, error codes.

click asks these when the shell asks it (``_CNNDSL_COMPLETE``). Shells differ in how they go on
behind a folder, so folders are offered beside other things only; where nothing else fits, the
shell is told to complete folders itself.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

__all__ = [
    "Completer",
    "complete_codes",
    "complete_explained",
    "complete_files",
    "complete_models",
    "complete_pages",
    "complete_schemas",
    "complete_specs",
]

Completer = Callable[[click.Context, click.Parameter, str], "list[CompletionItem]"]
"""What click calls with what has been typed of a word."""


def complete_specs(
    ctx: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Shipped networks and ``.cnn`` files."""
    return _offered(typed, _shipped(), (".cnn",))


def complete_pages(
    ctx: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Shipped networks, ``.cnn`` files and pages in Markdown."""
    return _offered(typed, _shipped(), (".cnn", ".md"))


def complete_models(
    ctx: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Shipped networks, ``.cnn`` files and ``.onnx`` files."""
    return _offered(typed, _shipped(), (".cnn", ".onnx"))


def complete_codes(
    ctx: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Error codes, also where ``cnn3`` or ``3`` was typed."""
    from click.shell_completion import CompletionItem

    from cnndsl.diagnostics.codes import CODES

    begin = typed.upper()
    begin = begin if begin.startswith("C") else f"CNN{begin}"
    return [
        CompletionItem(name, help=code.title)
        for name, code in CODES.items()
        if name.startswith(begin)
    ]


def complete_explained(
    ctx: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Error codes; specs, models and pages; behind a spec's colon, its layers."""
    from click.shell_completion import CompletionItem

    spec, _, begun = typed.rpartition(":")
    if not spec:
        files = _offered(typed, _shipped(), (".cnn", ".onnx", ".md"))
        return [*complete_codes(ctx, parameter, typed), *files]
    try:
        names = dict.fromkeys(_layers_of(spec))
    except Exception:  # what is wrong is said once the command is run
        return []
    return [CompletionItem(f"{spec}:{name}") for name in names if name.startswith(begun)]


def _layers_of(spec: str) -> list[str]:
    """The names of a spec's layers, or of those in the blocks of a page."""
    from cnndsl.markdown.fences import is_markdown

    if is_markdown(spec):
        from cnndsl.markdown.check import check_page

        tables = [block.checked.table for block in check_page(spec).blocks]
    else:
        from cnndsl.pipeline import check

        tables = [check(spec).table]
    return [row.name for table in tables for row in table]


def complete_schemas(
    ctx: click.Context, parameter: click.Parameter, typed: str
) -> list[CompletionItem]:
    """Names of JSON schemas."""
    from click.shell_completion import CompletionItem

    from cnndsl.schemas import SCHEMAS

    return [CompletionItem(name) for name in SCHEMAS if name.startswith(typed)]


def complete_files(*endings: str, words: Iterable[str] = ()) -> Completer:
    """Files with one of these endings (any file where there is none), and some words."""

    def complete(
        ctx: click.Context, parameter: click.Parameter, typed: str
    ) -> list[CompletionItem]:
        return _offered(typed, words, endings)

    return complete


def _shipped() -> Iterator[str]:
    """The names of the shipped networks."""
    from cnndsl import resources

    return (path.stem for path in resources.specs().glob("*.cnn"))


def _offered(typed: str, words: Iterable[str], endings: tuple[str, ...]) -> list[CompletionItem]:
    """The words and files that go on from what was typed."""
    from click.shell_completion import CompletionItem

    found = [word for word in sorted(words) if word.startswith(typed)]
    folders: list[str] = []
    for entry in _entries(os.path.dirname(typed)):
        path = os.path.join(os.path.dirname(typed), entry.name)
        hidden = entry.name.startswith(".") and not os.path.basename(typed)
        if hidden or not path.startswith(typed):
            continue
        if entry.is_dir():
            folders.append(f"{path}{os.sep}")
        elif not endings or entry.name.endswith(endings):
            found.append(path)
    if folders and not found:
        return [CompletionItem(typed, type="dir")]
    return [CompletionItem(path) for path in (*found, *folders)]


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """What a folder holds, in order; nothing where it cannot be read."""
    try:
        with os.scandir(folder or os.curdir) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
