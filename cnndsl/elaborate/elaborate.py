"""Turns chains, blocks and loops into a flat list of layers that name each other.

Statements are carried out in order; each chain takes the current stream and leaves its result
as the current stream. A layer that cannot be understood becomes a :class:`Poison`, which silences
what would merely follow from it.
"""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from cnndsl.diagnostics.model import Diagnostic, Label
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, count
from cnndsl.elaborate.bind import bind
from cnndsl.elaborate.calls import as_chain, bind_arguments
from cnndsl.elaborate.context import ElaborationContext
from cnndsl.elaborate.control import branch, loop
from cnndsl.elaborate.draft import PendingClaim, Poison
from cnndsl.elaborate.error_nodes import STREAMLESS, begins_with, names_in, with_error_nodes
from cnndsl.elaborate.evaluate import claimed_sizes, evaluate
from cnndsl.elaborate.name_errors import (
    behind_return,
    called_layer,
    claims_layer,
    joins_nothing,
    listed_streams,
    misplaced,
    not_a_layer,
    stream_in_the_middle,
    unknown_callee,
)
from cnndsl.elaborate.network import LayerNode
from cnndsl.elaborate.scope import (
    BlockDefinition,
    Frame,
    Naming,
    Stream,
    labels_in,
)
from cnndsl.elaborate.share import call_share, layer_share, split_share
from cnndsl.elaborate.values import KNOWN_WORDS, Broken, Constants, EvaluationError, Value
from cnndsl.frozen import replace
from cnndsl.layers import find, is_shipped
from cnndsl.layers.base import Layer
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
    List,
    Name,
    Phrase,
    Repeat,
    Return,
    RoundingRule,
    Statement,
)
from cnndsl.syntax.ast import Broken as BrokenStatement
from cnndsl.syntax.sharing import SHARE

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
        streams = self.chain(statement.chain, frame, frame.current)
        if len(streams) != len(statement.names):
            if not any(map(self.is_poison, streams)):
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
        for position, link in enumerate(chain.links):
            self.step(link.span)
            start = self._named_stream(link, frame)
            if start is not None:
                if position:
                    stream_in_the_middle(self, link)
                streams = (start,)
                self.label(chain, position, streams, frame, is_stream=True)
                self._claim(link, start, frame)
                continue
            giver = chain.links[position - 1].element.span if position else link.span
            before = self.one(streams, giver) if streams else None
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
                self._claim(link, streams[0], frame)
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
                return (self._phrase(element, link.label, frame, current),)
            case Call():
                return self._call(element, link.label, frame, current)
            case Branch():
                return branch(self, element, frame, current)
            case Repeat() | For():
                return loop(self, element, link.label, frame, current)

    def _claim(self, link: Link, node: int, frame: Frame) -> None:
        for claim in link.claims:
            with self.reporting():
                dims = claimed_sizes(claim, frame.constants)
                self.draft.claims.append(PendingClaim(node, dims, claim))

    # --- layers ---

    def _phrase(
        self, phrase: Phrase, label: Identifier | None, frame: Frame, current: int | None
    ) -> int:
        name = phrase.head.name
        schema = find(name)
        if schema is None:
            not_a_layer(self, phrase, frame)
            return self.poison(phrase.span, frame)
        if schema.joins:
            joins_nothing(self, phrase)
            return self.poison(phrase.span, frame)
        inputs = () if current is None else (current,)
        return self._layer(schema, phrase.head, phrase.arguments, label, frame, inputs, phrase.span)

    def _layer(
        self,
        schema: type[Layer],
        head: Identifier,
        arguments: Sequence[Expr],
        label: Identifier | None,
        frame: Frame,
        inputs: tuple[int, ...],
        span: Span,
    ) -> int:
        """Add a layer to the network and give its position."""
        arguments, label_of_owner = split_share(schema, arguments)
        bound = bind(schema, head, arguments, frame.constants, self.report)
        if not inputs:
            self.fail(
                "CNN105",
                f"`{head.name}` has no input: no `input` comes before it",
                head.span,
                help="write `input 3x224x224` above it, with the sizes of yours",
            )
        if bound is None or not inputs:
            return self.poison(span, frame, inputs)
        defaults: dict[str, Value] = {}
        if frame.rounding is not Rounding.EXACT and "rounding" in schema.model_fields:
            defaults["rounding"] = frame.rounding.value
        name = frame.naming.prefix + (label.name if label else frame.naming.generate(head.name))
        layer = Poison() if bound.has_holes else bound.validate(**defaults)
        share = layer_share(self, schema, name, label_of_owner, frame)
        node = LayerNode(name, layer, inputs, span, bound.places, frame.trace, share)
        position = self.append(node)
        if bound.has_holes:
            self.draft.pending[position] = replace(bound, values={**defaults, **bound.values})
        return position

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
            return (self._join(schema, call, label, frame, current),)
        else:
            called_layer(self, schema, call, frame)
        return (self.poison(call.span, frame),)

    def _join(
        self,
        schema: type[Layer],
        call: Call,
        label: Identifier | None,
        frame: Frame,
        current: int | None,
    ) -> int:
        if any(
            not argument.name and isinstance(argument.value, List) for argument in call.arguments
        ):
            listed_streams(self, call)
            return self.poison(call.span, frame)
        streams: list[int] = []
        attributes: list[Expr] = []
        misnamed: Diagnostic | None = None
        for argument in call.arguments:
            if argument.name is not None and not isinstance(argument.value, Chain):
                attributes += [Name(argument.name.name, argument.name.span), argument.value]
            else:
                chain = as_chain(argument)
                misnamed = misnamed or frame.misnamed(chain)
                streams.append(self.one(self.chain(chain, frame, current), chain.span))
        if call.share is not None:
            attributes += [Name(SHARE, call.share.span), Name(call.share.name, call.share.span)]
        if len(streams) < 2:
            self.fail(
                "CNN111",
                f"`{call.callee.name}` joins two streams or more, not {len(streams)}",
                call.span,
                help="separate its chains by commas; `identity` is the stream itself",
            )
            return self.poison(call.span, frame)
        inputs = tuple(streams)
        node = self._layer(schema, call.callee, attributes, label, frame, inputs, call.span)
        if misnamed is not None:
            self.draft.misnamed_readers[node] = misnamed
        return node

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
