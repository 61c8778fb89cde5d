"""Turns a request to train into all that a run needs before its first step.

Whatever is wrong with the request is found here, before anything is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cnndsl.autodiff.rules import Target
from cnndsl.data.augment import Augmenter
from cnndsl.data.baseline import notes_of_balance
from cnndsl.data.label_places import note_of_moving
from cnndsl.data.labels import imbalance
from cnndsl.data.samples import Dataset, Indices
from cnndsl.data.sources import Array, ModelInput
from cnndsl.diagnostics.model import UserError
from cnndsl.diagnostics.words import count
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.initializers import initialise
from cnndsl.graph.lower import network_weights
from cnndsl.recipe.losses.base import LabelKind
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime import library
from cnndsl.runtime.checkpoint import Checkpoint, Position, choose_checkpoint, read_checkpoint
from cnndsl.runtime.continuation import allowed_changes, continued
from cnndsl.runtime.events import FigureFormat, Listener
from cnndsl.runtime.fine_tuning import start_from
from cnndsl.runtime.fingerprint import fingerprint_of, same_run
from cnndsl.runtime.head_labels import HeadLabels, check_head_labels, head_labels, notes_of_heads
from cnndsl.runtime.logs.base import Log
from cnndsl.runtime.run_folder import RunFolder
from cnndsl.runtime.workers.communicator import ALONE, Communicator
from cnndsl.training.host import Host
from cnndsl.training.split import ShardedStep, build_shards
from cnndsl.training.step import Step, build_step
from cnndsl.typecheck.heads import head_positions
from cnndsl.typecheck.recipe_checks import recipe_problems, single_values
from cnndsl.version import __version__

__all__ = ["Plan", "TrainingRequest", "batch_of", "begin", "prepare", "step_of"]

CONVOLUTIONS = "the way of convolutions"
STANDARD = "standard"
"""That of steps of standard operators, and of all that were before there was another."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingRequest:
    """What to train, with what, and where the results go.

    ``network`` carries its recipe, with whatever was set for this run. ``weights`` is a file of
    which the run takes what fits to begin with; with ``verify``, its checksum is compared first.
    ``resume`` is empty for a new run, or ``latest``, ``previous``, or a checkpoint's path.
    ``command`` are the words of the command line.

    A checkpoint is written after every epoch, after ``checkpoint_seconds``, and after every
    ``checkpoint_steps`` steps where they are given; the last ``keep`` stay. ``figures`` is the
    format of what is drawn. ``examine`` lets the run look into the network after some epochs, and
    note what does not learn well. ``tune`` times forms of convolutions before the first step.
    ``logs`` write the run down in further ways. ``workers`` are those that do the run together.
    """

    network: TypedNetwork
    data: Dataset
    folder: Path
    valid: Dataset | None = None
    weights: Path | None = None
    verify: bool = True
    device: str = "auto"
    threads: int | None = None
    resume: str = ""
    command: tuple[str, ...] = ()
    keep: int = 3
    figures: FigureFormat = "png"
    checkpoint_seconds: float = 120.0
    checkpoint_steps: int | None = None
    examine: bool = True
    tune: bool = False
    logs: tuple[Log, ...] = ()
    workers: Communicator = ALONE


@dataclass(frozen=True, eq=False)
class Plan:
    """What follows from a request.

    ``batch`` is the recipe's, or the number of samples where there are fewer; an epoch has
    ``steps`` steps. ``heads`` give the labels of samples as the step takes them, which
    ``augment`` moves along where it must. ``model`` is the inference model without weights.
    """

    request: TrainingRequest
    recipe: Recipe
    device: str
    batch: int
    steps: int
    step: Step | ShardedStep
    heads: tuple[HeadLabels, ...]
    augment: Augmenter | None
    model: Artifact
    fingerprint: Mapping[str, Any]
    environment: Mapping[str, str]

    @property
    def shown(self) -> int:
        """How many samples of a batch are looked into: those of its first shard."""
        return self.step.shard(0).size if isinstance(self.step, ShardedStep) else self.batch

    def labels_in(self, epoch: int) -> Callable[[Indices], Array | Mapping[str, Array]]:
        """A function that gives the labels of samples as they are changed in an epoch.

        They are by the heads' names where there are several.
        """
        takes = {head.name: self._moving(head, epoch) for head in self.heads}
        if len(takes) == 1:
            return next(iter(takes.values()))
        return lambda indices: {name: take(indices) for name, take in takes.items()}

    def _moving(self, head: HeadLabels, epoch: int) -> Callable[[Indices], Array]:
        augment, take = self.augment, head.take
        if augment is None or not head.moved:
            return take
        return lambda indices: augment.move_labels(take(indices), epoch, indices)


def batch_of(request: TrainingRequest) -> int:
    """How many samples a step takes: those of the recipe, or all where there are fewer.

    Raises:
        UserError: CNN313 where these are so few that a batch normalises a single value.
    """
    network, data = request.network, request.data
    recipe = network.network.recipe or Recipe()
    batch = min(recipe.batch, len(data))
    if batch < recipe.batch:
        _check_batch(network, recipe, data)
    return batch


def step_of(
    request: TrainingRequest, *, target: Target = "cpu", host: Host | None = None
) -> Step | ShardedStep:
    """The step of a run: in one graph, or in shards where the recipe says so.

    Raises:
        UserError: as ``build_step`` and ``build_shards`` do.
    """
    recipe = request.network.network.recipe or Recipe()
    build = build_shards if recipe.shards > 1 else build_step
    return build(request.network, batch=batch_of(request), target=target, host=host)


def prepare(
    request: TrainingRequest, device: str, step: Step | ShardedStep, model: Artifact
) -> Plan:
    """Work out everything else that a run needs, and see that it can begin.

    Raises:
        UserError: CNN802 for labels that do not fit, CNN808 where a class has no sample, CNN830 for
            an augmentation that does not suit the data.
    """
    network, data = request.network, request.data
    recipe = network.network.recipe or Recipe()
    batch = batch_of(request)
    for dataset in (data, request.valid):
        if dataset is not None:
            check_head_labels(network, recipe, step.signature, dataset, learnt=dataset is data)
    _check_classes(data)
    inputs = [ModelInput(node.name, node.type, node.preparation) for node in network.network.inputs]
    augment = Augmenter(recipe.augment, recipe.seed, inputs) if recipe.augment else None
    return Plan(
        request=request,
        recipe=recipe,
        device=device,
        batch=batch,
        steps=len(data) // batch,
        step=step,
        heads=head_labels(network, recipe, step.signature, data, augment),
        augment=augment,
        model=model,
        fingerprint=fingerprint_of(network, recipe, batch, data, request.valid),
        environment={
            "cnndsl": __version__,
            "ONNX Runtime": library.load().__version__,
            "the device": device,
            CONVOLUTIONS: str(step.host or STANDARD),
        },
    )


def _check_batch(network: TypedNetwork, recipe: Recipe, data: Dataset) -> None:
    """Raise CNN313 where so few samples are a batch that normalisation needs more values."""
    for problem in single_values(network, recipe, len(data)):
        raise UserError(
            problem.code,
            problem.message,
            (f"the recipe's batch is {recipe.batch}, but `{data.name}` gives only {len(data)}",),
            "give 2 samples or more",
        )


def _check_classes(data: Dataset) -> None:
    """Raise CNN808 where a class that has a name has no sample."""
    balance = imbalance(data)
    empty = [name for name, count in balance.counts if not count] if balance else []
    if empty and data.classes:
        more = f" and {len(empty) - 1} more" if len(empty) > 1 else ""
        raise UserError(
            "CNN808",
            f"no sample of `{data.name}` is of the class `{empty[0]}`{more}",
            help="give samples of every class, or take the class out of the data and the spec",
        )


# --- beginning --------------------------------------------------------------------------------


def begin(plan: Plan, checkpoints: Path, listener: Listener) -> Checkpoint:
    """Where a run begins: at the checkpoint that its request asks for, or anew.

    Raises:
        UserError: CNN601 and CNN602 for a file of weights, CNN806 for a damaged checkpoint,
            CNN807 for one of another run, CNN810 where there is a trained network and none.
    """
    request = plan.request
    if request.resume:
        path = choose_checkpoint(checkpoints, request.resume)
        if path is not None:
            return _found(plan, path, listener)
        RunFolder(request.folder).refuse_trained()
        listener.note(f"there is no checkpoint in `{request.folder}` yet: training begins anew")
    _note_data(plan, listener)
    _note_recipe(plan, listener)
    _note_precision(plan, listener)
    heads = head_positions(request.network.network, plan.recipe)
    weights = initialise(request.network, plan.recipe.seed, plan.recipe.init, heads)
    if request.weights is not None:
        start = start_from(request.weights, weights, request.network, verify=request.verify)
        for note in start.notes(request.weights):
            listener.note(note)
        weights = dict(start.weights)
    state = plan.step.initial_state()
    return Checkpoint(plan.fingerprint, plan.environment, Position(), weights, state)


def _found(plan: Plan, path: Path, listener: Listener) -> Checkpoint:
    found = read_checkpoint(path)
    allowed = allowed_changes(found, all_samples=plan.batch < plan.recipe.batch)
    same_run(path, found.fingerprint, plan.fingerprint, allowed)
    point = continued(found, plan.fingerprint, plan.recipe, divided=_is_divided(plan.request))
    for note in point.notes:
        listener.note(note)
    for name, now in plan.environment.items():
        before = found.environment.get(name, STANDARD if name == CONVOLUTIONS else None)
        if before != now:
            listener.note(f"{name} was {before} before, and is {now} now: last digits may differ")
    # Files are sorted by name; in the network's order the model's bytes are the same again.
    heads = head_positions(plan.request.network.network, plan.recipe)
    names = network_weights(plan.request.network, heads)
    best = found.best
    return replace(
        found,
        position=point.position,
        weights={name: found.weights[name] for name in names},
        best=None if best is None else {name: best[name] for name in names},
    )


def _is_divided(request: TrainingRequest) -> bool:
    """Whether the validation data was kept aside of the training data."""
    return request.valid is not None and request.valid.name == request.data.name


def _note_recipe(plan: Plan, listener: Listener) -> None:
    """What the checker says of a recipe in a spec, for the one that this run has."""
    for problem in recipe_problems(plan.request.network, plan.recipe):
        listener.note("; ".join((problem.message, *problem.notes)))


def _note_precision(plan: Plan, listener: Listener) -> None:
    if plan.device == "cpu" and plan.recipe.precision != "float32":
        listener.note(
            f"the CPU does not compute in {plan.recipe.precision}: results are rounded to it, to"
            " try it out, and that takes longer; `--precision float32` is faster here"
        )


def _note_data(plan: Plan, listener: Listener) -> None:
    data = plan.request.data
    if note := note_of_moving(plan.recipe.augment, data, moved=plan.heads[0].moved):
        listener.note(note)
    for note in notes_of_heads(plan.heads, data):
        listener.note(note)
    if plan.batch < plan.recipe.batch:
        listener.note(
            f"`{data.name}` gives only {count(len(data), 'sample')} to train with: the batch is"
            f" {plan.batch}, not {plan.recipe.batch}"
        )
    balance, kind = imbalance(data), plan.recipe.loss.labels
    if balance is not None and kind is LabelKind.CLASS:
        units = plan.request.network.main_type.channels
        empty = units - sum(1 for _, count in balance.counts if count)
        if empty:
            listener.note(
                f"{empty} of the {units} classes that the network tells apart have no sample in"
                f" `{data.name}`: it cannot learn them"
            )
    classes, yes_or_no = kind is LabelKind.CLASS, kind is LabelKind.SHARE
    for note in notes_of_balance(data, classes=classes, yes_or_no=yes_or_no):
        listener.note(note)
