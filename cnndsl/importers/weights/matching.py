"""Pairs the layers of a file with those of a network: by a map, by names, by order and shape.

What a map of the user's says counts first. What is left is paired by one way: by names where every
layer of the network has one of its name in the file; by a shipped map, where all names of the file
are those of a known model; by connections, where the file says them; else by order, each group of
layers (kernels, normalisations, ...) for itself, where that can be done in one way only. Whatever
is in doubt is refused, with what to write into a map. What does not fit as it is may fit where
biases and normalisations are folded (``folding``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import abridged, count
from cnndsl.importers.weights.connections import connected
from cnndsl.importers.weights.fitting import AmbiguousWeightsError, Fit, Fitting
from cnndsl.importers.weights.folding import View, folded_into, views
from cnndsl.importers.weights.name_map import Rule
from cnndsl.importers.weights.order import in_order
from cnndsl.importers.weights.pairing import Pair, Pairing
from cnndsl.importers.weights.refusals import Refusals
from cnndsl.importers.weights.shipped_maps import ShippedMap, shipped_maps
from cnndsl.importers.weights.source import LeftOut, SourceLayer, SourceTensor, WeightsSource
from cnndsl.importers.weights.targets import Group, TargetLayer, TargetTensor, group_of

__all__ = ["pair"]


def pair(
    source: WeightsSource,
    targets: Sequence[TargetLayer],
    network: str,
    rules: Sequence[Rule] = (),
    *,
    channels_last: bool | None = None,
    eps: float | None = None,
) -> Pairing:
    """What tensor of a file each weight of a network becomes of.

    Args:
        source: the file.
        targets: the network's layers, as ``targets_of`` gives them.
        network: its name.
        rules: the user's map.
        channels_last: how the file's axes stand, where it does not say so and the user does.
        eps: what its normalisations add to variances, where it does not say so and the user does.

    Raises:
        UserError: CNN652 where tensors or weights are left over, CNN653 where there are several
            ways, CNN654 where the map does not fit, CNN655 where a pair has not the same shape.
    """
    known = source.channels_last if channels_last is None else channels_last
    fitting = Fitting.of(source, targets, known)
    first: UserError | None = None
    for view in views(source.layers, targets):
        matcher = _Matcher(source, view, network, fitting, Refusals(source, network), eps)
        try:
            matcher.take_rules(rules)
            matcher.take_rest()
            return matcher.result(targets)
        except AmbiguousWeightsError:
            raise
        except UserError as error:
            first = first or error
    assert first is not None
    raise first


@dataclass(eq=False)
class _Matcher:
    source: WeightsSource
    view: View
    network: str
    fitting: Fitting
    refusals: Refusals
    eps: float | None = None
    pairs: dict[str, Pair] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    """The names of tensors that have become something, or are left out by the map."""
    left: list[LeftOut] = field(default_factory=list)
    by: list[str] = field(default_factory=list)
    kept: list[tuple[SourceLayer, Fit]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    folded: dict[str, SourceLayer] = field(default_factory=dict)
    """Normalisations of the file that become part of a layer, by that one's name in the spec."""

    @cached_property
    def _target_layers(self) -> Mapping[str, TargetLayer]:
        return {one.name: one for one in self.view.targets}

    @cached_property
    def _weights(self) -> Mapping[str, tuple[TargetLayer, TargetTensor]]:
        return {one.name: (layer, one) for layer in self.view.targets for one in layer.tensors}

    # --- the user's map -----------------------------------------------------------------------

    def take_rules(self, rules: Sequence[Rule]) -> None:
        """Pair what the map names: tensors, or whole layers."""
        used: set[Rule] = set()
        for layer in self.view.sources:
            for tensor in layer.tensors:
                rule, name = _first(rules, tensor.name)
                if rule is not None:
                    used.add(rule)
                    self._take_tensor(rule, tensor, name)
            rest = self._rest(layer)
            rule, name = _first(rules, layer.name)
            if rule is not None and rest.tensors:
                used.add(rule)
                self._take_layer(rule, rest, name)
        if unused := [rule for rule in rules if rule not in used]:
            raise self.refusals.unused(unused)
        if rules:
            self.by.append("the map")

    def _take_tensor(self, rule: Rule, tensor: SourceTensor, name: str) -> None:
        self.taken.add(tensor.name)
        if rule.leaves_out:
            self.left.append(LeftOut(tensor.name, "left out by the map"))
            return
        weights = self._weights
        if name not in weights:
            raise self.refusals.no_such_weight(
                rule, tensor.name, name, [*weights, *self._target_layers]
            )
        if name in self.pairs:
            raise self.refusals.twice(rule, tensor.name, name)
        found = self.fitting.tensor(tensor, *weights[name], rule.axes)
        if found is None:
            raise self.refusals.unlike(tensor, weights[name][1])
        self.pairs[name] = found

    def _take_layer(self, rule: Rule, layer: SourceLayer, name: str) -> None:
        if rule.leaves_out:
            self.left += [LeftOut(one.name, "left out by the map") for one in layer.tensors]
            self.taken |= {one.name for one in layer.tensors}
            return
        layers = self._target_layers
        if name not in layers:
            raise self.refusals.no_such_weight(rule, layer.name, name, [*layers])
        if group_of(layer.roles) is Group.NORM and layers[name].group is Group.KERNEL:
            self.folded[name] = layer
            self.taken |= {one.name for one in layer.tensors}
            return
        if any(one.name in self.pairs for one in layers[name].tensors):
            raise self.refusals.twice(rule, layer.name, name)
        self._take(layer, layers[name], rule.axes)

    def _take(self, layer: SourceLayer, target: TargetLayer, axes: str = "") -> None:
        found = self.fitting.layer(layer, target, axes)
        if isinstance(found, str):
            raise self.refusals.layers_unlike(layer, target, found)
        self._keep(layer, found)

    def _keep(self, layer: SourceLayer, fit: Fit) -> None:
        self.kept.append((layer, fit))
        self.pairs |= {one.target.name: one for one in fit}
        self.taken |= {one.name for one in layer.tensors}

    def _rest(self, layer: SourceLayer) -> SourceLayer:
        tensors = tuple(one for one in layer.tensors if one.name not in self.taken)
        return layer if len(tensors) == len(layer.tensors) else replace(layer, tensors=tensors)

    # --- what is left -------------------------------------------------------------------------

    def take_rest(self) -> None:
        """Pair what no rule names, in the first way that there is."""
        sources = [one for one in map(self._rest, self.view.sources) if one.tensors]
        targets = [
            one
            for one in self.view.targets
            if not all(tensor.name in self.pairs for tensor in one.tensors)
        ]
        if partly := [
            one for one in targets if any(tensor.name in self.pairs for tensor in one.tensors)
        ]:
            raise self.refusals.half_named(partly[0], self.pairs)
        if not sources and not any(one.required for one in targets):
            return
        if self._by_names(sources, targets) or self._by_shipped(sources, targets):
            return
        if not self._by_connections(sources, targets):
            self._by_order(sources, targets)

    def _by_names(self, sources: Sequence[SourceLayer], targets: Sequence[TargetLayer]) -> bool:
        """Where every layer has one of its own name in the file, and the file no more."""
        named = {one.name: one for one in sources}
        wanted = [one for one in targets if one.required or one.name in named]
        if len(named) != len(sources) or {one.name for one in wanted} != named.keys():
            return False
        for target in wanted:
            self._take(named[target.name], target)
        self.by.append("names")
        return True

    def _by_shipped(self, sources: Sequence[SourceLayer], targets: Sequence[TargetLayer]) -> bool:
        """Where the names are those of a model that there is a map for."""
        for shipped in shipped_maps():
            found = _by_map(shipped, sources, targets)
            if found is None:
                continue
            for source, target in found:
                self._take(source, target)
            self.by.append(f"the names of {shipped.title}")
            self.notes += shipped.notes
            return True
        return False

    def _refuse_what_names_say(
        self, sources: Sequence[SourceLayer], targets: Sequence[TargetLayer]
    ) -> None:
        """Where all names agree, but for layers that only one side has, these are what is wrong.

        Raises:
            UserError: CNN652.
        """
        wanted = {one.name for one in targets}
        for rules in ((Rule("(.*)", r"\1"),), *(one.rules for one in shipped_maps())):
            named = {one.name: _first(rules, one.name)[1] for one in sources}
            more = [one for one in sources if named[one.name] not in wanted]
            less = [one for one in targets if one.required and one.name not in named.values()]
            if more and not less:
                raise self.refusals.surplus([x for one in more for x in one.tensors], more[0].name)
            if less and not more and len(less) < len(targets):
                raise self.refusals.lacking(less[0])

    def _by_connections(
        self, sources: Sequence[SourceLayer], targets: Sequence[TargetLayer]
    ) -> bool:
        """Where the file says how its layers are connected, and those of the spec are alike."""
        for wanted in (targets, [one for one in targets if one.required]):
            found = connected(sources, wanted) or []
            fits = [(one, self.fitting.layer(one, target)) for one, target in found]
            pairs = [(one, fit) for one, fit in fits if not isinstance(fit, str)]
            if found and len(pairs) == len(found):
                for source, fit in pairs:
                    self._keep(source, fit)
                self.by.append("connections and shape")
                return True
        return False

    def _by_order(self, sources: Sequence[SourceLayer], targets: Sequence[TargetLayer]) -> None:
        found = in_order(
            sources,
            targets,
            self.fitting,
            ordered=self.source.ordered,
            branches=self.source.branches,
        )
        if found.problem is not None:
            self._refuse_what_names_say(sources, targets)
            raise self.refusals.of(found.problem, found)
        for source, _, fit in found.pairs:
            self._keep(source, fit)
        self.notes += found.notes
        self.by.append("order and shape")

    # --- the result ---------------------------------------------------------------------------

    def result(self, targets: Sequence[TargetLayer]) -> Pairing:
        """All pairs in the order of the spec; whatever is required must be there."""
        self._fold()
        found = self.view.settled(self.pairs)
        pairs, absent = [], []
        for layer in targets:
            for tensor in layer.tensors:
                if tensor.name in found:
                    pairs.append(found[tensor.name])
                elif layer.required:
                    raise self.refusals.lacking(layer)
                else:
                    absent.append(tensor.name)
        surplus = [
            tensor
            for layer in self.view.sources
            for tensor in layer.tensors
            if tensor.name not in self.taken
        ]
        if surplus:
            raise self.refusals.surplus(surplus)
        return Pairing(
            network=self.network,
            path=self.source.path,
            format=self.source.format,
            by=", then by ".join(self.by),
            pairs=tuple(pairs),
            left_out=(*self.source.left_out, *self.left),
            absent=tuple(absent),
            notes=(
                *self.source.notes,
                *self.fitting.notes,
                *self.notes,
                *self.view.notes(self.pairs),
                *_other_eps(self.kept, self.view.targets, self.eps),
            ),
            classes=self.source.classes,
        )

    def _fold(self) -> None:
        """Make normalisations of the file part of the layers that they stand behind."""
        for source, fit in self.kept:
            if (norm := self.view.folded.get(source.name)) is not None:
                self.folded[self._weights[fit[0].target.name][0].name] = norm
        for name, norm in self.folded.items():
            eps = self.eps if norm.eps is None else norm.eps
            if eps is None:
                raise self.refusals.unknown_eps(norm, name)
            layer = self._target_layers[name]
            if any(one.name not in self.pairs for one in layer.tensors):
                raise self.refusals.lacking(layer)
            self.pairs |= folded_into(layer, self.pairs, norm, eps)
        if self.folded:
            self.notes.append(
                f"{count(len(self.folded), 'normalisation')} of the file became part of kernels"
            )


def _other_eps(
    kept: Sequence[tuple[SourceLayer, Fit]], targets: Sequence[TargetLayer], said: float | None
) -> Iterator[str]:
    """What to say of normalisations that add another number to variances here."""
    wanted = {one.name: layer for layer in targets for one in layer.tensors}
    names: dict[tuple[float, float], list[str]] = {}
    for source, fit in kept:
        target = wanted[fit[0].target.name]
        eps = said if source.eps is None else source.eps
        if eps is None or target.eps is None or group_of(source.roles) is not Group.NORM:
            continue
        if not math.isclose(eps, target.eps, rel_tol=1e-3):
            names.setdefault((eps, target.eps), []).append(target.name)
    for (theirs, ours), found in names.items():
        yield (
            f"answers differ a little: `eps` is {theirs:.3g} in the file, {ours:.3g} in the spec,"
            f" of {abridged([f'`{one}`' for one in found], 2)}"
        )


def _first(rules: Sequence[Rule], name: str) -> tuple[Rule | None, str]:
    for rule in rules:
        if (target := rule.target(name)) is not None:
            return rule, target
    return None, ""


def _by_map(
    shipped: ShippedMap, sources: Sequence[SourceLayer], targets: Sequence[TargetLayer]
) -> list[tuple[SourceLayer, TargetLayer]] | None:
    """The pairs of a shipped map, where it names every layer on both sides; else None."""
    wanted: Mapping[str, TargetLayer] = {one.name: one for one in targets}
    pairs: dict[str, tuple[SourceLayer, TargetLayer]] = {}
    for source in sources:
        rule, name = _first(shipped.rules, source.name)
        if rule is None or name not in wanted or name in pairs:
            return None
        pairs[name] = source, wanted[name]
    if any(one.required and one.name not in pairs for one in targets):
        return None
    return [pairs[one.name] for one in targets if one.name in pairs]
