"""Says Keras's layers that move numbers: other sizes, other orders, joins."""

from __future__ import annotations

import math

from cnndsl.frozen import replace
from cnndsl.importers.networks.keras.config import Unsaid
from cnndsl.importers.networks.keras.converter import Call, Converter, Flow, says

__all__: list[str] = []


@says("Flatten")
def _flatten(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    return converter.flat(flows[0])


@says("Reshape")
def _reshape(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    flow = flows[0]
    target = call.config.wholes("target_shape")
    count = math.prod(flow.shape)
    known = math.prod(one for one in target if one != -1)
    if target.count(-1) > 1 or known == 0 or count % known or (-1 not in target and known != count):
        raise Unsaid(f"{count} numbers do not make {'x'.join(map(str, target))}")
    shape = tuple(count // known if one == -1 else one for one in target)
    if shape == flow.shape:
        return flow
    dims = converter.dims(shape)
    if len(shape) == 1:
        return converter.flat(flow)
    if len(flow.shape) == 1 and flow.maps == dims:
        # Back to the maps that it was made of: their order is ours.
        return converter.add(call, "reshape", [converter.ours(flow)], {"shape": dims})
    if not converter.channels_last or _moves_nothing(converter.dims(flow.shape), dims, flow):
        return converter.add(call, "reshape", [converter.ours(flow)], {"shape": dims})
    source = _turned(converter, call, flow)
    made = converter.add(call, "reshape", [source], {"shape": shape}, label=False)
    order = (len(shape) - 1, *range(len(shape) - 1))
    return converter.add(call, "transpose", [made.name], {"order": order})


def _moves_nothing(before: tuple[int, ...], after: tuple[int, ...], flow: Flow) -> bool:
    """Whether numbers stand in the same order with channels first as with channels last."""
    plain = len(before) == 1 and not flow.maps

    def alike(dims: tuple[int, ...]) -> bool:
        return dims[0] == 1 or math.prod(dims[1:]) == 1

    return (plain or alike(before)) and alike(after)


def _turned(converter: Converter, call: Call, flow: Flow) -> str:
    """A value with its numbers in Keras's order, channels last."""
    if len(flow.shape) == 1:
        return converter.exact(flow)
    order = (*range(1, len(flow.shape)), 0)
    return converter.add(call, "transpose", [flow], {"order": order}, label=False).name


@says("Permute")
def _permute(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    flow = flows[0]
    order = call.config.wholes("dims")
    rank = len(flow.shape)
    if sorted(order) != list(range(1, rank + 1)):
        raise Unsaid(f"`dims` are the numbers from 1 to {rank} in another order")
    ours = [converter.axis(one, rank + 1) for one in order]
    if converter.channels_last:
        ours = [ours[-1], *ours[:-1]]
    if ours == sorted(ours):
        return flow
    return converter.add(call, "transpose", [flow], {"order": tuple(ours)})


@says("Concatenate")
def _concatenate(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    axis = call.config.whole("axis", -1)
    rank = len(flows[0].shape) + 1
    at = converter.axis(axis, rank)
    if at < 0:
        raise Unsaid("it joins along the batch")
    if len(flows) == 1:
        return flows[0]
    if at == 0:
        if any(flow.maps for flow in flows) and _one_order(flows):
            return _joined_vectors(converter, call, flows)
        return converter.add(call, "concat", flows)
    # `concat` joins channels: the dimension takes their place, and goes back.
    order = list(range(rank - 1))
    order[0], order[at] = at, 0
    turn = {"order": tuple(order)}
    turned = [converter.add(call, "transpose", [flow], turn, label=False) for flow in flows]
    joined = converter.add(call, "concat", [one.name for one in turned], label=False)
    return converter.add(call, "transpose", [joined.name], turn)


def _one_order(flows: list[Flow]) -> bool:
    return all(
        not flow.maps or math.prod(flow.maps[1:]) == 1 or flow.maps[0] == 1 for flow in flows
    )


def _joined_vectors(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    """Vectors whose order is the same in both."""
    made = converter.add(call, "concat", [converter.ours(flow) for flow in flows])
    return replace(made, maps=())
