"""Compares two networks, wherever they are: specs, compiled models, files of a git revision."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from cnndsl.api import Network, checked, settled
from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import Severity, UserError
from cnndsl.frozen import frozen
from cnndsl.syntax.ast import Param

if TYPE_CHECKING:
    from cnndsl.analysis.change_records import Unmet
    from cnndsl.analysis.changes import NetworkDiff
    from cnndsl.elaborate.network import TypedNetwork
    from cnndsl.typecheck.checked import Checked

__all__ = ["Compared", "diff"]

Compared: TypeAlias = "Network | str | os.PathLike[str]"
"""A network, or where one is: a spec's path or shipped name, a compiled model, ``REV:path``."""


def diff(
    old: Compared, new: Compared, parameters: Mapping[str, object] | None = None
) -> NetworkDiff:
    """What changed in meaning from one network to another.

    It is true where something did. Layout, comments, and blocks or loops that come to the same
    layers change nothing.

    >>> import cnndsl
    >>> cnndsl.diff("resnet18", "resnet18")
    <NetworkDiff resnet18 -> resnet18: no layer changed>

    Args:
        old: a network, a spec (a path or a shipped name), a compiled model, or a file of a git
            revision, ``HEAD~1:net.cnn``, which imports what that revision has.
        new: the same.
        parameters: values for the ``param`` statements of both, in those that have them.

    Raises:
        CompileError: where a spec is wrong.
        UserError: CNN642 without git or such a revision, CNN643 without such a file in it,
            CNN644 for a spec in a revision that is wrong, and as :func:`cnndsl.load` does.
    """
    from cnndsl.analysis.changes import network_diff

    given = dict(parameters or {})
    before, after = _opened(old, given, "old"), _opened(new, given, "new")
    if unknown := given.keys() - before.taken - after.taken:
        if _is_model(old) and _is_model(new):
            raise settled(_name(new, "new"))
        name = min(unknown)
        raise UserError(
            "CNN114",
            f"neither network has a parameter `{name}`",
            help=f"declare it in a spec: `param {name} = {given[name]}`",
        )
    names = (_name(old, "old"), _name(new, "new"))
    return network_diff(before.typed, after.typed, names, (*before.unmet, *after.unmet))


@frozen
class _Side:
    """One of the two: it may miss what its spec expects, since a review asks what that costs."""

    typed: TypedNetwork
    unmet: tuple[Unmet, ...] = ()
    taken: frozenset[str] = frozenset()
    """The parameters that were set."""

    @classmethod
    def of(cls, found: Checked, which: str, taken: Iterable[str] = ()) -> _Side:
        """That of a spec."""
        from cnndsl.analysis.change_records import Unmet

        missed = (Unmet(which, x.code, x.message, x.span.first.line) for x in found.unmet)
        return cls(found.built(), tuple(missed), frozenset(taken))


def _is_model(one: Compared) -> bool:
    return not isinstance(one, Network) and os.fspath(one).lower().endswith(".onnx")


def _name(one: Compared, which: str) -> str:
    return (one.name or which) if isinstance(one, Network) else os.fspath(one)


def _opened(one: Compared, given: Mapping[str, object], which: str) -> _Side:
    """A network with those of the parameters that it has."""
    from cnndsl.elaborate.context import current_limits
    from cnndsl.elaborate.revisions import checked_out, is_revision

    if isinstance(one, Network):
        return _Side(one.typed)
    word = os.fspath(one)
    if not is_revision(word):
        return _with_parameters(one, given, which)
    with checked_out(word, current_limits()) as path:
        try:
            return _with_parameters(path, given, which)
        except CompileError as error:
            first = next(x for x in error.diagnostics if x.severity is Severity.ERROR)
            place = f"line {first.span.first.line}"
            if first.span.source.name != str(path):
                place = f"{os.path.basename(first.span.source.name)}, {place}"
            raise UserError(
                "CNN644",
                f"`{word}` is wrong: {first.message} ({first.code}, {place})",
                help="compare with a revision in which it is right",
            ) from None


def _with_parameters(
    path: str | os.PathLike[str], given: Mapping[str, object], which: str
) -> _Side:
    """The same of a file; the parameters of a compiled model are settled."""
    found = checked(path, {})
    if _is_model(path) or not given:
        return _Side.of(found, which)
    own = {one.name.name for one in found.module.statements if isinstance(one, Param)}
    taken = {name: value for name, value in given.items() if name in own}
    return _Side.of(checked(path, taken) if taken else found, which, taken)
