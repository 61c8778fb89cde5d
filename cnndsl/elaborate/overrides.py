"""Turns what a caller sets in a recipe (``train.optimizer.lr=0.1``) into a network that has it.

An override is an edit of the spec's ``train { }``: the setting that it names is replaced by the
one that it states, and the whole is read as if it had stood in the spec, by the same tables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

from cnndsl.diagnostics.model import Diagnostic, Report, UserError
from cnndsl.diagnostics.source import Source, Span
from cnndsl.diagnostics.words import closest, quoted, shorten
from cnndsl.elaborate.head_losses import MAIN, head_of
from cnndsl.elaborate.network import Network, TypedNetwork
from cnndsl.elaborate.quantities import Quantity
from cnndsl.elaborate.training_recipe import recipe
from cnndsl.elaborate.unparse import train_statement
from cnndsl.elaborate.values import Constants
from cnndsl.frozen import frozen, replace
from cnndsl.recipe.recipe import LABELLED, NAMES, REPEATABLE, SCALARS, VARIANTS, Recipe
from cnndsl.recipe.settings import PrecisionWord
from cnndsl.syntax.ast import Expect, Module, Name, Setting, Train
from cnndsl.syntax.parser import parse

__all__ = ["in_precision", "override"]

N = TypeVar("N", Network, TypedNetwork)

_SETTINGS = (*VARIANTS, *SCALARS, *LABELLED, *NAMES)
_REMOVABLE = (*sorted(REPEATABLE), "clip", "early_stop")
_PREFIX = "train."


@frozen
class _Override:
    """``train.SETTING=VALUE`` or ``train.SETTING.ATTRIBUTE=VALUE``, taken apart."""

    text: str
    setting: str
    attribute: str
    value: str
    head: str = ""
    """Whose loss it is, where it is not the main output's."""

    def fails(self, message: str, help: str) -> UserError:
        """CNN812, with what the user wrote."""
        return UserError("CNN812", f"`{shorten(self.text, 60)}`: {message}", help=help)

    def setting_like(self, value: str) -> str:
        """The same override with another value."""
        parts = (self.setting, self.head, self.attribute)
        return f"{_PREFIX}{'.'.join(filter(None, parts))}={value}"


def override(network: N, settings: Sequence[str]) -> N:
    """The network with another recipe, which its canonical text states too.

    Each text sets one setting (``train.optimizer=adam lr 0.001``), or one attribute of it and
    leaves the others (``train.optimizer.lr=0.1``); ``none`` removes what a recipe need not have
    (``train.clip=none``). They are applied in order. Where the spec has no ``train { }``, they
    change the defaults. Values are written as in a spec; its constants are not in sight.

    Raises:
        UserError: CNN812 for one that a spec could not say, or that does not suit the others.
    """
    if isinstance(network, TypedNetwork):
        return replace(network, network=override(network.network, settings))
    if not settings:
        return network
    current = network.recipe or Recipe()
    overrides = [_parts(text, current) for text in settings]
    train = train_statement(current, Span(Source("<recipe>", ""), 0, 0), defaults=True)
    origins: dict[Source, _Override] = {}
    for one in overrides:
        train = _edited(train, one, origins)
    known = {**{node.name: at for at, node in enumerate(network.nodes)}, **network.scopes}
    report = Report()
    found = recipe(train, Constants(), known, report)
    for diagnostic in report:
        raise _refusal(diagnostic, origins, overrides[-1])
    module = _with_train(network.module, train_statement(found, train.span))
    return replace(network, recipe=found, module=module)


def in_precision(network: N, precision: PrecisionWord | None) -> N:
    """The network with a recipe of this precision, or its own for None."""
    return network if precision is None else override(network, [f"train.precision={precision}"])


def _with_train(module: Module, train: Train) -> Module:
    """A file whose ``train { }`` is this one, and which expects nothing of the one that it had."""
    statements = [
        train if isinstance(statement, Train) else statement
        for statement in module.statements
        if not (isinstance(statement, Expect) and Quantity(statement.quantity.name).is_of_recipe)
    ]
    if train not in statements:
        statements.append(train)
    return replace(module, statements=tuple(statements))


# --- reading ----------------------------------------------------------------------------------


def _parts(text: str, current: Recipe) -> _Override:
    """Take an override apart; its setting exists, or this raises CNN812."""
    key, equals, value = (part.strip() for part in text.partition("="))
    path = key.split(".")
    head = _head(path, value, current)
    path = [*path[:2], *path[2 + len(head) :]]
    setting, attribute = [*path[1:], "", ""][:2]
    one = _Override(text, setting, attribute, value, ".".join(head))
    whole = setting if setting in _SETTINGS else "epochs"
    help = f"write `{_PREFIX}{whole}={_example(whole)}`, say"
    if not equals or not value or path == ["train"]:
        raise one.fails("it names no setting or no value", help)
    if path[0] != "train":
        if path[0] in _SETTINGS:
            help = f"write `{_PREFIX}{shorten(text, 60)}`"
        raise one.fails("only settings of `train` can be set", help)
    if setting not in _SETTINGS:
        raise one.fails(f"`train` has no setting `{shorten(setting)}`", _meant(one, current))
    if path[2:] == ["value"]:
        help = f"write `{_PREFIX}{setting}={shorten(value)}`"
    lists = (*NAMES, *LABELLED, "augment")
    if len(path) > 3 or path[2:] in ([""], ["value"]) or (attribute and setting in lists):
        raise one.fails(f"`{setting}` can only be set as a whole", help)
    return one


def _head(path: Sequence[str], value: str, current: Recipe) -> Sequence[str]:
    """The part of an override's name that says whose loss it is: ``aux1`` of ``loss.aux1``.

    That is a head which has a loss, or, where the value is a whole loss, gets one.
    """
    if path[1:2] != ["loss"]:
        return ()
    heads = {one.head for one in current.heads} | {MAIN}
    for count in range(len(path), 2, -1):
        if ".".join(path[2:count]) in heads:
            return path[2:count]
    return path[2:] if value.split()[0:1] and value.split()[0] in VARIANTS["loss"] else ()


def _example(setting: str) -> str:
    examples = {"augment": "crop padding 4 -> flip", "freeze": "C1"}
    if setting in LABELLED:
        value = (LABELLED[setting].model_fields["value"].examples or [1])[0]
        return f"C1 {value:g}"
    if setting in SCALARS:
        return str((SCALARS[setting].model_fields["value"].examples or [1])[0])
    return examples.get(setting) or [*VARIANTS[setting]][-1]


def _meant(one: _Override, current: Recipe) -> str:
    """Help for a setting that does not exist."""
    value = shorten(one.value)
    for setting in ("optimizer", "schedule", "loss"):
        if one.setting in type(getattr(current, setting)).model_fields:
            return f"did you mean `{_PREFIX}{setting}.{one.setting}={value}`?"
    near = closest(one.setting, _SETTINGS)
    if not near:
        return f"its settings are {quoted(_SETTINGS)}"
    attribute = f".{one.attribute}" if one.attribute else ""
    return f"did you mean `{_PREFIX}{near[0]}{attribute}={value}`?"


# --- editing ----------------------------------------------------------------------------------


def _edited(train: Train, one: _Override, origins: dict[Source, _Override]) -> Train:
    """A ``train { }`` with an override carried out; ``origins`` learns where it was read."""
    fresh: tuple[Setting, ...] = ()
    removable = one.setting in _REMOVABLE or one.head not in ("", MAIN)
    if one.value != "none" or one.attribute or not removable:
        fresh = _read(one, origins)
    old = [setting for setting in train.settings if _sets(setting, one)]
    if one.attribute and old:
        fresh = (_merged(old[0], fresh[0]),)
    kept = tuple(setting for setting in train.settings if setting not in old)
    return replace(train, settings=(*kept, *fresh))


def _sets(setting: Setting, one: _Override) -> bool:
    """Whether a setting is the one that an override is about."""
    if setting.name.name != one.setting or one.setting != "loss":
        return setting.name.name == one.setting
    head = head_of(setting.values)
    return (head.name if head else MAIN) == (one.head or MAIN)


def _merged(old: Setting, fresh: Setting) -> Setting:
    """A setting with one attribute given anew: ``sgd lr 0.01`` and ``lr 0.1``."""
    values = list(old.values)
    attribute = fresh.values[0]
    for at, value in enumerate(values):
        if at and isinstance(value, Name) and value.name == attribute.span.text:
            del values[at : at + 2]
            break
    return replace(fresh, values=(*values, *fresh.values))


def _read(one: _Override, origins: dict[Source, _Override]) -> tuple[Setting, ...]:
    """The settings that an override states, as the parser reads them."""
    if any(sign in one.value for sign in "{}\n"):
        help = "give every setting a `--set` of its own"
        raise one.fails("a value has no braces and no line ends", help)
    head = "" if one.attribute else one.head
    line = " ".join(part for part in (one.setting, head, one.attribute, one.value) if part)
    source = Source("--set", f"train {{\n  {line}\n}}\n")
    origins[source] = one
    report = Report()
    module = parse(source, report)
    for diagnostic in report:
        raise _refusal(diagnostic, origins, one)
    (train,) = module.statements
    assert isinstance(train, Train)
    return train.settings


# --- what is wrong ----------------------------------------------------------------------------


def _refusal(
    diagnostic: Diagnostic, origins: Mapping[Source, _Override], last: _Override
) -> UserError:
    """A diagnostic about a recipe, as an error about the override that it comes from."""
    spans = (diagnostic.span, *(label.span for label in diagnostic.labels))
    one = next((origins[span.source] for span in spans if span.source in origins), last)
    return one.fails(diagnostic.message, _help(diagnostic.help, one))


def _help(help: str, one: _Override) -> str:
    """Help for a spec, in the terms of ``--set``: ``batch 64`` is ``train.batch=64`` there."""
    if help.startswith("begin a new line"):
        return "give every setting a `--set` of its own"
    if re.match(r"write `[0-9]", help):
        return re.sub(r"`([0-9.]+)`", lambda number: f"`{one.setting_like(number[1])}`", help)
    text = help.replace("define it first, or ", "")
    text = text.replace("`warmup ", f"`{_PREFIX}schedule.warmup=")
    if one.attribute:
        text = text.replace(f"`{one.attribute} ", f"`{one.setting_like('')}")
    for kind in VARIANTS.get(one.setting, ()):
        text = text.replace(f"`{kind} ", f"`{_PREFIX}{one.setting}={kind} ")
    return text.replace(f"`{one.setting} ", f"`{_PREFIX}{one.setting}=")
