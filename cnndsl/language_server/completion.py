"""Proposes what may stand at the cursor: layers, attributes, names, settings, shapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

from lsprotocol import types

from cnndsl import resources
from cnndsl.diagnostics.source import Source, Span
from cnndsl.elaborate.quantities import Quantity
from cnndsl.elaborate.schema_errors import example, value_example
from cnndsl.elaborate.values import FUNCTIONS, SIZES
from cnndsl.frozen import frozen, replace
from cnndsl.language_server.completion_context import Context, Wanted
from cnndsl.language_server.keywords import FOLLOWERS, KEYWORDS, OPENERS, SIZE_FUNCTIONS
from cnndsl.language_server.layer_texts import parameter_text, parameters, schema_text
from cnndsl.language_server.names_in_sight import Sight
from cnndsl.language_server.positions import Lines
from cnndsl.language_server.roles import layer, variant
from cnndsl.language_server.symbol_texts import block_text
from cnndsl.layers import keywords
from cnndsl.layers.base import Layer, Schema
from cnndsl.layers.window import Rounding
from cnndsl.recipe.preparation import SETTINGS
from cnndsl.recipe.recipe import LABELLED, NAMES, SCALARS, VARIANTS
from cnndsl.syntax.ast import Block, Identifier
from cnndsl.syntax.sharing import SHARE

__all__ = ["completions", "plain", "resolved", "warm_up"]

_KIND = types.CompletionItemKind
_MOST_FILES = 200


@frozen
class _Item:
    """A proposal: how it is called, and what is written, with places to fill in."""

    label: str
    kind: types.CompletionItemKind
    detail: str = ""
    snippet: str = ""
    text: str = ""
    data: tuple[str, str] | None = None
    rank: int = 5


def completions(
    context: Context, sight: Sight, lines: Lines, offset: int, *, snippets: bool
) -> types.CompletionList:
    """The proposals at a place."""
    where = lines.range(context.start, offset)
    scope, dot, _ = lines.text[context.start : offset].rpartition(".")
    found = _items(context, sight) if not dot else _inside(context, sight, f"{scope}.")
    items = [
        _completion(one, where, snippets=snippets)
        for one in {one.label: one for one in found}.values()
    ]
    return types.CompletionList(is_incomplete=False, items=items)


def _completion(one: _Item, where: types.Range, *, snippets: bool) -> types.CompletionItem:
    written = one.snippet or one.label
    format = types.InsertTextFormat.Snippet if snippets else types.InsertTextFormat.PlainText
    return types.CompletionItem(
        label=one.label,
        kind=one.kind,
        detail=one.detail or None,
        documentation=types.MarkupContent(types.MarkupKind.Markdown, one.text)
        if one.text
        else None,
        sort_text=f"{one.rank}{one.label}",
        filter_text=one.label,
        text_edit=types.TextEdit(where, written if snippets else plain(written)),
        insert_text_format=format if one.snippet else types.InsertTextFormat.PlainText,
        data=list(one.data) if one.data else None,
    )


def plain(snippet: str) -> str:
    """A snippet with its proposals in place, for editors that have none."""
    text = re.sub(r"\$\{\d+\|([^,|]*)[^|]*\|\}", r"\1", snippet)
    text = re.sub(r"\$\{\d+:([^}]*)\}", r"\1", text)
    return re.sub(r"\$\d+", "", text)


def resolved(item: types.CompletionItem) -> types.CompletionItem:
    """A proposal with its documentation, which is worked out when it is looked at."""
    if isinstance(item.data, list) and len(item.data) == 2:
        setting, word = map(str, item.data)
        schema = variant(setting, word) if setting in VARIANTS else layer(word)
        if schema is not None:
            text = _documentation(schema, f"{setting} {word}".strip())
            item.documentation = types.MarkupContent(types.MarkupKind.Markdown, text)
    return item


@cache
def _documentation(schema: type[Schema], word: str) -> str:
    return schema_text(schema, word)


def warm_up() -> None:
    """Load all layers and their words now, so that the first proposals do not wait for it."""
    for keyword in keywords():
        schema = layer(keyword)
        if schema is not None:
            _layer(keyword)
            parameters(schema)


# --- what is proposed ---------------------------------------------------------------------------


_STREAMS = (Wanted.STATEMENT, Wanted.START, Wanted.ARGUMENT, Wanted.STREAM, Wanted.LABEL)


def _inside(context: Context, sight: Sight, scope: str) -> Iterator[_Item]:
    """What a path leads to that is being written: ``layer1.`` and what is in that call."""
    if context.wanted in _STREAMS:
        yield from (_Item(path, _KIND.Variable, "layer") for path in sight.paths(scope))


def _items(context: Context, sight: Sight) -> Iterator[_Item]:
    find: dict[Wanted, Callable[[], Iterable[_Item]]] = {
        Wanted.STATEMENT: lambda: (*_words(context), *_start(sight)),
        Wanted.START: lambda: (*_start(sight), *_loops()),
        Wanted.LAYER: lambda: (*_layers(), *_blocks(sight), *_loops()),
        Wanted.ARGUMENT: lambda: _arguments(context, sight),
        Wanted.ATTRIBUTE: lambda: _attributes(context),
        Wanted.VALUE: lambda: _values(context, sight),
        Wanted.EXPRESSION: lambda: (*_constants(sight), *_booleans()),
        Wanted.STREAM: lambda: _streams(sight),
        Wanted.LABEL: lambda: _labels(sight),
        Wanted.SETTING: _settings,
        Wanted.KIND: lambda: _kinds(context.setting, sight),
        Wanted.INPUT_SETTING: _preparations,
        Wanted.QUANTITY: _quantities,
        Wanted.ROUNDING: lambda: (_Item(one, _KIND.EnumMember) for one in Rounding),
        Wanted.IMPORT: lambda: _imports(sight, quoted=True),
        Wanted.PATH: lambda: _imports(sight, quoted=False),
        Wanted.CLAIM: lambda: (_Item(one, _KIND.Value, "the shape here") for one in sight.shapes),
    }
    if context.wanted in find:
        yield from find[context.wanted]()
    if context.further is not None:
        yield from _attributes(replace(context, schema=context.further))
    if context.settings:
        yield from _preparations()
    for name in context.words:
        word = name.partition(" ")[0]
        yield _Item(word, _KIND.Keyword, "", FOLLOWERS[name], KEYWORDS.get(word, ""), rank=6)


def _words(context: Context) -> Iterator[_Item]:
    """The words that may begin a statement."""
    for word, snippet in OPENERS.items():
        inside = word in ("let", "rounding") or (word == "return" and context.in_block)
        if word in _LOOPS or not (context.in_file or inside) or (word == "return" and not inside):
            continue
        yield _Item(word, _KIND.Keyword, snippet=snippet, text=KEYWORDS[word], rank=4)
    yield from _loops()


_LOOPS = ("repeat", "for", "if")


def _loops() -> Iterator[_Item]:
    for word in _LOOPS:
        yield _Item(word, _KIND.Keyword, snippet=OPENERS[word], text=KEYWORDS[word], rank=4)


def _start(sight: Sight) -> Iterator[_Item]:
    yield from _streams(sight)
    yield from _blocks(sight)
    yield from _layers()


def _layers() -> Iterator[_Item]:
    for keyword in keywords():
        item = _layer(keyword)
        if item is not None:
            yield item


@cache
def _layer(keyword: str) -> _Item | None:
    schema = layer(keyword)
    if schema is None:
        return None
    if schema.joins:
        snippet = f"{keyword}(${{1:identity}}, ${{2:identity}})"
    else:
        snippet = _holes(_example(schema, keyword), keyword)
    return _Item(keyword, _KIND.Class, "layer", snippet, data=("", keyword))


def _example(schema: type[Schema], word: str) -> str:
    """What could stand behind a word at least."""
    nowhere = Span(Source("", ""), 0, 0)
    return example(schema, Identifier(word, nowhere)).removeprefix(word)


def _holes(values: str, head: str) -> str:
    """What stands behind a word, each value a place to fill in."""
    parts = re.split(r"([ @]+)", values.strip())
    filled = [
        part if at % 2 else f"${{{at // 2 + 1}:{part}}}" for at, part in enumerate(parts) if part
    ]
    return f"{head} {''.join(filled)}" if filled else ""


def _blocks(sight: Sight) -> Iterator[_Item]:
    for name, (module, block) in sight.blocks().items():
        yield _Item(name, _KIND.Function, "block", _call(block), block_text(module, block), rank=3)


def _call(block: Block) -> str:
    """A call of a block, with what it needs to be filled in."""
    needed = [one for one in block.parameters if one.default is None]
    holes = (
        f"${{{at}:{'identity' if one.is_stream else '16'}}}" for at, one in enumerate(needed, 1)
    )
    return f"{block.name.name}({', '.join(holes)})"


def _streams(sight: Sight) -> Iterator[_Item]:
    for name, kind in sight.streams().items():
        yield _Item(name, _KIND.Variable, kind, rank=2)
    yield _Item("identity", _KIND.Class, "the stream here", data=("", "identity"))


def _labels(sight: Sight) -> Iterator[_Item]:
    """Labels, and the names that layers and calls have without one."""
    for name, kind in sight.streams().items():
        yield _Item(name, _KIND.Variable, kind, rank=2)
    for name in sight.paths():
        yield _Item(name, _KIND.Variable, "layer")


def _constants(sight: Sight) -> Iterator[_Item]:
    for name, value in sight.constants().items():
        yield _Item(name, _KIND.Constant, value, rank=1)
    for name in sorted(FUNCTIONS & {"min", "max"}):
        yield _Item(name, _KIND.Function, snippet=f"{name}(${{1:1}}, ${{2:2}})")
    for name in SIZES:
        yield _Item(name, _KIND.Function, SIZE_FUNCTIONS[name], snippet=f"{name}(${{1:identity}})")


def _booleans() -> Iterator[_Item]:
    yield from (_Item(word, _KIND.EnumMember) for word in ("yes", "no"))


def _arguments(context: Context, sight: Sight) -> Iterator[_Item]:
    found = sight.blocks().get(context.callee)
    if found is None:
        yield from _join(context, sight)
        return
    _, block = found
    parameter = next((one for one in block.parameters if one.name.name == context.parameter), None)
    if parameter is None and not context.parameter and context.position < len(block.parameters):
        parameter = block.parameters[context.position]
        for one in block.parameters[context.position :]:
            value = one.default.span.text if one.default is not None else "1"
            snippet = f"{one.name.name} = ${{1:{'identity' if one.is_stream else value}}}"
            detail = " ".join(one.span.text.split())
            yield _Item(one.name.name, _KIND.Field, detail, snippet, rank=1)
    if parameter is None or parameter.is_stream:
        yield from _start(sight)
    if parameter is None or not parameter.is_stream:
        yield from (*_constants(sight), *_booleans())


def _join(context: Context, sight: Sight) -> Iterator[_Item]:
    """What a layer takes in parentheses: streams, and its parameters by name."""
    schema = layer(context.callee)
    if schema is not None and context.parameter in schema.model_fields:
        yield from _values(replace(context, schema=schema), sight)
        return
    yield from (*_start(sight), *_loops())
    if schema is None:
        return
    for one in parameters(schema).values():
        snippet = f"{one.name} = ${{1:{value_example(schema, one.name)}}}"
        yield _Item(one.name, _KIND.Property, one.takes, snippet, parameter_text(one), rank=1)


def _attributes(context: Context) -> Iterator[_Item]:
    schema = context.schema
    assert schema is not None
    for one in parameters(schema).values():
        if one.name in context.given or one.name in schema.positional:
            continue
        value = value_example(schema, one.name)
        choices = [word for word in one.words if "," not in word]
        hole = f"${{1:{value}}}"
        if value in choices:
            rest = [word for word in choices if word != value]
            hole = f"${{1|{','.join([value, *rest])}|}}"
        text = parameter_text(one)
        yield _Item(one.name, _KIND.Property, one.takes, f"{one.name} {hole}", text, rank=1)
    has_weights = issubclass(schema, Layer) and schema.weights is not Layer.weights
    if has_weights and SHARE not in context.given:
        yield _Item(SHARE, _KIND.Keyword, "the weights of another layer", f"{SHARE} ${{1:label}}")


def _values(context: Context, sight: Sight) -> Iterator[_Item]:
    schema = context.schema
    assert schema is not None
    described = parameters(schema).get(context.parameter)
    if described is not None and described.takes == "a label":
        yield from _labels(sight)
        return
    if described is not None:
        for word in described.words:
            name, _, value = word.rstrip(")").partition("(")
            snippet = f"{name}(${{1:{value}}})" if value else ""
            yield _Item(name, _KIND.EnumMember, parameter_text(described), snippet, rank=1)
    yield from _constants(sight)


# --- settings and the rest ------------------------------------------------------------------------


def _settings() -> Iterator[_Item]:
    for name in (*VARIANTS, *SCALARS, *LABELLED, *sorted(NAMES)):
        snippet = f"{name} ${{1:label}}"
        if name in VARIANTS:
            snippet = f"{name} ${{1|{','.join(VARIANTS[name])}|}}"
        elif name in SCALARS:
            snippet = f"{name} ${{1:{value_example(SCALARS[name], 'value')}}}"
        elif name in LABELLED:
            snippet += f" ${{2:{value_example(LABELLED[name], 'value')}}}"
        text = _documentation(SCALARS[name], name) if name in SCALARS else ""
        yield _Item(name, _KIND.Property, "setting", snippet, text)


def _kinds(setting: str, sight: Sight) -> Iterator[_Item]:
    for word in VARIANTS[setting]:
        schema = variant(setting, word)
        if schema is not None:
            snippet = _holes(_example(schema, word), word)
            yield _Item(word, _KIND.Class, setting, snippet, data=(setting, word))
    if setting == "loss":
        yield from _labels(sight)


def _preparations() -> Iterator[_Item]:
    for name, schema in SETTINGS.items():
        snippet = _holes(_example(schema, name), name)
        yield _Item(name, _KIND.Property, "setting", snippet, _documentation(schema, name))


def _quantities() -> Iterator[_Item]:
    for one in Quantity:
        yield _Item(one.value, _KIND.Property, "quantity", f"{one.value} ${{1:?}}")


def _imports(sight: Sight, *, quoted: bool) -> Iterator[_Item]:
    """Files that can be imported: those of the shipped library, and those beside the spec."""
    names = [f"std/{path.stem}" for path in sorted((resources.specs() / "std").glob("*.cnn"))]
    names += _beside(sight.path)
    for name in names:
        yield _Item(f'"{name}"' if quoted else name, _KIND.File)


def _beside(path: Path) -> list[str]:
    try:
        files = sorted(path.parent.glob("*.cnn"))[:_MOST_FILES]
    except OSError:
        return []
    return [one.stem for one in files if one != path]
