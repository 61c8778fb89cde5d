"""Translates a layer as PyTorch or Keras calls it, ``nn.Conv2d(3, 64, 3)``, into one of ours.

The tables say in which order each tool takes its arguments and where its defaults differ from ours.
What cannot be said in the same meaning is not translated: then the layer's name is all that is
known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from cnndsl.elaborate.schema_errors import between
from cnndsl.elaborate.tool_signatures import INITIALISERS, KERAS, OURS, TORCH, Tool
from cnndsl.frozen import frozen
from cnndsl.layers import FOREIGN, find, is_shipped
from cnndsl.layers.base import Layer
from cnndsl.syntax.ast import Argument, Call, Chain, Expr, List, Name, Number, Text
from cnndsl.syntax.expressions import ExpressionPrinter

__all__ = ["Translation", "joined", "ours", "translate", "without_root"]

_ROOTS = frozenset(
    (
        "nn",
        "F",
        "f",
        "torch",
        "functional",
        "self",
        "model",
        "net",
        "keras",
        "layers",
        "tf",
        "L",
        "caffe",
        "layer",
        "gluon",
        "paddle",
    )
)
"""What stands before the dot of a layer's name in other tools: ``nn.Conv2d``."""


@frozen
class Translation:
    """A call in our words; ``certain`` where the tool is known by the name it gives the layer.

    ``stream`` is what a function takes first, ``F.relu(x)``, if it takes anything.
    """

    text: str
    certain: bool
    stream: str = ""


_ADAPTIVE = {
    f"Adaptive{kind}Pool{rank}d": f"global{kind.lower()}pool"
    for kind in ("Avg", "Max")
    for rank in (1, 2, 3)
}
"""What pools to any size: ours where that is one cell."""


def ours(name: str) -> str | None:
    """The layer of ours that another tool's name means, with or without what stands before it."""
    last = without_root(name)
    if last is None:
        return None
    if last in FOREIGN:
        return FOREIGN[last]
    return last if last != name and is_shipped(last) else None


def without_root(name: str) -> str | None:
    """A name without what other tools put before it; None where something else stands there."""
    *roots, last = name.split(".")
    return last if _ROOTS.issuperset(roots) else None


def translate(call: Call) -> Translation | None:
    """The call as a phrase of ours on one line that means the same; None where there is none."""
    found = _translated(call)
    # An argument that goes over several lines may have comments in it.
    return None if found is None or "\n" in found.text else found


def _translated(call: Call) -> Translation | None:
    name = call.callee.name.rpartition(".")[2]
    if name in ("add", "append") and len(call.arguments) == 1:  # model.add(Conv2D(…))
        inner = call.arguments[0].value
        return translate(inner) if isinstance(inner, Call) else None
    if name in ("Activation", "activation"):
        words = [_word(argument.value) for argument in call.arguments]
        layer = _activation(words[0]) if len(words) == 1 else None
        return Translation(layer.removeprefix(" -> "), certain=True) if layer else None
    if name in ("Sequential", "sequential"):
        return _sequential(call)
    keywords = (_ADAPTIVE.get(name), ours(call.callee.name), name if is_shipped(name) else None)
    found = (_as_layer(call, name, keyword) for keyword in keywords if keyword)
    return next(filter(None, found), None)


def _as_layer(call: Call, name: str, keyword: str) -> Translation | None:
    """The call as a layer of ours; None where its arguments have no counterpart there."""
    schema = find(keyword)
    if schema is None:
        return None
    if schema.joins:
        text = joined(keyword, call)
        return Translation(text, certain=name not in ("sum", "Max")) if text else None
    before, arguments = _before(call)
    if before is None:
        return None
    tools = _tools(name, schema)
    for tool in tools:
        text = _phrase(tool, schema, arguments)
        if text is not None:
            certain = tool is tools[0] and not is_shipped(name)
            chain = f"{before.text} -> {text}" if before.text else text
            return Translation(chain, certain and before.certain, before.stream)
    return None


def _before(call: Call) -> tuple[Translation | None, Sequence[Argument]]:
    """What a function takes first, ``F.relu(x)``, ``relu(conv(8, 3))``, and the rest behind it.

    None where that is a layer which has no counterpart.
    """
    nothing = Translation("", certain=True)
    first = call.arguments[0] if call.arguments else None
    if first is None or first.name or not call.callee.name.rpartition(".")[2].islower():
        return nothing, call.arguments
    match first.value:
        case Name(name=name):
            return Translation("", certain=True, stream=name), call.arguments[1:]
        case Call():
            return translate(first.value), call.arguments[1:]
        case Chain():
            return Translation(first.value.span.text, certain=False), call.arguments[1:]
    return nothing, call.arguments


def _sequential(call: Call) -> Translation | None:
    """``nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())``, also of a list."""
    values: list[Expr | Chain] = [argument.value for argument in call.arguments]
    if len(values) == 1 and isinstance(values[0], List):
        values = list(values[0].items)
    layers = [value for value in values if not _is_input(value)]
    found = [translate(value) if isinstance(value, Call) else None for value in layers]
    known = [translation for translation in found if translation is not None]
    if not known or len(known) < len(found):
        return None
    certain = all(translation.certain for translation in known)
    return Translation(" -> ".join(translation.text for translation in known), certain)


def _is_input(value: Expr | Chain) -> bool:
    return isinstance(value, Call) and value.callee.name.rpartition(".")[2] in (
        "Input",
        "InputLayer",
    )


def joined(keyword: str, call: Call) -> str | None:
    """``torch.cat([a, b], dim=1)`` as a join of ours; None where it is of no streams."""
    values: list[Expr | Chain] = []
    for argument in call.arguments:
        if isinstance(argument.value, List):
            values += argument.value.items
        elif argument.name is None and not isinstance(argument.value, Number):
            values.append(argument.value)
        elif argument.name is not None and argument.name.name not in ("dim", "axis", "name"):
            return None
    streams = [value.span.text for value in values if isinstance(value, Name | Call | Chain)]
    return f"{keyword}({', '.join(streams)})" if len(streams) == len(values) > 1 else None


def _tools(name: str, schema: type[Layer]) -> list[Tool]:
    """The tools that a layer's name may be of, the likeliest first."""
    if is_shipped(name):
        return [Tool({schema.keyword: " ".join(schema.positional)}), TORCH]
    if re.search(r"[123]D(Transpose)?$|^Dense$|^BatchNormalization$", name):
        return [KERAS]
    return [TORCH, KERAS] if name.islower() else [TORCH]


def _phrase(tool: Tool, schema: type[Layer], arguments: Sequence[Argument]) -> str | None:
    """The phrase that arguments mean in a tool."""
    given = _sorted(tool, schema.keyword, arguments)
    if given is None:
        return None
    activation = _activation(_word(given.pop("activation", None)))
    whole = _shape_of_one(given)
    values = dict(_values(schema, given))
    if activation is None or not whole or None in values.values():
        return None
    texts = {name: text for name, text in values.items() if text is not None}
    missing = tool.defaults.get(schema.keyword, {})
    texts |= {name: text for name, text in missing.items() if name not in texts}
    if schema.keyword == "avgpool" and texts.get("padding", "0") == "0":
        texts.pop("count_padding", None)
    if tool is KERAS and "momentum" in given:
        texts["momentum"] = _complement(given["momentum"])
    if tool in (TORCH, KERAS):
        _floored(schema, texts)
    if tool is KERAS and schema.keyword == "upconv" and _has_gaps(texts):
        return None  # its `valid` adds what the stride leaves beyond the kernel
    fields = schema.model_fields
    required = (name for name, known in fields.items() if known.is_required())
    if any(name not in texts for name in required) or not texts.keys() <= fields.keys():
        return None
    main = between(schema).join(texts.pop(name) for name in schema.positional if name in texts)
    pairs = (f"{name} {text}" for name, text in texts.items() if _differs(schema, name, text))
    return " ".join(filter(None, [schema.keyword, main, *pairs])) + activation


def _sorted(tool: Tool, keyword: str, arguments: Sequence[Argument]) -> dict[str, Expr] | None:
    """The arguments by our names; None where one has no place."""
    order = iter(tool.orders.get(keyword, "").split())
    given: dict[str, Expr] = {}
    for argument in arguments:
        name = next(order, None)
        if argument.name is not None:
            name = OURS.get(argument.name.name, argument.name.name)
        if name is None or name in given or isinstance(argument.value, Chain):
            return None
        if name != "-":
            given[name] = argument.value
    return given


def _shape_of_one(given: dict[str, Expr]) -> bool:
    """Whether what says how much of a map remains says: one cell, or all but the batch."""
    size = given.pop("output_size", None)
    start = given.pop("start_dim", None)
    ones = size.items if isinstance(size, List) else (size,)
    said = filter(None, (*ones, start))
    return all(isinstance(one, Number) and one.value == 1 for one in said)


def _values(schema: type[Layer], given: Mapping[str, Expr]) -> Iterator[tuple[str, str | None]]:
    """Our attributes and their texts; None for a value that has no counterpart."""
    for name, expr in given.items():
        if name == "ceil_mode":
            yes = _word(expr) in ("yes", "True")
            yield ("rounding", "ceil" if yes else "floor")
        elif name in ("init", "bias_init"):
            yield name, INITIALISERS.get(_word(expr) or "")
        elif isinstance(expr, Text):
            word = expr.value.lower()
            yield name, word if word in ("same", "valid") and name == "padding" else None
        else:
            is_truth = name in schema.model_fields and schema.model_fields[name].annotation is bool
            truth = "yes" if isinstance(expr, Number) and expr.value else "no"
            yield name, truth if is_truth and isinstance(expr, Number) else _text(expr)


def _floored(schema: type[Layer], texts: dict[str, str]) -> None:
    """Other tools drop what a stride leaves over: say so where one may leave something."""
    if "rounding" not in schema.model_fields:
        return
    by_kernel = schema.model_fields["stride"].default is None
    stride = texts.get("stride", texts.get("kernel") if by_kernel else "1")
    if by_kernel and stride == texts.get("kernel"):
        texts.pop("stride", None)
    moves = stride is not None and set(stride.split("x")) != {"1"}
    rounding = texts.pop("rounding", "floor")
    if moves and texts.get("padding") != "same":
        texts["rounding"] = rounding


def _has_gaps(texts: Mapping[str, str]) -> bool:
    """Whether a transposed convolution's stride is, or may be, larger than its kernel."""
    numbers = [texts.get(name, "1").split("x") for name in ("kernel", "stride")]
    if not all(size.isdecimal() for sizes in numbers for size in sizes):
        return True
    smallest, largest = min(map(int, numbers[0])), max(map(int, numbers[1]))
    return largest > smallest


def _differs(schema: type[Layer], name: str, text: str) -> bool:
    """Whether a text says anything but the default of an attribute."""
    default = schema.model_fields[name].default
    plain = "x".join(map(str, default)) if isinstance(default, tuple) else str(default)
    return text not in (plain, {"True": "yes", "False": "no"}.get(plain)) and text != "valid"


def _text(expr: Expr) -> str | None:
    """A value as a phrase writes it: a pair of sizes is a size."""
    if isinstance(expr, List) and expr.items and all(isinstance(i, Number) for i in expr.items):
        sizes = [item.span.text for item in expr.items]
        return sizes[0] if len(set(sizes)) == 1 else "x".join(sizes)
    if isinstance(expr, Text | Call) or (isinstance(expr, Name) and expr.name == "None"):
        return None
    return ExpressionPrinter(lambda chain: chain.span.text).beside(expr)


def _word(value: Expr | Chain | None) -> str | None:
    """The word that an argument is: ``'relu'``, ``relu`` or ``tf.nn.relu``."""
    if isinstance(value, Text):
        return value.value
    return value.name.rpartition(".")[2] if isinstance(value, Name) else None


def _activation(word: str | None) -> str | None:
    """What goes behind a layer for its activation; None for one that there is not."""
    if word in (None, "linear", "None"):
        return ""
    keyword = FOREIGN.get(word or "", word or "")
    return f" -> {keyword}" if is_shipped(keyword) else None


def _complement(expr: Expr) -> str:
    """Keras' momentum is the share that is kept; ours, as PyTorch's, the share that is new."""
    return repr(round(1 - expr.value, 12)) if isinstance(expr, Number) else f"1-{_text(expr)}"
