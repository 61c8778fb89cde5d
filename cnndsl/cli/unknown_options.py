"""Says of an option that a verb does not have where what it means is set.

``--lr 0.1`` is a word of the recipe, ``--batch-size`` another tool's name, ``check --epochs`` an
option of another verb.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote

import click

from cnndsl.cli.options import LINE
from cnndsl.cli.verbs import VERBS, command
from cnndsl.diagnostics.words import closest, listed

__all__ = ["explained"]

_OTHER_OPTIONS = {
    "--batch": "batch_size bs minibatch mini_batch train_batch_size",
    "--epochs": "epoch num_epochs n_epochs max_epochs nb_epoch iterations",
    "--seed": "random_seed random_state manual_seed",
    "--data": "dataset data_dir data_path train_data train_dir datadir root",
    "--valid": "val validation val_split validation_split valid_split val_data test_data",
    "--out": "o output output_dir out_dir save_dir save logdir log_dir run_name name project",
    "--weights": "pretrained load checkpoint init_from initial_weights model_path",
    "--device": "gpu gpus cuda cpu accelerator",
    "--threads": "num_threads workers num_workers jobs",
    "--resume": "continue restart",
    "--precision": "amp fp16 half bf16 mixed_precision autocast dtype",
    "--top": "topk top_k",
    "--layers": "layer activations",
    "--format": "json sarif markdown github concise",
    "-D": "param parameter define",
    "-o": "output out",
}
"""Names that other tools have for options, by ours."""

_OTHER_SETTINGS = {
    "optimizer.lr": "rate step_size",
    "optimizer": "optim opt solver algorithm",
    "weight_decay": "wd decay l2 regularization l2_reg",
    "schedule": "scheduler lr_scheduler lr_schedule lr_policy sched",
    "schedule.gamma": "lr_gamma lr_decay",
    "schedule.every": "lr_step_size",
    "loss": "criterion loss_fn objective",
    "clip": "grad_clip gradient_clip clip_norm clip_grad max_grad_norm gradient_clip_val",
    "early_stop": "early_stopping patience",
    "augment": "augmentation augmentations aug transform transforms",
    "init": "initializer initialization weight_init",
}
"""Names that other tools have for what a recipe sets, by ours; those of attributes aside."""

_IMPLIED = {
    **dict.fromkeys(("amp", "fp16", "half", "mixed_precision", "autocast"), "float16"),
    "bf16": "bfloat16",
    "gpu": "cuda",
    "gpus": "cuda",
    "cuda": "cuda",
    "cpu": "cpu",
}
"""The value that a word gives the option which it stands for."""

_EXAMPLES = {"loss": "mse", "optimizer": "adam", "schedule": "cosine", "augment": "flip"}


def explained(error: click.NoSuchOption) -> click.UsageError:
    """The error with one sentence on what to write instead."""
    option = error.option_name
    ctx = error.ctx
    if ctx is None:
        return error
    name = option.lstrip("-").replace("-", "_").partition("=")[0]
    hint = next(_hints(ctx, option, name), "")
    near = closest(option, [own for own in _options(ctx.command) if own.startswith("--")])
    if not hint and near:
        hint = f"Did you mean '{near[0]}'?"
    message = f"No such option '{option}'. {hint}".rstrip()
    return click.UsageError(message, ctx)


def _hints(ctx: click.Context, option: str, name: str) -> Iterator[str]:
    """What the option may be, the likeliest first."""
    verb = ctx.info_name or ""
    own = _options(ctx.command)
    others = (ours for ours, names in _OTHER_OPTIONS.items() if name in names.split())
    for ours in others:
        if ours in own:
            value = _IMPLIED.get(name, name if ours == "--format" else "")
            yield f"Here it is '{f'{ours} {value}'.strip()}'."
    verbs = [
        f"`cnndsl {other}`"
        for other in VERBS
        if other != verb and f"--{name.replace('_', '-')}" in _options(command(other))
    ]
    if verbs:
        yield f"It is an option of {listed(verbs)}."
    setting, value = _setting(name)
    if setting:
        value = value or _value(ctx, option) or _example(setting)
        change = f"--set {quote(f'train.{setting}={value}')}"
        if "--set" in own:
            yield f"It belongs to the recipe, which is changed with {change}"
        else:
            yield f"It belongs to the recipe, `train {{ }}`; or write `cnndsl train` with {change}"


def _setting(name: str) -> tuple[str, str]:
    """The part of the recipe that a word sets, as ``--set`` writes it, and the value if it is one.

    Both are empty where it sets none.
    """
    from cnndsl.layers import FOREIGN_ATTRIBUTES
    from cnndsl.recipe.recipe import LABELLED, NAMES, SCALARS, VARIANTS

    for ours, names in _OTHER_SETTINGS.items():
        if name in names.split():
            return ours, ""
    if name in (*VARIANTS, *SCALARS, *LABELLED, *NAMES):
        return name, ""
    for attribute in (name, FOREIGN_ATTRIBUTES.get(name)):
        for setting in ("optimizer", "schedule", "loss"):
            if any(attribute in kind.model_fields for kind in VARIANTS[setting].shipped()):
                return f"{setting}.{attribute}", ""
    return next(((setting, name) for setting, kinds in VARIANTS.items() if name in kinds), ("", ""))


def _example(setting: str) -> str:
    """A value that the setting can have."""
    from cnndsl.elaborate.schema_errors import value_example
    from cnndsl.recipe.recipe import SCALARS, VARIANTS

    name, _, attribute = setting.partition(".")
    if name in SCALARS:
        return value_example(SCALARS[name], "value")
    if not attribute:
        return _EXAMPLES.get(name, "LABEL")
    kinds = VARIANTS[name].shipped()
    return next(value_example(k, attribute) for k in kinds if attribute in k.model_fields)


def _value(ctx: click.Context, option: str) -> str:
    """What the command line gives the option."""
    words: Sequence[str] = ctx.meta.get(LINE, ())
    for at, word in enumerate(words):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option and at + 1 < len(words) and not words[at + 1].startswith("--"):
            return words[at + 1]
    return ""


def _options(command: click.Command) -> tuple[str, ...]:
    return tuple(text for parameter in command.params for text in parameter.opts)
