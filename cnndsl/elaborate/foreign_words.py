"""Says what a line means that begins with a word of another place, or of another tool.

``Network t``, ``optimizer adam`` outside ``train { }``, ``stride 2 conv 8@3``, ``nn.ReLU``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, shorten
from cnndsl.elaborate.foreign_calls import ours, without_root
from cnndsl.elaborate.schema_errors import example, unknown_layer, value_example
from cnndsl.layers import FOREIGN, FOREIGN_ATTRIBUTES, find, keywords
from cnndsl.syntax.ast import (
    ChainStatement,
    Expr,
    Identifier,
    Name,
    Number,
    Phrase,
    Statement,
    Train,
)

if TYPE_CHECKING:
    from cnndsl.elaborate.context import ElaborationContext

__all__ = ["ACTIVATION_WORDS", "STATEMENTS", "misplaced_word", "size_in_name"]

STATEMENTS = (
    "network",
    "input",
    "classes",
    "output",
    "param",
    "let",
    "import",
    "rounding",
    "expect",
    "block",
    "return",
    "train",
)
"""The words that begin statements."""

ACTIVATION_WORDS = frozenset(["activation", "act", "activation_fn", "nonlinearity", "Activation"])
"""What other tools call the attribute that names an activation."""


def misplaced_word(context: ElaborationContext, phrase: Phrase) -> Diagnostic | None:
    """What is wrong with a phrase whose first word belongs elsewhere; None where it is unknown."""
    head = phrase.head
    return (
        _words_apart(phrase)
        or size_in_name(phrase.head, phrase.span, phrase.arguments)
        or _statement(phrase)
        or _recipe_setting(context, phrase)
        or _input_setting(phrase)
        or _activation(phrase)
        or _attribute_first(phrase)
        or _foreign_root(head)
    )


def _words_apart(phrase: Phrase) -> Diagnostic | None:
    """``max pool 2``, ``global avg pool``: one word of ours, or of another tool, in pieces."""
    words = [phrase.head.name]
    for argument in phrase.arguments[:2]:
        if not isinstance(argument, Name):
            break
        words.append(argument.name)
    known = keywords()
    for count in range(len(words), 1, -1):
        whole = "".join(words[:count])
        ours = whole if whole in known else FOREIGN.get(whole, FOREIGN.get("_".join(words[:count])))
        if ours is None:
            continue
        span = phrase.head.span.to(phrase.arguments[count - 2].span)
        help = f"write `{ours}`"
        message = f"the layer `{ours}` is one word, not `{' '.join(words[:count])}`"
        fixes = _replaced(help, span, ours, safe=True)
        return Diagnostic("CNN101", message, span, help=help, fixes=fixes)
    return None


_SIZED = re.compile(r"([A-Za-z_]+?)_?([0-9]+(?:x[0-9]+)*)$")


def size_in_name(head: Identifier, span: Span, arguments: Sequence[Expr]) -> Diagnostic | None:
    """``conv3x3 8``, ``conv1x1(64)``, ``maxpool2``: the size belongs behind the name."""
    parts = _SIZED.match(head.name)
    if parts is None or head.name in FOREIGN:
        return None
    keyword = FOREIGN.get(parts[1], parts[1])
    schema = find(keyword)
    if schema is None or "kernel" not in schema.positional:
        return None
    if len(schema.positional) > 1 and not arguments:
        return None  # `conv1` alone is a label that is missing
    sizes = parts[2].split("x")
    size = sizes[0] if len(set(sizes)) == 1 else parts[2]
    fixes: tuple[Fix, ...] = ()
    help = f"write it like `{keyword} 16@{size}`"
    if len(schema.positional) == 1:
        help = f"write `{keyword} {size}`"
        fixes = _replaced(help, head.span, f"{keyword} {size}", safe=False)
    elif arguments and isinstance(arguments[0], Number | Name):
        filters = arguments[0].span
        written = f"{keyword} {filters.text}@{size}"
        help = f"write `{shorten(written)}`"
        called = span.text[len(head.name) :].lstrip().startswith("(")
        if not called or len(arguments) == 1:
            place = span if called else head.span.to(filters)
            fixes = _replaced(help, place, written, safe=False)
    message = f"there is no layer or block `{shorten(head.name)}`: sizes stand behind the name"
    return Diagnostic("CNN101", message, head.span, help=help, fixes=fixes)


def _replaced(title: str, span: Span, text: str, *, safe: bool) -> tuple[Fix, ...]:
    return (Fix(title, (Edit(span, text),), safe=safe),)


def _statement(phrase: Phrase) -> Diagnostic | None:
    """``Network t``, ``INPUT 3x8x8``, ``inptu 3x8x8``."""
    head = phrase.head
    lower = head.name.lower()
    if lower == "output" and not phrase.arguments:
        help = "leave it out: what the last line gives is the network's output"
        return Diagnostic("CNN101", "no layer is called `output`", head.span, help=help)
    if head.name in STATEMENTS and phrase.arguments:
        message = f"`{head.name}` begins a statement, and no layer is called so"
        help = f"write `{head.name}` at the beginning of a line, outside of any chain"
        return Diagnostic("CNN101", message, head.span, help=help)
    if lower in STATEMENTS and phrase.arguments:
        help = f"write `{lower}`"
        message = f"the statement `{lower}` is written in small letters, not `{head.name}`"
        fixes = _replaced(help, head.span, lower, safe=True)
        return Diagnostic("CNN101", message, head.span, help=help, fixes=fixes)
    taken = head.name in FOREIGN or closest(head.name, keywords()) or not phrase.arguments
    near = () if taken else closest(head.name, STATEMENTS)
    if not near or _is_absent(head.name):
        return None
    help = f"did you mean `{near[0]}`?"
    message = f"there is no layer, block or statement `{shorten(head.name)}`"
    fixes = _replaced(f"write `{near[0]}`", head.span, near[0], safe=False)
    return Diagnostic("CNN101", message, head.span, help=help, fixes=fixes)


def _is_absent(name: str) -> bool:
    """Whether an operation that is not here has this very name: `seblock` is no slip of `block`."""
    from cnndsl.layers.absent import absence

    known = absence(name)
    return known is not None and known.name == name


def _recipe_setting(context: ElaborationContext, phrase: Phrase) -> Diagnostic | None:
    """``optimizer adam`` where a layer should stand."""
    from cnndsl.recipe.recipe import LABELLED, NAMES, SCALARS, VARIANTS

    head = phrase.head
    settings = {*VARIANTS, *SCALARS, *LABELLED, *NAMES}
    rate = head.name in ("lr", "learning_rate")
    known = head.name in settings or (rate and len(phrase.arguments) == 1)
    if not known or not phrase.arguments:
        return None
    if head.name == "augment":
        context.broken.update(VARIANTS["augment"])  # what goes on behind `->` is no layer either
    text = phrase.span.text
    if rate:
        text = f"optimizer sgd lr {phrase.arguments[0].span.text}"
    statements = context.draft.module.statements
    alone = sum(_begins_with(statement, settings) for statement in statements) == 1
    has_train = any(isinstance(statement, Train) for statement in statements)
    help = "move it into `train { }`" if has_train else f"write `train {{ {shorten(text)} }}`"
    fixes: tuple[Fix, ...] = ()
    if not has_train and not alone:
        help = "put all of them into one `train { }`, each on a line"
    elif not has_train and text == shorten(text) and not rate:
        fixes = _replaced(help, phrase.span, f"train {{ {text} }}", safe=False)
    message = f"`{head.name}` is a setting of `train {{ }}`, not a layer"
    return Diagnostic("CNN112", message, head.span, help=help, fixes=fixes)


def _begins_with(statement: Statement, words: set[str]) -> bool:
    if not isinstance(statement, ChainStatement):
        return False
    element = statement.chain.links[0].element
    return isinstance(element, Phrase) and element.head.name in words


def _input_setting(phrase: Phrase) -> Diagnostic | None:
    """``scale 1/255`` outside the braces of ``input``."""
    from cnndsl.recipe.preparation import SETTINGS

    head = phrase.head
    if head.name not in SETTINGS or not phrase.arguments:
        return None
    help = f"put it into the braces of `input`: `input 3x224x224 {{ {shorten(phrase.span.text)} }}`"
    message = f"`{head.name}` is a setting of `input`, not a layer"
    return Diagnostic("CNN112", message, head.span, help=help)


def _activation(phrase: Phrase) -> Diagnostic | None:
    """``activation relu``."""
    head, arguments = phrase.head, phrase.arguments
    if head.name not in ACTIVATION_WORDS or len(arguments) != 1:
        return None
    written = arguments[0].span.text.strip("\"'")
    word = FOREIGN.get(written, written)
    if find(word) is None:
        return None
    help = f"write `{word}`"
    message = f"an activation is a layer of its own: `{word}`"
    fixes = _replaced(help, phrase.span, word, safe=True)
    return Diagnostic("CNN101", message, phrase.span, help=help, fixes=fixes)


def _attribute_first(phrase: Phrase) -> Diagnostic | None:
    """``stride 2 conv 8@3``, and ``stride 2`` on a line of its own."""
    head = phrase.head
    layers = {keyword: found for keyword in keywords() if (found := find(keyword))}
    name = FOREIGN_ATTRIBUTES.get(head.name, head.name)
    owners = [keyword for keyword, schema in layers.items() if name in schema.model_fields]
    if not owners or not phrase.arguments or head.name in FOREIGN:
        return None
    message = f"`{head.name}` is an attribute, and stands behind its layer"
    for argument in phrase.arguments:
        if isinstance(argument, Name) and argument.name in layers:
            before = Span(head.span.source, head.span.start, argument.span.start).text.strip()
            layer = argument.span.to(phrase.arguments[-1].span).text
            help = f"write `{shorten(f'{layer} {before}')}`"
            fixes = _replaced(help, phrase.span, f"{layer} {before}", safe=True)
            return Diagnostic("CNN101", message, head.span, help=help, fixes=fixes)
    owner = layers["conv" if "conv" in owners else owners[0]]
    shown = example(owner, Identifier(owner.keyword, head.span))
    if name not in owner.positional:
        shown += f" {name} {value_example(owner, name)}"
    help = f"write it on the layer's line, as in `{shown}`"
    return Diagnostic("CNN101", message, head.span, help=help)


def _foreign_root(head: Identifier) -> Diagnostic | None:
    """``nn.ReLU``."""
    bare = without_root(head.name) if "." in head.name else None
    word = ours(head.name) if bare else None
    if word is None:
        return unknown_layer(Identifier(bare, head.span), ()) if bare else None
    help = f"in cnndsl it is called `{word}`"
    fixes = _replaced(f"write `{word}`", head.span, word, safe=True)
    message = f"there is no layer or block `{shorten(head.name)}`"
    return Diagnostic("CNN101", message, head.span, help=help, fixes=fixes)
