"""Turns a ``train { }`` into the recipe that it states."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from cnndsl.diagnostics.model import Diagnostic, Edit, Fix, Label, Report, UserError
from cnndsl.diagnostics.source import Span
from cnndsl.diagnostics.words import closest, count, quoted, replacements, shorten
from cnndsl.elaborate.bind import bind
from cnndsl.elaborate.head_losses import head_loss, take_apart
from cnndsl.elaborate.header import given_twice, joined, unknown_setting, validated
from cnndsl.elaborate.values import Constants
from cnndsl.frozen import replace
from cnndsl.layers.base import Schema
from cnndsl.recipe.losses.base import Loss
from cnndsl.recipe.recipe import Recipe, SettingValue
from cnndsl.syntax.ast import Call, Expr, Identifier, Name, Setting, Train

__all__ = ["recipe"]

S = TypeVar("S", bound=Schema)


def recipe(
    statement: Train,
    constants: Constants,
    known: Mapping[str, int],
    report: Report,
) -> Recipe:
    """The recipe of a ``train { }``; ``known`` are the names that ``freeze`` may use."""
    from cnndsl.recipe.recipe import LABELLED, NAMES, REPEATABLE, SCALARS, VARIANTS, build

    names = (*VARIANTS, *SCALARS, *LABELLED, *NAMES)
    found: list[tuple[str, SettingValue]] = []
    first: dict[str, Span] = {}
    for setting in statement.settings:
        name = setting.name.name
        if name not in names or _is_in_pieces(setting, known):
            report.add(unknown_setting(setting, names, "train"))
            continue
        line = take_apart(setting, known) if name == "loss" else None
        once = f"loss {line.key}" if line else name
        if once in first and name not in REPEATABLE:
            twice = given_twice(setting, first[once])
            if line is not None and line.head is not None:
                twice = replace(twice, message=f"`{once}` is given twice", help="keep one of them")
            report.add(twice)
            continue
        first.setdefault(once, setting.name.span)
        setting = line.setting if line else setting
        taken = known if name in (*NAMES, *LABELLED) else _attributes(setting)
        apart = joined(setting, names, "train", taken)
        if apart is not None:
            report.add(apart)
            continue
        value = _setting_value(setting, constants, known, report)
        if line is not None and isinstance(value, Loss):
            value = head_loss(line, value, constants, known, report)
        if value is not None:
            found.append((name, value))
    made = build(found)
    if made.schedule.warmup >= made.epochs:
        report.add(_long_warmup(statement, made, first.get("epochs")))
    return made


def _is_in_pieces(setting: Setting, labels: Container[str]) -> bool:
    """Whether the first word only begins a setting's name: ``batch size 32``."""
    from cnndsl.recipe.recipe import VARIANTS

    if len(setting.values) < 2 or not isinstance(setting.values[0], Name):
        return False
    first, second = setting.name.name, setting.values[0].name
    if second in VARIANTS.get(first, ()) or second in labels:
        return False
    from cnndsl.recipe.absent import other_setting  # a right spec has few such words

    return other_setting("train", f"{first}_{second}", "") is not None


def _attributes(setting: Setting) -> Container[str]:
    """The names that may stand behind the first word of a setting."""
    from cnndsl.recipe.recipe import VARIANTS

    word = setting.values[0] if setting.values else None
    family = VARIANTS.get(setting.name.name)
    kind = family.loaded(word.name) if family is not None and isinstance(word, Name) else None
    return kind.model_fields if kind is not None else ()


def _long_warmup(statement: Train, made: Recipe, epochs: Span | None) -> Diagnostic:
    """The schedules are formulas over the epochs behind the warm-up: one must be left."""
    values = next(s.values for s in statement.settings if s.name.name == "schedule")
    span = next(
        after.span
        for before, after in pairwise(values)
        if isinstance(before, Name) and before.name == "warmup"
    )
    less = "`warmup 0`" if made.epochs == 1 else f"`warmup {made.epochs - 1}` or less"
    whole = count(made.epochs, "epoch")
    return Diagnostic(
        "CNN205",
        f"`warmup` must be less than the {whole} of training, not {made.schedule.warmup}",
        span,
        labels=(Label(epochs, whole),) if epochs else (),
        help=f"write {less}, or more `epochs`",
    )


def _setting_value(
    setting: Setting, constants: Constants, known: Mapping[str, int], report: Report
) -> SettingValue | None:
    from cnndsl.recipe.recipe import LABELLED, NAMES, SCALARS, VARIANTS

    name = setting.name.name
    if name in NAMES:
        return _labels(setting, setting.values, known, report)
    if name in LABELLED:
        if not _labels(setting, setting.values[:1], known, report):
            return None
        label = setting.values[0]
        assert isinstance(label, Name)
        if len(setting.values) == 1:
            value = (LABELLED[name].model_fields["value"].examples or [1])[0]
            message, help = f"`{name}` needs a value", f"write `{name} {label.name} {value:g}`"
            report.add(Diagnostic("CNN202", message, setting.name.span, help=help))
            return None
        values: Sequence[Expr] = (*setting.values[1:], Name("label", label.span), label)
        return validated(bind(LABELLED[name], setting.name, values, constants, report), report)
    if name in SCALARS:
        return validated(
            bind(SCALARS[name], setting.name, setting.values, constants, report), report
        )
    variants = VARIANTS[name]
    word = setting.values[0] if setting.values else None
    schema = None
    try:
        schema = variants.get(word.name) if isinstance(word, Name) else None
    except UserError as error:  # one of another package that does not load
        place = setting.span if word is None else word.span
        report.add(Diagnostic(error.code, error.message, place, help=error.help))
        return None
    if schema is None or not isinstance(word, Name):
        report.add(_unknown_variant(setting, word, tuple(variants)))
        return None
    head = Identifier(word.name, word.span)
    return validated(bind(schema, head, setting.values[1:], constants, report), report)


def _unknown_variant(setting: Setting, word: Expr | None, variants: Sequence[str]) -> Diagnostic:
    from cnndsl.recipe.absent import absent_word, same_word  # only mistakes need them

    name = setting.name.name
    choices = quoted(variants)
    if word is None:
        return Diagnostic(
            "CNN202", f"`{name}` needs to say which", setting.name.span, help=f"choose {choices}"
        )
    text = shorten(word.span.text)
    absent = absent_word(name, text)
    near = () if absent else closest(text, variants)
    fixes = replacements(word.span, near)
    help = f"did you mean `{near[0]}`?" if near else f"choose {choices}"
    if (same := same_word(text, variants)) is not None:
        absent, help = None, f"in cnndsl it is called `{same}`"
        fixes = (Fix(f"write `{same}`", (Edit(word.span, same),), safe=True),)
    elif isinstance(word, Call) and same_word(word.callee.name, variants) is not None:
        absent, fixes = None, ()
        help = f"write `{name} {shorten(_spread(word, variants))}`"
        if any(argument.name is None for argument in word.arguments):
            help = "write its attributes by name, without parentheses"
    if (behind := _kind_behind(setting, variants)) is not None:
        absent, fixes = None, (behind,)
        help = behind.title
    elif (kind := _kind_with(name, text)) is not None:
        absent, fixes = None, ()
        rest = shorten(word.span.to(setting.values[-1].span).text)
        help = f"say which first, as in `{name} {kind} {rest}`"
    if absent is not None:
        help = absent if absent.startswith("write") else f"{absent}: choose {choices}"
    return Diagnostic(
        "CNN208",
        f"`{name}` cannot be `{text}`",
        word.span,
        help=help,
        fixes=fixes,
    )


def _kind_with(setting: str, attribute: str) -> str | None:
    """The first kind of a setting that has an attribute."""
    from cnndsl.recipe.recipe import VARIANTS

    for kind in VARIANTS[setting].shipped():
        needed = (name for name, field in kind.model_fields.items() if field.is_required())
        if attribute in kind.model_fields and all(name == attribute for name in needed):
            return kind.keyword
    return None


def _kind_behind(setting: Setting, variants: Sequence[str]) -> Fix | None:
    """``schedule warmup 5 cosine``: the kind stands first."""
    from cnndsl.recipe.recipe import VARIANTS

    first = setting.values[0]
    for at, value in enumerate(setting.values):
        if at and isinstance(value, Name) and value.name in variants:
            kind = VARIANTS[setting.name.name].loaded(value.name)
            fields: Container[str] = kind.model_fields if kind is not None else ()
            before = setting.values[:at] if first.span.text in fields else ()
            others = [one.span.text for one in (*before, *setting.values[at + 1 :])]
            whole = " ".join((value.name, *others))
            place = setting.values[0].span.to(setting.values[-1].span)
            return Fix(f"write `{setting.name.name} {shorten(whole)}`", (Edit(place, whole),))
    return None


def _labels(
    setting: Setting, values: Sequence[Expr], known: Mapping[str, int], report: Report
) -> tuple[str, ...] | None:
    """The labels that a setting names, each the name of a layer or a scope."""
    if not values:
        report.add(
            Diagnostic(
                "CNN202",
                f"`{setting.name.name}` needs the labels of layers",
                setting.name.span,
                help=f"write `{setting.name.name} C1`, with a label of yours",
            )
        )
        return None
    labels: list[str] = []
    for value in values:
        name = value.name if isinstance(value, Name) else ""
        if name in known or any(path.startswith(f"{name}.") for path in known if name):
            labels.append(name)
            continue
        near = closest(value.span.text, tuple(known))
        report.add(
            Diagnostic(
                "CNN103",
                f"no layer or label is called `{shorten(value.span.text)}`",
                value.span,
                help=f"did you mean `{near[0]}`?"
                if near
                else "name a label; `cnndsl summary` lists the names of all layers",
            )
        )
    return tuple(labels) if len(labels) == len(values) else None


def _spread(call: Call, variants: Sequence[str]) -> str:
    """``sgd(lr=0.1)`` as a setting has it: ``sgd lr 0.1``."""
    from cnndsl.recipe.absent import same_word

    parts = [same_word(call.callee.name, variants) or call.callee.name]
    for argument in call.arguments:
        parts += [argument.name.name] if argument.name else []
        parts.append(argument.value.span.text)
    return " ".join(parts)
