"""Goes through a model call by call, through models in models and layers that are called twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cnndsl.diagnostics.model import UserError
from cnndsl.frozen import frozen, replace
from cnndsl.importers.networks.given_sizes import SAY_SIZES
from cnndsl.importers.networks.keras import (
    number_layers,
    shape_layers,
    window_layers,
)
from cnndsl.importers.networks.keras.config import Config, Unsaid
from cnndsl.importers.networks.keras.converter import LAYERS, Call, Converter, Flow

__all__ = ["Walk", "inputs_of", "is_model", "layers_in", "name_of"]

_LOADED = (window_layers, number_layers, shape_layers)
"""The modules that say layers; loading them fills the table of layers."""

_MODELS = ("Functional", "Model", "Sequential")

_REASONS = {
    **dict.fromkeys(
        ("LSTM", "GRU", "SimpleRNN", "RNN", "Bidirectional", "ConvLSTM1D", "ConvLSTM2D",
         "ConvLSTM3D", "StackedRNNCells", "LSTMCell", "GRUCell"),
        "it carries a state from one step to the next",
    ),
    **dict.fromkeys(("Lambda", "TFOpLambda", "SlicingOpLambda"), "it runs a program's own code"),
    "TimeDistributed": "it calls a layer for each step; a convolution of a dimension more may do",
    "Masking": "layers behind it would leave out steps",
    "GaussianDropout": "no layer multiplies by random numbers about 1",
    **dict.fromkeys(
        ("Attention", "AdditiveAttention", "MultiHeadAttention", "GroupQueryAttention"),
        "`attention` has its queries, keys and values of one stream, in projections of its own",
    ),
}  # fmt: skip

_DEEPEST = 50
"""So deep models may stand in each other."""


def is_model(entry: Mapping[str, Any]) -> bool:
    """Whether a layer's entry is a model of its own."""
    config = entry.get("config")
    return (
        isinstance(config, dict | list)
        and entry.get("class_name") in _MODELS
        and (isinstance(config, list) or "layers" in config)
    )


def layers_in(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of a model's layers."""
    config = entry.get("config")
    found = config if isinstance(config, list) else config.get("layers", []) if config else []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise UserError("CNN683", "a model whose `layers` are no list of layers")
    return found


def name_of(entry: Mapping[str, Any]) -> str:
    """What a layer is called."""
    config = entry.get("config")
    inner = config.get("name") if isinstance(config, dict) else None
    return str(entry.get("name") or inner or entry.get("class_name", "layer"))


def inputs_of(entry: Mapping[str, Any]) -> Iterator[tuple[str, Sequence[int | None], str]]:
    """A model's inputs: name, sizes with the batch, type of number."""
    layers = layers_in(entry)
    if entry.get("class_name") == "Sequential":
        yield _sequential_input(entry, layers)
        return
    named = {name_of(one): one for one in layers}
    for name in _ends(entry["config"].get("input_layers", [])):
        config = named.get(name[0], {}).get("config", {})
        shape = config.get("batch_shape") or config.get("batch_input_shape")
        if shape is None:
            raise UserError("CNN683", f"the input `{name[0]}` has no `batch_shape`")
        yield name[0], shape, str(config.get("dtype", "float32"))


def _sequential_input(
    entry: Mapping[str, Any], layers: Sequence[Mapping[str, Any]]
) -> tuple[str, Sequence[int | None], str]:
    if not layers:
        raise UserError("CNN683", "a `Sequential` model without layers")
    first = layers[0].get("config")
    outer = entry.get("config")
    name, shape, dtype = "input", None, "float32"
    if is_model(layers[0]):
        return next(inputs_of(layers[0]))
    if isinstance(first, dict):
        shape = first.get("batch_shape") or first.get("batch_input_shape")
        if layers[0].get("class_name") == "InputLayer":
            name, dtype = name_of(layers[0]), str(first.get("dtype", "float32"))
    if shape is None and isinstance(outer, dict):
        built = outer.get("build_input_shape")
        built_of = layers[0].get("build_config")
        if built is None and isinstance(built_of, dict):
            built = built_of.get("input_shape")
        shape = built
    if shape is None:
        raise UserError(
            "CNN682",
            "the file does not say how large the model's input is: it was never built",
            help=SAY_SIZES,
        )
    return name, shape, dtype


def _ends(found: Any) -> list[tuple[str, int, int]]:
    """References to values: `["name", 0, 0]`, or a list of such; or by names, as for dicts."""
    if isinstance(found, dict):
        found = list(found.values())
    if isinstance(found, list) and found and isinstance(found[0], str):
        found = [found]
    return [_reference(one) for one in found]


def _reference(found: Any) -> tuple[str, int, int]:
    if isinstance(found, list) and len(found) >= 3 and isinstance(found[0], str):
        numbers = found[1:3]
        if all(isinstance(one, int) for one in numbers):
            return found[0], *numbers
    raise UserError("CNN683", f"a reference to a layer's result that is none: {str(found)[:60]}")


@frozen
class _Node:
    """One call of a layer in a functional model: what it reads, and what it is called with."""

    inputs: tuple[tuple[str, int, int], ...]
    odd: str = ""
    """What it is called with beside tensors, where that may change what it computes."""


class Walk:
    """Says a model's calls one after the other.

    Args:
        converter: what the layers are said with.
    """

    def __init__(self, converter: Converter) -> None:
        self.converter = converter
        self.calls: list[Call] = []
        self._first: dict[str, str] = {}

    def run(
        self, entry: Mapping[str, Any], flows: Sequence[Flow], path: str = "", depth: int = 0
    ) -> list[Flow]:
        """What a model gives for these inputs."""
        if depth > _DEEPEST:
            raise UserError("CNN683", f"models in models, more than {_DEEPEST} deep")
        if entry.get("class_name") == "Sequential":
            flow = list(flows)
            for layer in layers_in(entry):
                if layer.get("class_name") != "InputLayer":
                    flow = self._call(layer, flow, path, depth)
            return flow
        return self._functional(entry, flows, path, depth)

    def _functional(
        self, entry: Mapping[str, Any], flows: Sequence[Flow], path: str, depth: int
    ) -> list[Flow]:
        config = entry["config"]
        _demand_names(entry)
        starts = _ends(config.get("input_layers", []))
        if len(starts) != len(flows):
            raise UserError("CNN683", f"a model of {len(starts)} inputs, called with {len(flows)}")
        values = {(name, 0): [flow] for (name, _, _), flow in zip(starts, flows, strict=True)}
        waiting = [
            (name_of(layer), at, layer, node)
            for layer in layers_in(entry)
            if layer.get("class_name") != "InputLayer"
            for at, node in enumerate(_nodes(layer))
        ]
        reads = Counter(one for *_, node in waiting for one in node.inputs)
        reads.update(_ends(config.get("output_layers", [])))
        while waiting:
            left = []
            for name, at, layer, node in waiting:
                if any(one[:2] not in values for one in node.inputs):
                    left.append((name, at, layer, node))
                    continue
                read = [_result(values, one) for one in node.inputs]
                for one, flow in zip(node.inputs, read, strict=True):
                    if reads[one] > 1:
                        self.converter.untouched.discard(flow.name)
                values[name, at] = self._call(layer, read, path, depth, node.odd)
            if len(left) == len(waiting):
                # Calls that stand outside of the model at hand, or that lead nowhere.
                break
            waiting = left
        missing = [one for one in _ends(config.get("output_layers", [])) if one[:2] not in values]
        if missing:
            raise UserError(
                "CNN683",
                f"the model gives what layer `{missing[0][0]}` computes, which nothing leads to",
            )
        return [_result(values, one) for one in _ends(config.get("output_layers", []))]

    def _call(
        self, entry: Mapping[str, Any], flows: list[Flow], path: str, depth: int, odd: str = ""
    ) -> list[Flow]:
        name = f"{path}{name_of(entry)}"
        if is_model(entry):
            return self.run(entry, flows, f"{name}/", depth + 1)
        config = entry.get("config")
        kind = str(entry.get("class_name", ""))
        values = config if isinstance(config, dict) else {}
        call = Call(Config(values, kind, name), name, self._first.get(name, ""))
        self.calls.append(call)
        flow = self._said(call, flows, odd)
        self._first.setdefault(name, flow.name)
        if values.get("trainable") is False:
            self.converter.frozen.extend(filter(None, self.converter.labels.get(name, ())))
        return [flow]

    def _said(self, call: Call, flows: list[Flow], odd: str) -> Flow:
        try:
            return self._saying(call, flows, odd)
        except Unsaid as unsaid:
            value = f"refused:{call.path}:{len(self.calls)}"
            call.config.ignore(*call.config.values)
            network = self.converter.network
            network.refuse(
                call.place,
                call.what,
                str(unsaid),
                inputs=[flow.name for flow in flows],
                outputs=[value],
            )
            return Flow(value, ())

    def _saying(self, call: Call, flows: list[Flow], odd: str) -> Flow:
        saying = LAYERS.get(call.config.kind)
        if odd:
            raise Unsaid(f"it is called with {odd}")
        if saying is None:
            raise Unsaid(_REASONS.get(call.config.kind, "no layer here does what it does"))
        if not flows:
            raise Unsaid("it is called without an input")
        if any(not flow.shape for flow in flows):
            return self._behind(call, flows)
        return saying(self.converter, call, flows)

    def _behind(self, call: Call, flows: list[Flow]) -> Flow:
        """A layer behind one that cannot be said: it is counted, and not looked at."""
        call.config.ignore(*call.config.values)
        unknown = [flow.name for flow in flows if not flow.shape]
        (value,) = self.converter.network.add("identity", unknown[:1])
        return Flow(value, ())


def _result(values: Mapping[tuple[str, int], list[Flow]], at: tuple[str, int, int]) -> Flow:
    found = values[at[:2]]
    if at[2] >= len(found):
        raise UserError(
            "CNN683", f"layer `{at[0]}` has {len(found)} results, and number {at[2]} is asked for"
        )
    return replace(found[at[2]])


def _demand_names(entry: Mapping[str, Any]) -> None:
    """Refuse a model with two layers of a name: nobody can say which one is meant.

    Raises:
        UserError: CNN683.
    """
    names = Counter(map(name_of, layers_in(entry)))
    if twice := [name for name, times in names.items() if times > 1]:
        raise UserError("CNN683", f"a model with two layers of the name `{twice[0]}`")


# --- calls ------------------------------------------------------------------------------------

_USUAL = frozenset({"training", "mask", "name"})


def _nodes(layer: Mapping[str, Any]) -> Iterator[_Node]:
    """The calls of a layer, as either Keras writes them."""
    for node in layer.get("inbound_nodes", []):
        if isinstance(node, dict):
            found: list[tuple[str, int, int]] = []
            odd: list[str] = []
            _tensors(node.get("args", []), found, odd)
            for name, value in node.get("kwargs", {}).items():
                if name not in _USUAL:
                    _tensors(value, found, odd)
            yield _Node(tuple(found), ", ".join(odd[:2]))
        elif isinstance(node, list):
            flat = [node] if node and isinstance(node[0], str) else node
            extra = [
                f"`{key}`"
                for one in flat
                if len(one) > 3 and isinstance(one[3], dict)
                for key, value in one[3].items()
                if key not in _USUAL and value is not None
            ]
            yield _Node(tuple(_reference(one) for one in flat), ", ".join(extra[:2]))


def _tensors(value: Any, found: list[tuple[str, int, int]], odd: list[str]) -> None:
    """The references in a call's arguments, however deep; what else there is goes to ``odd``."""
    stack = [value]
    while stack:
        one = stack.pop()
        if isinstance(one, list):
            stack.extend(reversed(one))
        elif isinstance(one, dict) and one.get("class_name") == "__keras_tensor__":
            found.append(_reference(one.get("config", {}).get("keras_history")))
        elif one is not None:
            odd.append(f"`{str(one)[:30]}`")
