"""Turns chains, blocks and loops into a flat list of layers that name each other.

Statements are carried out in order; each chain takes the current stream and leaves its result
as the current stream. A layer that cannot be understood becomes a :class:`Poison`, which silences
what would merely follow from it.
"""

from __future__ import annotations

from typing_extensions import override

from cnndsl.diagnostics.model import Label
from cnndsl.diagnostics.words import closest, count
from cnndsl.elaborate.calls import bind_arguments
from cnndsl.elaborate.context import ElaborationContext
from cnndsl.elaborate.control import branch, loop
from cnndsl.elaborate.error_nodes import STREAMLESS, begins_with, names_in, with_error_nodes
from cnndsl.elaborate.evaluate import evaluate
from cnndsl.elaborate.layer_nodes import join_nodes, layer_nodes
from cnndsl.elaborate.name_errors import (
    behind_return,
    called_layer,
    claims_layer,
    joins_nothing,
    misplaced,
    not_a_layer,
    stream_in_the_middle,
    unknown_callee,
)
from cnndsl.elaborate.scope import (
    BlockDefinition,
    Frame,
    Naming,
    Stream,
    labels_in,
)
from cnndsl.elaborate.share import call_share
from cnndsl.elaborate.values import KNOWN_WORDS, Broken, Constants, EvaluationError, Value
from cnndsl.layers import find, is_shipped
from cnndsl.layers.window import Rounding
from cnndsl.syntax.ast import (
    Bind,
    Body,
    Branch,
    Call,
    Chain,
    ChainStatement,
    Expr,
    For,
    Identifier,
    Let,
    Link,
    Phrase,
    Repeat,
    Return,
    RoundingRule,
    Statement,
)
from cnndsl.syntax.ast import Broken as BrokenStatement

__all__ = ["Elaborator"]


class Elaborator(ElaborationContext):
    """Expands the statements of one spec into a :class:`Draft`."""

    # --- statements ---

    @override
    def run(self, body: Body, frame: Frame) -> None:
        """Carry out the statements of a body."""
        before: Statement | BrokenStatement | None = None
        for statement in with_error_nodes(body.statements, frame.file.broken, body.span):
            if frame.returned is not None:
                if isinstance(before, Return):  # behind an `if` with a `return` all is well
                    behind_return(self, statement)
                return
            before = statement
            self.step(statement.span)
            with self.reporting():
                if isinstance(statement, BrokenStatement):
                    self.skip(statement, frame)
                else:
                    self.statement(statement, frame)

    def skip(self, gap: BrokenStatement, frame: Frame) -> None:
        """Go on behind a statement that could not be read: what it leaves is unknown."""
        word = begins_with(gap)
        if word == "return":
            frame.returned = (self.poison(gap.span, frame),)
        elif word == "rounding":
            frame.rounding = Rounding.FLOOR
        elif word not in STREAMLESS:
            frame.current = self.poison(gap.span, frame)

    def statement(self, statement: Statement, frame: Frame) -> None:
        """Carry out one statement that may stand in any body."""
        match statement:
            case ChainStatement():
                streams = self.chain(statement.chain, frame, frame.current)
                frame.current = self.one(streams, statement.chain.span)
            case Bind():
                self._bind(statement, frame)
            case Let():
                value = self.constant(statement.value, frame.constants)
                known = frame.constants.own.get(statement.name.name)
                if known is not None:
                    self.twice("constant", statement.name, known.span)
                frame.constants.define(statement.name.name, value, statement.name.span)
            case RoundingRule():
                frame.rounding = self.rounding(statement)
            case Return():
                self._return(statement, frame)
            case _:
                misplaced(self, statement)

    def constant(self, expr: Expr, constants: Constants) -> Value:
        """The value to give a name; where there is none, one that reports the same again."""
        try:
            return evaluate(expr, constants, words=KNOWN_WORDS)
        except EvaluationError as error:
            self.report.add(error.diagnostic)
            return Broken(error.diagnostic)

    def rounding(self, statement: RoundingRule) -> Rounding:
        """The rule that a ``rounding`` statement names."""
        word = statement.rule.name
        if word in tuple(Rounding):
            return Rounding(word)
        near = closest(word, tuple(Rounding))
        self.fail(
            "CNN208",
            f"`rounding` cannot be `{word}`",
            statement.rule.span,
            help=f"did you mean `{near[0]}`?" if near else "write `exact`, `floor` or `ceil`",
        )
        return Rounding.FLOOR  # under which no size is an error that merely follows

    def _bind(self, statement: Bind, frame: Frame) -> None:
        known = len(self.report)
        streams = self.chain(statement.chain, frame, frame.current)
        if len(streams) != len(statement.names):
            if not any(map(self.is_poison, streams)) and len(self.report) == known:
                self.fail(
                    "CNN111",
                    f"{count(len(statement.names), 'name')} cannot take "
                    f"{count(len(streams), 'stream')}",
                    statement.names[0].span.to(statement.names[-1].span),
                    help=f"write {count(len(streams), 'name')} before `=`",
                )
            streams = (self.poison(statement.span, frame),) * len(statement.names)
        for name, node in zip(statement.names, streams, strict=True):
            if is_shipped(name.name):
                self.fail(
                    "CNN007",
                    f"`{name.name}` is a layer and cannot name a stream",
                    name.span,
                    help=f"call it `{name.name}_out`, say",
                )
            self.bound.setdefault(name.span, (name.name, False))
            self.named.add(node)
            frame.streams[name.name] = Stream(node, name.span)
            self.paths[frame.naming.prefix + name.name] = node

    def _return(self, statement: Return, frame: Frame) -> None:
        if not frame.in_block:
            self.fail(
                "CNN112",
                "`return` cannot stand outside a block",
                statement.span,
                help="write the chain without `return`: a network gives back its current stream",
            )
            return
        frame.returned = tuple(
            self.one(self.chain(chain, frame, frame.current), chain.span)
            for chain in statement.chains
        )

    # --- chains ---

    @override
    def chain(self, chain: Chain, frame: Frame, current: int | None) -> tuple[int, ...]:
        """The results of a chain that starts from ``current``, or from the stream it names."""
        streams: tuple[int, ...] = () if current is None else (current,)
        here = frame.here
        for position, link in enumerate(chain.links):
            self.step(link.span)
            start = self._named_stream(link, frame)
            if start is not None:
                if position:
                    stream_in_the_middle(self, link)
                streams = (start,)
                self.label(chain, position, streams, frame, is_stream=True)
                self.claim(link, start, frame)
                self.record(link, start, streams)
                continue
            giver = chain.links[position - 1].element.span if position else link.span
            frame.here = before = self.one(streams, giver) if streams else None
            try:
                streams = self._element(link, frame, before)
            except EvaluationError as error:
                self.report.add(error.diagnostic)
                self.broken.update(names_in(link.element))
                streams = (self.poison(link.span, frame),)
            if streams and (misnamed := frame.misnamed(chain, position)):
                self.draft.misnamed_readers[streams[0]] = misnamed
            self.label(chain, position, streams, frame)
            if link.claims and claims_layer(self, link):
                streams = (self.poison(link.span, frame),)
            elif link.claims:
                streams = (self.one(streams, link.element.span),)
                self.claim(link, streams[0], frame)
            self.record(link, before, streams)
        frame.here = here
        if frame.names_a_stream(chain):
            self.named.update(streams)
        return streams

    def _named_stream(self, link: Link, frame: Frame) -> int | None:
        """The node of the stream that a link is nothing but the name of."""
        element = link.element
        if not isinstance(element, Phrase) or element.arguments:
            return None
        name = element.head.name
        if is_shipped(name) or name in frame.file.blocks:
            return None
        return self.lookup(name, frame)

    def _element(self, link: Link, frame: Frame, current: int | None) -> tuple[int, ...]:
        element = link.element
        match element:
            case Phrase():
                return self._phrase(element, link.label, frame, current)
            case Call():
                return self._call(element, link.label, frame, current)
            case Branch():
                return branch(self, element, frame, current)
            case Repeat() | For():
                return loop(self, element, link.label, frame, current)

    # --- layers ---

    def _phrase(
        self, phrase: Phrase, label: Identifier | None, frame: Frame, current: int | None
    ) -> tuple[int, ...]:
        head, span = phrase.head, phrase.span
        schema = find(head.name)
        if schema is None:
            not_a_layer(self, phrase, frame)
            return (self.poison(span, frame),)
        if schema.joins:
            joins_nothing(self, phrase)
            return (self.poison(span, frame),)
        inputs = () if current is None else (current,)
        return layer_nodes(self, schema, head, phrase.arguments, label, frame, inputs, span)

    # --- calls ---

    def _call(
        self, call: Call, label: Identifier | None, frame: Frame, current: int | None
    ) -> tuple[int, ...]:
        name = call.callee.name
        if name in frame.file.blocks:
            return self._block(frame.file.blocks[name], call, label, frame, current)
        schema = find(name)
        if schema is None:
            unknown_callee(self, call, frame)
        elif schema.joins:
            return join_nodes(self, schema, call, label, frame, current)
        else:
            called_layer(self, schema, call, frame)
        return (self.poison(call.span, frame),)

    def _block(
        self,
        definition: BlockDefinition,
        call: Call,
        label: Identifier | None,
        frame: Frame,
        current: int | None,
    ) -> tuple[int, ...]:
        definition.used = True
        block = definition.block
        if definition in self.active:
            self.fail(
                "CNN110",
                f"the block `{block.name.name}` calls itself",
                call.callee.span,
                labels=(Label(block.name.span, "defined here"),),
                help="write the repetition with `repeat`",
            )
            return (self.poison(call.span, frame),)
        if len(self.active) >= self.limits.depth:
            self.exhaust("depth", f"blocks call each other more than {self.limits.depth} deep")
        inner = bind_arguments(self, definition, call, frame, current)
        if inner is None:
            return (self.poison(call.span, frame),)
        name = label.name if label else frame.naming.generate(block.name.name)
        labels = frozenset(labels_in(block.body.statements))
        inner.naming = Naming(f"{frame.naming.prefix}{name}.", labels)
        inner.shared = call_share(self, definition, call, inner, frame)
        self.active.append(definition)
        try:
            self.run(block.body, inner)
        finally:
            self.active.pop()
        left = (inner.current,) if inner.current is not None else None
        streams = inner.returned or left or (self.poison(call.span, frame),)
        if label is None and len(streams) == 1:
            self.paths.setdefault(inner.naming.prefix[:-1], streams[0])
        return streams
