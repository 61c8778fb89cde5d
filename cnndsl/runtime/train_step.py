"""Turns a training step's graph into something that trains: batches in, losses out.

Weights and buffers live on the device in two copies. A step reads one and writes the other, the
next step the other way round: two prebuilt bindings take turns. Reading and writing one buffer
would be wrong without a word, since ONNX Runtime may run the update of a weight before the last
node that needs the old value. Of the optimizer's state there is one copy on a CPU, where the graph
leaves no other order than to read first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

from cnndsl.autodiff.rules import dims_of
from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime.device import Device, choose
from cnndsl.runtime.graph_optimizers import needless
from cnndsl.runtime.kept_values import KeptValues
from cnndsl.runtime.session import run_failure, started
from cnndsl.runtime.slots import HostMemory, Slot, memory_of, slots_of
from cnndsl.runtime.start import TRAINING
from cnndsl.training.step import Step

__all__ = ["StepResult", "TrainStep", "start_session"]

_LARGE = 2**26
"""Bytes that a step makes in all, from which on memory that is kept for later is worth having.

ONNX Runtime takes buffers of one size for one buffer, which it holds from the first result to the
last. On a CPU that costs U-Net at 128x128 302 MiB of 918, DenseNet-121 151 of 903. To ask its arena
instead costs small steps a hundredth of their time and gains large ones two (0075).
"""


class StepResult(NamedTuple):
    """What a step says of its batch: the mean loss, and what each metric comes to, by its name.

    ``skipped`` is whether it changed nothing, as its gradients overflowed.
    """

    loss: float
    metrics: Mapping[str, float]
    skipped: bool = False
    stop: bool = False
    """Whether a worker has asked all of them to stop."""


class TrainStep:
    """A network in training.

    Args:
        step: the training step.
        weights: the values that its weights begin with, by name; more may be given.
        state: the optimizer's state; zero where it is not given.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        threads: how many threads one operator may use; by default ONNX Runtime decides.
        records_to: where the session records what its kernels take, as ``Purpose`` says.

    No array that is given is kept or changed.

    Raises:
        UserError: CNN701 for a device that does not work or cannot run all of the step, CNN705
            where there is no ONNX Runtime.
        ValueError: for a weight or state of another shape than the step's.
    """

    device: Device
    """Where it runs and why there."""

    def __init__(
        self,
        step: Step,
        weights: Mapping[str, Array],
        state: Mapping[str, Array] | None = None,
        *,
        device: str = "auto",
        threads: int | None = None,
        records_to: str = "",
    ) -> None:
        self.step = step
        self.device = choose(device)
        self._memory = memory_of(self.device)
        session = start_session(step, self.device, threads, records_to)
        signature = step.signature
        lasting = frozenset(signature.lasting)
        fed = [spec for spec in signature.inputs if spec.name not in lasting]
        self._batch = slots_of(self._memory, fed)
        # Looked up beforehand: small networks take a tenth of a millisecond for a step.
        self._samples = {name: self._batch[name] for name in signature.samples}
        self._labels = {of: self._batch[spec.name] for of, spec in signature.labels.items()}
        scalars = signature.inputs_of("rate", "step", "seed")
        self._scalars = {spec.role: self._batch[spec.name] for spec in scalars}
        # The results come to the host wherever the step runs.
        self._results = slots_of(HostMemory(), signature.outputs_of("loss", "metric", "skipped"))

        self._kept = KeptValues(step, signature.weights, self._memory, self.device, weights, state)
        self._session = session()
        self._binding = self._bind(self._kept.now, self._kept.next)
        self._other = self._bind(self._kept.next, self._kept.now)

    def run(
        self,
        inputs: Mapping[str, Array],
        labels: Array | Mapping[str, Array],
        lr: float,
        number: int,
        seed: int,
    ) -> StepResult:
        """Do one step with a batch; ``number`` counts the steps done before.

        The labels are by the network's outputs, or one array where only one output has
        any. Where it raises, the weights are those of before; the state may be the next already.

        Raises:
            UserError: CNN703 where ONNX Runtime cannot run the step, as when memory ends.
            ValueError: for arrays of other shapes than the step's.
        """
        signature = self.step.signature
        answers = signature.by_output(labels)
        for name, slot in self._samples.items():
            slot.fill(inputs[name])
        for output, slot in self._labels.items():
            slot.fill(answers[output])
        self._scalars["rate"].fill(lr)
        self._scalars["step"].fill(number)
        self._scalars["seed"].fill(seed)
        try:
            self._session.run_with_iobinding(self._binding)
        except Exception as error:
            advice = "run `cnndsl selftest` on the spec"
            raise run_failure(error, self.device, "a training step", advice) from error
        self._binding, self._other = self._other, self._binding
        self._kept.turn()
        found = {name: slot.array.item() for name, slot in self._results.items()}
        skipped = found.pop(signature.overflow, 0.0) != 0
        return StepResult(found.pop(signature.loss), found, skipped)

    def weights(self) -> dict[str, Array]:
        """Copies of all weights that the step has, frozen ones and buffers included."""
        return self._kept.read(self.step.signature.weights)

    def state(self) -> dict[str, Array]:
        """Copies of the optimizer's state."""
        return self._kept.read(self.step.signature.state)

    @property
    def skipped(self) -> int:
        """How many steps were skipped since the weights were drawn."""
        return self._kept.skipped

    def before(self) -> dict[str, Array]:
        """Copies of weights and state as the last step found them: to see why it went wrong.

        A state that has one copy is as the step left it.
        """
        return self._kept.read_before(self.step.signature.lasting)

    def end_recording(self) -> str:
        """The path of what was recorded; nothing is from now on."""
        return str(self._session.end_profiling())

    def _bind(self, old: Mapping[str, Slot], new: Mapping[str, Slot]) -> Any:
        binding = self._session.io_binding()
        for name, slot in (*self._batch.items(), *self._kept.fixed.items(), *old.items()):
            binding.bind_ortvalue_input(name, slot.value)
        for name, slot in self._results.items():
            binding.bind_ortvalue_output(name, slot.value)
        for name, output in self.step.signature.next_names.items():
            binding.bind_ortvalue_output(output, new[name].value)
        return binding


# --- sessions ---------------------------------------------------------------------------------


def start_session(
    step: Step,
    device: Device,
    threads: int | None,
    records_to: str = "",
    *,
    takes_turns: bool = False,
) -> Callable[[], Any]:
    """What waits for a session that is being started; it may take turns with others.

    On a CPU it starts while the weights are copied: neither needs the interpreter much.
    """
    if device.name != "cpu":
        session = _start(step, device, threads, records_to, takes_turns)
        return lambda: session
    pool = ThreadPoolExecutor(1)
    starting = pool.submit(_start, step, device, threads, records_to, takes_turns)
    pool.shutdown(wait=False)  # it ends when it has started the session
    return starting.result


def _bytes_made(step: Step) -> int:
    """The bytes of all results of a step's nodes."""
    results = [value for node in step.model.graph for value in node.outputs]
    return sum(
        math.prod(dims_of(value)) * math.ceil(value.dtype.itemsize)
        for value in results
        if value.dtype is not None and value.shape is not None
    )


def _start(
    step: Step, device: Device, threads: int | None, records_to: str, takes_turns: bool
) -> Any:
    def refused(text: str) -> UserError:
        return UserError(
            "CNN701",
            f"`{device.name}` cannot run this training step: {text}",
            help="run `cnndsl doctor`" + (", or use `--device cpu`" * (device.name != "cpu")),
        )

    model = step.to_proto(checked=False)  # ONNX Runtime does that as well
    without = (*TRAINING.without, *needless(model.graph))
    kept = device.name != "cpu" or _bytes_made(step) < _LARGE
    purpose = replace(
        TRAINING,
        without=without,
        keeps_buffers=kept,
        records_to=records_to,
        takes_turns=takes_turns,
    )
    return started(model.SerializeToString(), device, purpose, threads, refused)
