"""Puts a network to the test: each check measures something that must hold, and says what it saw.

What is compared is computed in two independent ways, on the device that would train: the
gradients with differences of the loss in float64, the training graph with the inference graph, a
run that was saved and resumed with one that was not.
"""

from __future__ import annotations

import dataclasses
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy
from numpy.typing import NDArray

from cnndsl.analysis.summary import summarize
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.frozen import replace
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.initializers import initialise
from cnndsl.graph.lower import network_weights
from cnndsl.recipe.optimizers.adam import Adam
from cnndsl.recipe.optimizers.sgd import Sgd
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.checkpoint import Checkpoint, Position, read_checkpoint, write_checkpoint
from cnndsl.runtime.device import choose, trial
from cnndsl.runtime.doubles import DoubleGraph
from cnndsl.runtime.evaluator import scores_value
from cnndsl.runtime.host import form_on
from cnndsl.runtime.selftest_data import (
    labels_of,
    other_labels,
    random_batch,
    rounded_otherwise,
)
from cnndsl.runtime.selftest_precision import precision_check
from cnndsl.runtime.session import Session, with_outputs
from cnndsl.runtime.slopes import Slopes, Tensor
from cnndsl.runtime.start import CUDA
from cnndsl.runtime.train_step import TrainStep
from cnndsl.training.step import Step, build_step
from cnndsl.typecheck.heads import Head, heads_of

__all__ = ["Check", "Verdict", "selftest"]

Arrays: TypeAlias = dict[str, NDArray[Any]]
Verdict: TypeAlias = Literal["passed", "failed", "skipped"]

_WORK = 20_000_000_000
"""Multiplications in float64 that the gradients may take about, and never fewer than:"""

_LARGE = 1_000_000_000
"""Multiply-accumulates for a sample from which on two samples do, the fewest that can differ."""

_LEAST_GROUPS = 3
_GRADIENT_TOLERANCE = 0.02
_TOLERANCE = 1e-4
_DEVICE_TOLERANCE = 1e-2
_OVERFIT_STEPS = 100
_OVERFIT_RATES = (1e-3, 1e-2, 1e-1)
"""Small networks need larger steps than large ones bear: one of them must do."""

_NOISE_DRAWS = 4
"""How often all numbers are changed in their last digit, to see what gradients make of it."""

_STEPS = 2
_RATE = 1024.0


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tested, what was measured, and whether it holds."""

    name: str
    measured: str
    verdict: Verdict


def selftest(
    typed: TypedNetwork,
    answering: Callable[[TypedNetwork], Artifact],
    *,
    batch: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    told: Callable[[str, int, int], None] = lambda name, done, total: None,
) -> Iterator[Check]:
    """Test a network, check by check, on random samples with random answers.

    ``answering`` makes the model that answers, without weights, of a network.
    Without a ``batch`` these are 4 samples, or 2 where a network is large.
    ``told`` is called while a long check runs: with its name, what is done and what there is.

    Raises:
        UserError: as building and starting a step does.
    """
    if batch is None:
        batch = 2 if summarize(typed).macs > _LARGE else 4
    bench = _Bench(typed, answering, batch, device, threads, told)
    yield bench.gradients()
    yield bench.inference()
    yield bench.devices()
    if bench.recipe.precision != "float32":
        without_chance = partial(bench._train_step, chance=False)
        yield _check(*precision_check(bench.recipe, without_chance))
    yield bench.resume()
    yield bench.overfit()


class _Bench:
    """What the checks share: a network, a batch for it, and where it runs."""

    def __init__(
        self,
        typed: TypedNetwork,
        answering: Callable[[TypedNetwork], Artifact],
        batch: int,
        device: str,
        threads: int | None,
        told: Callable[[str, int, int], None] = lambda name, done, total: None,
    ) -> None:
        self.typed = typed
        self.answering = answering
        self.told = told
        self.recipe = typed.network.recipe or Recipe()
        self.batch = batch
        self.device = choose(device).name
        self.threads = threads
        self.weights: Arrays = dict(
            initialise(typed, self.recipe.seed, self.recipe.init, self._heads().values())
        )

    def _heads(self) -> dict[str, int]:
        """The positions of the heads that have losses, by name, the main output's first."""
        return {head.name: head.position for head in heads_of(self.typed.network, self.recipe)}

    # --- the checks ---------------------------------------------------------------------------

    def gradients(self) -> Check:
        """The slope of the loss along each weight's gradient is the gradient's norm."""
        name = "gradients against differences"
        recipe = self._plain(Sgd(lr=1.0))
        step, standard = self._step(recipe), build_step(self.typed, recipe, batch=self.batch)
        session, feeds = self._session(step), self._feeds(step)
        tensors = self._gradients(step, session, feeds)
        single = self._loss(step, session, feeds)
        graph = DoubleGraph(standard.to_proto(), step.signature.loss)
        groups = self._groups(len(tensors))
        total = 2 * groups + 1
        slopes = Slopes(
            lambda moved: graph({**feeds, **moved}),
            tensors,
            _GRADIENT_TOLERANCE,
            lambda done: self.told(name, min(done, total), total),
        )
        if not abs(single - slopes.loss) <= _TOLERANCE * max(abs(slopes.loss), 1e-3):
            measured = f"loss {single:.6f} in float32 and {slopes.loss:.6f} in float64"
            return _check(name, measured, holds=False)
        worst, where = slopes.worst(groups)
        return _check(name, f"worst {worst:.1e}, at `{where}`", worst <= _GRADIENT_TOLERANCE)

    def _gradients(self, step: Step, session: Session, feeds: Arrays) -> list[Tensor]:
        """The gradients, and how much they change where all numbers do in their last digit.

        One draw of such a change may by chance be small where the noise is not: the fewer numbers
        a weight has, the likelier. So there are several. They do not show how a loss that is
        nearly 0 was rounded: the terms whose difference it is are as large as with other labels.
        """
        names = self._learning(step)
        moving = [*names, *(n for n in step.signature.samples if feeds[n].dtype == numpy.float32)]
        random = numpy.random.default_rng(self.recipe.seed)
        first = self._slopes_of(step, session, feeds, names)
        draws = []
        for _ in range(_NOISE_DRAWS):
            moved = {name: rounded_otherwise(feeds[name], random) for name in moving}
            draws.append(self._slopes_of(step, session, {**feeds, **moved}, names))
        terms = self._slopes_of(step, session, {**feeds, **self._other_labels(step, feeds)}, names)
        return [
            Tensor(
                name,
                feeds[name].astype(numpy.float64),
                first[name],
                numpy.stack([draw[name] - first[name] for draw in draws]),
                float(numpy.finfo(numpy.float32).eps * numpy.linalg.norm(terms[name])),
            )
            for name in names
        ]

    def _other_labels(self, step: Step, feeds: Arrays) -> Arrays:
        return {
            spec.name: other_labels(feeds[spec.name], self._channels(spec.of))
            for spec in step.signature.labels.values()
        }

    def _channels(self, head: str) -> int:
        return self.typed.types[self._heads()[head]].channels

    def _slopes_of(
        self, step: Step, session: Session, feeds: Arrays, names: Sequence[str]
    ) -> Arrays:
        after = {name: step.signature.next_names[name] for name in names}
        found = session.run(feeds, [*after.values()])
        return {
            name: (feeds[name].astype(numpy.float64) - found[output]) / _RATE
            for name, output in after.items()
        }

    def _loss(self, step: Step, session: Session, feeds: Arrays) -> float:
        loss = step.signature.loss
        return float(session.run(feeds, [loss])[loss])

    def _groups(self, weights: int) -> int:
        """In how many groups the weights are moved: one each, unless the network is too large."""
        work = summarize(self.typed).macs * self.batch
        return max(1, min(weights, max(_LEAST_GROUPS, _WORK // max(1, work))))

    def inference(self) -> Check:
        """The loss of the training graph, and that computed from the inference graph's output.

        Chance is taken out of the network for this, and running statistics hold in both.
        """
        name = "inference graph against training graph"
        learning = [
            node
            for node, own in zip(self.typed.network.nodes, self.typed.weights, strict=True)
            if isinstance(node, LayerNode) and any(weight.trainable for weight in own)
        ]
        others = tuple(node.owner for node in learning if node.layer.normalises_batch)
        if len(others) == len(learning):
            return Check(name, "its only weights are a batch normalisation's", "skipped")
        recipe = replace(self._plain(Sgd(lr=1.0)), freeze=others)
        step = self._step(recipe, chance=False)
        feeds = self._feeds(step)
        own = step.signature.losses.get(main := self.typed.network.main, step.signature.loss)
        trained = float(self._session(step).run(feeds, [own])[own])
        head = heads_of(self.typed.network, recipe)[0]
        inputs = {name: feeds[name] for name in step.signature.samples}
        output = self._scores(head, inputs, self.weights)
        labels = step.signature.labels[main]
        inferred = float(recipe.loss.of_answers(output, feeds[labels.name]).mean())
        error = abs(trained - inferred) / max(abs(inferred), 1e-3)
        measured = f"loss {trained:.6f} and {inferred:.6f}"
        return _check(name, measured, error < _TOLERANCE)

    def devices(self) -> Check:
        """The same step on the CPU and on CUDA."""
        name = "CPU against CUDA"
        result = trial(CUDA)
        if not result.works:
            return Check(name, result.reason, "skipped")
        losses = []
        for device in ("cpu", "cuda"):
            train_step, feeds = self._train_step(self.recipe, device=device)
            losses.append([_run(train_step, feeds, number) for number in range(_STEPS)])
        error = max(abs(a - b) / max(abs(a), 1e-3) for a, b in zip(*losses, strict=True))
        measured = f"losses of {_STEPS} steps differ by {error:.1e}"
        return _check(name, measured, error < _DEVICE_TOLERANCE)

    def resume(self) -> Check:
        """Saved in the middle and resumed from the file: the same weights to the bit."""
        straight, feeds = self._train_step(self.recipe)
        for number in range(_STEPS):
            _run(straight, feeds, number)
        first, _ = self._train_step(self.recipe)
        for number in range(_STEPS // 2):
            _run(first, feeds, number)
        with tempfile.TemporaryDirectory(prefix="cnndsl-") as folder:
            saved = Checkpoint({}, {}, Position(), first.weights(), first.state())
            found = read_checkpoint(write_checkpoint(Path(folder), saved))
        second = TrainStep(
            first.step, found.weights, found.state, device=self.device, threads=self.threads
        )
        for number in range(_STEPS // 2, _STEPS):
            _run(second, feeds, number)
        expected, result = straight.weights(), second.weights()
        wrong = [n for n, array in expected.items() if array.tobytes() != result[n].tobytes()]
        measured = f"{len(expected)} weights after {_STEPS} steps: "
        measured += f"`{wrong[0]}` differs" if wrong else "bit-equal"
        return _check("save and resume", measured, not wrong)

    def overfit(self) -> Check:
        """A network that can learn anything learns one batch by heart, at one of the rates."""
        name = "one batch overfitted"
        recipe = self._plain(Adam(lr=1e-3))
        measured = ""
        for rate in _OVERFIT_RATES:
            train_step, feeds = self._train_step(recipe, chance=False)
            feeds |= self._attainable(train_step.step, feeds)
            losses: list[float] = []
            for number in range(_OVERFIT_STEPS):
                losses.append(_run(train_step, feeds, number, rate))
                self.told(name, number, _OVERFIT_STEPS)
                if losses[-1] < losses[0] / 2:
                    break
            measured = f"loss {losses[0]:.3g} -> {losses[-1]:.3g} in {len(losses)} steps"
            if losses[-1] < losses[0] / 2:
                return _check(name, measured, holds=True)
        return _check(name, measured, holds=False)

    def _attainable(self, step: Step, feeds: Arrays) -> Arrays:
        """Labels that can be learnt, where random ones are more than the weights can hold.

        A sample with many labels, one for each place, has those that the same network gives with
        other weights.
        """
        many = [
            head
            for head in heads_of(self.typed.network, self.recipe)
            if math.prod(step.signature.labels[head.name].dims[1:]) > 1
        ]
        seed, inits = self.recipe.seed + 1, self.recipe.init
        others = initialise(self.typed, seed, inits, self._heads().values()) if many else {}
        found = {}
        for head in many:
            spec = step.signature.labels[head.name]
            inputs = {name: feeds[name] for name in step.signature.samples}
            answers = labels_of(head.loss, self._scores(head, inputs, others))
            found[spec.name] = answers.astype(spec.dtype).reshape(spec.dims)
        return found

    def _scores(self, head: Head, inputs: Arrays, drawn: Arrays) -> NDArray[Any]:
        """What a head's loss takes, as the inference graph computes it with these weights."""
        outputs = {head.name: head.position}
        typed = replace(self.typed, network=replace(self.typed.network, outputs=outputs))
        model = self.answering(typed)
        output = model.graph_only.graph.output[0].name
        taken = scores_value(typed, model.manifest, head.loss, head.position) or output
        weights = {name: drawn[name] for name in network_weights(typed)}
        given = dataclasses.replace(model, weights=weights)
        whole = with_outputs(given, [taken]).for_runtime()
        session = Session(whole, self.device, threads=self.threads)
        inputs = {port.name: inputs[port.name] for port in session.inputs}
        found = session.run(inputs, [taken])[taken]
        shape = session.outputs[0].shape
        return found.reshape(len(found), *(size for size in shape[1:] if isinstance(size, int)))

    # --- what they need -----------------------------------------------------------------------

    def _plain(self, optimizer: Sgd | Adam) -> Recipe:
        """The recipe with nothing between the gradient and the weight but the optimizer."""
        return self.recipe.bare(optimizer)

    def _step(self, recipe: Recipe, device: str | None = None, *, chance: bool = True) -> Step:
        given = form_on(device or self.device)
        return build_step(self.typed, recipe, batch=self.batch, chance=chance, **given)

    def _session(self, step: Step) -> Session:
        return Session(step.to_proto().SerializeToString(), self.device, threads=self.threads)

    def _train_step(
        self, recipe: Recipe, device: str | None = None, *, chance: bool = True
    ) -> tuple[TrainStep, Arrays]:
        step = self._step(recipe, device, chance=chance)
        where = device or self.device
        train_step = TrainStep(step, self.weights, device=where, threads=self.threads)
        return train_step, self._feeds(step)

    def _learning(self, step: Step) -> list[str]:
        buffers = {
            name
            for position in range(len(self.typed.weights))
            for name, weight in self.typed.weights_of(position).items()
            if not weight.trainable
        }
        return [name for name in step.signature.updated if name not in buffers]

    def _feeds(self, step: Step) -> Arrays:
        signature = step.signature
        samples, labels = random_batch(self.typed, signature, self.recipe.seed)
        return {
            **{name: self.weights[name] for name in signature.weights},
            **signature.initial_state(),
            **signature.feeds(samples, labels, lr=_RATE, seed=self.recipe.seed),
        }


def _check(name: str, measured: str, holds: bool) -> Check:
    return Check(name, measured, "passed" if holds else "failed")


def _run(train_step: TrainStep, feeds: Arrays, number: int, lr: float | None = None) -> float:
    signature = train_step.step.signature
    samples = {name: feeds[name] for name in signature.samples}
    labels = {output: feeds[spec.name] for output, spec in signature.labels.items()}
    return train_step.run(samples, labels, 1e-3 if lr is None else lr, number, 1).loss
