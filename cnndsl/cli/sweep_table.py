"""From a sweep to what its user reads: what came of each run, the table, and what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from cnndsl.cli.columns import WIDTH, Column, cut, table, width
from cnndsl.cli.progress import duration, number, percent
from cnndsl.diagnostics.render.characters import visible
from cnndsl.diagnostics.words import abridged_lines, count
from cnndsl.sweeps.axes import number_in
from cnndsl.sweeps.table import MEASURES, Measure, Spread, measures_of

if TYPE_CHECKING:
    from cnndsl.sweeps.plan import Plan
    from cnndsl.sweeps.points import Point
    from cnndsl.sweeps.result import Sweep
    from cnndsl.sweeps.runs import RunResult, Task
    from cnndsl.sweeps.table import Row

__all__ = ["called", "dry_text", "failures", "final_text", "head", "run_line"]

_SHOWN = 40
"""So many points are shown; all of them are in the files."""

_NAMED = 3
"""So many of the runs with one and the same error are named."""

_NARROWEST = 6


def head(plan: Plan) -> str:
    """How much is to be trained: ``sweep of tiny: 6 points with 2 seeds, 12 runs``."""
    points = count(len(plan.points), "point", commas=True)
    seeds = plan.request.seeds
    runs = count(len(plan.tasks), "run", commas=True)
    return f"sweep of {plan.name}: {points}, {count(seeds, 'seed')} each, {runs}"


def called(plan: Plan, task: Task) -> str:
    """What a run is called: ``width=8 optimizer.lr=0.1 seed=0``."""
    return " ".join(filter(None, (visible(plan.points[task.point].text), f"seed={task.seed}")))


def run_line(plan: Plan, task: Task, result: RunResult) -> str:
    """What came of a run: ``width=8 optimizer.lr=0.1 seed=0: accuracy 96.3%  loss 0.0643``."""
    name = called(plan, task)
    if result.how == "failed":
        return f"{name}: failed: {visible(_message(result))}"
    if not result.is_done or result.best is None:
        return f"{name}: {result.how} after {count(result.epochs, 'epoch')}"
    numbers = measures_of(result.best, valid=plan.has_validation)
    facts = [f"{one} {_shown(one)(numbers[one]).strip()}" for one in MEASURES if one in numbers]
    facts.append("kept" if result.kept else duration(result.seconds))
    return f"{name}: {'  '.join(facts)}"


def _message(result: RunResult) -> str:
    """An error's message without its code: that stands where the errors are told in full."""
    head, _, message = result.message.partition(": ")
    return message if head.startswith("error[") else result.message


def _shown(measure: Measure) -> Callable[[float], str]:
    return percent if measure == "accuracy" else number


# --- the table ----------------------------------------------------------------------------------


def final_text(sweep: Sweep) -> str:
    """The table of the points, the best first, and where all of it is."""
    plan = sweep.plan
    where = "validation data" if plan.has_validation else "training data, as there is no other"
    if not any(row.done for row in sweep.rows):
        return f"\nno run is over; what there is stands in {sweep.folder}"
    lines = ["", f"best first by {sweep.measure}, on {where}"]
    lines += ["", *_table(sweep)]
    if len(sweep.rows) > _SHOWN:
        lines.append(f"and {len(sweep.rows) - _SHOWN} more")
    figure = f"sweep.{plan.request.options.get('figures', 'png')}"
    lines += ["", f"all of it is in {sweep.folder}: results.csv, {figure}, and each run's model"]
    return "\n".join(lines)


def dry_text(plan: Plan) -> str:
    """What would be trained: the points, with the number of parameters of each."""
    from cnndsl.analysis.summary import summarize

    known: dict[int, int] = {}
    params: list[str] = []
    for network in plan.networks[:_SHOWN]:
        key = id(network.network.nodes)
        known.setdefault(key, summarize(network).params)
        params.append(f"{known[key]:,}")
    points = plan.points[:_SHOWN]
    columns = [*_axes(points, WIDTH - 12), Column("params", params)]
    lines = [head(plan), "", *table(columns)]
    if len(plan.points) > _SHOWN:
        lines.append(f"and {len(plan.points) - _SHOWN} more")
    return "\n".join(lines)


def _table(sweep: Sweep) -> Iterator[str]:
    rows = sweep.rows[:_SHOWN]
    ranks = Column("", ["-" if row.rank is None else f"{row.rank}" for row in rows])
    last = [*_numbers(rows, sweep.measure)]
    if not all(row.is_whole for row in rows):
        runs = [f"{row.done} of {len(row.results)}" for row in rows]
        last.append(Column("runs", runs))
    taken = sum(column.width + 2 for column in (ranks, *last))
    yield from table([ranks, *_axes([row.point for row in rows], WIDTH - taken), *last])


def _numbers(rows: Sequence[Row], first: Measure) -> Iterator[Column]:
    """A mean and a deviation for each measure that there is, that of the sorting first."""
    for measure in sorted(MEASURES, key=lambda one: one != first):
        spreads = [row.spreads.get(measure) for row in rows]
        if not any(spreads):
            continue
        yield Column(measure, ["-" if one is None else _mean(one, measure) for one in spreads])
        if any(one is not None and one.deviation is not None for one in spreads):
            yield Column("±", [_deviation(one, measure) for one in spreads], left=True)


def _mean(spread: Spread, measure: Measure) -> str:
    return f"{100 * spread.mean:.2f}%" if measure == "accuracy" else number(spread.mean).strip()


def _deviation(spread: Spread | None, measure: Measure) -> str:
    if spread is None or spread.deviation is None:
        return "" if spread is None else "-"
    value = spread.deviation
    return f"{100 * value:.2f}" if measure == "accuracy" else number(value).strip()


def _axes(points: Sequence[Point], room: int) -> list[Column]:
    """A column for each axis that varies, in the room that there is."""
    names = list(points[0].varied) if points else []
    cells = {name: [visible(point.varied[name]) for point in points] for name in names}
    heads = {name: name for name in names}
    if sum(_wide(heads[name], cells[name]) for name in names) > room:
        short = {name: name.rpartition(".")[2] for name in names}
        heads = {n: one if [*short.values()].count(one) == 1 else n for n, one in short.items()}
    while sum(_wide(heads[name], cells[name]) for name in names) > room:
        widest = max(names, key=lambda name: _wide(heads[name], cells[name]))
        most = _wide(heads[widest], cells[widest]) - 3
        if most < _NARROWEST:
            break
        heads[widest] = cut(heads[widest], most)
        cells[widest] = [cut(cell, most) for cell in cells[widest]]
    numeric = {name: all(number_in(p.varied[name]) is not None for p in points) for name in names}
    return [Column(heads[name], cells[name], left=not numeric[name]) for name in names]


def _wide(head: str, cells: Sequence[str]) -> int:
    """The columns that an axis takes, with the space behind it."""
    return max(map(width, (head, *cells))) + 2


def failures(sweep: Sweep) -> str:
    """What went wrong with which runs: each error once, in full."""
    failed = sweep.failed
    if not failed:
        return ""
    tasks = sweep.plan.tasks
    by_error: dict[str, list[str]] = {}
    for result in failed:
        name = f"`{called(sweep.plan, tasks[result.number])}`"
        by_error.setdefault(result.error, []).append(name)
    lines: list[str] = []
    for error, names in by_error.items():
        lines.append(error)
        lines += [f"  = note: at {name}" for name in abridged_lines(names, _NAMED)]
    return "\n".join([*lines, f"{len(failed)} of {count(len(tasks), 'run')} failed"])
