"""Draws whole networks: a spec of all the language's layers, and PyTorch's computation of it.

`KINDS` are dealt like cards: so many networks one after the other have each kind once.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy
from draws import Drawn, Kind, Tensor, chained, plain, torch
from join_draws import JOINS
from oracle import Array
from region_draws import align, pool_of_regions
from shape_draws import SHAPES, reshape
from statement_draws import Statements
from unit_draws import UNITS
from window_draws import WINDOWS

F: Any = torch.nn.functional

__all__ = ["DEALT", "KINDS", "ROUND", "DrawnNetwork"]

DEALT = 6
"""How many kinds each network has, besides those that bring its sizes in order."""

_LARGEST = 3000
"""No stream of a sample has more numbers for long."""

_LAYERS = {**UNITS, **WINDOWS, **SHAPES, **JOINS}


class DrawnNetwork(Statements):
    """A spec, and what PyTorch computes of it: values, gradients, counts."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.inputs: dict[str, tuple[tuple[int, ...], int]] = {}
        """The sizes of each input, and its vocabulary or 0."""
        self.fed: dict[str, Tensor] = {}
        self.outputs: list[str] = []
        dealt = dealt_to(seed)
        self._begin(dealt)
        for word in dealt:
            self._add(word)
        self._end()

    # --- the text -----------------------------------------------------------------------------

    @property
    def text(self) -> str:
        lets = [f"let {name} = {value}" for name, value in self.constants.items()]
        return "\n".join([*lets, *self.head, *self.lines]) + "\n"

    def _chain(self, drawn: Drawn) -> None:
        """A statement of its own, sometimes with a label, sometimes beside the current stream."""
        text, run, how = drawn.text, drawn.make(), self.count(0, 5)
        if how == 0:
            name = self.name("s")
            self.steps.append(lambda x: self.keep(name, run(x), x))
            self.values[name] = y = run(self.x)
            self.lines.append(f"{name} = {text}  => {'x'.join(map(str, y.shape[1:]))}")
            self.outputs.append(name)
        elif how == 1 and " -> " not in text and ":" not in text:
            label = self.name("L")
            self.write(f"{label}: {text}", lambda x: self.keep(label, run(x)))
        else:
            self.write(text, run)

    # --- the inputs ---------------------------------------------------------------------------

    def _begin(self, dealt: list[str]) -> None:
        rank = self.pick(0, 1, 1, 2, 2, 2, 3)
        bound = (0, 20, 8, 5)[rank]
        dims = (self.count(1 + 2 * (not rank), 6), *(self.count(2, bound) for _ in range(rank)))
        name, vocabulary = self.pick("", "", "left"), 0
        own = f"{name} " if name else ""
        if "embedding" in dealt:
            vocabulary, dims = self.count(2, 9), self.pick((self.count(1, 9),), (3, 4), (2, 2, 2))
            self.head.append(f"input {own}tokens {_listed(dims)} vocabulary {vocabulary}")
        elif {"roipool", "roialign"} & {*dealt}:
            dims = (self.count(1, 4), self.count(2, 9), self.count(2, 9))
            self.head.append(f"input {own}{_listed(dims)}")
            regions = self.pick((4,), (self.count(1, 3), 4))
            self.inputs["regions"] = (regions, 0)
            self.head.append(f"input regions {_listed(regions)}")
        else:
            self.head.append(f"input {own}{_listed(dims) if self.flip() else [*dims]}")
        self.main = name or "input"
        self.inputs = {self.main: (dims, vocabulary), **self.inputs}
        self.fed = self.samples(2, self.numbers)
        self.values = dict(self.fed)
        self.x = self.fed[self.main]
        if not vocabulary:  # whose gradient is that of the input
            shift = self.shift(*dims)
            self.write("bias over all", lambda x: x + shift)

    def samples(self, batch: int, numbers: numpy.random.Generator) -> dict[str, Tensor]:
        """A batch of each input."""
        found: dict[str, Tensor] = {}
        for name, (dims, vocabulary) in self.inputs.items():
            if vocabulary:
                found[name] = torch.tensor(numbers.integers(vocabulary, size=(batch, *dims)))
            elif name == "regions":
                low = numbers.integers(-2, 8, size=(batch, *dims[:-1], 2))
                more = numbers.integers(0, 9, size=low.shape)
                found[name] = torch.tensor(numpy.concatenate([low, low + more], -1)).double()
            else:
                array = numbers.normal(size=(batch, *dims)).astype(numpy.float32)
                found[name] = torch.tensor(array).double()
        return found

    # --- statements ---------------------------------------------------------------------------

    def _add(self, word: str) -> None:
        """A layer or another kind of statement, and what brings the sizes in order for it."""
        kind, x = _LAYERS.get(word), self.x
        needs = kind.needs if kind else self._NEEDS[word]
        fitting = self._fitting(needs)
        if fitting is not None:
            self.write(fitting.text, fitting.make())
            x = self.x
        if kind is not None and x.ndim > 3 and self.count(0, 3) == 0:
            self._chain(self._turned(kind, x))
        elif kind is not None:
            self._chain(kind.draw(self, x))
        else:
            self._STATEMENTS[word](self)
        self._settle()

    def _turned(self, kind: Kind, x: Tensor) -> Drawn:
        """A layer between two transpositions, through which a runtime may move them."""
        ahead = [*range(1, x.ndim - 1), 0]
        before = plain(f"transpose {ahead}", lambda x: x.movedim(1, -1))
        drawn = kind.draw(self, x.movedim(1, -1))
        after = plain(f"transpose {[x.ndim - 2, *range(x.ndim - 2)]}", lambda x: x.movedim(-1, 1))
        weights, buffers = len(self.weights), dict(self.constants)
        made = drawn.make()(x.movedim(1, -1))
        del self.weights[weights:]
        self.constants = buffers
        return chained(before, drawn, after) if made.ndim == x.ndim else chained(before, drawn)

    def _fitting(self, needs: str) -> Drawn | None:
        """What makes maps or a vector of the stream, where they are needed."""
        if needs == "maps" and self.x.ndim == 2:
            return reshape(self, self.x, self.count(1, 3))
        if needs == "maps" and self.x.ndim > 5:
            return reshape(self, self.x, 2)
        if needs == "vector" and self.x.ndim > 2:
            return SHAPES["flatten"].draw(self, self.x)
        return None

    def _settle(self) -> None:
        """Keep the stream small and its numbers in bounds."""
        if self.x[0].numel() > _LARGEST and self.x.ndim > 2:
            self.write("globalavgpool", lambda x: x.mean(tuple(range(2, x.ndim))))
        if self.x[0].numel() > 200 and self.x.ndim == 2:
            self.write("slice 0..99", lambda x: x[:, :100])
        size = float(self.x.detach().abs().max())
        if (size > 30 or 0 < size < 1e-2) and self.x[0].numel() > 1:
            self.write("rmsnorm affine no", lambda x: F.rms_norm(x, tuple(x.shape[1:]), None, 1e-6))

    # --- inputs of other kinds ----------------------------------------------------------------

    def _embedding(self) -> None:
        (dims, vocabulary), size = self.inputs[self.main], self.count(1, 5)
        image = len(dims) == 1 and self.flip()
        padding = self.pick(None, 0, vocabulary - 1)
        text = f"embedding {size}" + (" layout image" if image else "")
        text += "" if padding is None else f" padding_id {padding}"
        table = self.weight(vocabulary, size, size=1.0)

        def run(x: Tensor) -> Tensor:
            y = F.embedding(x, table, padding_idx=padding)
            return y[:, None] if image else y.movedim(-1, 1)

        self.write(text, run)

    def _regions(self, word: str) -> None:
        drawn = (pool_of_regions if word == "roipool" else align)(self, self.x)
        self.write(drawn.text, drawn.make())
        if self.x.ndim > 5:
            self.write("flatten", lambda x: x.flatten(1))

    def _end(self) -> None:
        self.lines.append("identity")
        for name in self.outputs:
            self.lines.append(f"output {name}")

    _STATEMENTS: ClassVar[Mapping[str, Callable[[Any], None]]] = {
        "named": Statements.draw_named,
        "split": Statements.draw_split,
        "unpool": Statements.draw_unpool,
        "share": Statements.draw_shared,
        "repeat": Statements.draw_repeat,
        "for": Statements.draw_for,
        "if": Statements.draw_if,
        "block": Statements.draw_block,
        "streams": Statements.draw_streams,
        "embedding": _embedding,
        "roipool": lambda self: self._regions("roipool"),
        "roialign": lambda self: self._regions("roialign"),
    }
    _NEEDS: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(_STATEMENTS, "anything"),
        "unpool": "maps",
        "block": "maps",
    }

    # --- computing ----------------------------------------------------------------------------

    def compute(self, inputs: Mapping[str, Tensor], *, training: bool = False) -> list[Tensor]:
        """The main output and all others, in order; ``macs`` counts one sample's."""
        self.training, self.macs = training, 0
        self.values = dict(inputs)
        x = inputs[self.main]
        for step in self.steps:
            x = step(x)
        return [x, *(self.values[name] for name in self.outputs)]

    def arrays(self) -> list[Array]:
        """The weights in the order in which the text brings them up."""
        return [one.detach().float().numpy() for one in self.weights]


def _listed(dims: tuple[int, ...]) -> str:
    return "x".join(map(str, dims))


# --- dealing ----------------------------------------------------------------------------------

_FIRST = ("embedding", "roipool", "roialign")
"""What has an input of its own, of which a network has one at most."""

_OTHERS = tuple({**_LAYERS, **DrawnNetwork._STATEMENTS}.keys() - {*_FIRST})

KINDS = (*_FIRST, *sorted(_OTHERS))
"""All that is dealt: the layers by their keywords, and other kinds of statements."""

ROUND = math.ceil(len(_OTHERS) / DEALT)
"""So many networks, one after the other, have each kind once."""


def dealt_to(seed: int) -> list[str]:
    """The kinds of one network, in the order in which it has them."""
    turn, place = divmod(seed, ROUND)
    cards = sorted(_OTHERS)
    random.Random(f"deal {turn}").shuffle(cards)
    first = [word for at, word in enumerate(_FIRST) if at == place]
    return [*first, *cards[place * DEALT : (place + 1) * DEALT]]
