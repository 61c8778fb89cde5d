"""Times the forms of convolutions that the cost rule has near each other, for ``train --tune``.

What came out is a file of the run, ``convolutions.json``, that a resumed run takes its choices
from: other forms would be other last digits.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
from typing_extensions import override

from cnndsl.autodiff.geometry import Geometry
from cnndsl.files import read_regular
from cnndsl.graph.files import write_atomically
from cnndsl.runtime.host import Form, form_on
from cnndsl.runtime.plan import TrainingRequest
from cnndsl.runtime.start import CPU, TRAINING, start
from cnndsl.training.host.candidates import candidates, inputs_of
from cnndsl.training.host.kernels import Host, Part

__all__ = ["CHOICES", "Tuning", "choices_of", "form_by", "form_for", "keep_choices"]

CHOICES = "convolutions.json"

_TIMED = replace(TRAINING, spins=False)
"""Threads of one session that wait would take processors of the other's."""

_LARGEST_FILE = 2**24
_SECONDS = 0.004
_TURNS = 5
"""How long each form is timed for, in at least so many turns."""

_CLEAR = 0.95
"""What of the other's time a form must take to be chosen against the rule."""


class Tuning:
    """A judge of forms: what is known of a shape it says again, what is not it times.

    Without ``times`` it leaves what is not known to the rule.
    """

    def __init__(
        self,
        block: int,
        known: Mapping[str, bool],
        *,
        times: bool,
        threads: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.choices = dict(known)
        self._block, self._times, self._threads, self._clock = block, times, threads, clock

    def __call__(self, part: Part, g: Geometry, by_rule: bool) -> bool:
        """Whether the blocked form is taken."""
        key = _key(part, g)
        if key not in self.choices:
            if not self._times:
                return by_rule
            self.choices[key] = self._is_faster(part, g, by_rule)
        return self.choices[key]

    @override
    def __str__(self) -> str:
        text = json.dumps(self.choices, sort_keys=True).encode()
        return f"{len(self.choices)} forms timed ({hashlib.sha256(text).hexdigest()[:8]})"

    def _is_faster(self, part: Part, g: Geometry, by_rule: bool) -> bool:
        random = numpy.random.default_rng(0)
        feeds = {
            name: random.standard_normal(size, numpy.float32)
            for name, size in inputs_of(part, g).items()
        }
        sessions = [
            start(model, CPU, _TIMED, threads=self._threads)
            for model in candidates(part, g, self._block)
        ]
        standard, blocked = self._fastest(sessions, feeds)
        if by_rule:
            return standard >= _CLEAR * blocked
        return blocked < _CLEAR * standard

    def _fastest(self, sessions: list[Any], feeds: Mapping[str, Any]) -> list[float]:
        """The shortest time of each, in turns: what disturbs a machine only makes it longer."""
        for session in sessions:
            session.run(None, feeds)  # Memory is laid out in the first run.
        best, spent, turns = [float("inf")] * len(sessions), 0.0, 0
        while turns < _TURNS or spent < _SECONDS * len(sessions):
            turns += 1
            for at, session in enumerate(sessions):
                begin = self._clock()
                session.run(None, feeds)
                took = self._clock() - begin
                best[at], spent = min(best[at], took), spent + took
        return best


def _key(part: Part, g: Geometry) -> str:
    return (
        f"{part}: {g.batch}x{g.channels}x{'x'.join(map(str, g.inputs))},"
        f" {g.filters}@{'x'.join(map(str, g.kernel))} groups {g.groups} stride {[*g.strides]}"
        f" dilation {[*g.dilations]} padding {[*g.before, *g.after]}"
    )


def form_for(request: TrainingRequest, device: str) -> Form:
    """The target of a run; a resumed one has the choices of before, others are timed if asked."""
    form = form_on(device)
    known = _read(request.folder) if request.resume else {}
    if form["host"] is None or not (known or request.tune):
        return form
    judge = Tuning(form["host"].block, known, times=request.tune, threads=request.threads)
    return Form(target="host", host=replace(form["host"], judge=judge))


def choices_of(host: Host | None) -> dict[str, bool] | None:
    """The choices that a step was built by; None where all of them were the rule's."""
    return host.judge.choices if host is not None and isinstance(host.judge, Tuning) else None


def form_by(choices: Mapping[str, bool] | None, device: str) -> Form:
    """The target of a run whose choices have been made: nothing is timed."""
    form = form_on(device)
    if form["host"] is None or choices is None:
        return form
    judge = Tuning(form["host"].block, choices, times=False)
    return Form(target="host", host=replace(form["host"], judge=judge))


def keep_choices(folder: Path, host: Host | None, *, anew: bool) -> None:
    """Write a run's choices; those of a run before it that came to nothing go.

    Raises:
        UserError: CNN603 where the file cannot be written.
    """
    if host is not None and isinstance(host.judge, Tuning):
        write_atomically(folder / CHOICES, json.dumps(host.judge.choices, indent=1).encode())
    elif anew:
        (folder / CHOICES).unlink(missing_ok=True)


def _read(folder: Path) -> dict[str, bool]:
    """Those of a run's folder; none where there are none, or they are damaged."""
    try:
        known = json.loads(read_regular(folder / CHOICES, _LARGEST_FILE))
        return {str(key): known[key] for key in known if isinstance(known[key], bool)}
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return {}
