"""Names while a spec is expanded: who is called what, and what a name means where it stands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from functools import partial
from pathlib import Path

from cnndsl.diagnostics.model import Diagnostic
from cnndsl.diagnostics.source import Span
from cnndsl.elaborate.values import Constants, Value
from cnndsl.frozen import frozen, mutable
from cnndsl.layers.window import Rounding
from cnndsl.syntax.ast import (
    Block,
    Broken,
    Call,
    Chain,
    Claim,
    For,
    Link,
    Phrase,
    Repeat,
    Statement,
)
from cnndsl.syntax.walk import walk

__all__ = [
    "BlockCall",
    "BlockDefinition",
    "File",
    "Frame",
    "Naming",
    "SharedScope",
    "Stream",
    "labels_in",
    "opens_scope",
]


@mutable
class BlockDefinition:
    """A block and the file it stands in, whose constants and blocks its body sees."""

    block: Block
    file: File
    used: bool = False


@mutable
class File:
    """What the statements of one file can see."""

    path: Path
    blocks: dict[str, BlockDefinition] = field(default_factory=dict)
    constants: Constants = field(default_factory=Constants)
    rounding: Rounding = Rounding.EXACT
    broken: tuple[Broken, ...] = ()
    """The statements that could not be read."""
    incomplete: bool = False
    """Whether blocks may be missing, because an import failed."""


@mutable
class Stream:
    """A named value: the position of its node, and where it was named."""

    node: int
    span: Span
    misnamed: Diagnostic | None = None
    """What is wrong with its label, where that stands before another stream's name."""


@mutable
class Naming:
    """Gives the unlabelled layers and calls of one scope their stable names.

    They are counted by keyword (``conv1``, ``conv2``); a number that the author uses in a label
    of the same scope is passed over.
    """

    prefix: str = ""
    reserved: frozenset[str] = frozenset()
    counters: dict[str, int] = field(default_factory=dict)
    outer: Naming | None = None
    """The scope around a loop's, whose names are in sight too; a block sees none but its own."""

    def scopes(self) -> Iterator[Naming]:
        """This scope and those around it that are in sight, the innermost first."""
        scope: Naming | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def generate(self, keyword: str) -> str:
        """The next name for this keyword, without the prefix."""
        while True:
            count = self.counters.get(keyword, 0) + 1
            self.counters[keyword] = count
            if f"{keyword}{count}" not in self.reserved:
                return f"{keyword}{count}"


@frozen
class BlockCall:
    """A call that was carried out: of which block, and with which values of its parameters."""

    definition: BlockDefinition
    values: Mapping[str, Value]
    span: Span

    @property
    def block(self) -> str:
        """The block's name."""
        return self.definition.block.name.name


@frozen
class SharedScope:
    """A call that uses another one's weights: what its names begin with, and what theirs do."""

    prefix: str
    owner: str
    span: Span


@mutable
class Frame:
    """Where expansion stands: the names in sight, the current stream, the calls that led here."""

    file: File
    constants: Constants
    naming: Naming
    rounding: Rounding
    streams: dict[str, Stream] = field(default_factory=dict)
    current: int | None = None
    trace: tuple[Span, ...] = ()
    returned: tuple[int, ...] | None = None
    shared: SharedScope | None = None
    """The call around, the outermost, whose layers have their weights in another call."""
    sizes: Callable[[Frame, Call], Value] | None = None
    """Reads the sizes of streams, ``channels(NAME)``, in the body that this frame is of."""
    here: int | None = None
    """The stream that flows into the layer at hand; None between chains."""

    def __post_init__(self) -> None:
        if self.sizes is not None:
            self.constants.sizes = partial(self.sizes, self)

    @property
    def in_block(self) -> bool:
        """Whether a ``return`` makes sense here."""
        return bool(self.trace)

    def misnamed(self, chain: Chain, before: int | None = None) -> Diagnostic | None:
        """What is wrong with the label of the stream that a chain is the name of, up to a link."""
        element = chain.links[0].element
        if len(chain.links[:before]) != 1 or not isinstance(element, Phrase) or element.arguments:
            return None
        stream = self.streams.get(element.head.name)
        return stream.misnamed if stream else None

    def names_a_stream(self, chain: Chain) -> bool:
        """Whether a chain begins with a label that should have named its result."""
        label = chain.links[0].label
        stream = self.streams.get(label.name) if label else None
        return stream is not None and stream.misnamed is not None

    def inner(self, naming: Naming | None = None) -> Frame:
        """The frame of a body in braces: it shares streams, and has constants of its own."""
        return Frame(
            file=self.file,
            constants=Constants(self.constants),
            naming=naming or self.naming,
            rounding=self.rounding,
            streams=self.streams,
            current=self.current,
            trace=self.trace,
            shared=self.shared,
            sizes=self.sizes,
        )


def labels_in(statements: Iterable[Statement]) -> Iterator[str]:
    """The labels of the scope that these statements form; those of inner scopes excluded."""
    for statement in statements:
        for node in walk(statement, without=(Block, Claim, For, Phrase, Repeat)):
            if isinstance(node, Link) and node.label is not None:
                yield node.label.name


def opens_scope(element: Repeat | For, *, labelled: bool) -> bool:
    """Whether each round of a loop has names of its own: it is labelled, or labels within."""
    return labelled or any(True for _ in labels_in(element.body.statements))
