"""Draws what has several streams: joins of branches, gates, products of matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

from draws import Drawing, Drawn, Kind, Run, Tensor, chained, kinds, plain, torch
from unit_draws import UNITS, dense
from window_draws import conv, pool

F: Any = torch.nn.functional

__all__ = ["JOINS", "keeping"]

_SIMPLE = ("relu", "tanh", "silu", "elu", "softplus", "leakyrelu", "identity", "scale", "prelu")
"""Layers that keep any size."""


def keeping(w: Drawing, x: Tensor) -> Drawn:
    """One or two layers that keep the sizes."""
    choices: list[Callable[[], Drawn]] = [lambda: UNITS[w.pick(*_SIMPLE)].draw(w, x)]
    if x.ndim == 2:
        choices.append(lambda: dense(w, x, x.shape[1]))
    else:
        sizes = tuple(x.shape[2:])
        choices.append(lambda: conv(w, x, w.same(sizes), x.shape[1]))
        choices.append(lambda: pool(w, x, "", w.same(sizes)))
    first = w.choices.choice(choices)()
    if w.flip():
        return first
    return chained(first, UNITS[w.pick(*_SIMPLE)].draw(w, x))


def joined(word: str, branches: Sequence[Drawn], function: Callable[..., Tensor]) -> Drawn:
    """Branches that each begin with the current stream."""

    def make() -> Run:
        runs = [branch.make() for branch in branches]
        return lambda x: function([run(x) for run in runs])

    return Drawn(f"{word}({', '.join(branch.text for branch in branches)})", make)


def _earlier(w: Drawing, x: Tensor) -> list[Drawn]:
    """Streams with names, of this one's shape."""
    names = [name for name, value in w.values.items() if value.shape == x.shape]

    def read(name: str) -> Drawn:
        return plain(name, lambda x: w.values[name])

    return [read(name) for name in names]


def _join(word: str, function: Callable[..., Tensor]) -> Callable[[Drawing, Tensor], Drawn]:
    def draw(w: Drawing, x: Tensor) -> Drawn:
        branches = [keeping(w, x) for _ in range(w.count(2, 3))]
        earlier = _earlier(w, x)
        if earlier and w.flip():
            branches[-1] = chained(w.pick(*earlier), branches[-1])
        if w.flip():
            branches.append(plain("identity", lambda x: x))
        return joined(word, branches, function)

    return draw


def _concat(w: Drawing, x: Tensor) -> Drawn:
    """Of branches with other numbers of channels, and with a stride of their own."""
    branches = []
    stride = w.count(1, 2)
    for _ in range(w.count(2, 3)):
        if x.ndim == 2:
            branches.append(w.pick(dense(w, x), plain("identity", lambda x: x)))
        else:
            window = w.same(tuple(x.shape[2:]), stride)
            filters = w.count(1, 3)
            branches.append(conv(w, x, window, filters) if w.flip() else pool(w, x, "", window))
    return joined("concat", branches, lambda xs: torch.cat(xs, 1))


def _gate(w: Drawing, x: Tensor) -> Drawn:
    """What stretches a vector, or a single map, over all maps."""
    if w.flip():
        drawn = conv(w, x, w.same(tuple(x.shape[2:])), 1)
    else:
        keep = w.flip()
        pooled = plain(
            f"globalavgpool{' keep yes' if keep else ''}",
            lambda x: x.mean(tuple(range(2, x.ndim)), keepdim=keep),
        )
        small = x.mean(tuple(range(2, x.ndim)))
        inner = plain("tanh", torch.tanh) if keep else dense(w, small, x.shape[1])
        drawn = chained(pooled, inner)
    word = w.pick("sigmoid", "hardsigmoid")
    gate = chained(drawn, plain(word, torch.sigmoid if word == "sigmoid" else F.hardsigmoid))

    def product(xs: Sequence[Tensor]) -> Tensor:
        rank = max(one.ndim for one in xs)
        return math.prod(one.reshape(*one.shape, *[1] * (rank - one.ndim)) for one in xs)

    branches = [plain("identity", lambda x: x), gate]
    return joined("multiply", branches[:: w.pick(1, -1)], product)


def _matmul(w: Drawing, x: Tensor) -> Drawn:
    """The stream with itself, its last two dimensions exchanged on one side."""
    count = x.ndim - 1
    order = [*range(count - 2), count - 1, count - 2]
    turned = plain(f"transpose {order}", lambda x: x.transpose(-1, -2))
    branches = [chained(keeping(w, x), turned), keeping(w, x)][:: w.pick(1, -1)]

    def product(xs: Sequence[Tensor]) -> Tensor:
        left, right = xs
        w.macs += left[0].numel() * right.shape[-1]
        return left @ right

    return joined("matmul", branches, product)


def _each(w: Drawing, x: Tensor) -> Drawn:
    """A branch for each round of a loop."""
    kernels = [w.pick(1, 2, 3) for _ in range(w.count(2, 3))]
    pairs, channels, rank = w.flip(), x.shape[1], x.ndim - 2
    widths = [w.count(1, 3) if pairs else 2 for _ in kernels]
    over = [*zip(kernels, widths, strict=True)] if pairs else kernels
    head = f"for {'(k, width)' if pairs else 'k'} in {over}"
    text = f"{head} {{ conv {'width' if pairs else 2}@k padding same -> softplus }}"
    label = w.pick("", "", f"each{len(w.weights)}: ")
    beside = w.pick(None, plain("identity", lambda x: x))

    def make() -> Run:
        rounds = [
            (w.weight(width, channels, *[k] * rank), w.shift(width))
            for k, width in zip(kernels, widths, strict=True)
        ]

        def run(x: Tensor) -> Tensor:
            found = [] if beside is None else [x]
            for k, (weight, bias) in zip(kernels, rounds, strict=True):
                edges = [(k - 1) // 2, k // 2] * rank
                y = getattr(F, f"conv{rank}d")(F.pad(x, edges), weight, bias)
                w.macs += weight.numel() * math.prod(y.shape[2:])
                found.append(F.softplus(y))
            return torch.cat(found, 1)

        return run

    before = "" if beside is None else "identity, "
    return Drawn(f"concat({before}{label}{text})", make)


JOINS: dict[str, Kind] = {
    **kinds(
        "anything",
        {
            "add": _join("add", sum),
            "multiply": _join("multiply", lambda xs: reduce(torch.mul, xs)),
            "maximum": _join("maximum", lambda xs: reduce(torch.maximum, xs)),
            "minimum": _join("minimum", lambda xs: reduce(torch.minimum, xs)),
            "concat": _concat,
        },
    ),
    **kinds("maps", {"gate": _gate, "matmul": _matmul, "each": _each}),
}
"""By their keywords; `gate` multiplies by what is smaller, `each` joins the rounds of a loop."""
