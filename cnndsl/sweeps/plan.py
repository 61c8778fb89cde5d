"""Turns a request for a sweep into its runs, every one checked before the first one trains."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnndsl import api, pipeline
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import CnndslError, UserError
from cnndsl.diagnostics.words import abridged, count
from cnndsl.elaborate.content import content_hash
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.elaborate.overrides import override as with_settings
from cnndsl.frozen import replace
from cnndsl.recipe.recipe import Recipe
from cnndsl.runtime.device import choose
from cnndsl.runtime.plan import TrainingRequest, batch_of, prepare
from cnndsl.runtime.training import NOBODY, TrainingOptions, training_request
from cnndsl.runtime.tuning import form_for
from cnndsl.sweeps.axes import Axis, Kind, Written, axes_of
from cnndsl.sweeps.noted import noted_threads
from cnndsl.sweeps.points import MOST_RUNS, Point, points_of
from cnndsl.sweeps.runs import Task
from cnndsl.sweeps.table import Measure, chosen_measure
from cnndsl.training.step import build_step

if TYPE_CHECKING:
    from cnndsl.data.formats.memory import ArrayData

__all__ = ["Plan", "Request", "planned"]

_LAST_SEED = 2**32 - 1
_NAMED = 3
"""How many of the points that one mistake is about are named."""

_OWN = {"train.epochs": "epochs", "train.batch": "batch", "train.precision": "precision"}
"""Settings that have an option of their own, which holds for all points."""


@dataclass(frozen=True, eq=False)
class Request:
    """What a caller asks of a sweep.

    ``params`` and ``settings`` are the values of each axis, ``options`` what all runs share, as
    training takes it. ``seeds`` runs are made at each point, from ``seed`` on, by default the
    recipe's; so many points are drawn at random as ``sample`` says, None takes all.
    """

    spec: str | os.PathLike[str]
    data: str | os.PathLike[str] | ArrayData
    params: Mapping[str, Written] = field(default_factory=dict)
    settings: Mapping[str, Written] = field(default_factory=dict)
    seeds: int = 1
    seed: int | None = None
    sample: int | None = None
    folder: Path | None = None
    measure: str | None = None
    """What the points are to be sorted by."""
    resume: bool = False
    threads: int | None = None
    """How many threads each run uses where nobody says otherwise; None leaves it open."""
    options: TrainingOptions = field(default_factory=TrainingOptions)


@dataclass(frozen=True, eq=False)
class Plan:
    """The runs of a sweep: for each point one with each seed, in order."""

    request: Request
    networks: tuple[TypedNetwork, ...]
    """That of each point, with its recipe, but for the seed."""
    folder: Path
    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    tasks: tuple[Task, ...]
    has_validation: bool
    measure: Measure
    """What the points are sorted by."""
    threads: int | None
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the network is called."""
        return self.networks[0].name


def planned(request: Request) -> Plan:
    """All runs of a sweep; the spec, the settings and the data of each point are right.

    Raises:
        CompileError: for a point where the spec is wrong.
        UserError: CNN880 and CNN881 for axes, CNN883 for points that are one; and for a point
            what checking it, its settings and its data raises.
        ValueError: where there are no seeds or no points.
    """
    for name, number in (("seeds", request.seeds), ("sample", request.sample)):
        if number is not None and number < 1:
            raise ValueError(f"`{name}` must be 1 or more, not {number}")
    axes = (*_axes(request, "param"), *_axes(request, "setting"))
    points = points_of(axes, request.sample, request.seed or 0)
    runs = len(points) * request.seeds
    if runs > MOST_RUNS:
        message = (
            f"{count(len(points), 'point', commas=True)} with {request.seeds:,} seeds each are"
        )
        raise UserError(
            "CNN881",
            f"{message} {runs:,} runs, and a sweep has {MOST_RUNS:,} at most",
            help="take fewer seeds or values, or draw some of the points with `--sample 20`",
        )
    checked = _Checked(request)
    networks = checked.networks(points)
    _demand_different(points, networks)
    recipes = [one.network.recipe or Recipe() for one in networks]
    measure = chosen_measure(request.measure, recipes)
    folder = request.folder or Path("sweeps") / networks[0].name
    threads = _threads(request, folder)
    options: TrainingOptions = {**request.options, "threads": threads}
    tasks = tuple(_tasks(replaced(request, options=options), points, networks, folder))
    return Plan(
        request=request,
        networks=tuple(networks),
        folder=folder,
        axes=axes,
        points=tuple(points),
        tasks=tasks,
        has_validation=checked.has_validation,
        measure=measure,
        threads=threads,
        notes=tuple(_notes(request, points)),
    )


def _axes(request: Request, kind: Kind) -> list[Axis]:
    axes = axes_of(request.params if kind == "param" else request.settings, kind)
    for axis in axes if kind == "setting" else ():
        if axis.name == "train.seed":
            help = "give `--seeds 5` for five seeds, and `--seed 7` for the first of them"
            raise axis.fails("each point is trained with all seeds", help)
        own = _OWN.get(axis.name)
        if own is not None and request.options.get(own) is not None:
            raise axis.fails(f"`--{own}` is given too", f"leave out `--{own}`")
    return axes


def _threads(request: Request, folder: Path) -> int | None:
    """How many threads each run uses: those of before, where a sweep goes on.

    Sums of other parts round otherwise: another number would give other last digits.
    """
    if request.options.get("threads") is not None:
        return request.options["threads"]
    goes_on, before = noted_threads(folder) if request.resume else (False, None)
    return before if goes_on else request.threads


def _notes(request: Request, points: Sequence[Point]) -> Iterator[str]:
    if request.sample is not None and len(points) < request.sample:
        yield f"there are only {count(len(points), 'point')}, which are all taken"


# --- checking ---------------------------------------------------------------------------------


class _Checked:
    """The networks of points, seen to be right; data is looked at for each of them."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.has_validation = False
        self._bases: dict[tuple[Any, ...], TypedNetwork] = {}

    def networks(self, points: Sequence[Point]) -> list[TypedNetwork]:
        """The network of each point.

        Raises:
            CnndslError: the first mistake; it names the points that it is about.
        """
        networks: list[TypedNetwork] = []
        wrong: dict[str, tuple[CnndslError, list[Point]]] = {}
        for point in points:
            try:
                networks.append(self._network(point))
            except CnndslError as error:
                wrong.setdefault(str(error), (error, []))[1].append(point)
        for first, found in wrong.values():
            raise _at(first, found, points, sum(len(one) for _, one in wrong.values()))
        return networks

    def _network(self, point: Point) -> TypedNetwork:
        request = self.request
        key = tuple(point.parameters.items())
        if key not in self._bases:
            self._bases[key] = api.Network(_checked(request.spec, point.parameters)).typed
        network = with_settings(self._bases[key], point.settings)
        opened = training_request(network, request.data, NOBODY, request.options)
        self.has_validation = opened.valid is not None
        _demand_trainable(opened)
        return opened.network


def _demand_trainable(request: TrainingRequest) -> None:
    """Raise what training would raise before its first step, but for the folder and the weights.

    Making a step takes tenths of a second, and nothing runs yet.
    """
    device = choose(request.device).name
    step = build_step(request.network, batch=batch_of(request), **form_for(request, device))
    prepare(request, device, step, pipeline.answering(request.network))


def _checked(spec: str | os.PathLike[str], parameters: Mapping[str, object]) -> Any:
    if isinstance(spec, str) and "\n" in spec:
        return pipeline.check_text(spec, "spec.cnn", parameters)
    return api.checked(spec, parameters)


def _at(
    error: CnndslError, wrong: Sequence[Point], points: Sequence[Point], many: int
) -> CnndslError:
    """An error of some points, which says of which; of all, it needs no words."""
    if len(wrong) == len(points):
        return error
    names = abridged([f"`{point.text}`" for point in wrong], _NAMED)
    others = many - len(wrong)
    are = "is" if others == 1 else "are"
    more = f"; {count(others, 'other point')} {are} wrong too" if others else ""
    note = f"this is so at {names}{more}"
    if isinstance(error, UserError):
        return error.amended(notes=[note])
    assert isinstance(error, CompileError)
    first, *rest = error.diagnostics
    return CompileError([replace(first, notes=(*first.notes, note)), *rest])


def _demand_different(points: Sequence[Point], networks: Sequence[TypedNetwork]) -> None:
    """Raise CNN883 where two points are the same network with the same recipe."""
    seen: dict[object, Point] = {}
    for point, network in zip(points, networks, strict=True):
        # Weights begin as their layers are called, of which the hash says nothing.
        key = (content_hash(network), *(node.name for node in network.network.nodes))
        if key in seen:
            raise UserError(
                "CNN883",
                f"`{seen[key].text}` and `{point.text}` are one and the same:"
                " what differs changes nothing",
                help="give values that change the network or its recipe, each of them once",
            )
        seen[key] = point


# --- tasks ------------------------------------------------------------------------------------


def _tasks(
    request: Request, points: Sequence[Point], networks: Sequence[TypedNetwork], folder: Path
) -> Iterator[Task]:
    """The runs, each with its network: what the spec's file says later is no matter."""
    number = 0
    for at, (point, network) in enumerate(zip(points, networks, strict=True)):
        for seed in _seeds(request, network):
            place = folder / point.folder / f"seed-{seed}"
            command = tuple(_command(request, point, seed, place))
            yield Task(
                number=number,
                point=at,
                seed=seed,
                folder=place,
                network=network,
                data=request.data,
                options={
                    **request.options,
                    "seed": seed,
                    "command": command,
                    "resume": request.resume,
                },
            )
            number += 1


def _seeds(request: Request, network: TypedNetwork) -> range:
    recipe = network.network.recipe
    first = request.seed if request.seed is not None else recipe.seed if recipe else 0
    if first + request.seeds - 1 > _LAST_SEED:
        raise UserError(
            "CNN881",
            f"{request.seeds:,} seeds from {first} on go beyond the last one, {_LAST_SEED}",
            help=f"take `--seed {_LAST_SEED + 1 - request.seeds}` or less",
        )
    return range(first, first + request.seeds)


def _command(request: Request, point: Point, seed: int, folder: Path) -> Iterator[str]:
    """The words of ``cnndsl train`` for the same run; none where it cannot be said in words."""
    options = request.options
    data, valid = request.data, options.get("valid")
    places = (request.spec, data, *([] if valid is None else [valid]))
    if not all(isinstance(one, str | os.PathLike | float | int) for one in places):
        return
    if isinstance(request.spec, str) and "\n" in request.spec:
        return
    yield from ("cnndsl", "train", os.fspath(request.spec), "--data", str(data))
    if valid is not None:
        yield from ("--valid", str(valid))
    for name, value in point.parameters.items():
        yield from ("-D", f"{name}={value}")
    for setting in point.settings:
        yield from ("--set", setting)
    for word in ("epochs", "batch", "precision", "weights", "device", "threads"):
        if (given := options.get(word)) is not None:
            yield from (f"--{word}", str(given))
    if options.get("skip_broken"):
        yield "--skip-broken"
    yield from ("--seed", str(seed), "--out", str(folder))
