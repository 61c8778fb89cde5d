"""Says Keras's activations: those that layers name, and layers of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cnndsl.importers.networks.keras.config import Unsaid
from cnndsl.importers.networks.keras.converter import Call, Converter, Flow, says

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__ = ["activated"]

_PLAIN: dict[str, tuple[str, dict[str, Value]]] = {
    "relu": ("relu", {}),
    "relu6": ("relu6", {}),
    "leaky_relu": ("leakyrelu", {"slope": 0.2}),
    "elu": ("elu", {}),
    "selu": ("selu", {}),
    "tanh": ("tanh", {}),
    "sigmoid": ("sigmoid", {}),
    "softmax": ("softmax", {}),
    "log_softmax": ("logsoftmax", {}),
    "softplus": ("softplus", {}),
    "softsign": ("softsign", {}),
    "silu": ("silu", {}),
    "swish": ("silu", {}),
    "mish": ("mish", {}),
    "gelu": ("gelu", {}),
    "hard_tanh": ("hardtanh", {}),
    "hard_silu": ("hardswish", {}),
    "hard_swish": ("hardswish", {}),
}


def activated(
    converter: Converter, call: Call, flow: Flow, word: Any, *, own: bool = False
) -> Flow:
    """A value behind an activation; ``own`` says whether it is a layer of its own, with a label."""
    name, values = _named(word)
    if name in ("", "linear"):
        return flow
    keyword, settings = _PLAIN.get(name, ("", {}))
    if name in ("hard_sigmoid",):
        if converter.is_old:
            raise Unsaid("`hard_sigmoid` of Keras 2 is x/5 + 1/2, and `hardsigmoid` x/6 + 1/2")
        keyword = "hardsigmoid"
    if not keyword or any(value not in (None, False) for value in values.values()):
        raise Unsaid(f"no layer computes the activation `{name}`")
    if keyword in ("softmax", "logsoftmax") and flow.maps:
        flow = Flow(converter.exact(flow), flow.shape)
    if not own:
        source = converter.ours(flow)
        made = converter.add(call, keyword, [source], settings, label=False)
        return Flow(made.name, flow.shape or made.shape, (), flow.maps)
    return converter.like(call, keyword, flow, settings)


def _named(word: Any) -> tuple[str, dict[str, Any]]:
    """The name of an activation, which is a word, or an object with a configuration."""
    if word is None:
        return "", {}
    if isinstance(word, str):
        return word.lower(), {}
    if isinstance(word, dict):
        inner = word.get("config")
        if isinstance(inner, str):  # {"class_name": "function", "config": "silu"}
            return inner.lower(), {}
        values = dict(inner) if isinstance(inner, dict) else {}
        values.pop("name", None)
        for key in ("trainable", "dtype"):
            values.pop(key, None)
        found = str(word.get("registered_name") or word.get("class_name", "")).lower()
        return found.rpartition(">")[2], values
    return str(word), {}


@says("Activation")
def _activation(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    return activated(converter, call, flows[0], call.config.get("activation"), own=True)


@says("ReLU")
def _relu(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    config = call.config
    slope = config.number("negative_slope", 0.0)
    most = config.get("max_value")
    if config.number("threshold", 0.0):
        raise Unsaid("no rectifier begins elsewhere than at 0, `threshold`")
    if most is None:
        if slope:
            return converter.like(call, "leakyrelu", flows[0], {"slope": slope})
        return converter.like(call, "relu", flows[0])
    if slope:
        raise Unsaid("no rectifier has both a slope below 0 and an end, `max_value`")
    if most == 6:
        return converter.like(call, "relu6", flows[0])
    return converter.like(call, "clip", flows[0], {"least": 0.0, "most": float(most)})


@says("LeakyReLU")
def _leaky(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    slope = call.config.number("negative_slope", call.config.number("alpha", 0.3))
    return converter.like(call, "leakyrelu", flows[0], {"slope": slope})


@says("ELU")
def _elu(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    return converter.like(call, "elu", flows[0], {"alpha": call.config.number("alpha", 1.0)})


@says("PReLU")
def _prelu(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    from cnndsl.importers.networks.keras.initializers import start

    config, flow = call.config, flows[0]
    config.ignore("alpha_regularizer", "alpha_constraint")
    shared = sorted(config.get("shared_axes", []))
    begins = start(converter, config, "alpha_initializer", 0.0)
    spatial = [axis for axis in range(1, len(flow.shape) + 1)
               if converter.axis(axis, len(flow.shape) + 1) != 0]  # fmt: skip
    settings: dict[str, Value] = {"start": 0.25 if begins is None else begins}
    if shared == list(range(1, len(flow.shape) + 1)):
        settings["shared"] = True
    elif shared != spatial:
        raise Unsaid("`prelu` has a slope for each channel, not for each number: `shared_axes`")
    return converter.like(call, "prelu", flow, settings)


@says("Softmax")
def _softmax(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    flow = flows[0]
    axis = call.config.get("axis", -1)
    if not isinstance(axis, int) or converter.axis(axis, len(flow.shape) + 1) != 0:
        raise Unsaid("`softmax` is over the channels")
    return converter.add(call, "softmax", [flow])


# --- what only training does ------------------------------------------------------------------


@says("Dropout")
def _dropout(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    call.config.ignore("seed")
    shape = call.config.get("noise_shape")
    rate = call.config.number("rate", 0.5)
    if shape is None:
        return converter.like(call, "dropout", flows[0], {"rate": rate})
    if all(one in (None, 1) for one in shape) and shape[0] is None and shape.count(None) == 1:
        return converter.like(call, "droppath", flows[0], {"rate": rate})
    raise Unsaid("`dropout` drops number by number: `noise_shape`")


@says("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
def _spatial_dropout(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    call.config.ignore("seed", "noise_shape")
    return converter.add(call, "spatialdropout", flows, {"rate": call.config.number("rate", 0.5)})


@says("AlphaDropout")
def _alpha_dropout(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    call.config.ignore("seed", "noise_shape")
    return converter.like(call, "alphadropout", flows[0], {"rate": call.config.number("rate", 0.5)})


@says("GaussianNoise")
def _noise(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    call.config.ignore("seed")
    return converter.like(call, "noise", flows[0], {"std": call.config.number("stddev", 0.1)})


@says("ActivityRegularization", "Identity", "InputLayer")
def _nothing(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    config = call.config
    for name in ("l1", "l2"):
        if config.get(name, 0):
            converter.note(call.path, f"no loss is added for how large numbers are, `{name}`")
    return flows[0]


@says("RandomFlip")
def _flip(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    call.config.ignore("seed")
    mode = call.config.text("mode", "horizontal_and_vertical")
    converter.augment.append("both" if mode == "horizontal_and_vertical" else mode)
    return flows[0]


@says(
    "RandomBrightness", "RandomContrast", "RandomCrop", "RandomHeight", "RandomRotation",
    "RandomTranslation", "RandomWidth", "RandomZoom", "RandomSharpness", "RandomHue",
    "RandomSaturation", "RandomGrayscale", "RandomColorJitter", "RandomErasing", "RandAugment",
    "AutoContrast", "MixUp", "CutMix",
)  # fmt: skip
def _random(converter: Converter, call: Call, flows: list[Flow]) -> Flow:
    call.config.ignore(*call.config.values)
    what = "a random change of training samples: write it behind `augment`, where there is such"
    if call.config.kind == "RandomCrop":
        raise Unsaid("it gives another size, at random places in training")
    converter.note(call.path, what)
    return flows[0]
