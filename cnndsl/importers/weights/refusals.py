"""The errors of weights that cannot be paired, each with what to write into a map."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import abridged_lines, closest, count, listed
from cnndsl.graph.weights import SHOWN, quoted
from cnndsl.importers.weights.fitting import AmbiguousWeightsError
from cnndsl.importers.weights.layout import sizes
from cnndsl.importers.weights.name_map import Rule
from cnndsl.importers.weights.order import Counts, Mismatch, Ordered, Reordered, Swapped, Unsaid
from cnndsl.importers.weights.shipped_maps import ShippedMap, shipped_maps
from cnndsl.importers.weights.source import Role, SourceLayer, SourceTensor, WeightsSource
from cnndsl.importers.weights.targets import Group, TargetLayer, TargetTensor, group_of

__all__ = ["Refusals"]

_PAGE = "see `cnndsl explain CNN652`"


@dataclass(frozen=True, slots=True, eq=False)
class Refusals:
    """What to say of a file and a network."""

    source: WeightsSource
    network: str

    @property
    def _where(self) -> str:
        return f"`{self.source.path}`"

    # --- maps ---------------------------------------------------------------------------------

    def no_such_weight(
        self, rule: Rule, source: str, target: str, names: Collection[str]
    ) -> UserError:
        """A rule that leads nowhere."""
        near = closest(target, names)
        return UserError(
            "CNN654",
            f"{rule.place} of the map makes {quoted(source)} {quoted(target)}, and"
            f" `{self.network}` has no layer or weight of that name",
            help=f"did you mean {quoted(near[0])}?"
            if near
            else "write the name of a layer as `cnndsl summary` prints it",
        )

    def twice(self, rule: Rule, source: str, target: str) -> UserError:
        """Two tensors for one weight."""
        return UserError(
            "CNN654",
            f"{rule.place} of the map makes {quoted(source)} {quoted(target)}, which another"
            " tensor becomes already",
            help=f"write a rule above it for {quoted(source)}: another name, or `-`",
        )

    def unused(self, rules: Sequence[Rule]) -> UserError:
        """Rules that fit nothing."""
        first = rules[0]
        names = [*self.source.tensors, *(one.name for one in self.source.layers)]
        near = closest(first.left, names)
        return UserError(
            "CNN654",
            f"{first.place} of the map fits nothing: {self._where} has no layer or tensor"
            f" {quoted(first.left)}, or a rule above takes it",
            notes=[f"nor does {one.place} fit anything" for one in rules[1:SHOWN]],
            help=f"did you mean {quoted(near[0])}?"
            if near
            else "take the rule out, or write a name of the file",
        )

    def half_named(self, layer: TargetLayer, named: Collection[str]) -> UserError:
        """A layer of which the map names some weights and not others."""
        lacking = [one.name for one in layer.tensors if one.name not in named]
        return UserError(
            "CNN654",
            f"the map names a part of the weights of {quoted(layer.name)}: not"
            f" {quoted(lacking[0])}",
            help="write a rule for each of its weights, or one for the whole layer",
        )

    # --- pairs --------------------------------------------------------------------------------

    def unlike(self, source: SourceTensor, target: TargetTensor) -> UserError:
        """A pair of tensors of other shapes."""
        return UserError(
            "CNN655",
            f"{quoted(source.name)} cannot become {quoted(target.name)}: it is"
            f" {sizes(source.shape)} in the file, {sizes(target.shape)} in the spec",
            help="pair it with a weight of its shape, or give the spec the sizes of the file",
        )

    def layers_unlike(self, source: SourceLayer, target: TargetLayer, why: str) -> UserError:
        """A pair of layers that cannot be one."""
        whole = [one.dtype for one in source.tensors if "float" not in one.dtype]
        return UserError(
            "CNN655",
            f"{quoted(source.name)} cannot become {quoted(target.name)}: {why}",
            help=f"give the model's weights before they were quantised: {whole[0]} without its"
            " scale says nothing"
            if whole
            else self._sizes_of(source, target),
        )

    def _sizes_of(self, source: SourceLayer, target: TargetLayer) -> str:
        kernel, wanted = source.get(Role.KERNEL), target.get(Role.KERNEL)
        if kernel is not None and wanted is not None and target.keyword == "dense":
            outputs = set(kernel.shape) - set(wanted.shape)
            if len(outputs) == 1:
                return (
                    f"give {quoted(target.name)} the file's sizes: `dense {min(outputs)}`, or"
                    f" `-D classes={min(outputs)}` where that is a parameter"
                )
        return "give the spec the sizes of the file, or pair them otherwise by `--map`"

    def unknown_eps(self, norm: SourceLayer, target: str) -> UserError:
        """A normalisation that is to become part of a kernel, and adds nobody knows what."""
        return AmbiguousWeightsError(
            "CNN653",
            f"{quoted(norm.name)} can become part of {quoted(target)} only where it is known what"
            f" it adds to variances, and {self._where} does not say it",
            help="add `--eps 1e-5`, which is PyTorch's own, or what the model has",
        )

    # --- what is left over --------------------------------------------------------------------

    def lacking(self, layer: TargetLayer) -> UserError:
        """A layer that nothing is left for."""
        return self._error(
            f"{self._where} has nothing for {quoted(layer.name)} of `{self.network}`"
            f" ({_of_target(layer)})",
            [],
            "say by a map (`--map FILE`) what becomes it: `NAME "
            f"{layer.name}`, with a name of the file; {_PAGE}",
        )

    def surplus(self, tensors: Sequence[SourceTensor], name: str = "") -> UserError:
        """Tensors that nothing is made of; by a name they can be left out."""
        shown = [f"{quoted(one.name)} ({sizes(one.shape)})" for one in tensors]
        return self._error(
            f"`{self.network}` has no weight for {count(len(tensors), 'tensor')} of {self._where}",
            [f"left over: {one}" for one in abridged_lines(shown, SHOWN)],
            f"say by a map (`--map FILE`) what they are, or `{name or tensors[0].name} -` to leave"
            f" them out; {_PAGE}",
        )

    def of(self, problem: object, found: Ordered) -> UserError:
        """What keeps layers from being paired by their order."""
        match problem:
            case Counts():
                return self._counts(problem)
            case Mismatch():
                return self._mismatch(problem)
            case Unsaid():
                return self._unsaid(problem)
            case Swapped():
                return self._swapped(problem)
            case Reordered():
                tensors = [tensor for layer in problem.layers for tensor in layer.tensors]
                return self.surplus(tensors)
        raise AssertionError(found)

    def _counts(self, problem: Counts) -> UserError:
        here, there = len(problem.sources), len(problem.targets)
        noun = _noun(problem.group)
        if problem.alike:
            of = _of_source(problem.sources[0]) if here else _of_target(problem.targets[0])
            noun, plural = f"{noun} of {of}", f"{noun}s of {of}"
            number = count(here, noun, plural)
        else:
            number = count(here, noun)
        notes = [f"in the file: {one}" for one in self._first(problem.sources)]
        notes += [f"in the spec: {one}" for one in self._first_targets(problem.targets)]
        if not there:
            out = "leave it out" if here == 1 else "leave the first out"
            return self._error(
                f"{self._where} and `{self.network}` have not the same layers:"
                f" {number} in the file, none in the spec",
                notes,
                f"{out} by a map (`--map FILE`): `{problem.sources[0].name} -`; {_PAGE}",
            )
        return self._error(
            f"{self._where} and `{self.network}` have not the same layers:"
            f" {number} in the file, {there} in the spec",
            notes,
            f"say by a map (`--map FILE`) which are which, `NAME -` for what is to be left out;"
            f" {_PAGE}",
        )

    def _mismatch(self, problem: Mismatch) -> UserError:
        noun = _noun(problem.group)
        return self._error(
            f"{self._where} and `{self.network}` have not the same layers: {noun}"
            f" {problem.at + 1} is {quoted(problem.source.name)}"
            f" ({_of_source(problem.source)}) in the file, {quoted(problem.target.name)}"
            f" ({_of_target(problem.target)}) in the spec",
            [],
            f"say by a map (`--map FILE`) which are which: `{problem.source.name}"
            f" NAME`, with a layer of the spec; {_PAGE}",
        )

    def _unsaid(self, problem: Unsaid) -> UserError:
        first, second = quoted(problem.first.name), quoted(problem.second.name)
        a, b = (one.name for one in problem.targets)
        return AmbiguousWeightsError(
            "CNN653",
            f"{first} and {second} are alike ({_of_source(problem.first)}), and {self._where} does"
            f" not say which comes first: they may be `{a}` and `{b}`, or the other way around",
            help=f"say it by a map (`--map FILE`): `{problem.first.name} {a}`; {_PAGE}",
        )

    def _swapped(self, problem: Swapped) -> UserError:
        name = problem.source.name
        return AmbiguousWeightsError(
            "CNN653",
            f"{quoted(name)} of {self._where} may be {quoted(name)} of `{self.network}`, by its"
            f" name, or {quoted(problem.target.name)}, by its place and shape",
            help=f"say which by a map (`--map FILE`): `{name} {problem.target.name}`; {_PAGE}",
        )

    def _error(self, message: str, notes: Iterable[str], help: str) -> UserError:
        known = self._known()
        if known is None:
            return UserError("CNN652", message, notes=notes, help=help)
        specs = [f"`{one}`" for one in known.specs]
        return UserError(
            "CNN652",
            message,
            notes=[*notes, f"the file has the names of {known.title}"],
            help=f"take the spec of that model: {listed(specs, 'or')}",
        )

    def _known(self) -> ShippedMap | None:
        """The model that all names of the file are those of, where another spec is that."""
        for shipped in shipped_maps():
            if self.network.replace("_", "-") in shipped.specs:
                continue
            if len(self.source.layers) not in shipped.layers:
                continue
            named = [
                any(rule.target(layer.name) for rule in shipped.rules)
                for layer in self.source.layers
            ]
            if named and all(named):
                return shipped
        return None

    def _first(self, layers: Sequence[SourceLayer]) -> list[str]:
        return list(abridged_lines([f"{quoted(x.name)} ({_of_source(x)})" for x in layers], 4))

    def _first_targets(self, layers: Sequence[TargetLayer]) -> list[str]:
        return list(abridged_lines([f"{quoted(x.name)} ({_of_target(x)})" for x in layers], 4))


def _noun(group: Group) -> str:
    return {
        Group.KERNEL: "kernel",
        Group.NORM: "normalisation",
        Group.AFFINE: "scale with a bias",
        Group.VECTOR: "vector",
        Group.OFFSET: "bias alone",
        Group.ATTENTION: "attention",
        Group.OTHER: "layer",
    }[group]


def _of_source(layer: SourceLayer) -> str:
    bias = "" if layer.get(Role.BIAS) is not None else ", no bias"
    main = max(layer.tensors, key=lambda one: (one.role is Role.KERNEL, len(one.shape)))
    return _sized(main.shape, bias, group_of(layer.roles))


def _of_target(layer: TargetLayer) -> str:
    bias = "" if layer.get(Role.BIAS) is not None else ", no bias"
    return f"{layer.keyword}, {_sized(layer.tensors[0].shape, bias, layer.group)}"


def _sized(shape: tuple[int, ...], bias: str, group: Group) -> str:
    return sizes(shape) + (bias if group is Group.KERNEL else "")
