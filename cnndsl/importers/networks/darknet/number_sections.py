"""Says Darknet's sections that connect all, normalise, activate, or are a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnndsl.importers.networks.darknet.cfg import Section, fault
from cnndsl.importers.networks.darknet.converter import BATCHNORM, Converter, says

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__: list[str] = []


@says("connected", "conn")
def _connected(converter: Converter, section: Section) -> None:
    normalizes = section.flag("batch_normalize", default=False)
    settings: dict[str, Value] = {"units": section.whole("output", 1), "bias": not normalizes}
    source = converter.flat(section, converter.current)
    value = converter.add(section, "dense", settings, inputs=[source])
    converter.finish(section, value, normalizes=normalizes)


@says("activation")
def _activation(converter: Converter, section: Section) -> None:
    value = converter.activated(section, converter.current, "linear")
    if value is not None:
        converter.give(value)


@says("batchnorm")
def _batchnorm(converter: Converter, section: Section) -> None:
    converter.give(converter.add(section, "batchnorm", BATCHNORM))


@says("normalization", "lrn")
def _normalization(converter: Converter, section: Section) -> None:
    """X / (kappa + alpha * sum)^beta, where ours divides the sum by the number of channels."""
    size, alpha = section.whole("size", 5), section.number("alpha", 0.0001)
    settings: dict[str, Value] = {
        "size": size,
        "alpha": alpha * size,
        "beta": section.number("beta", 0.75),
        "k": section.number("kappa", 1.0),
    }
    converter.give(converter.add(section, "lrn", settings))


@says("l2norm")
def _l2norm(converter: Converter, section: Section) -> None:
    converter.give(converter.add(section, "l2norm"))


@says("dropout")
def _dropout(converter: Converter, section: Section) -> None:
    for name in ("dropblock", "dropblock_size_rel", "dropblock_size_abs"):
        if section.flag(name, default=False):
            converter.refuse(section, "no layer drops blocks of cells", f"`{name}`")
            return
    converter.give(converter.add(section, "dropout", {"rate": section.number("probability", 0.5)}))


@says("softmax", "soft")
def _softmax(converter: Converter, section: Section) -> None:
    section.ignore("noloss")
    if section.has("tree"):
        converter.refuse(section, "no layer has a softmax for each branch of a tree", "`tree`")
        return
    if section.whole("groups", 1) != 1 and not section.flag("spatial", default=False):
        converter.refuse(section, "`softmax` is over all channels", "`groups`")
        return
    spatial = section.flag("spatial", default=False)
    source = converter.current if spatial else converter.flat(section, converter.current)
    temperature = section.number("temperature", 1.0)
    if temperature <= 0:
        raise fault(section.span_of("temperature"), "`temperature` is above 0")
    source = converter.times(section, source, 1 / temperature)
    converter.give(converter.add(section, "softmax", inputs=[source]))
    converter.loss = "crossentropy"


@says("logistic")
def _logistic(converter: Converter, section: Section) -> None:
    converter.give(converter.add(section, "sigmoid"))
    converter.loss = "binarycrossentropy"


_COSTS = {"sse": "mse", "l1": "mae", "smooth": "huber", "L2": "mse"}


@says("cost")
def _cost(converter: Converter, section: Section) -> None:
    """A loss over the layer above; behind a softmax it is that of the softmax (``cost_layer``)."""
    kind = section.text("type", "sse")
    section.ignore("scale", "ratio", "noobj", "thresh")
    if not converter.loss:
        if kind not in _COSTS:
            known = ", ".join(f"`{one}`" for one in _COSTS)
            converter.note(section, f"no loss here is `type={kind}`; those of {known} are")
        converter.loss = _COSTS.get(kind, "mse")
    converter.give(converter.current)
