"""Turns a network, its recipe and labelled data into a trained network, in a folder of its own.

A run is a pure function of its request: every random choice follows from the recipe's seed and
the place it is made at, never from what happened before. So a run that was killed at any moment
goes on from its last checkpoint as if nothing had been.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy

from cnndsl.data.feeding import Batch, epoch_order, feed
from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.weights import not_finite
from cnndsl.runtime.checkpoint import Checkpoint, write_checkpoint
from cnndsl.runtime.diagnosis import Examiner, diverged, unhealthy
from cnndsl.runtime.evaluate import Evaluation, Evaluator, Stopped
from cnndsl.runtime.events import EpochRecord, Listener, Outcome, Progress, Start
from cnndsl.runtime.interrupt import Interrupt, interruptible
from cnndsl.runtime.job import Job, TrainingRequest, begin, prepare
from cnndsl.runtime.preflight import first_impressions
from cnndsl.runtime.run_folder import RunFolder, opened
from cnndsl.runtime.stepper import Stepper
from cnndsl.semantics.schedules import Plateau
from cnndsl.training.schedules import rate

__all__ = ["TrainingRequest", "train"]

_EVALUATED = 64
"""Samples in a batch of evaluation, at least."""


def train(request: TrainingRequest, listener: Listener) -> Outcome:
    """Train until the last epoch, an early stop, or Ctrl-C; all is on the disk then.

    Raises:
        UserError: CNN603 where something cannot be written, CNN802 for labels that do not fit,
            CNN805 where training diverges, CNN806 for a damaged checkpoint, CNN807 for one of
            another run, CNN808 where nothing can be learnt, CNN809 for a loss that does not suit
            the network, CNN810 where the folder has a run already; and what the device, the files
            of weights and the data raise. The last good checkpoint is still there.
    """
    with opened(request.folder, resume=bool(request.resume)) as folder, interruptible() as stop:
        outcome = _Run(prepare(request), listener, folder, stop).run()
    listener.end(outcome)
    return outcome


class _Run:
    """A run; ``at`` is where it is between two steps that matter, such as those with a checkpoint.

    ``weights`` are those of the whole network: the step has no part for what only further outputs
    need, and they stay as they were.
    """

    def __init__(self, job: Job, listener: Listener, folder: RunFolder, stop: Interrupt) -> None:
        self.job = job
        self.listener = listener
        self.folder = folder
        self.stop = stop
        start = begin(job, folder.checkpoints, listener)
        self.at = start.position
        self.resumed = self.at.number > 0
        self.weights = dict(start.weights)
        self.best = start.best
        threads = job.request.threads
        self.stepper = Stepper(
            job.step, start.weights, start.state, device=job.device, threads=threads
        )
        self.noted: set[str] = set()
        self.began = self.saved = self.marked = time.perf_counter()
        self.done = 0

    def run(self) -> Outcome:
        """Train, and say how it ended."""
        job, at = self.job, self.at
        valid = job.request.valid
        self._write_beginning()
        self.listener.start(
            Start(
                network=job.request.network.name,
                device=job.device,
                samples=len(job.request.data),
                valid_samples=len(valid) if valid else 0,
                epochs=job.recipe.epochs,
                steps=job.steps,
                batch=job.batch,
                epoch=min(at.epoch + 1, job.recipe.epochs),
                step=at.step if at.epoch < job.recipe.epochs else job.steps,
            )
        )
        self.marked = time.perf_counter()
        how = self._train()
        if how == "interrupted":
            self._save()
            self._write_weights("last", self._weights())
        elif self.resumed and self.best is not None and valid is not None:
            # A killed process may have left the matrix of another epoch.
            model = self._evaluator(self.best).run(valid, batch=self._evaluated)
            self.folder.write_confusion(model, self._title)
        at = self.at
        best = None if at.best is None else at.records[at.best]
        return Outcome(how, at.records, best, at.total)

    def _train(self) -> str:
        while self.at.epoch < self.job.recipe.epochs and not self.at.over:
            if not self._steps():
                return "interrupted"
            try:
                self._end_epoch()
            except Stopped:
                return "interrupted"
        return "stopped early" if self.at.over else "finished"

    # --- steps --------------------------------------------------------------------------------

    def _steps(self) -> bool:
        """Do what is left of an epoch's steps; false where they were interrupted."""
        job, at = self.job, self.at
        epoch, number, loss, correct = at.epoch, at.number, at.loss, at.correct
        seed, first = job.recipe.seed, at.step
        order = epoch_order(len(job.request.data), seed, epoch)
        source = feed(
            job.request.data,
            order,
            job.batch,
            labels=job.labels,
            augment=job.augment,
            epoch=epoch,
            start=first,
        )
        with closing(source) as batches:
            for step, batch in enumerate(batches, first + 1):
                lr = self._rate(epoch, step)
                result = self.stepper.run(batch.inputs, batch.labels, lr, number, seed)
                if not math.isfinite(result.loss):
                    raise self._diverged(batch, result.loss, lr, step)
                number += 1
                loss += result.loss
                correct += result.correct
                if number == 1 or step == job.steps:
                    self._look(batch, result.loss, lr, number)
                self._tell(step, loss, correct)
                due = self._due(number)
                if due or self.stop.wanted or step == job.steps:
                    self.at = replace(self.at, step=step, number=number, loss=loss, correct=correct)
                    self._mark()
                    if due:
                        self._save()
                if self.stop.wanted:
                    return False
        return True

    def _rate(self, epoch: int, step: int) -> float:
        """The learning rate of a step, counted from 1."""
        time = epoch + (step - 1) / self.job.steps
        return rate(self.job.recipe, time, self.at.plateau.drops)

    def _tell(self, step: int, loss: float, correct: int) -> None:
        job, at = self.job, self.at
        self.done += 1
        seconds = max(time.perf_counter() - self.began, 1e-9)
        left = (job.recipe.epochs - at.epoch) * job.steps - step
        self.listener.progress(
            Progress(
                epoch=at.epoch + 1,
                epochs=job.recipe.epochs,
                step=step,
                steps=job.steps,
                loss=loss / step,
                accuracy=correct / (step * job.answers),
                rate=self.done * job.batch / seconds,
                seconds_left=left * seconds / self.done,
            )
        )

    def _due(self, number: int) -> bool:
        """Whether it is time for a checkpoint."""
        every = self.job.request.checkpoint_steps
        if every is not None and number % every == 0:
            return True
        return time.perf_counter() - self.saved >= self.job.request.checkpoint_seconds

    def _mark(self) -> None:
        """Count the time since the last mark into the epoch and the run."""
        now = time.perf_counter()
        passed, self.marked = now - self.marked, now
        at = self.at
        self.at = replace(at, seconds=at.seconds + passed, total=at.total + passed)

    # --- the end of an epoch ------------------------------------------------------------------

    def _end_epoch(self) -> None:
        """Evaluate, keep the books, and write everything.

        Raises:
            Stopped: where Ctrl-C came before the evaluation was over.
        """
        weights = self._weights()
        self._check(weights)
        valid = self.job.request.valid
        evaluation = None
        if valid is not None:
            evaluator = self._evaluator(weights)
            evaluation = evaluator.run(valid, batch=self._evaluated, stop=self.stop)
        self._mark()
        record = self._record(evaluation)
        judged = record.loss if record.valid_loss is None else record.valid_loss
        if not math.isfinite(judged):
            raise self._no_number("the validation loss is not a number")
        at, recipe = self.at, self.job.recipe
        plateau, early_stop = at.plateau, at.early_stop
        if isinstance(recipe.schedule, Plateau):
            plateau = plateau.after(judged, recipe.schedule.patience)
        if recipe.early_stop is not None:
            early_stop = early_stop.after(judged, recipe.early_stop)
        self.at = replace(
            at,
            plateau=plateau,
            early_stop=early_stop,
            epoch=at.epoch + 1,
            step=0,
            loss=0.0,
            correct=0,
            seconds=0.0,
            records=(*at.records, record),
            best=len(at.records) if record.best else at.best,
            over=early_stop.drops > 0 and at.epoch + 1 < recipe.epochs,
        )
        if record.best:
            self.best = weights
            self._write_best(evaluation)
        self._write_weights("last", weights)
        self.folder.write_records(self.at.records, self._title)
        self._save()
        self.listener.epoch(record)

    def _record(self, evaluation: Evaluation | None) -> EpochRecord:
        job, at = self.job, self.at
        record = EpochRecord(
            epoch=at.epoch + 1,
            step=at.number,
            loss=at.loss / job.steps,
            accuracy=at.correct / (job.steps * job.answers),
            valid_loss=evaluation.loss if evaluation else None,
            valid_accuracy=evaluation.top1 if evaluation else None,
            lr=self._rate(at.epoch, job.steps),
            seconds=at.seconds,
            rate=job.steps * job.batch / max(at.seconds, 1e-9),
            best=False,
        )
        best = None if at.best is None else at.records[at.best]
        return replace(record, best=best is None or _score(record) > _score(best))

    def _weights(self) -> dict[str, Array]:
        return {**self.weights, **self.stepper.weights()}

    def _evaluator(self, weights: Mapping[str, Array]) -> Evaluator:
        job = self.job
        model = replace(job.model, weights=weights)
        threads = job.request.threads
        return Evaluator(model, job.recipe.loss, device=job.device, threads=threads)

    @property
    def _evaluated(self) -> int:
        return max(self.job.batch, _EVALUATED)

    # --- files --------------------------------------------------------------------------------

    @property
    def _title(self) -> str:
        return self.job.request.network.name

    def _write_beginning(self) -> None:
        """What is known before the first step; after a kill, what it may have left undone."""
        self.folder.write_text("spec.cnn", self.job.model.manifest.spec)
        if self.job.request.command:
            self.folder.add_command(self.job.request.command)
        self.folder.write_records(self.at.records, self._title)
        if self.best is not None:
            self._write_best(None)

    def _write_best(self, evaluation: Evaluation | None) -> None:
        assert self.best is not None
        self._write_weights("best", self.best)
        self.folder.write_model(replace(self.job.model, weights=self.best))
        if evaluation is not None:
            self.folder.write_confusion(evaluation, self._title)

    def _write_weights(self, name: str, weights: Mapping[str, Array]) -> None:
        manifest = self.job.model.manifest
        facts = {"network": manifest.network, "spec_sha256": manifest.spec_sha256}
        self.folder.write_weights(name, weights, facts)

    def _save(self) -> None:
        """Write a checkpoint.

        Raises:
            UserError: CNN603 where it cannot be written, CNN805 where a weight is no number.
        """
        weights = self._weights()
        self._check(weights)
        checkpoint = Checkpoint(
            self.job.identity,
            self.job.environment,
            self.at,
            weights,
            self.stepper.state(),
            self.best,
        )
        write_checkpoint(self.folder.checkpoints, checkpoint, self.job.request.keep)
        self.saved = time.perf_counter()

    # --- what goes wrong ----------------------------------------------------------------------

    def _look(self, batch: Batch, loss: float, lr: float, number: int) -> None:
        """Note what is odd at the beginning, and now and then what does not learn well."""
        job, epoch = self.job, self.at.epoch + 1
        if number == 1:
            fresh = job.request.weights is None
            for note in first_impressions(
                job.request.network, job.recipe, batch.inputs, loss, fresh=fresh
            ):
                self.listener.note(note)
        # After epoch 1, 2, 4, 8 …: looking builds a graph with more outputs.
        elif job.request.examine and epoch & (epoch - 1) == 0:
            values = {**self.stepper.weights(), **self.stepper.state()}
            measured = self._examiner().examine(self._feeds(batch, values, lr, number))
            for note in unhealthy(measured):
                kind = re.sub(r"[0-9][0-9.e%+-]*", "", note)
                if kind not in self.noted:
                    self.noted.add(kind)
                    self.listener.note(note)

    def _examiner(self) -> Examiner:
        job = self.job
        return Examiner(job.request.network, job.recipe, job.batch, job.device, job.request.threads)

    def _feeds(
        self, batch: Batch, values: Mapping[str, Array], lr: float, number: int
    ) -> dict[str, Array]:
        scalars: dict[str, Any] = {
            "lr": numpy.array(lr, numpy.float32),
            "step": numpy.array(number, numpy.int64),
            "seed": numpy.array(self.job.recipe.seed, numpy.int64),
        }
        return {**batch.inputs, "labels": batch.labels, **values, **scalars}

    def _diverged(self, batch: Batch, loss: float, lr: float, step: int) -> UserError:
        """Why a step's loss is no number."""
        data = self.job.request.data
        for array in batch.inputs.values():
            finite = numpy.isfinite(array.reshape(len(array), -1)).all(axis=1)
            if not finite.all():
                name = data.name_of(int(batch.indices[int(finite.argmin())]))
                return UserError(
                    "CNN803",
                    f"`{name}` holds numbers that are not finite",
                    help="repair what is broken or take it away",
                )
        number = self.at.number + step - 1 - self.at.step
        feeds = self._feeds(batch, self.stepper.before(), lr, number)
        return diverged(self._examiner().examine(feeds), loss, self.at.epoch + 1, step)

    def _check(self, weights: Mapping[str, Array]) -> None:
        if broken := not_finite(weights):
            raise self._no_number(f"the weight `{broken[0]}` holds numbers that are not finite")

    def _no_number(self, what: str) -> UserError:
        return UserError(
            "CNN805",
            f"training diverged in epoch {self.at.epoch + 1}: {what}",
            help="use a smaller `lr`, a `warmup`, or `clip 1`",
        )


def _score(record: EpochRecord) -> tuple[float, float]:
    """What makes an epoch the best: validation accuracy, then loss; else the training loss."""
    if record.valid_loss is None or record.valid_accuracy is None:
        return 0.0, -record.loss
    return record.valid_accuracy, -record.valid_loss
