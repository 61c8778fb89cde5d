"""From the words of a command line to models: a spec with its weights, or compiled ones."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import click

from cnndsl.cli.options import tell_of_no_checksum
from cnndsl.diagnostics.words import count

if TYPE_CHECKING:
    from cnndsl.data.views import Crops
    from cnndsl.runtime.ensemble import Ensemble
    from cnndsl.runtime.model import Model

__all__ = ["Given", "Parameters", "best_option", "is_compiled", "tell_of_the_mean", "with_members"]

Parameters: TypeAlias = Mapping[str, int | float | bool | str]


best_option = click.option(
    "--best",
    type=click.IntRange(min=1),
    metavar="N",
    help="Of a sweep's folder, the N best runs; by default all of its best point.",
)
"""``--best N``, for verbs that take the folder of a sweep for its models."""


def with_members(models: Sequence[str], best: int | None) -> list[str]:
    """The models, those of sweeps in the place of their folders; it is said which these are."""
    found: list[str] = []
    sweeps = 0
    for word in models:
        if not os.path.isdir(word):
            found.append(word)
            continue
        from cnndsl.sweeps.members import is_sweep, members_in

        if not is_sweep(word):
            raise click.UsageError(f"'{word}' is a folder, and not that of a sweep")
        sweeps += 1
        members = [str(path) for path in members_in(word, best)]
        found += members
        click.echo(f"{word}: {count(len(members), 'model')} of its best", err=True)
        for path in members:
            click.echo(f"  {path}", err=True)
    if best is not None and not sweeps:
        raise click.UsageError("--best is for the folder of a sweep, which is not given")
    return found


def is_compiled(word: str) -> bool:
    """Whether a word of the command line is a compiled model, by its ending."""
    return word.lower().endswith(".onnx")


@dataclass(frozen=True)
class Given:
    """Models as the command line has them: the first may be a spec, whose options these are."""

    models: Sequence[str]
    weights: str | None
    seed: int | None
    parameters: Parameters
    device: str
    threads: int | None
    verify: bool

    def check(self) -> None:
        """Refuse options that do not belong together.

        Raises:
            click.UsageError: for options of a spec where there is none.
        """
        if self.weights is not None and self.seed is not None:
            raise click.UsageError("--seed is for random weights: leave it out, or --weights")
        asked = self.weights is not None or self.seed is not None or self.parameters
        if is_compiled(self.models[0]) and asked:
            raise click.UsageError(
                "a compiled model has its weights and parameters in it:"
                " --weights, --seed and -D are for a spec"
            )

    def load(self) -> list[Model]:
        """The models, ready to be asked."""
        return [self._load(word) for word in self.models]

    def together(self) -> Model | Ensemble:
        """The model, or what gives the mean of several; untrained weights are said."""
        from cnndsl.runtime.ensemble import Ensemble

        models = self.load()
        for word, model in zip(self.models, models, strict=True):
            if model.manifest.untrained:
                whose = f" of `{word}`" if len(models) > 1 else ""
                click.echo(
                    f"weights{whose} are untrained (seed {model.manifest.seed}): the answers mean"
                    " nothing yet",
                    err=True,
                )
        return models[0] if len(models) == 1 else Ensemble(models, names=self.models)

    def _load(self, word: str) -> Model:
        from cnndsl.runtime.model import Model

        if is_compiled(word):
            model = Model(word, device=self.device, threads=self.threads, verify=self.verify)
            tell_of_no_checksum(word, model.manifest)
            return model
        from cnndsl import pipeline

        artifact = pipeline.compile(
            pipeline.load(word, self.parameters),
            weights=None if self.weights is None else Path(self.weights),
            verify=self.verify,
            seed=self.seed,
        )
        for warning in artifact.warnings:
            click.echo(f"warning: {warning}", err=True)
        return Model(artifact, device=self.device, threads=self.threads)


def tell_of_the_mean(crops: Crops, flip: bool, models: int, meaning: str) -> None:
    """Say that what is shown is a mean, and of what."""
    from cnndsl.data.views import Views

    views = Views(crops, flip)
    parts = [views.text] if len(views.each) > 1 else []
    parts += [f"{models} models"] if models > 1 else []
    if not parts:
        return
    click.echo(f"answers are the mean of {' by '.join(parts)}", err=True)
    if meaning == "value" and len(views.each) > 1:
        click.echo(
            "note: the numbers are values: a mean is right where all views have the same ones",
            err=True,
        )
