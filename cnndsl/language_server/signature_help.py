"""Shows what a call of a block, or a layer, takes, while its arguments are written."""

from __future__ import annotations

from lsprotocol import types

from cnndsl.language_server.completion_context import Context, Wanted
from cnndsl.language_server.layer_texts import parameters, signature
from cnndsl.language_server.names_in_sight import Sight
from cnndsl.language_server.roles import layer
from cnndsl.language_server.symbol_texts import block_comment, parameter_texts
from cnndsl.layers.base import Schema
from cnndsl.syntax.ast import Block, Module

__all__ = ["signature_help"]


def signature_help(context: Context, sight: Sight) -> types.SignatureHelp | None:
    """The signature of what is being written; None where nothing takes arguments."""
    if context.callee and context.callee in sight.blocks():
        module, block = sight.blocks()[context.callee]
        return _help(_of_block(module, block), _active(block, context))
    if context.callee:
        schema = layer(context.callee)
        return None if schema is None else _help(_of_schema(schema, context.callee), 0)
    if context.schema is None:
        return None
    names = context.schema.parameter_names()
    wanted = context.wanted is Wanted.VALUE and context.parameter in names
    active = names.index(context.parameter) if wanted else None
    return _help(_of_schema(context.schema, context.head), active)


def _help(one: types.SignatureInformation, active: int | None) -> types.SignatureHelp:
    one.active_parameter = active
    return types.SignatureHelp([one], active_signature=0, active_parameter=active)


def _active(block: Block, context: Context) -> int | None:
    names = [one.name.name for one in block.parameters]
    if context.parameter in names:
        return names.index(context.parameter)
    return context.position if context.position < len(names) else None


def _of_block(module: Module, block: Block) -> types.SignatureInformation:
    texts = parameter_texts(block)
    return types.SignatureInformation(
        label=f"{block.name.name}({', '.join(texts)})",
        documentation=_markdown(block_comment(module, block)),
        parameters=[types.ParameterInformation(text) for text in texts],
    )


def _of_schema(schema: type[Schema], word: str) -> types.SignatureInformation:
    return types.SignatureInformation(
        label=signature(schema, word),
        documentation=_markdown(" ".join((schema.__doc__ or "").split())),
        parameters=[
            types.ParameterInformation(name, _markdown(f"{one.meaning} ({one.takes})"))
            for name, one in parameters(schema).items()
        ],
    )


def _markdown(text: str) -> types.MarkupContent:
    return types.MarkupContent(types.MarkupKind.Markdown, text)
