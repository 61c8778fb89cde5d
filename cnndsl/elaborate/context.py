"""What expansion works on: the growing list of nodes, the names in it, and the limits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, NoReturn

from cnndsl.diagnostics.model import Diagnostic, Fix, Label, Report, UserError
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, replacements, shorten
from cnndsl.elaborate.aliases import label_before_stream
from cnndsl.elaborate.draft import Draft, PendingClaim, Poison
from cnndsl.elaborate.evaluate import claimed_sizes
from cnndsl.elaborate.network import InputNode, LayerNode
from cnndsl.elaborate.schema_errors import foreign_letters
from cnndsl.elaborate.scope import BlockCall, BlockDefinition, Frame, Stream
from cnndsl.elaborate.values import EvaluationError
from cnndsl.layers import is_shipped
from cnndsl.limits import DEEPEST, ENVIRONMENT, Limits
from cnndsl.syntax.ast import Body, Chain, Identifier, Link, Name

__all__ = ["ElaborationContext", "LimitError", "current_limits"]


def current_limits() -> Limits:
    """The limits in force.

    Raises:
        UserError: CNN205 where the environment sets one that does not exist or cannot be so.
    """
    try:
        return Limits.current()
    except ValueError as error:
        raise UserError(
            "CNN205", f"`{ENVIRONMENT}`: {error}", help=f"write {ENVIRONMENT}=layers=50000, say"
        ) from None


class LimitError(Exception):
    """A limit was reached; the report says which."""


class ElaborationContext(ABC):
    """The draft under construction, and what every part of expansion does to it."""

    @abstractmethod
    def run(self, body: Body, frame: Frame) -> None:
        """Carry out the statements of a body."""

    @abstractmethod
    def chain(self, chain: Chain, frame: Frame, current: int | None) -> tuple[int, ...]:
        """The results of a chain that starts from ``current``, or from the stream it names."""

    def __init__(self, draft: Draft, report: Report, limits: Limits) -> None:
        self.draft = draft
        self.report = report
        self.limits = limits
        self.steps = 0
        self.loops: list[Span] = []
        self.active: list[BlockDefinition] = []
        self.named: set[int] = set()
        """The nodes that a ``name = chain`` names."""
        self.bound: dict[Span, tuple[str, bool]] = {}
        """Every stream that a statement names: its name and whether it was ever read."""
        self.labels: dict[str, Span] = {}
        """The full name of every label, and where it stands."""
        self.paths: dict[str, int] = {}
        """The node behind every full name: labels, layers, calls."""
        self.calls: dict[str, BlockCall] = {}
        """Every call of a block, by full name."""
        self.broken: set[str] = set()
        """The names that statements would define which could not be read."""
        self._places: dict[int, Mapping[str, Sequence[Span]]] = {}
        """Where each body (by its ``id``) gives streams their names, once one was missing there."""

    def lookup(self, name: str, frame: Frame) -> int | None:
        """The node that a stream's name or a dotted path means here."""
        stream = frame.streams.get(name)
        if stream is not None:
            if stream.span in self.bound:
                self.bound[stream.span] = (name, True)
            return stream.node
        if "." not in name:
            return None
        paths = (scope.prefix + name for scope in frame.naming.scopes())
        return next((self.paths[path] for path in paths if path in self.paths), None)

    def layer_of(self, name: str) -> LayerNode | None:
        """The layer of this full name; None where nothing, or something else, is called so."""
        node = self.draft.nodes[self.paths[name]] if name in self.paths else None
        return node if isinstance(node, LayerNode) and node.name == name else None

    def twice(self, what: str, name: Identifier, first: Span) -> None:
        """CNN104, with the place of the first definition."""
        self.fail(
            "CNN104",
            f"the {what} `{name.name}` is given twice",
            name.span,
            labels=(Label(first, "first here"),) if first != name.span else (),
            help=f"call one of them `{name.name}_2`, say",
        )

    def unknown_stream(self, head: Identifier | Name, frame: Frame) -> None:
        """CNN103, with the name that was probably meant."""
        root, _, inside = head.name.partition(".")
        scope = self.lookup(root, frame) if inside else None
        if root in self.broken or (scope is not None and self.is_poison(scope)):
            return
        if not root.isascii():
            self.report.add(foreign_letters(head.name, head.span))
            return
        if frame.constants.find(root) is not None:
            self._number_for_a_stream(head, frame)
            return
        known = list(frame.streams)
        if "." in head.name:
            prefix = [*frame.naming.scopes()][-1].prefix
            known += [path.removeprefix(prefix) for path in self.paths if path.startswith(prefix)]
        near = closest(head.name, known)
        help = f"label the layer that is meant: `{shorten(head.name)}: conv …`"
        if frame.in_block and (self._stands_outside(root)):
            near = ()
            help = f"hand it over: declare the parameter `stream {shorten(root)}`"
        labels: tuple[Label, ...] = ()
        below = self._named_below(head, frame)
        if below is not None:
            near, labels = (), (Label(below, "it is named here, further down"),)
            help = f"names are known from their line on: write this below line {below.first.line}"
        self.fail(
            "CNN103",
            f"no stream or label is called `{shorten(head.name)}` here",
            head.span,
            labels=labels,
            help=f"did you mean `{near[0]}`?" if near else help,
            fixes=replacements(head.span, near),
        )

    def _named_below(self, head: Identifier | Name, frame: Frame) -> Span | None:
        """Where the body that a name stands in gives a stream this name, further down."""
        from cnndsl.elaborate.forward_references import named_below, places_of_names

        body = self.active[-1].block if frame.in_block else self.draft.module
        if id(body) not in self._places:
            self._places[id(body)] = places_of_names(body)
        return named_below(head, self._places[id(body)])

    def _stands_outside(self, name: str) -> bool:
        """Whether a name that a block does not see is that of a stream outside."""
        bound = (known for known, _ in self.bound.values())
        return name == "input" or name in self.labels or name in bound

    def _number_for_a_stream(self, head: Identifier | Name, frame: Frame) -> None:
        """CNN209: a constant, or a parameter that is no stream, where a stream should stand."""
        help = "label the layer that is meant, and write its label"
        if frame.in_block:
            help = f"declare the parameter as `stream {head.name}`, and hand over a stream"
        message = f"`{head.name}` is a number, and a stream is needed here"
        self.fail("CNN209", message, head.span, help=help)

    def label(
        self,
        chain: Chain,
        position: int,
        streams: tuple[int, ...],
        frame: Frame,
        *,
        is_stream: bool = False,
    ) -> None:
        """Give the label of a link, if it has one, the link's result."""
        label = chain.links[position].label
        if label is None:
            return
        misnamed = None if position else label_before_stream(chain, is_stream=is_stream)
        if misnamed is not None:
            self.draft.misnamed.append(misnamed)
        full = frame.naming.prefix + label.name
        first = self.labels.get(full) or self.input_span(full)
        if first is not None:
            self.twice("label", label, first)
        elif is_shipped(label.name) or label.name in frame.file.blocks:
            self.fail(
                "CNN007",
                f"`{label.name}` already names a layer or block, and cannot be a label",
                label.span,
                help=f"call it `{label.name}_1`, say",
            )
        self.labels.setdefault(full, label.span)
        node = streams[0] if streams else self.poison(label.span, frame)
        frame.streams[label.name] = Stream(node, label.span, misnamed)
        self.paths[full] = node

    def claim(self, link: Link, node: int, frame: Frame) -> None:
        """Take note of what is claimed of a link's result."""
        for claim in link.claims:
            with self.reporting():
                dims = claimed_sizes(claim, frame.constants)
                self.draft.claims.append(PendingClaim(node, dims, claim))

    def record(self, link: Link, before: int | None, results: tuple[int, ...]) -> None:
        """Take note of what went through a link, if anybody asks."""
        if self.draft.recording is not None:
            self.draft.recording.link(link.span, before, results)

    def input_span(self, name: str) -> Span | None:
        """Where the input of this name is declared."""
        node = self.draft.nodes[self.paths[name]] if name in self.paths else None
        return node.span if isinstance(node, InputNode) else None

    # --- nodes, steps, problems ---

    def append(self, node: LayerNode) -> int:
        """Add a node to the network and give its position."""
        nodes = self.draft.nodes
        if len(nodes) >= self.limits.layers:
            self.exhaust("layers", f"the network has more than {self.limits.layers:,} layers")
        nodes.append(node)
        position = len(nodes) - 1
        self.paths.setdefault(node.name, position)
        return position

    def called_alike(self, node: LayerNode) -> None:
        """CNN104, where a layer is called as another one: one of them by a label with dots."""
        first = self.layer_of(node.name)
        if first is None:
            return
        self.fail(
            "CNN104",
            f"two layers are called `{node.name}`",
            node.span,
            labels=(Label(first.span, "the other one"),),
            help="give one of them a label of its own",
        )

    def poison(self, span: Span, frame: Frame, inputs: tuple[int, ...] = ()) -> int:
        """Add a node that stands for what could not be understood."""
        name = frame.naming.prefix + frame.naming.generate("unknown")
        return self.append(LayerNode(name, Poison(), inputs, span, trace=frame.trace))

    def is_poison(self, position: int) -> bool:
        """Whether a node stands for what could not be understood."""
        layer = getattr(self.draft.nodes[position], "layer", None)
        return isinstance(layer, Poison) and position not in self.draft.pending

    def one(self, streams: tuple[int, ...], span: Span) -> int:
        """The single stream that is needed here."""
        if len(streams) == 1:
            return streams[0]
        if streams:
            self.fail(
                "CNN111",
                f"this gives {len(streams)} streams where one is needed",
                span,
                help=f"name them: `{_names(len(streams))} = {shorten(span.text)}`",
            )
            return self.append(LayerNode(self._unknown(), Poison(), streams, span))
        self.fail(
            "CNN105",
            "there is no stream here: no `input` comes before it",
            span,
            help="write `input 3x224x224` above it, with the sizes of yours",
        )
        return self.append(LayerNode(self._unknown(), Poison(), (), span))

    def _unknown(self) -> str:
        return f"unknown{len(self.draft.nodes)}"

    def step(self, span: Span) -> None:
        """Count a step of expansion; with very many mistakes, none is made any more."""
        if len(self.report) >= self.limits.findings:
            raise LimitError
        self.steps += 1
        if self.steps > self.limits.steps:
            self.loops.append(span)
            self.exhaust("steps", f"expanding it takes more than {self.limits.steps:,} steps")

    def exhaust(self, name: Literal["depth", "layers", "steps"], message: str) -> NoReturn:
        """Report that the limit of this name is reached, at the outermost loop, and give up."""
        code = {"depth": "CNN902", "layers": "CNN903", "steps": "CNN904"}[name]
        value = DEEPEST if name == "depth" else 10 * getattr(self.limits, name)
        self.fail(
            code,
            message,
            self.loops[0] if self.loops else self.draft.nodes[-1].span,
            help=f"repeat less, or raise the limit: CNNDSL_LIMITS={name}={value}",
        )
        raise LimitError

    def fail(
        self,
        code: str,
        message: str,
        span: Span,
        *,
        help: str,
        labels: tuple[Label, ...] = (),
        fixes: tuple[Fix, ...] = (),
    ) -> None:
        """Report an error."""
        self.report.add(Diagnostic(code, message, span, labels=labels, help=help, fixes=fixes))

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Report an expression without a value, and go on with the next statement."""
        try:
            yield
        except EvaluationError as error:
            self.report.add(error.diagnostic)


def _names(number: int) -> str:
    """Names for so many streams."""
    letters = [chr(ord("a") + at) for at in range(number)]
    return ", ".join(letters if number <= 8 else (f"part{at + 1}" for at in range(number)))
