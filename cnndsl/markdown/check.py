"""Turns a page in Markdown into what is wrong with its `cnn` blocks, at their places in the page.

Each block is a spec. One with ``file=NAME`` is that file for the others, whatever its language;
of one with ``fails`` it is demanded that it has errors, one with ``ignore`` is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cnndsl import pipeline
from cnndsl.diagnostics.model import Diagnostic, Edit, Label, Severity
from cnndsl.diagnostics.source import Source
from cnndsl.elaborate.modules import find_spec, read_text
from cnndsl.frozen import frozen
from cnndsl.markdown.claims import settled
from cnndsl.markdown.fences import LANGUAGE, Fence, fences
from cnndsl.markdown.places import Places
from cnndsl.typecheck.checked import Checked

__all__ = ["CheckedBlock", "CheckedPage", "check_page", "check_page_text"]


@frozen
class CheckedBlock:
    """A block, what checking its text found, and the problems that lie in it, by the page."""

    fence: Fence
    checked: Checked
    diagnostics: tuple[Diagnostic, ...]


@frozen
class CheckedPage:
    """A page's specs in order, and all problems with their places in the page.

    ``fences`` are all its `cnn` blocks, those to be ignored too; ``annotations`` write or refresh
    the claims of its specs.
    """

    source: Source
    fences: tuple[Fence, ...]
    blocks: tuple[CheckedBlock, ...]
    diagnostics: tuple[Diagnostic, ...]
    annotations: tuple[Edit, ...]


def check_page(
    path: str | Path,
    parameters: Mapping[str, object] | None = None,
    *,
    annotate: bool = False,
) -> CheckedPage:
    """Check the blocks of a page; ``parameters`` are those of each of its specs.

    Raises:
        UserError: as :func:`cnndsl.pipeline.check` does.
    """
    path = find_spec(path)
    text = read_text(path, pipeline.current_limits())
    return check_page_text(text, str(path), parameters, annotate=annotate)


def check_page_text(
    text: str,
    name: str = "page.md",
    parameters: Mapping[str, object] | None = None,
    *,
    annotate: bool = False,
) -> CheckedPage:
    """Check the blocks of a text that is a page; files are relative to the folder of ``name``.

    Raises:
        UserError: as :func:`cnndsl.pipeline.check_text` does.
    """
    source = Source(name, text)
    found = tuple(fences(source))
    page = _Page(source, found, parameters or {}, annotate)
    checked = [(fence, page.check(fence)) for fence in found if _is_spec(fence)]
    problems = list(_distinct([*page.names, *(one for _, (_, many) in checked for one in many)]))
    demanding = [fence for fence, _ in checked if "fails" not in fence.attributes]
    said = [one for one in problems if not page.fails(one)]
    said = [*settled(demanding, said), *_without_faults(checked)]
    said.sort(key=lambda one: (one.span.source is not source, one.span.start))
    return CheckedPage(
        source,
        tuple(fence for fence in found if fence.language == LANGUAGE),
        tuple(
            CheckedBlock(fence, result, tuple(one for one in said if _lies_in(one, fence)))
            for fence, (result, _) in checked
        ),
        tuple(said),
        tuple(edit for fence, (result, _) in checked for edit in page.annotations(fence, result)),
    )


def _is_spec(fence: Fence) -> bool:
    return fence.language == LANGUAGE and "ignore" not in fence.attributes


def _lies_in(diagnostic: Diagnostic, fence: Fence) -> bool:
    span = diagnostic.span
    return span.source is fence.source and fence.holds(span.start)


class _Page:
    """Checks the blocks of one page, which know each other by their files' names."""

    def __init__(
        self,
        source: Source,
        found: Sequence[Fence],
        parameters: Mapping[str, object],
        annotate: bool,
    ) -> None:
        self.source = source
        self.parameters = parameters
        self.annotate = annotate
        self.folder = Path(source.name).parent
        self.named: dict[Path, Fence] = {}
        self.names: list[Diagnostic] = []
        """What is wrong with the names of blocks."""
        for fence in found:
            if fence.file and "ignore" not in fence.attributes:
                self._name(fence)
        self.files = {path: fence.text for path, fence in self.named.items()}
        self.failing = [one for one in found if _is_spec(one) and "fails" in one.attributes]

    def _name(self, fence: Fence) -> None:
        """Take a block's name, unless it cannot be had."""
        try:
            path = (self.folder / fence.file).resolve()
            inside = path.is_relative_to(self.folder.resolve())
        except (OSError, RuntimeError, ValueError):  # a NUL, too long a name, a circle of links
            path, inside = Path(), False
        if not inside:
            message = f"`file={fence.file}` is no name of a file beside the page"
            help = "write the name of a file, such as `file=parts.cnn`"
            self.names.append(Diagnostic("CNN692", message, fence.opening, help=help))
            return
        first = self.named.setdefault(path, fence)
        if first is not fence:
            self.names.append(
                Diagnostic(
                    "CNN692",
                    f"two blocks are called `{fence.file}`",
                    fence.opening,
                    labels=(Label(first.opening, "the first one"),),
                    help="rename one of them",
                )
            )

    def check(self, fence: Fence) -> tuple[Checked, tuple[Diagnostic, ...]]:
        """What checking a block finds, and its problems with their places in the page."""
        name = str(self.folder / fence.file) if fence.file else self.source.name
        checked = pipeline.check_text(
            fence.text, name, self.parameters, annotate=self.annotate, files=self.files
        )
        places = self._places(fence)
        return checked, tuple(map(places.diagnostic, checked.diagnostics))

    def annotations(self, fence: Fence, checked: Checked) -> Iterator[Edit]:
        """The edits of claims, in the page."""
        places = self._places(fence)
        edits = (places.edit(edit) for edit in checked.annotations)
        return (edit for edit in edits if edit is not None and edit.span.source is self.source)

    def _places(self, fence: Fence) -> Places:
        own = Path(self.source.name).resolve()
        return Places({own: fence} | self.named)

    def fails(self, diagnostic: Diagnostic) -> bool:
        """Whether a problem lies in a block that is said to have some."""
        return any(_lies_in(diagnostic, fence) for fence in self.failing)


def _without_faults(
    checked: Iterable[tuple[Fence, tuple[Checked, tuple[Diagnostic, ...]]]],
) -> Iterator[Diagnostic]:
    """CNN691 of each block that is said to fail, and does not."""
    for fence, (_, found) in checked:
        if "fails" not in fence.attributes:
            continue
        if not any(one.severity is Severity.ERROR for one in found):
            yield Diagnostic(
                "CNN691",
                "the block is said to fail, and has no errors",
                fence.opening,
                help="leave out `fails`",
            )


def _distinct(diagnostics: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """Each problem once: blocks that import one another find the same."""
    seen: set[tuple[str, str, str, int, int]] = set()
    for one in diagnostics:
        span = one.span
        key = (one.code, one.message, span.source.name, span.start, span.end)
        if key not in seen:
            seen.add(key)
            yield one
