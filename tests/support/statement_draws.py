"""Draws statements that are more than a chain of layers: names, loops, blocks, shared weights."""

from __future__ import annotations

import math
from typing import Any

from draws import Drawing, Run, Tensor, torch
from join_draws import keeping
from torch_sliding import largest, places_of_largest
from unit_draws import UNITS
from window_draws import conv

F: Any = torch.nn.functional

__all__ = ["Statements"]


class Statements(Drawing):
    """A network as far as it is drawn: its text, what each statement computes, what flows."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.head: list[str] = []
        self.lines: list[str] = []
        self.steps: list[Run] = []
        self.names = 0
        self.x: Tensor = None

    def name(self, of: str) -> str:
        self.names += 1
        return f"{of}{self.names}"

    def write(self, text: str, run: Run) -> None:
        """A statement, and its claim."""
        self.steps.append(run)
        self.x = run(self.x)
        assert torch.isfinite(self.x.detach()).all()
        self.lines.append(f"{text}  => {'x'.join(map(str, self.x.shape[1:]))}")

    def keep(self, name: str, value: Tensor, instead: Tensor | None = None) -> Tensor:
        """Let a value be known by its name; give it, or another one, to what follows."""
        self.values[name] = value
        return value if instead is None else instead

    def draw_named(self) -> None:
        """A stream with a name, read further down by its name."""
        drawn, name = keeping(self, self.x), self.name("s")
        run = drawn.make()
        self.write(f"{name} = {drawn.text}\n{name}", lambda x: self.keep(name, run(x)))

    def draw_split(self) -> None:
        """Two parts or three, put together in another order."""
        axis = 1
        size = self.x.shape[axis]
        if size == 1:
            return self.draw_named()
        first = self.count(1, size - 1)
        sizes = [first, size - first]
        text = str(sizes)
        if size % 2 == 0 and self.flip():
            sizes, text = [size // 2] * 2, "2"
        names = [self.name("p") for _ in sizes]
        head = f"{', '.join(names)} = split {text}{self.pick('', ' axis channels')}"
        tail = f"concat({', '.join(reversed(names))})"

        def run(x: Tensor) -> Tensor:
            parts = x.split(sizes, axis)
            self.values |= dict(zip(names, parts, strict=True))
            return torch.cat([*reversed(parts)], 1)

        return self.write(f"{head}\n{tail}", run)

    def draw_unpool(self) -> None:
        """The way there and back, with a layer between that keeps the size.

        No two cells are alike, or rounding would decide to which of them numbers return.
        """
        word, sizes = self.pick("maxpool", "minpool"), tuple(self.x.shape[2:])
        kernel, words, how = self.sliding(sizes, dilates=True, pool=True)
        shift = self.shift(*self.x.shape[1:])
        self.write("bias over all", lambda x: x + shift)
        label, inner = self.name("P"), UNITS[self.pick("tanh", "scale", "silu")]
        sign = 1 if word == "maxpool" else -1
        between = inner.draw(self, sign * largest(sign * self.x, how))
        middle = between.make()

        def run(x: Tensor) -> Tensor:
            y = middle(sign * largest(sign * x, how))
            places = places_of_largest(sign * x.detach(), how).flatten(2)
            empty = x.new_zeros(x.shape).flatten(2)
            return empty.scatter_add(2, places, y.flatten(2)).reshape(x.shape)

        text = f"{label}: {word} {kernel} {words} -> {between.text} -> unpool {label}"
        self.write(text, run)

    def draw_shared(self) -> None:
        """A layer that computes twice, or three times, with the same weights."""
        label = self.name("W")
        word = self.pick("conv", "scale", "prelu", "batchnorm", "bias", "layernorm")
        if word == "conv" and self.x.ndim > 2:
            drawn = conv(self, self.x, self.same(tuple(self.x.shape[2:])), self.x.shape[1])
        else:
            drawn = UNITS["scale" if word == "conv" else word].draw(self, self.x)
        shared = drawn.make()
        times = self.count(1, 2)
        again = f"{drawn.text} share {label}"
        text = f"{label}: {drawn.text} -> tanh -> {again}"
        if times == 2:
            text += f" -> repeat 2 {{ sigmoid -> {again} }}"

        def run(x: Tensor) -> Tensor:
            x = shared(torch.tanh(shared(x)))
            for _ in range(2 if times == 2 else 0):
                x = shared(torch.sigmoid(x))
            return x

        self.write(text, run)

    # --- loops and blocks ---------------------------------------------------------------------

    def draw_repeat(self) -> None:
        """One text for several layers, each with weights of its own."""
        times, body = self.count(0, 3), keeping(self, self.x)
        if "channels(" not in body.text and self.flip():
            self.constants["times"] = self.constants.get("times", times)
            times = self.constants["times"]
            text = f"repeat times {{ {body.text} }}"
        else:
            text = f"repeat {times} {{ {body.text} }}"
        runs = [body.make() for _ in range(times)]
        self.write(text, _composed(runs))

    def draw_for(self) -> None:
        numbers = [self.pick(0.1, 0.5, 2) for _ in range(self.count(1, 3))]
        body = keeping(self, self.x)
        text = f"for a in {numbers} {{ elu a -> {body.text} }}"
        runs: list[Run] = []
        for number in numbers:
            runs += [_elu(number), body.make()]
        self.write(text, _composed(runs))

    def draw_if(self) -> None:
        """One branch of two; the other is never looked at."""
        body, other = keeping(self, self.x), keeping(self, self.x)
        channels = self.x.shape[1]
        yes = self.pick("yes", "channels(identity) > 0", f"{channels} == channels(identity)")
        no = self.pick("no", "not yes", f"channels(identity) != {channels}")
        if self.flip():
            text = f"if {yes} {{ {body.text} }} else {{ {other.text} }}"
        else:
            text = f"if {no} {{ {other.text} }} else {{ {body.text} }}"
        self.write(text, body.make())

    def draw_block(self) -> None:
        """A block called twice, perhaps with the same weights."""
        name, width = self.name("unit"), self.count(1, 4)
        inner = UNITS[self.pick("batchnorm", "scale", "prelu", "silu")]
        rank, kernel = self.x.ndim - 2, self.count(1, 3)
        inside = inner.draw(self, self.x.new_zeros((1, width, *self.x.shape[2:])))
        body = f"conv width@kernel padding same bias no -> {inside.text}"
        self.head.append(f"block {name}(width, kernel = {kernel}) {{ {body} }}")
        given = self.pick(f"{width}", f"width = {width}", f"{width}, {kernel}")
        shares = self.x.shape[1] == width and self.flip()
        edges = [(kernel - 1) // 2, kernel // 2] * rank

        def make(channels: int) -> Run:
            weight = self.weight(width, channels, *[kernel] * rank)
            after = inside.make()

            def run(x: Tensor) -> Tensor:
                y = getattr(F, f"conv{rank}d")(F.pad(x, edges), weight)
                self.macs += weight.numel() * math.prod(y.shape[2:])
                return after(y)

            return run

        first, label = make(self.x.shape[1]), self.name("b")
        second = first if shares else make(width)
        again = f"{name}({given})" + (f" share {label}" if shares else "")
        self.write(f"{label}: {name}({given}) -> {again}", _composed([first, second]))

    def draw_streams(self) -> None:
        """A block that takes a stream and gives two."""
        name, body = self.name("pair"), keeping(self, self.x)
        one, other = self.name("p"), self.name("p")
        inside = f"h = a -> {body.text}\n  return add(a, h), h -> tanh"
        self.head.append(f"block {name}(stream a) {{\n  {inside}\n}}")
        first = body.make()

        def run(x: Tensor) -> Tensor:
            h = first(x)
            self.values[one], self.values[other] = x + h, torch.tanh(h)
            return torch.cat([torch.tanh(h), x + h], 1)

        head = f"{one}, {other} = {name}(identity)"
        self.write(f"{head}\nconcat({other}, {one})", run)


def _elu(alpha: float) -> Run:
    return lambda x: F.elu(x, alpha)


def _composed(runs: list[Run]) -> Run:
    def run(x: Tensor) -> Tensor:
        for each in runs:
            x = each(x)
        return x

    return run
