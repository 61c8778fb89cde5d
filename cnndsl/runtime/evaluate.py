"""Turns a request to evaluate into numbers: networks with files of weights, and labelled data."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypedDict

from typing_extensions import Unpack

from cnndsl.data.formats.memory import ArrayData
from cnndsl.data.samples import Dataset
from cnndsl.data.sources import ModelInput
from cnndsl.data.splits import Split
from cnndsl.data.training_data import inputs_of, open_part, seed_of
from cnndsl.data.views import ONE, Crops, Views
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.onnx_weights import rounded_model, weights_of_model
from cnndsl.graph.weight_files import classes_of_weights, read_weights
from cnndsl.runtime.averaged_evaluation import Asked, measure_together
from cnndsl.runtime.evaluation import Evaluation
from cnndsl.runtime.evaluator import measure
from cnndsl.runtime.fingerprint import check_alike, model_fingerprint
from cnndsl.runtime.workers.communicator import ALONE, Communicator

__all__ = ["EvaluationOptions", "Trained", "evaluate_trained"]


class EvaluationOptions(TypedDict, total=False):
    """What may be asked of an evaluation; all of it may be left out."""

    split: Split
    """The part to take of data that comes in parts: ``train``, ``valid`` or ``test``."""

    valid: float | None
    """Take only the share that training with ``valid`` kept aside."""

    crops: Crops
    """1, or 5 or 10 crops of each picture, whose answers' mean counts."""

    flip: bool
    """Whether to ask about each picture and its mirror image."""

    device: str
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""

    batch: int
    """How many samples to run at once, by default 64."""

    threads: int | None
    """How many threads one operator may use; by default ONNX Runtime decides."""

    verify: bool
    """Whether to compare the checksum of the weights' file, where it has one; by default yes."""

    skip_broken: bool
    """Leave out samples that cannot be read."""

    workers: Communicator
    """Those that answer together, each for some of the batches; each of them has the result."""

    tell: Callable[[str], None]
    """Is told, a line each, how labels were read, what was passed over, and what of the weights was
    converted."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A network and the file of its weights; ``name`` is what to call the two."""

    name: str
    network: TypedNetwork
    weights: str | os.PathLike[str]


def evaluate_trained(
    models: Sequence[Trained],
    data: str | os.PathLike[str] | ArrayData,
    answering: Callable[[TypedNetwork], Artifact],
    **options: Unpack[EvaluationOptions],
) -> Evaluation:
    """How good networks are on labelled data: one by itself, or the mean of several.

    ``answering`` makes the model of a network that answers, without weights.

    Raises:
        UserError: for data or weights that cannot be read or do not fit, for views that there are
            not, CNN710 for a network that differs from the first, and CNN716 for one that kept
            other samples aside than the first.
        ValueError: for another ``split`` or number of crops, a batch below 1, and where ``valid``
            is no share between 0 and 1.
    """
    batch = options.get("batch", 64)
    if batch < 1:
        raise ValueError(f"`batch` must be 1 or more, not {batch}")
    views = Views(options.get("crops", 1), options.get("flip", False))
    if options.get("valid") is not None:
        _check_kept_aside(models)
    opened = _Opened(data, options, seed_of(models[0].network), _Once(options))
    device, threads = options.get("device", "auto"), options.get("threads")
    asked = []
    for one in models:
        views.larger(inputs_of(one.network))  # Refused before anything is read.
        asked.append(
            Asked(
                one.name,
                one.network,
                _model(one, options, opened.tell, answering),
                opened.part(one, ONE),
                opened.part(one, Views(views.crops)),
            )
        )
    workers = options.get("workers", ALONE)
    if workers.worker.count > 1:
        check_alike(workers, _facts(asked), "measures something else")
    how: _How = {"device": device, "threads": threads, "batch": batch, "workers": workers}
    if len(asked) == 1 and len(views.each) == 1:
        [only] = asked
        return measure(only.network, only.model, only.plain, **how)
    return measure_together(asked, views, **how)


class _How(TypedDict):
    device: str
    threads: int | None
    batch: int
    workers: Communicator


def _facts(asked: Sequence[Asked]) -> dict[str, object]:
    """What must be the same for all workers that measure something together."""
    facts: dict[str, object] = {}
    for one in asked:
        facts[f"the fingerprint of the model `{one.name}`"] = model_fingerprint(one.model)
        facts[f"the fingerprint of the data for `{one.name}`"] = one.plain.fingerprint
    return facts


def _check_kept_aside(models: Sequence[Trained]) -> None:
    """Raise CNN716 where a model was trained on samples that the first one kept aside."""
    first, *others = models
    for other in others:
        seeds = seed_of(other.network), seed_of(first.network)
        if seeds[0] != seeds[1]:
            raise UserError(
                "CNN716",
                f"`{other.name}` kept other samples aside (seed {seeds[0]}) than `{first.name}`"
                f" (seed {seeds[1]}): it was trained on some of these",
                help="measure on data that none was trained on, without `--valid`; or take models"
                " that were trained with the same seed",
            )


def _model(
    one: Trained,
    options: EvaluationOptions,
    tell: Callable[[str], None],
    answering: Callable[[TypedNetwork], Artifact],
) -> Artifact:
    """The network's model with these weights; the very one in the file, where that is rounded."""
    verify, path = options.get("verify", True), one.weights
    if not os.fspath(path).lower().endswith(".onnx"):
        numbers = read_weights(path, one.network, tell, verify=verify)
    elif rounded := rounded_model(path, one.network, verify=verify, tell=tell):
        return rounded
    else:
        numbers = weights_of_model(path, one.network, verify=False, tell=tell)
    return replace(answering(one.network), weights=numbers)


class _Once:
    """Tells each line once, however many models it is about."""

    def __init__(self, options: EvaluationOptions) -> None:
        self._tell = options.get("tell")
        self._told: set[str] = set()

    def __call__(self, line: str) -> None:
        if self._tell is not None and line not in self._told:
            self._told.add(line)
            self._tell(line)


@dataclass(eq=False)
class _Opened:
    """The data as models take it, opened once for all that take it alike."""

    data: str | os.PathLike[str] | ArrayData
    options: EvaluationOptions
    seed: int
    tell: Callable[[str], None]
    parts: dict[tuple[object, ...], Dataset] = field(default_factory=dict)

    def part(self, one: Trained, views: Views) -> Dataset:
        """What a model is measured on, its pictures as large as views are cut out of."""
        inputs: tuple[ModelInput, ...] = views.larger(inputs_of(one.network))
        learnt = classes_of_weights(one.weights)
        key = (inputs, one.network.network.classes, learnt, one.network.main_type)
        valid = self.options.get("valid")
        if key not in self.parts:
            self.parts[key] = open_part(
                one.network,
                self.data,
                "train" if valid is not None else self.options.get("split", "test"),
                valid,
                learnt,
                views=views,
                seed=self.seed,
                skip_broken=self.options.get("skip_broken", False),
                tell=self.tell,
            )
        return self.parts[key]
