"""What Darknet's sections are said with: values by number, activations, reasons.

The functions that say sections register themselves with :func:`says`; they stand in
:mod:`.window_sections`, :mod:`.number_sections` and :mod:`.join_sections`.

Sizes, defaults and formulas are those of ``parser.c`` and of the layers' own files; that of
Redmon's program, and where it knows nothing of an option that of Bochkovskiy's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from cnndsl.diagnostics.words import closest
from cnndsl.importers.networks.builder import NetworkBuilder
from cnndsl.importers.networks.darknet.cfg import Section, fault
from cnndsl.importers.networks.grouped_notes import GroupedNotes
from cnndsl.types import TensorType

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value

__all__ = ["BATCHNORM", "SECTIONS", "Converter", "known_names", "says"]

BATCHNORM: Mapping[str, Value] = {"eps": 1e-12, "momentum": 0.01}
"""Darknet divides by the deviation plus 1e-6, and keeps 0.99 of its running statistics."""

_ACTIVATIONS: dict[str, tuple[str, dict[str, Value]]] = {
    "logistic": ("sigmoid", {}),
    "relu": ("relu", {}),
    "relu6": ("relu6", {}),
    "relie": ("leakyrelu", {"slope": 0.01}),
    "leaky": ("leakyrelu", {"slope": 0.1}),
    "elu": ("elu", {}),
    "selu": ("selu", {}),
    "tanh": ("tanh", {}),
    "hardtan": ("hardtanh", {}),
    "mish": ("mish", {}),
    "swish": ("silu", {}),
    "gelu": ("gelu", {"form": "tanh"}),
    "linear": ("", {}),
}

_SCALED: dict[str, tuple[float, str, dict[str, Value], float]] = {
    "loggy": (0.5, "tanh", {}, 1.0),  # 2/(1 + exp(-x)) - 1
    "ramp": (1.0, "leakyrelu", {"slope": 1 / 11}, 1.1),  # x where it is positive, plus x/10
}
"""Activations that are others times a number, behind another number."""

_FORMULAS = {
    "plse": "slopes of 1/100 beyond -4 and 4",
    "stair": "steps",
    "lhtan": "slopes of 1/1000 below 0 and above 1",
    "hard_mish": "mish in straight pieces",
    "revleaky": "leaky, backwards",
}


class Converter:
    """Says sections one after the other.

    Args:
        network: takes our layers.
        value: the input's.
        sections: those behind `[net]`.
    """

    def __init__(self, network: NetworkBuilder, value: str, sections: Sequence[Section]) -> None:
        self.network = network
        self.sections = sections
        self.input = value
        self.outputs: list[str] = []
        """The value that each section gives."""
        self.notes = GroupedNotes()
        self.loss = ""
        """The loss of the last section that has one; empty where none has."""
        self.frozen_up_to = -1
        """The last section before which nothing learns (`stopbackward`)."""
        self.bare_softmax = False

    @property
    def current(self) -> str:
        """The value that the next section reads."""
        return self.outputs[-1] if self.outputs else self.input

    @property
    def index(self) -> int:
        """The number of the section at hand, as `route` and `shortcut` count."""
        return len(self.outputs)

    def say(self, section: Section) -> None:
        """Say one section."""
        saying = SECTIONS.get(section.name)
        section.ignore("dontload", "dontloadscales", "onlyforward", "dont_update", "train_only_bn")
        if section.flag("stopbackward", default=False):
            self.frozen_up_to = self.index
        if saying is None:
            self.refuse(section, _REASONS.get(section.name) or _unknown(section.name))
        else:
            saying(self, section)

    # --- values ---

    def type(self) -> TensorType | None:
        """The type of what the section at hand reads."""
        return self.network.type_of(self.current)

    def add(
        self,
        section: Section,
        keyword: str,
        settings: Mapping[str, Value] | None = None,
        *,
        inputs: Sequence[str] = (),
    ) -> str:
        """Add one of our layers for a section; gives its value."""
        (value,) = self.network.add(
            keyword,
            inputs or [self.current],
            settings,
            place=_place(section, self.index),
            what=f"`[{section.name}]`",
        )
        return value

    def give(self, value: str) -> None:
        """Say which value the section at hand gives."""
        self.outputs.append(value)

    def note(self, section: Section, message: str) -> None:
        """Tell something of a section."""
        self.notes.add("line", str(section.line), message)

    def refuse(self, section: Section, why: str, what: str = "") -> None:
        """Say that no spec says a section, or a part of it."""
        value = f"refused:{self.index}"
        section.ignore(*(name for name, _ in section.unread()))
        self.network.refuse(
            _place(section, self.index),
            what or f"`[{section.name}]`",
            why,
            inputs=[self.current],
            outputs=[value],
        )
        self.give(value)

    def activated(self, section: Section, value: str, default: str) -> str | None:
        """A value behind the section's activation; None where there is no such, and it is said."""
        word = section.text("activation", default)
        if word in _SCALED:
            before, keyword, settings, after = _SCALED[word]
            value = self.add(
                section, keyword, settings, inputs=[self.times(section, value, before)]
            )
            return self.times(section, value, after)
        if word in _FORMULAS:
            why = f"no layer computes {_FORMULAS[word]}"
            self.refuse(section, why, f"`activation={word}`")
            return None
        if word not in _ACTIVATIONS:
            near = closest(word, (*_ACTIVATIONS, *_SCALED, *_FORMULAS))
            help = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(_ACTIVATIONS)}"
            raise fault(section.span_of("activation"), f"there is no activation `{word}`", help)
        keyword, settings = _ACTIVATIONS[word]
        return self.add(section, keyword, settings, inputs=[value]) if keyword else value

    def finish(self, section: Section, value: str, *, normalizes: bool) -> None:
        """Add what stands behind a layer's product: batch normalisation, then the activation."""
        if normalizes:
            value = self.add(section, "batchnorm", BATCHNORM, inputs=[value])
        activated = self.activated(section, value, "logistic")
        if activated is not None:
            self.give(activated)

    def times(self, section: Section, value: str, factor: float) -> str:
        """A value times a number: a kernel of one cell over each channel."""
        if factor == 1:
            return value
        kind = self.network.type_of(value)
        if kind is not None and not kind.spatial:
            column = self.add(section, "reshape", {"shape": (kind.channels, 1)}, inputs=[value])
            column = self.add(section, "filter", {"kernels": (factor,)}, inputs=[column])
            return self.add(section, "flatten", inputs=[column])
        kernel: Value = factor
        for _ in kind.spatial if kind is not None else (1, 1):
            kernel = (kernel,)
        return self.add(section, "filter", {"kernels": kernel}, inputs=[value])

    def at(self, section: Section, name: str, number: int) -> str:
        """The value of the section that a number means: from the start, or back from here."""
        at = number if number >= 0 else self.index + number
        if not 0 <= at < self.index:
            message = f"`{name}={number}` in section {self.index} means section {at}, which "
            message += "is not above it" if at >= 0 else "is none"
            raise fault(section.span_of(name), message, "sections count from 0 behind `[net]`")
        return self.outputs[at]

    def flat(self, section: Section, value: str) -> str:
        """A value as a vector."""
        kind = self.network.type_of(value)
        vector = kind is not None and len(kind.dims) == 1
        return value if vector else self.add(section, "flatten", inputs=[value])

    def wants_vector(self) -> bool:
        """Whether all that read the section at hand take it for a vector."""
        for name, option in (("route", "layers"), ("shortcut", "from"), ("scale_channels", "from")):
            for at, section in enumerate(self.sections):
                if section.name == name and self.index in [
                    one if one >= 0 else at + one for one in section.wholes(option)
                ]:
                    return name == "scale_channels"
        behind = [section.name for section in self.sections[self.index + 1 :]]
        follower = next((one for one in behind if one != "dropout"), "softmax")
        return follower in ("connected", "conn", "softmax", "soft", "cost", "logistic")


Saying: TypeAlias = Callable[[Converter, Section], None]

_S = TypeVar("_S", bound=Saying)

SECTIONS: dict[str, Saying] = {}
"""What says each section, by its name."""


def says(*names: str) -> Callable[[_S], _S]:
    """Register a function for sections."""

    def register(function: _S) -> _S:
        SECTIONS.update(dict.fromkeys(names, function))
        return function

    return register


def _place(section: Section, index: int) -> str:
    return f"line {section.line}, section {index}"


def _unknown(name: str) -> str:
    near = closest(name, known_names())
    return (
        f"Darknet has no such section; perhaps `[{near[0]}]` is meant"
        if near
        else ("no layer here does what it does")
    )


_BOXES = "what it makes of its maps are boxes, whose number hangs on the picture"
_TIME = "it carries a state from one step to the next (docs/scope.md)"
_REASONS = {
    **dict.fromkeys(("yolo", "Gaussian_yolo", "region", "detection", "iseg"), _BOXES),
    **dict.fromkeys(("crnn", "gru", "lstm", "rnn", "conv_lstm", "history"), _TIME),
}


def known_names() -> tuple[str, ...]:
    """The names that sections can have."""
    return ("net", "network", *SECTIONS, *_REASONS)
