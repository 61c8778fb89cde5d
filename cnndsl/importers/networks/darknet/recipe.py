"""Turns what `[net]` says of training into a recipe.

Darknet counts batches, a recipe epochs: how many samples there are is not in the file.
"""

from __future__ import annotations

from typing import Any

from cnndsl.importers.networks.builder import NetworkBuilder
from cnndsl.importers.networks.darknet.cfg import Section
from cnndsl.importers.networks.recipe_parts import made
from cnndsl.recipe import AUGMENTATIONS, LOSSES, OPTIMIZERS, SCHEDULES
from cnndsl.recipe.recipe import Recipe
from cnndsl.recipe.settings import WeightDecay

__all__ = ["recipe_of"]

_COLOURS = ("hue", "saturation", "exposure", "aspect", "max_crop", "min_crop", "mosaic",
            "mixup", "cutmix", "blur", "gaussian_noise", "adversarial_lr", "jitter")  # fmt: skip

_IGNORED = ("max_batches", "time_steps", "burn_in", "center", "random", "notruth",
            "track", "augment_speed", "sequential_subdivisions", "try_fix_nan", "ema_alpha",
            "loss_scale", "cudnn_half", "optimized_memory", "workspace_size_limit_MB",
            "show_receptive_field", "dynamic_minibatch", "num_sigmas_reject_badlabels",
            "badlabels_rejection_percentage", "badlabels_reject_threshold", "weights_reject_freq",
            "equidistant_point", "unsupervised", "init_sequential_subdivisions", "log_step",
            "letter_box", "flip", "angle", "learning_rate_min", "sgdr_cycle", "sgdr_mult",
            "power", "gamma", "scale", "step", "steps", "scales", "seq_scales", "policy",
            "adam", "B1", "B2", "eps", *_COLOURS)  # fmt: skip


def recipe_of(
    network: NetworkBuilder, net: Section, loss: str, samples: int, *, pictures: bool
) -> Recipe | None:
    """The recipe; None where the network has no loss.

    Args:
        network: takes notes of what a recipe does not say.
        net: the section.
        loss: of the network's last section.
        samples: how many training samples there are; 0 where that is not known.
        pictures: whether its inputs are pictures.
    """
    net.ignore(*_IGNORED)
    batch, rate = net.whole("batch", 1), net.number("learning_rate", 0.001)
    shards = net.whole("subdivisions", 1)
    momentum, decay = net.number("momentum", 0.9), net.number("decay", 0.0001)
    if not loss:
        return None
    values: dict[str, Any] = {"loss": _made(network, LOSSES, loss)}
    if batch > 1:
        values["batch"] = batch
        values["shards"] = min(max(1, shards), batch)
    else:
        network.notes.append(
            f"line {net.span_of('batch').first.line}: a batch of 1 is for a picture at a time, not"
            " for training; write `batch` and `epochs`"
        )
    if net.flag("adam", default=False):
        betas = {"beta1": net.number("B1", 0.9), "beta2": net.number("B2", 0.999)}
        values["optimizer"] = _made(
            network, OPTIMIZERS, "adam", lr=rate, eps=net.number("eps", 1e-8), **betas
        )
    else:
        values["optimizer"] = _made(network, OPTIMIZERS, "sgd", lr=rate, momentum=momentum)
    if decay:
        values["weight_decay"] = made(network.notes, WeightDecay, {"value": decay})
    values |= _course(network, net, max(1, batch), samples if batch > 1 else 0)
    if pictures:
        values["augment"] = _augmentations(network, net)
    return Recipe(**{name: value for name, value in values.items() if value is not None})


def _course(network: NetworkBuilder, net: Section, batch: int, samples: int) -> dict[str, Any]:
    """The epochs and the schedule, where it is known how many batches an epoch has."""
    steps, policy = net.whole("max_batches", 0), net.text("policy", "constant")
    found: dict[str, Any] = {}
    per_epoch = samples / batch if samples else 0.0
    epochs = max(1, round(steps / per_epoch)) if per_epoch and steps else 0
    if epochs:
        found["epochs"] = epochs
    elif steps and batch > 1:
        network.notes.append(
            f"line {net.line}: `max_batches={steps}` of {batch} samples; how many epochs that is"
            " hangs on how many samples there are"
        )
    schedule = _schedule(network, net, policy, per_epoch, epochs)
    if schedule is not None:
        found["schedule"] = schedule
    elif policy not in ("constant", "random"):
        network.notes.append(
            f"line {net.span_of('policy').first.line}: `policy={policy}` counts batches; write"
            " `schedule` in epochs: batches times samples in each, divided by all samples"
        )
    if burn := net.whole("burn_in", 0):
        network.notes.append(
            f"line {net.span_of('burn_in').first.line}: for the first {burn} batches the learning"
            f" rate rises by the power {net.number('power', 4.0):g}; `warmup` counts epochs, and"
            " rises evenly"
        )
    return found


def _schedule(
    network: NetworkBuilder, net: Section, policy: str, per_epoch: float, epochs: int
) -> Any:
    if policy == "poly":
        # Of all batches, however many these are: it counts no epochs.
        return _made(network, SCHEDULES, "polynomial", power=net.number("power", 4.0))
    if policy in ("sgdr", "cos"):
        return _made(network, SCHEDULES, "cosine")
    if not per_epoch:
        return None
    if policy == "step":
        scale, step = net.number("scale", 1.0), net.whole("step", 1)
        if 0 < scale < 1:
            return _made(
                network, SCHEDULES, "step", every=max(1, round(step / per_epoch)), gamma=scale
            )
    if policy == "steps":
        scales = net.numbers("scales")
        at = sorted({max(2, round(one / per_epoch) + 1) for one in net.numbers("steps")})
        at = [one for one in at if not epochs or one <= epochs]
        if at and len({*scales}) == 1 and 0 < scales[0] < 1:
            return _made(network, SCHEDULES, "multistep", at=tuple(at), gamma=scales[0])
    if policy == "exp" and 0 < (gamma := net.number("gamma", 1.0) ** per_epoch) < 1:
        return _made(network, SCHEDULES, "exponential", gamma=gamma)
    return None


def _augmentations(network: NetworkBuilder, net: Section) -> tuple[Any, ...]:
    found = []
    if net.flag("flip", default=True):
        found.append(_made(network, AUGMENTATIONS, "flip"))
    angle = net.number("angle", 0.0)
    if angle > 0:
        found.append(_made(network, AUGMENTATIONS, "rotate", degrees=min(angle, 180.0)))
    given = [
        name for name in _COLOURS if net.has(name) and net.text(name, "0") not in ("0", "1.0", "1")
    ]
    if given:
        lines = sorted(net.span_of(name).first.line for name in given)
        network.notes.append(
            f"line {', '.join(map(str, lines))}: no augmentation here does"
            f" {', '.join(f'`{name}`' for name in given)}"
        )
    return tuple(found)


def _made(network: NetworkBuilder, registry: Any, keyword: str, **values: object) -> Any:
    return made(network.notes, registry.find(keyword), values)
