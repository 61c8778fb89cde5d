"""Turns a typed network into a spec of its nodes: no blocks, loops, branches, imports, parameters.

Each layer is a statement, called as it is called in the network, so that its weights keep their
names; dots in names are part of them here. What a name stands for beside a layer's own (a call, a
``name = chain``) is named again where an output or a loss is called so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.content import content_hash, recipe_of_layers
from cnndsl.elaborate.context import current_limits
from cnndsl.elaborate.layer_syntax import attributes_of, input_statement, phrase_arguments
from cnndsl.elaborate.network import InputNode, LayerNode, TypedNetwork
from cnndsl.elaborate.scope import Naming
from cnndsl.elaborate.unparse import train_statement
from cnndsl.frozen import replace
from cnndsl.layers import is_shipped
from cnndsl.recipe.recipe import Recipe
from cnndsl.syntax.ast import (
    Argument,
    Bind,
    Call,
    Chain,
    ChainStatement,
    Claim,
    Classes,
    Element,
    Expect,
    Identifier,
    Link,
    Module,
    Name,
    NetworkName,
    Number,
    Output,
    Phrase,
    Size,
    Statement,
    Text,
    Train,
)
from cnndsl.syntax.formatter import format_source
from cnndsl.syntax.printer import print_statement

__all__ = ["expanded", "expanded_text"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def expanded(typed: TypedNetwork, *, defaults: bool = False) -> Module:
    """The network as a module that says nothing but its layers; with all defaults where asked."""
    source = Source("<expanded>", "")
    parts = _Expansion(typed, Span(source, 0, 0), defaults).parts()
    return Module(source, tuple(statement for part in parts for statement in part))


def expanded_text(typed: TypedNetwork, *, defaults: bool = False) -> str:
    """The text of the same, its parts divided by empty lines, with the hash of its content on top.

    It is read again, and must be the same network.

    Raises:
        UserError: CNN901 where it is longer than a spec may be.
    """
    source = Source("<expanded>", "")
    parts = _Expansion(typed, Span(source, 0, 0), defaults).parts()
    texts = ("".join(f"{print_statement(one)}\n" for one in part) for part in parts)
    first = f"# sha256 {content_hash(typed)}\n"
    whole = first + "\n".join(filter(None, texts))
    limits = current_limits()
    enough = replace(limits, text=max(limits.text, 100 * len(whole)))
    text = format_source(Source("<expanded>", whole), enough)
    if len(text) > limits.text:
        raise UserError(
            "CNN901",
            f"written out, `{typed.name}` has {len(text):,} characters, more than the limit of"
            f" {limits.text:,}",
            help=f"raise the limit: CNNDSL_LIMITS=text={len(text)}",
        )
    return text


class _Expansion:
    """Writes the statements of one network, all of them at one place."""

    def __init__(self, typed: TypedNetwork, span: Span, defaults: bool) -> None:
        self.typed = typed
        self.network = typed.network
        self.nodes = typed.network.nodes
        self.span = span
        self.defaults = defaults
        self.names = [node.name for node in self.nodes]
        self.labelled = self._labelled()
        self.called = [self._called(position) for position in range(len(self.nodes))]
        """What each node's stream is called where a statement reads it."""

    def parts(self) -> Iterator[Iterator[Statement]]:
        """The statements in the order of a spec: head, layers, outputs and claims, recipe."""
        yield self._beginning()
        yield self._layers()
        yield self._end()
        if self.network.recipe is not None:
            yield iter((self._train(self.network.recipe),))

    def _beginning(self) -> Iterator[Statement]:
        network, span = self.network, self.span
        if _NAME.fullmatch(network.name):
            yield NetworkName(Identifier(network.name, span), span)
        for node in network.inputs:
            yield input_statement(node, span, defaults=self.defaults)
        if network.classes:
            yield Classes(tuple(Text(name, span) for name in network.classes), span)

    def _end(self) -> Iterator[Statement]:
        network, span = self.network, self.span
        yield from self._aliases()
        if outputs := tuple(Name(name, span) for name in network.outputs if name != network.main):
            yield Output(outputs, span)
        if not network.overridden:
            for expected in network.expectations:
                sizes = tuple(Number(size, span) for size in expected.value)
                value = Size(sizes, span) if len(sizes) > 1 else sizes[0]
                yield Expect(Identifier(expected.quantity, span), (value,), span)
        for budget in network.budgets:
            bounds = tuple(Number(bound, span) for bound in budget.value)
            whole = tuple(one for one in bounds if isinstance(one.value, int))
            value = Size(whole, span) if len(bounds) > 1 else bounds[0]
            yield Expect(Identifier(budget.quantity, span), (value,), span, budget.comparison)

    def _train(self, recipe: Recipe) -> Train:
        """The recipe, without an initialiser for weights that all have one of their own."""
        recipe = recipe_of_layers(self.typed, recipe)
        train = train_statement(recipe, self.span, variants=self.defaults)
        if any(weight.init is None for weights in self.typed.weights for weight in weights):
            return train
        settings = (setting for setting in train.settings if setting.name.name != "init")
        return replace(train, settings=tuple(settings))

    # --- layers ---

    def _layers(self) -> Iterator[Statement]:
        """A statement for each layer; one of several results is a single one."""
        current = 0
        position = len(self.network.inputs)
        while position < len(self.nodes):
            node = self.nodes[position]
            assert isinstance(node, LayerNode)
            index = getattr(node.layer, "index", None)
            head = self._head(node, current)
            label = self._label(position)
            if index is None:
                claim = Claim(self._sizes(position), self.span)
                link = Link(label, self._element(node), (claim,), self.span)
                chain = Chain((*head, link), self.span)
                if self.called[position] == node.name:
                    yield ChainStatement(chain, self.span)
                    current = position
                else:  # its name is a layer's too, `relu6`, and can be no label
                    yield Bind((Identifier(self.called[position], self.span),), chain, self.span)
                position += 1
            else:
                link = Link(label, self._element(node), (), self.span)
                unnamed = (Identifier("_", self.span),) * node.layer.results
                yield Bind(unnamed, Chain((*head, link), self.span), self.span)
                position += node.layer.results
        if current != self.network.main_output:
            main = self._stream(self.network.main_output)
            yield ChainStatement(Chain((main,), self.span), self.span)

    def _head(self, node: LayerNode, current: int) -> tuple[Link, ...]:
        """The stream that a layer reads, where it is not the one at hand."""
        if node.layer.joins or node.inputs[0] == current:
            return ()
        return (self._stream(node.inputs[0]),)

    def _stream(self, position: int) -> Link:
        name = Identifier(self.called[position], self.span)
        return Link(None, Phrase(name, (), self.span), (), self.span)

    def _element(self, node: LayerNode) -> Element:
        keyword = Identifier(node.layer.keyword, self.span)
        inputs = self.typed.input_types(node)
        if not node.layer.joins:
            node = self._with_pool(node)
            arguments = phrase_arguments(node, inputs, self.span, defaults=self.defaults)
            return Phrase(keyword, arguments, self.span)
        given = [
            Argument(None, Name(self.called[at], self.span), self.span) for at in node.inputs
        ] + [
            Argument(Identifier(name, self.span), value, self.span)
            for name, value in attributes_of(node, inputs, self.span, defaults=self.defaults)
        ]
        share = Identifier(node.share.owner, self.span) if node.share else None
        return Call(keyword, tuple(given), self.span, share)

    def _with_pool(self, node: LayerNode) -> LayerNode:
        """A layer that reads another one, by that one's full name."""
        if not node.layer.reads:
            return node
        changes = {node.layer.reads: self.names[self._read_layer(node)]}
        return replace(node, layer=node.layer.model_copy(update=changes))

    def _read_layer(self, node: LayerNode) -> int:
        """The layer whose label another one takes: of those alike, the one called so."""
        label = getattr(node.layer, node.layer.reads)
        alike = [
            at
            for at, other in enumerate(self.nodes)
            if isinstance(other, LayerNode)
            and other.layer == getattr(node.layer, "of", None)
            and other.inputs == node.inputs[1:]
        ]
        called = [at for at in alike if f".{self.names[at]}".endswith(f".{label}")]
        return (called or alike)[0]

    def _sizes(self, position: int) -> tuple[Number, ...]:
        return tuple(Number(size, self.span) for size in self.typed.types[position].dims)

    # --- names ---

    def _group(self, position: int) -> str:
        """The name of a layer: without the number of its result, where it has several."""
        node = self.nodes[position]
        is_result = isinstance(node, LayerNode) and hasattr(node.layer, "index")
        return node.name.rpartition(".")[0] if is_result else node.name

    def _label(self, position: int) -> Identifier | None:
        name = self._group(position)
        can_be_label = name in self.labelled and not is_shipped(name)
        return Identifier(name, self.span) if can_be_label else None

    def _called(self, position: int) -> str:
        name = self.names[position]
        if name not in self.labelled or not is_shipped(name):
            return name
        return next(other for at in count(1) if (other := f"{name}_{at}") not in self.names)

    def _labelled(self) -> frozenset[str]:
        """The layers that need a label: others name them, or they would be called otherwise."""
        labelled = set(self._read_by_name())
        while True:
            naming = Naming(reserved=frozenset(labelled))
            wrong = set()
            for position, node in enumerate(self.nodes):
                name = self._group(position)
                is_first = getattr(getattr(node, "layer", None), "index", 0) == 0
                is_labelled = name in labelled and not is_shipped(name)
                if isinstance(node, InputNode) or is_labelled or not is_first:
                    continue
                if naming.generate(node.layer.keyword) != name:
                    wrong.add(name)
            if wrong <= labelled:
                return frozenset(labelled)
            labelled |= wrong

    def _read_by_name(self) -> Iterator[str]:
        current = 0
        for position, node in enumerate(self.nodes):
            if isinstance(node, InputNode):
                continue
            if node.layer.joins or node.inputs[0] != current:
                yield from (self._group(at) for at in node.inputs)
            if node.layer.reads:
                yield self.names[self._read_layer(node)]
            if node.share:
                yield node.share.owner
            if not hasattr(node.layer, "index"):
                current = position
        if current != self.network.main_output:
            yield self._group(self.network.main_output)
        aliases = (name for name in self._wanted() if name not in self.names)
        yield from (self._group(self._position(name)) for name in aliases)

    def _wanted(self) -> Iterator[str]:
        """The names that outputs and losses go by, beside the main output."""
        yield from (name for name in self.network.outputs if name != self.network.main)
        recipe = self.network.recipe
        yield from (head.head for head in recipe.heads) if recipe else ()

    def _position(self, name: str) -> int:
        known = {**self.network.scopes, **self.network.outputs}
        return known[name] if name in known else self.names.index(name)

    def _aliases(self) -> Iterator[Bind]:
        """Names of outputs and losses that are not those of layers."""
        for name in dict.fromkeys(self._wanted()):
            if name not in self.names:
                chain = Chain((self._stream(self._position(name)),), self.span)
                yield Bind((Identifier(name, self.span),), chain, self.span)
