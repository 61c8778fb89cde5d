"""Weights and an optimizer's state where a step computes with them: what changes, there twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cnndsl.data.sources import Array
from cnndsl.runtime.device import Device
from cnndsl.runtime.slots import GpuMemory, HostMemory, Slot
from cnndsl.training.in_place import overwritable_states
from cnndsl.training.signature import SKIPPED
from cnndsl.training.step import Step

__all__ = ["KeptValues"]


class KeptValues:
    """What is kept between steps: as it is ``now``, as it will be ``next``, and what stays.

    On a CPU a state has one copy where the graph leaves no other order than to read it first.

    Args:
        step: the graph that changes them.
        taken: the sizes of the weights that are kept, by their names.
        memory: where their tensors are.
        device: what computes with them.
        weights: what they begin with; more may be given.
        state: the state to begin with; by default as the step says.

    Raises:
        ValueError: for a weight or state of another shape.
    """

    def __init__(
        self,
        step: Step,
        taken: Mapping[str, tuple[int, ...]],
        memory: HostMemory | GpuMemory,
        device: Device,
        weights: Mapping[str, Array],
        state: Mapping[str, Array] | None,
    ) -> None:
        signature = step.signature
        given = {name: weights[name] for name in taken}
        # All zeros of a state are one zero, stretched: nothing is held beside the slots.
        zeros = signature.initial_state()
        given |= zeros if state is None else {name: state[name] for name in zeros}
        dims = {**taken, **signature.state}
        for name, sizes in dims.items():
            if given[name].shape != sizes:
                raise ValueError(f"`{name}` is {given[name].shape}, not {sizes}")
        slots = {name: memory.slot(array) for name, array in given.items()}
        self.now = {name: slots.pop(name) for name in signature.next_names}
        self.fixed: Mapping[str, Slot] = slots
        alone = overwritable_states(step.model, signature) if device.name == "cpu" else frozenset()
        twofold = (name for name in self.now if name not in alone)
        self.next = self.now | {name: memory.room(dims[name]) for name in twofold}

    def turn(self) -> None:
        """Take what is next for what is now: a step is done."""
        self.now, self.next = self.next, self.now

    def read(self, names: Iterable[str]) -> dict[str, Array]:
        """Copies of some, as they are now."""
        return {name: (self.fixed.get(name) or self.now[name]).read() for name in names}

    def read_before(self, names: Iterable[str]) -> dict[str, Array]:
        """Copies of some as the last step found them; of one copy, as it left that."""
        return {name: (self.fixed.get(name) or self.next[name]).read() for name in names}

    @property
    def skipped(self) -> int:
        """How many steps were skipped since the weights were drawn."""
        slot = self.now.get(SKIPPED)
        return 0 if slot is None else int(slot.read())
