"""Turns the arguments of a block call into the frame that the block's body runs in."""

from __future__ import annotations

from cnndsl.diagnostics.model import Diagnostic, Label
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, count, quoted, replacements, shorten
from cnndsl.elaborate.context import ElaborationContext
from cnndsl.elaborate.evaluate import evaluate
from cnndsl.elaborate.scope import BlockDefinition, Frame, Naming, Stream
from cnndsl.elaborate.values import KNOWN_WORDS, Constants, EvaluationError, Value
from cnndsl.layers import find
from cnndsl.syntax.ast import Argument, Call, Chain, Identifier, Link, Name, Parameter, Phrase

__all__ = ["as_chain", "bind_arguments", "signature"]


def bind_arguments(
    context: ElaborationContext,
    definition: BlockDefinition,
    call: Call,
    frame: Frame,
    current: int | None,
) -> Frame | None:
    """The frame of the block's body, or None where the arguments are wrong; the report says how."""
    given = _match(context, definition, call)
    if given is None:
        return None
    inner = Frame(
        file=definition.file,
        constants=Constants(definition.file.constants),
        naming=Naming(),
        rounding=definition.file.rounding,
        current=current,
        trace=(*frame.trace, call.span),
        sizes=frame.sizes,
    )
    inner.constants.streams = inner.streams
    for parameter in definition.block.parameters:
        argument = given.get(parameter.name.name)
        if parameter.is_stream and argument is not None:
            chain = as_chain(argument)
            node = context.one(context.chain(chain, frame, current), chain.span)
            misnamed = frame.misnamed(chain)
            inner.streams[parameter.name.name] = Stream(node, parameter.name.span, misnamed)
        elif argument is not None:
            inner.constants.define(
                parameter.name.name, _number(argument, parameter, frame), parameter.name.span
            )
        elif parameter.default is not None:
            value = evaluate(parameter.default, inner.constants, words=KNOWN_WORDS)
            inner.constants.define(parameter.name.name, value, parameter.name.span)
    return inner


def _match(
    context: ElaborationContext, definition: BlockDefinition, call: Call
) -> dict[str, Argument] | None:
    """Which argument goes to which parameter."""
    block = definition.block
    parameters = {parameter.name.name: parameter for parameter in block.parameters}
    positional = iter(parameters)
    given: dict[str, Argument] = {}
    problems: list[Diagnostic] = []
    for argument in call.arguments:
        if argument.name is None:
            name = next(positional, None)
            if name is None:
                problems.append(_surplus(argument, definition, call))
                break
        else:
            name = argument.name.name
            if name not in parameters:
                problems.append(_unknown(argument.name, definition))
                continue
        if name in given:
            problems.append(
                Diagnostic(
                    "CNN206",
                    f"`{name}` is given twice",
                    argument.span,
                    labels=(Label(given[name].span, "given here first"),),
                    help=f"keep one `{name}`",
                )
            )
        given[name] = argument
    if not problems:
        missing = [
            parameter
            for parameter in block.parameters
            if parameter.default is None and parameter.name.name not in given
        ]
        if missing:
            problems.append(_missing(missing, definition, call))
    context.report.extend(problems)
    return None if problems else given


def signature(definition: BlockDefinition) -> str:
    """How a block is called: ``unit(width, stride = 1)``."""
    block = definition.block
    return f"{block.name.name}({', '.join(p.span.text for p in block.parameters)})"


def _surplus(argument: Argument, definition: BlockDefinition, call: Call) -> Diagnostic:
    takes = count(len(definition.block.parameters), "argument")
    return Diagnostic(
        "CNN203",
        f"`{call.callee.name}` takes {takes}, not {len(call.arguments)}",
        argument.span,
        labels=(Label(definition.block.name.span, "defined here"),),
        help=f"call it as `{signature(definition)}`",
    )


def _unknown(name: Identifier, definition: BlockDefinition) -> Diagnostic:
    parameters = [parameter.name.name for parameter in definition.block.parameters]
    near = closest(name.name, parameters)
    fixes = replacements(name.span, near)
    return Diagnostic(
        "CNN201",
        f"`{definition.block.name.name}` has no parameter `{shorten(name.name)}`",
        name.span,
        labels=(Label(definition.block.name.span, "defined here"),),
        help=f"did you mean `{near[0]}`?" if near else f"call it as `{signature(definition)}`",
        fixes=fixes,
    )


def _missing(missing: list[Parameter], definition: BlockDefinition, call: Call) -> Diagnostic:
    names = quoted((parameter.name.name for parameter in missing), " and ")
    return Diagnostic(
        "CNN202",
        f"`{call.callee.name}` needs {names}",
        call.span,
        labels=(Label(definition.block.name.span, "defined here"),),
        help=f"call it as `{signature(definition)}`",
    )


def _number(argument: Argument, parameter: Parameter, frame: Frame) -> Value:
    """The value of an argument that is no stream."""
    value = argument.value
    if not isinstance(value, Chain):
        if isinstance(value, Name) and frame.constants.find(value.name) is None:
            if value.name in frame.streams:
                raise _confused(argument.span, parameter, f"`{value.name}` is a stream")
            if find(value.name) is not None:
                raise _confused(argument.span, parameter, f"`{value.name}` is a layer")
        return evaluate(value, frame.constants, words=KNOWN_WORDS)
    raise _confused(argument.span, parameter, "this is a chain of layers")


def _confused(span: Span, parameter: Parameter, what: str) -> EvaluationError:
    name = parameter.name.name
    return EvaluationError(
        Diagnostic(
            "CNN209",
            f"`{name}` is a number, but {what}",
            span,
            labels=(Label(parameter.span, "the parameter"),),
            help=f"give a number, or declare the parameter as `stream {name}`",
        )
    )


def as_chain(argument: Argument) -> Chain:
    """An argument as the chain it stands for: a lone name is a stream or a layer."""
    value = argument.value
    span = value.span
    match value:
        case Chain():
            return value
        case Call():
            return Chain((Link(None, value, (), span),), span)
        case Name():
            element = Phrase(Identifier(value.name, span), (), span)
            return Chain((Link(None, element, (), span),), span)
        case _:
            raise EvaluationError(
                Diagnostic(
                    "CNN209",
                    f"a stream is needed here, not `{shorten(span.text)}`",
                    span,
                    help="write a chain of layers, or a stream's name",
                )
            )
