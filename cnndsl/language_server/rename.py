"""Gives something another name wherever it stands, and proves that nothing else changes.

The places follow from how names are resolved (:mod:`name_resolution`). Whether the new name means
the same there is not argued but tried: the changed texts are checked, every name must still mean
what it meant, and the network must be the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cnndsl import pipeline, resources
from cnndsl.diagnostics.edit import apply_edits
from cnndsl.diagnostics.model import Diagnostic, Edit, UserError
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import shorten
from cnndsl.elaborate.network import LayerNode
from cnndsl.language_server.name_resolution import Resolution
from cnndsl.language_server.names import Kind, Occurrence, Symbol
from cnndsl.recipe.recipe import Recipe
from cnndsl.typecheck.analysis import Analysis

__all__ = ["refused", "renamed", "target"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def target(analysis: Analysis, path: Path, offset: int) -> Occurrence:
    """The name at a place, if it can be changed.

    Raises:
        UserError: CNN908 where nothing there has a name, or one that is not the author's.
    """
    names = Resolution(analysis.modules).names(path)
    occurrence = names.at(offset)
    if occurrence is None:
        raise refused("nothing here has a name that can be changed", "place the cursor on a name")
    symbol = occurrence.symbol
    if symbol.path.is_relative_to(resources.specs().resolve()) and symbol.path != path:
        file = symbol.path.name
        raise refused(
            f"`{symbol.name}` is defined in `{file}`, which comes with cnndsl",
            "copy the block into a file of yours to change it",
        )
    if names.kinds.get(symbol) is Kind.INPUT and _nameless(names.definitions[symbol]):
        raise refused(
            "the input has no name of its own", "name it first: `input picture 3x224x224`"
        )
    return occurrence


def _nameless(spans: Iterable[Span]) -> bool:
    """Whether an input is called so by the language: its name is the statement's word."""
    for span in spans:
        line = span.source.line(span.first.line)
        if re.match(r"\s*input\s+input\b", line) is None and span.text == "input":
            return True
    return False


def refused(message: str, help: str) -> UserError:
    """CNN908: a name stays as it is, for this reason."""
    return UserError("CNN908", message, help=help)


def renamed(
    roots: Sequence[Path], texts: Mapping[Path, str], symbol: Symbol, name: str
) -> dict[Path, list[Edit]]:
    """The edits that give a symbol another name, by file.

    Args:
        roots: the specs that may use the name, that of the symbol's own file first.
        texts: the open texts, by resolved path.
        symbol: what gets the name.
        name: the new one.

    Raises:
        UserError: CNN908 where the name cannot stand there, or would change the network.
    """
    if _NAME.fullmatch(name) is None:
        raise refused(
            f"`{shorten(name)}` is no name",
            "use letters `a` to `z`, digits and `_`, no digit first",
        )
    before = {root: pipeline.analyse(root, texts) for root in roots}
    for analysis in before.values():
        _demand_readable(analysis, symbol.name)
    edits: dict[Path, dict[tuple[int, int], Edit]] = {}
    for analysis in before.values():
        for path, places in _places(analysis, symbol):
            own = edits.setdefault(path, {})
            for span in places:
                own.setdefault((span.start, span.end), Edit(span, name))
    new = dict(texts)
    for path, own in edits.items():
        source = next(iter(own.values())).span.source
        new[path] = apply_edits(source.text, own.values())
    for root, analysis in before.items():
        _prove(analysis, pipeline.analyse(root, new), symbol, name, edits)
    return {path: list(own.values()) for path, own in edits.items()}


def _demand_readable(analysis: Analysis, name: str) -> None:
    """See that the name stands in no statement that cannot be read: there it would stay.

    Raises:
        UserError: CNN908 where it does.
    """
    for module in analysis.modules.values():
        for gap in module.broken:
            if re.search(rf"\b{re.escape(name)}\b", gap.span.text):
                line, file = gap.span.first.line, Path(module.source.name).name
                raise refused(
                    f"line {line} of `{file}` cannot be read, and has `{name}` in it",
                    "mend that line first",
                )


def _places(analysis: Analysis, symbol: Symbol) -> Iterator[tuple[Path, list[Span]]]:
    """Where a symbol's name stands, file by file."""
    resolution = Resolution(analysis.modules)
    for path in analysis.modules:
        spans = [one.span for one in resolution.names(path).of(symbol)]
        if spans:
            yield path, spans


# --- the proof ------------------------------------------------------------------------------------


def _prove(
    before: Analysis,
    after: Analysis,
    symbol: Symbol,
    name: str,
    edits: Mapping[Path, Mapping[tuple[int, int], Edit]],
) -> None:
    """See that the same is meant with the new name.

    Raises:
        UserError: CNN908 where it is not, with the first thing that differs.
    """
    worse = _new_problem(before, after)
    if worse is not None:
        at = worse.span.first
        raise refused(
            f"with the name `{name}`, line {at.line} of `{Path(worse.span.source.name).name}`"
            f" has {worse.code}: {worse.message}",
            "choose another name",
        )
    if _meanings(before) != _meanings(after) or _network(before) != _network(after):
        raise refused(
            f"`{name}` means something else where `{symbol.name}` is used", "choose another name"
        )


def _new_problem(before: Analysis, after: Analysis) -> Diagnostic | None:
    """The first problem that was not there."""
    known = Counter(one.code for one in before.checked.diagnostics)
    for one in after.checked.diagnostics:
        known[one.code] -= 1
        if known[one.code] < 0:
            return one
    return None


def _meanings(analysis: Analysis) -> dict[Path, list[int]]:
    """Which names of each file mean the same: the number of the first one that means it, for each.

    What is meant is told apart by file and order, not by names and places, which a rename changes.
    """
    resolution = Resolution(analysis.modules)
    numbers: dict[Symbol, int] = {}
    return {
        path: [
            numbers.setdefault(one.symbol, len(numbers))
            for one in resolution.names(path).occurrences
        ]
        for path in sorted(analysis.modules)
    }


def _network(analysis: Analysis) -> list[object]:
    """All that a network is but for what its parts are called."""
    draft, inference = analysis.draft, analysis.inference
    found: list[object] = [
        [*draft.outputs.values()],
        [(claim.node, str(claim.dims)) for claim in draft.claims],
        [str(value) for value in draft.parameters.values()],
        draft.classes,
    ]
    recipe = draft.recipe or Recipe()
    shapes = [str(fact) for fact in inference.computed] if inference is not None else []
    positions = {node.name: at for at, node in enumerate(draft.nodes)}
    for at, node in enumerate(draft.nodes):
        shape = shapes[at] if at < len(shapes) else "?"
        if not isinstance(node, LayerNode):
            found.append((shape, str(node.preparation)))
            continue
        layer = node.layer
        values = {
            key: str(value)
            for key, value in layer.__dict__.items()
            if key != layer.reads or not key
        }
        owner = positions.get(node.owner, -1)
        learns = (
            recipe.freezes(node.name),
            recipe.rate_factor(node.name),
            recipe.max_norm(node.name),
        )
        found.append((type(layer), values, node.inputs, shape, owner, learns))
    heads = [
        (draft.scopes.get(one.head, positions.get(one.head)), one.weight) for one in recipe.heads
    ]
    plain = {key: value for key, value in recipe.to_json().items() if key not in _LABELS}
    return [*found, heads, plain]


_LABELS = ("freeze", "lr_factors", "max_norms", "heads")
"""What of a recipe is said by labels: compared by the layers that it concerns."""
