"""Turns a network, its recipe and labelled data into a trained network, in a folder of its own.

A run is a pure function of its request: every random choice follows from the recipe's seed and
the place it is made at, never from what happened before. So a run that was killed at any moment
goes on from its last checkpoint as if nothing had been.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial

from cnndsl.data.loader import Batch
from cnndsl.data.sources import Array
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.unparse import recipe_settings
from cnndsl.runtime.advice import advised
from cnndsl.runtime.checkpoint import Position
from cnndsl.runtime.epoch_sums import EpochSums, further_columns
from cnndsl.runtime.evaluation import Evaluation
from cnndsl.runtime.evaluator import Evaluator, Stopped, evaluator_of
from cnndsl.runtime.events import EpochRecord, Listener, Outcome, Progress, RunFacts, Start
from cnndsl.runtime.fingerprint import check_alike
from cnndsl.runtime.interrupt import Interrupt, interruptible
from cnndsl.runtime.logs.figures import FiguresLog
from cnndsl.runtime.logs.listeners import Listeners
from cnndsl.runtime.logs.metrics import MetricsLog
from cnndsl.runtime.observer import Observer
from cnndsl.runtime.plan import Plan, TrainingRequest, begin
from cnndsl.runtime.run_folder import RunFolder, opened
from cnndsl.runtime.run_writer import RunWriter
from cnndsl.runtime.team import DataError, Team
from cnndsl.runtime.workers.agreement import led
from cnndsl.training.schedules import rate
from cnndsl.typecheck.heads import judged_outputs

__all__ = ["opened_run"]


@contextmanager
def opened_run(request: TrainingRequest, listener: Listener) -> Iterator[Callable[[Plan], Outcome]]:
    """The folder of a run, and what carries out a plan in it; Ctrl-C is waited for meanwhile.

    It trains until the last epoch, an early stop, or Ctrl-C; all is on the disk then.

    Raises:
        UserError: CNN603 where something cannot be written, CNN805 where training diverges, CNN806
            for a damaged checkpoint, CNN807 for one of another run, CNN810 where the folder has a
            run already; and what the files of weights and the data raise. The last good checkpoint
            is still there.
    """
    if not request.workers.worker.leads:
        with interruptible() as stop:
            yield lambda plan: _Run(plan, Listener(), None, stop).run()
        return
    told = Listeners((MetricsLog(), FiguresLog()), request.logs, listener)
    taken = opened(request.folder, resume=bool(request.resume))
    with closing(told), taken as folder, interruptible() as stop:
        try:
            yield lambda plan: _Run(plan, told, folder, stop).run()
        except UserError as error:
            raise advised(error, folder) from error


class _Run:
    """A run; ``at`` is where it is between two steps that matter, such as those with a checkpoint.

    ``weights`` are those of the whole network: the step has no part for what only further outputs
    need, and they stay as they were. Of several workers, all do the same, each with its part of
    every batch; the one that leads has the folder.
    """

    def __init__(
        self, plan: Plan, listener: Listener, folder: RunFolder | None, stop: Interrupt
    ) -> None:
        self.plan = plan
        self.listener = listener
        self.writer = RunWriter(plan, folder)
        self.workers = plan.request.workers
        check_alike(self.workers, plan.fingerprint)
        self.leads = self.workers.worker.leads
        self.stop = stop
        checkpoints = plan.request.folder / "checkpoints"
        start = led(self.workers, lambda: begin(plan, checkpoints, listener))
        self.at = start.position
        self.resumed = self.at.number > 0
        self.weights = dict(start.weights)
        self.best = start.best
        self.team = Team(plan, start, stop)
        if self.team.note:
            listener.note(self.team.note)
        self.train_step = self.team.train_step
        self.observer = Observer(plan, listener)
        self.signature = plan.step.signature
        self.sums = EpochSums.at(self.at, self.signature)
        self.began = self.saved = self.marked = time.perf_counter()
        self.done = 0

    def run(self) -> Outcome:
        """Train, and say how it ended."""
        plan, at = self.plan, self.at
        valid = plan.request.valid
        led(self.workers, self._write_beginning)
        self.listener.start(self._start())
        self.began = self.marked = time.perf_counter()
        how = self._train()
        self.team.settle()
        if how == "interrupted":
            self._save()
            self.writer.write_weights("last", self._weights())
        elif self.resumed and self.best is not None and valid is not None:
            # A killed process may have left the matrix of another epoch.
            assert self.at.best is not None
            judged = self.team.evaluate(self._evaluator(self.best), valid, lambda: False)
            self.listener.best(self.at.records[self.at.best], judged)
        at = self.at
        best = None if at.best is None else at.records[at.best]
        outcome = Outcome(how, at.records, best, at.total, self.train_step.skipped)
        self.listener.end(outcome)
        return outcome

    def _write_beginning(self) -> None:
        """What is known before the first step, and what a kill may have left undone."""
        self.writer.write_beginning()
        if self.best is not None:
            self.writer.write_best(self.best)
        if self.resumed:
            self.writer.write_weights("last", self.weights)

    def _start(self) -> Start:
        plan, at = self.plan, self.at
        request, valid = plan.request, plan.request.valid
        judged = {head.name for head in judged_outputs(request.network.network)}
        facts = RunFacts(
            request.folder,
            plan.model.manifest.spec,
            recipe_settings(plan.recipe),
            self.sums.metric.measure,
            further_columns(self.signature, judged if valid else ()),
            request.figures,
        )
        return Start(
            network=request.network.name,
            device=plan.device,
            samples=len(request.data),
            valid_samples=len(valid) if valid else 0,
            epochs=plan.recipe.epochs,
            steps=plan.steps,
            batch=plan.batch,
            epoch=min(at.epoch + 1, plan.recipe.epochs),
            step=at.step if at.epoch < plan.recipe.epochs else plan.steps,
            records=at.records,
            facts=facts,
            shards=plan.recipe.shards,
            workers=self.workers.worker.count,
        )

    def _train(self) -> str:
        while self.at.epoch < self.plan.recipe.epochs and not self.at.over:
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
        plan, at, sums = self.plan, self.at, self.sums
        with closing(self.team.batches(at.epoch, at.step)) as batches:
            while sums.step < plan.steps:
                lr = self._rate(sums.step)
                try:
                    batch, result = self.team.step(batches, lr, sums.number)
                except DataError as error:
                    raise self._stopped_by(error.told) from error
                if not math.isfinite(result.loss):
                    raise self._diverged(batch, result.loss, lr)
                self.observer.stepped(result, at.epoch + 1, sums.step + 1)
                sums.add(result)
                self.team.lead(partial(self._note, batch, result.loss, lr))
                if self.team.ends(result):
                    return False
                if sums.step == plan.steps:
                    self.team.lead(partial(self._look, batch, lr))
        return True

    def _note(self, batch: Batch, loss: float, lr: float) -> None:
        """Say what a step has come to, and save it where that is due."""
        if self.sums.number == 1:
            self.observer.first(batch, loss)
        self._tell(loss, lr)
        if self._due():
            self._save()

    def _look(self, batch: Batch, lr: float) -> None:
        """Look into the network behind an epoch's last step."""
        values = {**self.train_step.weights(), **self.train_step.state()}
        self.observer.look(batch, values, lr, self.sums.number, self.at.epoch + 1)

    def _stopped_by(self, error: UserError) -> UserError:
        """An error of data that cannot be read, after saving what was learnt before it."""
        # Nothing learnt is nothing to save: the folder stays free for another try.
        if self.sums.number == 0:
            return error
        self.at = replace(self.at, stopped_by_data=True)
        self._save()
        return error.amended(f"{error.help}; add `--resume` to go on from here")

    def _diverged(self, batch: Batch, loss: float, lr: float) -> UserError:
        place = (self.at.epoch + 1, self.sums.step + 1)
        values = self.train_step.before()
        return self.observer.divergence(batch, values, lr, self.sums.number, loss, place)

    def _rate(self, done: int) -> float:
        """The learning rate after so many of the epoch's steps."""
        time = self.at.epoch + done / self.plan.steps
        return rate(self.plan.recipe, time, self.at.plateau.drops, steps=self.plan.steps)

    def _tell(self, loss: float, lr: float) -> None:
        plan, at, sums = self.plan, self.at, self.sums
        self.done += 1
        seconds = max(time.perf_counter() - self.began, 1e-9)
        left = (plan.recipe.epochs - at.epoch) * plan.steps - sums.step
        self.listener.progress(
            Progress(
                epoch=at.epoch + 1,
                epochs=plan.recipe.epochs,
                step=sums.step,
                steps=plan.steps,
                loss=sums.loss / sums.step,
                rate=self.done * plan.batch / seconds,
                seconds_left=left * seconds / self.done,
                number=sums.number,
                step_loss=loss,
                lr=lr,
                **sums.means(),
            )
        )

    def _due(self) -> bool:
        """Whether it is time for a checkpoint."""
        every = self.plan.request.checkpoint_steps
        if every is not None and self.sums.number % every == 0:
            return True
        return time.perf_counter() - self.saved >= self.plan.request.checkpoint_seconds

    def _settle(self) -> None:
        """Bring ``at`` to where the run is, with the time that has passed."""
        now = time.perf_counter()
        passed, self.marked = now - self.marked, now
        at, sums = self.at, self.sums
        self.at = replace(
            at,
            step=sums.step,
            number=sums.number,
            loss=sums.loss,
            metrics=sums.metrics,
            seconds=at.seconds + passed,
            total=at.total + passed,
        )

    # --- the end of an epoch ------------------------------------------------------------------

    def _end_epoch(self) -> None:
        """Evaluate, keep the books, and write everything.

        Raises:
            Stopped: where Ctrl-C came before the evaluation was over.
        """
        self.team.settle()
        self._settle()
        trained = self.at.seconds
        weights = self._weights()
        self.observer.check(weights, self.at.epoch + 1)
        valid = self.plan.request.valid
        evaluation = None
        if valid is not None:
            evaluator = self._evaluator(weights)
            try:
                evaluation = self.team.evaluate(evaluator, valid, self.stop)
            except UserError as error:
                raise self._stopped_by(error) from error
        self._settle()
        record = led(self.workers, lambda: self._record(evaluation, trained))
        judged = record.loss if record.valid_loss is None else record.valid_loss
        if not math.isfinite(judged):
            raise self.observer.no_number("the validation loss is no number", self.at.epoch + 1)
        self.at = self._behind(record, judged)
        self.sums = EpochSums.at(self.at, self.signature)
        if record.best:
            self.best = weights
        self.team.lead(partial(self._write, record, evaluation, weights))
        self._settle()

    def _write(
        self, record: EpochRecord, evaluation: Evaluation | None, weights: Mapping[str, Array]
    ) -> None:
        """Everything that an epoch has come to.

        The checkpoint is first: all else can be made of it again after a kill, and where there is
        something of a run's, there is a checkpoint to go on from.
        """
        self._save()
        if record.best:
            self.writer.write_best(weights)
            self.listener.best(record, evaluation)
        self.writer.write_weights("last", weights)
        self.listener.epoch(record)

    def _behind(self, record: EpochRecord, judged: float) -> Position:
        """Where the run stands behind an epoch; ``judged`` is the loss that patience is about."""
        at, recipe = self.at, self.plan.recipe
        plateau, early_stop = at.plateau, at.early_stop
        if recipe.schedule.waits is not None:
            plateau = plateau.after(judged, recipe.schedule.waits)
        if recipe.early_stop is not None:
            early_stop = early_stop.after(judged, recipe.early_stop)
        return replace(
            at,
            plateau=plateau,
            early_stop=early_stop,
            epoch=at.epoch + 1,
            step=0,
            loss=0.0,
            metrics={},
            seconds=0.0,
            records=(*at.records, record),
            best=len(at.records) if record.best else at.best,
            over=early_stop.drops > 0 and at.epoch + 1 < recipe.epochs,
        )

    def _record(self, evaluation: Evaluation | None, trained: float) -> EpochRecord:
        """An epoch's numbers; ``trained`` are the seconds that its steps took."""
        plan, at = self.plan, self.at
        record = EpochRecord(
            epoch=at.epoch + 1,
            step=at.number,
            loss=at.loss / plan.steps,
            valid_loss=evaluation.loss if evaluation else None,
            lr=self._rate(plan.steps - 1),
            seconds=at.seconds,
            rate=plan.steps * plan.batch / max(trained, 1e-9),
            best=False,
            outputs=self.sums.outputs(evaluation),
            **self.sums.measures(evaluation),
        )
        best = None if at.best is None else at.records[at.best]
        return replace(record, best=best is None or self._score(record) > self._score(best))

    def _score(self, record: EpochRecord) -> tuple[float, float]:
        """What makes an epoch the best: validation accuracy, then loss; else the training loss.

        Of numbers that are to be met, an older version noted an accuracy: it says nothing.
        """
        if record.valid_loss is None:
            return 0.0, -record.loss
        right = self.sums.metric.measure == "accuracy"
        return (record.valid_accuracy or 0.0) if right else 0.0, -record.valid_loss

    def _weights(self) -> dict[str, Array]:
        return {**self.weights, **self.train_step.weights()}

    def _evaluator(self, weights: Mapping[str, Array]) -> Evaluator:
        plan, request, model = self.plan, self.plan.request, self.writer.model(weights)
        return evaluator_of(
            request.network,
            model,
            plan.recipe,
            device=plan.device,
            threads=self.team.lanes.threads,
            at_once=self.team.lanes.at_once,
        )

    def _save(self) -> None:
        """Write a checkpoint.

        Raises:
            UserError: CNN603 where it cannot be written, CNN805 where a weight is no number.
        """
        self._settle()
        weights = self._weights()
        self.observer.check(weights, self.at.epoch + 1)
        state = self.train_step.state() if self.leads else {}
        self.writer.write_checkpoint(self.at, weights, state, self.best)
        self.saved = time.perf_counter()
