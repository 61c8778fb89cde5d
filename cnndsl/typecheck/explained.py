"""Finds the layers that a label or a line of a spec means, and works out their arithmetic.

Where a spec has mistakes, each layer is explained as far as its input is known; one with a fault
says why it does not fit, and one with holes what they can be.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError
from typing_extensions import override

from cnndsl import resources
from cnndsl.analysis.arithmetic import PARAMETERS, Surroundings, Topic, arithmetic
from cnndsl.analysis.arithmetic_json import ArithmeticJson, arithmetic_json
from cnndsl.analysis.arithmetic_text import Heading, latex_of, markdown_of, text_of
from cnndsl.analysis.solution_sets import Family, Holes, Row, families, numbers_in
from cnndsl.analysis.summary import phrase
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import Diagnostic, Severity, UserError
from cnndsl.diagnostics.words import closest, count, quoted
from cnndsl.elaborate.draft import Poison, SolvedLayer
from cnndsl.elaborate.network import InputNode, LayerNode, Network
from cnndsl.elaborate.node_types import UNKNOWN, Fact, infer_node
from cnndsl.frozen import frozen, replace
from cnndsl.typecheck.checked import Checked
from cnndsl.typecheck.facts import Inference

__all__ = ["LayerArithmetic", "explained"]

LISTED = 8
"""So many names of layers are listed in a message."""


@frozen
class LayerArithmetic:
    """The arithmetic of one layer in its network, with its own numbers.

    ``topics`` are the output, the parameters and so on, each with its equations, whose terms are
    formulas that can be worked out: ``equation.term.value``.
    """

    heading: Heading
    topics: tuple[Topic, ...]

    @property
    def name(self) -> str:
        """The layer's name."""
        return self.heading.name

    def text(self) -> str:
        """For a terminal, no wider than 80 columns."""
        return text_of(self.heading, self.topics)

    def latex(self) -> str:
        """For a document or slides with amsmath."""
        return latex_of(self.heading, self.topics)

    def markdown(self) -> str:
        """For GitHub, notebooks and slides, with formulas between dollars."""
        return markdown_of(self.heading, self.topics)

    def to_json(self) -> ArithmeticJson:
        """For programs: formulas in letters and numbers, and what they come to."""
        return arithmetic_json(self.heading, self.topics)

    @override
    def __str__(self) -> str:
        return self.text()


def explained(checked: Checked, where: str) -> tuple[LayerArithmetic, ...]:
    """The arithmetic of the layers that a label, a name or a line's number means.

    A label of a block's call or of a loop means all layers in it.

    Raises:
        UserError: CNN640 for a name that there is not, CNN641 for a line without layers.
        CompileError: where the text is not understood so far that there are layers.
    """
    inference = checked.inference
    if inference is None or not inference.facts:
        raise CompileError(checked.diagnostics)
    network = inference.network
    if where.isascii() and where.isdecimal():
        positions = _on_line(checked, network, int(where))
    else:
        positions = _named(network, where)
    around = Surroundings.of(checked.network) if checked.network else _around(inference)
    return tuple(_layer(checked, inference, at, around) for at in positions)


def _around(inference: Inference) -> Surroundings | None:
    """What is around layers of a network that fits, though something else may be wrong with it."""
    fits = inference.certain and not inference.failures
    layers = (getattr(node, "layer", None) for node in inference.network.nodes)
    poisoned = any(isinstance(layer, Poison) for layer in layers)
    return Surroundings.of(inference.typed()) if fits and not poisoned else None


# --- which layers -------------------------------------------------------------------------------


def _named(network: Network, name: str) -> list[int]:
    """The layer of that name, or all those in the scope of that name."""
    names = {node.name: at for at, node in enumerate(network.nodes)}
    at = names.get(name)
    if at is not None and isinstance(network.nodes[at], LayerNode):
        return [at]
    inside = [at for one, at in names.items() if one.startswith(f"{name}.")]
    if inside:
        return inside
    if at is None and name in network.scopes and network.scopes[name] != -1:
        result = network.scopes[name]
        if isinstance(network.nodes[result], LayerNode):
            return [result]
    layers = [node.name for node in network.nodes if isinstance(node, LayerNode)]
    if at is not None or network.scopes.get(name) is not None:
        node = network.nodes[network.scopes[name] if at is None else at]
        assert isinstance(node, InputNode)
        raise UserError(
            "CNN640",
            f"`{name}` is an input of {node.type}, and no layer",
            help=f"name a layer, as in `{layers[0]}`" if layers else "",
        )
    near = closest(name, [*layers, *network.scopes])
    scope, there = _nearest_scope(name, layers)
    some = quoted(there[:LISTED]) + (", …" if len(there) > LISTED else "")
    raise UserError(
        "CNN640",
        f"no layer of `{network.name}` is called `{name}`",
        notes=() if near else (f"there are {some}{f' in `{scope}`' if scope else ''}",),
        help=f"did you mean {quoted(near, ' or ')}?" if near else "give a layer's name, or a line",
    )


def _nearest_scope(name: str, layers: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The innermost scope that a name and any layers share, and these layers; else all."""
    parts = name.split(".")
    for known in range(len(parts) - 1, 0, -1):
        scope = ".".join(parts[:known])
        if inside := [one for one in layers if one.startswith(f"{scope}.")]:
            return scope, inside
    return "", layers


def _on_line(checked: Checked, network: Network, line: int) -> list[int]:
    """The layers that stand on a line of the file, or are made by a call on it."""
    source = checked.source
    written: list[int] = []
    called: list[int] = []
    for at, node in enumerate(network.nodes):
        if not isinstance(node, LayerNode):
            continue
        if node.span.source is source and node.span.first.line <= line <= node.span.last.line:
            written.append(at)
        elif any(one.source is source and one.first.line == line for one in node.trace):
            called.append(at)
    if written or called:
        return written or called
    layers = [node for node in network.nodes if isinstance(node, LayerNode)]
    spans = (span for node in layers for span in (node.span, *node.trace))
    lines = sorted(
        {span.first.line for span in spans if span.source is source},
        key=lambda one: (abs(one - line), one),
    )
    whole = source.text.count("\n") + (not source.text.endswith("\n"))
    last = f"`{source.name}` has {count(whole, 'line')}" if not 0 < line <= whole else ""
    raise UserError(
        "CNN641",
        f"line {line} has no layer",
        notes=(last,) if last else (),
        help=f"the nearest is in line {lines[0]}" if lines else "name a layer instead",
    )


# --- one layer ----------------------------------------------------------------------------------


def _layer(
    checked: Checked, inference: Inference, position: int, around: Surroundings | None
) -> LayerArithmetic:
    node = inference.network.nodes[position]
    assert isinstance(node, LayerNode)
    facts = [inference.facts[source] for source in node.inputs]
    known = [fact.type for fact in facts if fact.type is not None]
    poison = isinstance(node.layer, Poison)
    problems = [*_problems(checked.diagnostics, node, is_solved=position in checked.solved)]
    topics: tuple[Topic, ...] = ()
    if not poison and len(known) == len(facts) and not _is_fatal(inference, position):
        topics = arithmetic(node, known, position, around)
    if not poison and not all(fact.certain for fact in facts):
        problems.append("the sizes of its input are not known: a layer before it does not fit")
        topics = tuple(
            one
            for one in topics
            if one.title == PARAMETERS and inference.weights[position] is not None
        )
    elif any(one.node == position for one in inference.failures):
        topics = topics[:2]  # what follows from its output is not known
    solved = checked.solved.get(position)
    output = UNKNOWN if poison else inference.computed[position]
    calls = (one.first.line for one in node.trace if one.source is checked.source)
    heading = Heading(
        name=node.name,
        phrase=" ".join(node.span.text.split()) if poison or solved else phrase(node),
        file=_file(node.span.source.name),
        line=node.span.first.line,
        call=next(calls, None),
        inputs=tuple(facts),
        output=output,
        problems=tuple(dict.fromkeys(problems)),
        holes=_holes(solved, node, inference, output) if solved else None,
        field=around.fields[position].sizes if around is not None else (),
    )
    return LayerArithmetic(heading, topics)


def _is_fatal(inference: Inference, position: int) -> bool:
    return any(one.node == position and one.fault.fatal for one in inference.failures)


def _file(name: str) -> str:
    """A file's name; that of a shipped one within the shipped specs."""
    shipped = resources.specs().resolve()
    path = Path(name).resolve()
    return str(path.relative_to(shipped)) if path.is_relative_to(shipped) else name


def _problems(
    diagnostics: Sequence[Diagnostic], node: LayerNode, *, is_solved: bool
) -> Iterator[str]:
    """What is wrong with the layer, and what mends it."""
    span = node.span
    for one in diagnostics:
        inside = one.span.source is span.source and (
            span.start <= one.span.start <= one.span.end <= span.end
        )
        if not inside or one.severity is not Severity.ERROR or (is_solved and one.hole):
            continue
        yield f"it does not fit: {one.message}"
        yield from one.notes
        if one.help:
            yield f"help: {one.help}"


# --- holes --------------------------------------------------------------------------------------

FAR = 10**6
"""What fits at such a number too, with the output that it has before, fits at all between."""


def _holes(solved: SolvedLayer, node: LayerNode, inference: Inference, output: Fact) -> Holes:
    """What the open parameters can be together; those that never end are told to be so.

    Sizes of windows grow evenly with what they are made of, so that a step that leaves the output
    as it is, and does so far from where it began, always does.
    """

    def output_of(row: Row) -> str | None:
        bound = replace(solved.bound, values={**solved.bound.values, **row})
        try:
            layer = bound.validate()
        except ValidationError:
            return None
        fact, faults = infer_node(replace(node, layer=layer), inference.facts)
        return None if faults else str(fact)

    def goes_on(family: Family, *, by: int = 0) -> bool:
        return output_of(family.at((family.count or 0) + by)) == str(output)

    def ends(family: Family) -> bool:
        behind = family.at(family.count or 0)
        tried = all(number <= solved.largest for number in numbers_in(behind))
        return family.count is None or tried or output_of(behind) is None

    found = families(solved.values)
    if solved.complete:
        return Holes(solved.values, found)
    told = tuple(
        replace(one, count=None)
        if one.count != 1 and goes_on(one) and goes_on(one, by=1) and goes_on(one, by=FAR)
        else one
        for one in found
    )
    if not solved.all_tried:
        return Holes(solved.values, told, left="some numbers")
    all_end = all(one.count != 1 and ends(one) for one in told)
    return Holes(solved.values, told, left="" if all_end else "larger numbers")
