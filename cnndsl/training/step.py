"""Turns a network and its recipe into the graph that trains it.

Forward pass, loss, gradients and the optimizer's update are one plain ONNX model, which any ONNX
Runtime trains with: the step. Its inputs and outputs:

=================  =====================================================================
input              is
=================  =====================================================================
the network's      a batch of each of its inputs, prepared
``labels``         the classes (int64); the targets (float32) for ``binarycrossentropy`` and
                   where numbers are to be met, as for ``mse``
``C1.weight`` …    every weight, running statistics included
``….velocity`` …   the optimizer's state; it begins at zero
``lr``             the learning rate, float32, a scalar
``step``           how many steps were done before, int64, a scalar
``seed``           where all chance starts, int64, a scalar
=================  =====================================================================

The step gives ``loss`` (the mean over the batch), its metric (``correct``, how many answers are
right; where numbers are to be met instead ``absolute_error``, a mean) and, for every weight and
state that changes, its new value under its name with ``.next`` behind it. For many machines that
train one network, :mod:`cnndsl.training.split` cuts it in two.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import onnx
import onnx_ir

from cnndsl.autodiff.rules import Target
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.builder import DEFAULT_OPSET
from cnndsl.graph.export import self_check
from cnndsl.graph.garbage_collection import uncollected
from cnndsl.recipe.recipe import Recipe
from cnndsl.training.backward import emit_backward
from cnndsl.training.host import Host
from cnndsl.training.interface import (
    batch_inputs,
    in_order,
    metrics_of,
    model_of,
    next_outputs,
    scalar_inputs,
    shown_outputs,
    spec_of,
    specs,
    state_inputs,
    statistics_of,
    updates_of,
)
from cnndsl.training.loss_scale import Gate
from cnndsl.training.probe import Probe, emit_probes
from cnndsl.training.signature import Array, Signature
from cnndsl.version import __version__

__all__ = ["Step", "build_step"]

TRAINING_KEY = "cnndsl.training"
"""The property of a step's model that describes its inputs and outputs, in JSON."""


@dataclass(frozen=True, eq=False)
class Step:
    """A training step: its graph, and how that is called.

    ``probes`` are what some of its outputs measure, where they were asked for.
    """

    model: onnx_ir.Model
    signature: Signature
    probes: tuple[Probe, ...] = ()
    host: Host | None = None
    """What of this machine it needs; None for standard operators only."""
    suffix: str = ""
    """What the name of its file ends with, where that is not the name that was asked for."""

    def initial_state(self) -> dict[str, Array]:
        """The state to begin with; no array has memory of its own."""
        return self.signature.initial_state()

    @uncollected()
    def to_proto(self, *, checked: bool = True) -> onnx.ModelProto:
        """The model as the ``onnx`` package has it, with its description.

        It is checked in full, unless ONNX Runtime, which does so too, is all that ever sees it.
        """
        proto: onnx.ModelProto = onnx_ir.serde.serialize_model(self.model)
        if checked:
            self_check(proto)
        proto.producer_version = __version__
        description = json.dumps(self.signature.description())
        proto.metadata_props.add(key=TRAINING_KEY, value=description)
        return proto


# Long, because it lists all that a step takes and gives.
@uncollected()
def build_step(
    typed: TypedNetwork,
    recipe: Recipe | None = None,
    *,
    batch: int | None = None,
    opset: int = DEFAULT_OPSET,
    target: Target = "cpu",
    host: Host | None = None,
    probed: bool = False,
    chance: bool = True,
) -> Step:
    """The graph of one training step for a batch of fixed size.

    The recipe is the network's unless another is given, the batch the recipe's. The loss is that
    of the main output; weights that it does not depend on have no part in the step. The target
    `host` needs to know what this machine has, the others don't. ``probed``
    gives it the outputs that :mod:`cnndsl.training.probe` describes. Without ``chance``, layers
    that draw in training do what they do in inference.

    Raises:
        UserError: CNN605 for an opset that is not supported, CNN808 where nothing learns, CNN809
            where the loss does not suit the output, CNN313 where a batch normalises a single
            value, CNN007 where an input has a name of the step's.
    """
    recipe = recipe or typed.network.recipe or Recipe()
    backward = emit_backward(typed, recipe, batch or recipe.batch, opset, target, chance=chance)
    host = None if backward.graph.policy else host  # an emulation is of standard operators
    graph, forward = backward.graph, backward.forward
    gate = Gate(graph, backward.scale, backward.gradients, graph.step)
    updates = updates_of(recipe, graph, backward, forward.weights, gate)
    probes = {}
    if probed:
        of = {forward.weights[name]: gate.gradients[name] for name in backward.learning}
        probes = emit_probes(graph, typed, forward, of, updates.weights)
    new = in_order(forward.weights, {**updates.weights, **statistics_of(backward)})
    new, state = gate.values(new, forward.weights), gate.states(updates.state)
    inputs = {
        **batch_inputs(backward),
        **specs("weight", forward.weights.values()),
        **state_inputs(state),
        **scalar_inputs(graph, "rate", "step", "seed"),
    }
    outputs = {
        **shown_outputs(backward),
        **specs("skipped", gate.overflow),
        **next_outputs(new),
        **next_outputs({name: value for name, (_, value) in state.items()}),
        **{spec_of("probe", value, probe.of): value for probe, value in probes.items()},
    }
    return Step(
        model_of(f"{typed.name} training step", graph, target, inputs, outputs, host),
        Signature(graph.batch, tuple(inputs), tuple(outputs), metrics_of(backward)),
        tuple(probes),
        host,
    )
