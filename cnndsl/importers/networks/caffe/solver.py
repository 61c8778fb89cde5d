"""Turns a solver's file into a recipe's optimizer, schedule and settings.

Caffe counts iterations, a recipe epochs. How many samples there are is in neither file; it is
guessed from the name of the data, or given.
"""

from __future__ import annotations

from typing import Any

from cnndsl.frozen import frozen
from cnndsl.importers.networks.caffe.fields import Fields, fault
from cnndsl.importers.networks.recipe_parts import made
from cnndsl.recipe import OPTIMIZERS, SCHEDULES
from cnndsl.recipe.optimizers.base import Optimizer
from cnndsl.recipe.schedules.base import Schedule

__all__ = ["Solver", "known_samples", "read_solver"]

_IGNORED = (
    "net", "train_net", "test_net", "net_param", "train_net_param", "test_net_param", "train_state",
    "test_state", "test_iter", "test_interval", "test_compute_loss", "test_initialization",
    "display", "average_loss", "snapshot", "snapshot_prefix", "snapshot_diff", "snapshot_format",
    "snapshot_after_train", "solver_mode", "device_id", "debug_info", "layer_wise_reduce",
    "eval_type", "ap_version", "weights",
)  # fmt: skip

_KNOWN = {"ilsvrc12": 1_281_167, "imagenet": 1_281_167, "mnist": 60_000, "cifar10": 50_000}
"""How many samples the training parts of data have that Caffe's own files name."""


def known_samples(source: str) -> int:
    """How many samples there are in data of this name; 0 where that is not known."""
    name = source.lower().replace("-", "").replace("_", "")
    return next((count for word, count in _KNOWN.items() if word in name), 0)


@frozen
class Solver:
    """What a solver says, in a recipe's words."""

    optimizer: Optimizer
    schedule: Schedule | None
    weight_decay: float
    clip: float | None
    batch: int
    epochs: int | None
    seed: int | None
    notes: tuple[str, ...]


def read_solver(fields: Fields, batch: int, samples: int) -> Solver:
    """A solver in a recipe's words.

    Args:
        fields: of its file.
        batch: how many samples the data layer gives at once; 0 where that is not known.
        samples: how many training samples there are; 0 where that is not known.
    """
    fields.ignore(*_IGNORED)
    notes: list[str] = []
    batch *= fields.whole("iter_size", 1)
    iterations = samples / batch if samples and batch else 0.0
    optimizer = _optimizer(fields, notes)
    steps = fields.whole("max_iter", 0)
    epochs = max(1, round(steps / iterations)) if iterations and steps else None
    schedule = _schedule(fields, iterations, steps, epochs, notes)
    decay = fields.number("weight_decay", 0.0)
    if decay and (kind := fields.text("regularization_type", "L2")) != "L2":
        notes.append(
            f"solver: `regularization_type: {kind}`; `weight_decay` is that of squares, L2"
        )
        decay = 0.0
    fields.ignore("regularization_type")
    clip = fields.number("clip_gradients", -1.0)
    seed = fields.whole("random_seed", -1)
    if steps and not epochs:
        notes.append(
            f"solver: `max_iter: {steps}` are iterations{f' of {batch} samples' if batch else ''};"
            " how many epochs that is hangs on how many samples there are"
        )
    return Solver(
        optimizer,
        schedule,
        decay,
        clip if clip > 0 else None,
        batch,
        epochs,
        seed if seed >= 0 else None,
        tuple(notes),
    )


_OLD_TYPES = ("SGD", "NESTEROV", "ADAGRAD", "RMSPROP", "ADADELTA", "ADAM")
_TYPES = {"SGD": "SGD", "NESTEROV": "Nesterov", "ADAGRAD": "AdaGrad", "RMSPROP": "RMSProp",
          "ADADELTA": "AdaDelta", "ADAM": "Adam"}  # fmt: skip


def _optimizer(fields: Fields, notes: list[str]) -> Any:
    old = _TYPES[fields.word("solver_type", "SGD", _OLD_TYPES)]
    kind = fields.text("type", old)
    rate, momentum = fields.number("base_lr", 0.01), fields.number("momentum", 0.0)
    delta, second = fields.number("delta", 1e-8), fields.number("momentum2", 0.999)
    smoothing = fields.number("rms_decay", 0.99)
    values: dict[str, Any]
    if kind in ("SGD", "Nesterov"):
        keyword, values = "sgd", {"lr": rate, "momentum": momentum}
        if kind == "Nesterov":
            values["nesterov"] = True
    elif kind == "Adam":
        keyword = "adam"
        values = {"lr": rate, "beta1": momentum, "beta2": second, "eps": delta}
    elif kind == "RMSProp":
        keyword, values = "rmsprop", {"lr": rate, "alpha": smoothing, "eps": delta}
    elif kind == "AdaGrad":
        keyword, values = "adagrad", {"lr": rate, "eps": delta}
    elif kind == "AdaDelta":
        keyword, values = "adadelta", {"lr": rate, "rho": momentum, "eps": delta}
    else:
        place = fields.fields("type") or fields.fields("solver_type")
        known = ", ".join(f"`{one}`" for one in _TYPES.values())
        raise fault(place[-1].span, f"there is no solver of type `{kind}`", f"Caffe has {known}")
    schema = OPTIMIZERS.find(keyword)
    assert schema is not None
    return made(notes, schema, values) or schema()


def _schedule(
    fields: Fields, iterations: float, steps: int, epochs: int | None, notes: list[str]
) -> Schedule | None:
    policy = fields.text("lr_policy", "fixed")
    gamma, power = fields.number("gamma", 0.0), fields.number("power", 0.0)
    stepsize, stops = fields.whole("stepsize", 0), fields.wholes("stepvalue")
    if policy == "fixed":
        return None
    found = _in_epochs(policy, iterations, steps, epochs, gamma, power, stepsize, stops)
    if found is not None:
        keyword, values = found
        schema = SCHEDULES.find(keyword)
        assert schema is not None
        schedule: Schedule | None = made(notes, schema, values)
        return schedule
    detail = {
        "step": f"`stepsize: {stepsize}`, `gamma: {gamma:g}`",
        "multistep": f"`stepvalue: {stops}`, `gamma: {gamma:g}`",
        "exp": f"`gamma: {gamma:g}`",
        "inv": f"`gamma: {gamma:g}`, `power: {power:g}`",
        "poly": f"`power: {power:g}`",
    }.get(policy)
    if detail is None:
        notes.append(f'solver: there is no schedule like `lr_policy: "{policy}"`; the rate stays')
    else:
        notes.append(
            f'solver: `lr_policy: "{policy}"` with {detail} counts iterations; write `schedule`'
            " in epochs: iterations times the batch, divided by the number of samples"
        )
    return None


def _in_epochs(
    policy: str,
    iterations: float,
    steps: int,
    epochs: int | None,
    gamma: float,
    power: float,
    stepsize: int,
    stops: list[int],
) -> tuple[str, dict[str, Any]] | None:
    """A policy as a schedule's keyword and values, where the epochs are known that it takes."""
    if not iterations:
        return None
    if policy == "step" and stepsize and 0 < gamma < 1:
        return "step", {"every": max(1, round(stepsize / iterations)), "gamma": gamma}
    if policy == "multistep" and 0 < gamma < 1:
        at = sorted({max(2, round(stop / iterations) + 1) for stop in stops})
        at = [one for one in at if epochs is None or one <= epochs]
        return ("multistep", {"at": tuple(at), "gamma": gamma}) if at else None
    if policy == "exp" and 0 < gamma < 1 and 0 < gamma**iterations < 1:
        return "exponential", {"gamma": gamma**iterations}
    if policy == "inv" and gamma > 0 and power > 0:
        return "inverse", {"gamma": gamma * iterations, "power": power}
    if policy == "poly" and power > 0:
        return "polynomial", {"power": power}
    return None
