"""What one check found, arranged by the places in the texts that it read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from cnndsl.analysis.receptive_fields import receptive_fields
from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.network import InputNode, LayerNode, TypedNetwork
from cnndsl.elaborate.recording import Passing
from cnndsl.elaborate.values import Value
from cnndsl.frozen import frozen
from cnndsl.syntax.ast import Import, Module
from cnndsl.typecheck.analysis import Analysis

__all__ = ["View"]


@frozen
class View:
    """What is known of a spec and the files that it imports.

    ``texts`` are the open ones by which it was checked.
    """

    path: Path
    texts: Mapping[Path, str]
    analysis: Analysis

    def depends_on(self, path: Path) -> bool:
        """Whether a change of this file may change what was found."""
        return path in self.analysis.modules or self.lacks_imports

    @cached_property
    def lacks_imports(self) -> bool:
        """Whether a file that is imported was not found: any that appears may be it."""
        statements = [
            statement
            for module in self.analysis.modules.values()
            for statement in module.statements
            if isinstance(statement, Import)
        ]
        return any(
            diagnostic.span == statement.path.span
            for diagnostic in self.analysis.checked.diagnostics
            for statement in statements
        )

    @property
    def module(self) -> Module:
        """The syntax tree of the spec itself."""
        return self.analysis.checked.module

    def path_of(self, source: Source) -> Path | None:
        """The file that a text was read from."""
        return self._paths.get(source)

    @cached_property
    def _paths(self) -> dict[Source, Path]:
        return {module.source: path for path, module in self.analysis.modules.items()}

    # --- types ---

    @cached_property
    def typed(self) -> TypedNetwork | None:
        """The network with all types, where they are known, be it that a claim is wrong."""
        analysis = self.analysis
        if analysis.checked.network is not None:
            return analysis.checked.network
        inference = analysis.inference
        if inference is None or not inference.certain or analysis.draft.poisoned:
            return None
        return inference.typed() if inference.network.nodes else None

    @cached_property
    def fields(self) -> Sequence[tuple[int, ...]]:
        """What one cell of each node's output sees of the input; nothing without types."""
        return () if self.typed is None else [one.sizes for one in receptive_fields(self.typed)]

    def shape(self, position: int) -> str:
        """The shape of a node's output, with a ``?`` for each size that is not known."""
        inference = self.analysis.inference
        if inference is None or position >= len(inference.computed):
            return "?"
        return str(inference.computed[position])

    def params(self, position: int) -> int | None:
        """The parameters that a node owns; None where they are not known."""
        inference = self.analysis.inference
        own = inference.weights[position] if inference is not None else None
        if own is None:
            return None
        return sum(weight.elements for weight in own if weight.trainable)

    # --- places ---

    def here(self, path: Path, span: Span) -> Span | None:
        """The same stretch in the text that this check has read of a file; None if it read none."""
        module = self.analysis.modules.get(path)
        return None if module is None else Span(module.source, span.start, span.end)

    def inputs(self, path: Path, name: str) -> Sequence[int]:
        """The positions of the spec's inputs of this name."""
        if path != self.path:
            return ()
        nodes = enumerate(self.analysis.draft.nodes)
        return [at for at, node in nodes if isinstance(node, InputNode) and node.name == name]

    def passings(self, path: Path, span: Span) -> Sequence[Passing]:
        """What went through the link at this place of a file; nothing if this check read none."""
        recording, here = self.analysis.draft.recording, self.here(path, span)
        return recording.links.get(here, ()) if recording is not None and here is not None else ()

    def values(self, path: Path, span: Span) -> Sequence[Value]:
        """The values that the name which is defined at this place of a file had."""
        recording, here = self.analysis.draft.recording, self.here(path, span)
        return recording.values.get(here, ()) if recording is not None and here is not None else ()

    def nodes(self, path: Path, span: Span) -> Sequence[int]:
        """The positions of the layers that were written at this place of a file."""
        here = self.here(path, span)
        return self._nodes.get(here, ()) if here is not None else ()

    @cached_property
    def _nodes(self) -> dict[Span, list[int]]:
        found: dict[Span, list[int]] = {}
        for position, node in enumerate(self.analysis.draft.nodes):
            if isinstance(node, LayerNode):
                found.setdefault(node.span, []).append(position)
        return found
