"""Turns a keyword of a spec into the class it names: one of ours, or one of another package.

Ours are looked up in a table, ``shipped.py`` in the package that they stand in, so that a spec
loads only the modules that it uses: to create all the classes would be a tenth of the time of a
whole check. ``python -m cnndsl.registry`` writes the tables. Classes of other packages are found by
their entry points.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name, walk_packages
from types import ModuleType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from cnndsl.diagnostics.model import UserError

__all__ = ["Registry", "main", "table"]

T = TypeVar("T")


class Registry(Generic[T]):
    """The classes of one kind, by the keywords that specs write.

    Args:
        noun: what one is called, in messages and in the table of its package.
        base: the class that all have in common, as ``module:Class``; each has a ``keyword``, and
            what the base lists as ``needed``: ``change or move`` is one of the two.
        package: the package that ours stand in.
        group: the group of entry points that other packages name theirs in.
        code: the error for one of another package that is not what it says.
    """

    def __init__(self, noun: str, base: str, *, package: str, group: str, code: str) -> None:
        self.noun = noun
        self.package = package
        self.group = group
        self._base = base
        self._code = code
        self._shipped: Mapping[str, str] | None = None
        self._points: Mapping[str, list[EntryPoint]] | None = None
        self._found: dict[str, type[T]] = {}

    def find(self, keyword: str) -> type[T] | None:
        """The class of this keyword, or None.

        Raises:
            UserError: where another package names one so and it cannot be loaded.
        """
        if keyword in self._found:
            return self._found[keyword]
        module = self.shipped.get(keyword)
        if module is not None:
            for kind in self.defined_in(import_module(f"{self.package}.{module}")):
                self._found[kind.keyword] = kind
        elif keyword in self._entry_points():
            self._found[keyword] = self._load(keyword, self._entry_points()[keyword])
        return self._found.get(keyword)

    def is_shipped(self, keyword: str) -> bool:
        """Whether one of ours has the keyword; never looks elsewhere as :meth:`find` does."""
        return keyword in self.shipped

    def has(self, keyword: str) -> bool:
        """Whether one of ours, or of another package, has the keyword; loads none."""
        return keyword in self.shipped or keyword in self._entry_points()

    def keywords(self) -> tuple[str, ...]:
        """All keywords, sorted."""
        return tuple(sorted({*self.shipped, *self._entry_points()}))

    def of_others(self) -> Iterator[tuple[type[T], EntryPoint]]:
        """The classes of other packages that were loaded, and where each is named."""
        for keyword, kind in self._found.items():
            if keyword not in self.shipped:
                yield kind, self._entry_points()[keyword][0]

    def failed(self, point: EntryPoint, why: str) -> UserError:
        """The error for a class of another package that does not do its part."""
        from cnndsl.diagnostics.model import UserError

        message = f"the {self.noun} `{point.name}` of `{point.value}` {why}"
        return UserError(self._code, message, help=_mend(point))

    @property
    def shipped(self) -> Mapping[str, str]:
        """The module of each of ours inside the package, by keyword."""
        if self._shipped is None:
            self._shipped = import_module(f"{self.package}.shipped").MODULES.get(self.noun, {})
        return self._shipped

    def defined_in(self, module: ModuleType) -> Iterator[Any]:
        """The classes of this kind in a module that have a keyword of their own."""
        kinds = filter(self._is_one, vars(module).values())
        return (kind for kind in kinds if "keyword" in vars(kind))

    def _is_one(self, value: object) -> bool:
        return isinstance(value, type) and issubclass(value, resolve_name(self._base))

    def _lacks(self, kind: type[T]) -> str:
        """The first thing that every class of this kind has to say, and this one does not."""
        base = resolve_name(self._base)
        for needed in getattr(base, "needed", ()):
            names = needed.split(" or ")
            if all(getattr(kind, one, None) is getattr(base, one, None) for one in names):
                return " or ".join(f"`{one}`" for one in names)
        return ""

    def _entry_points(self) -> Mapping[str, list[EntryPoint]]:
        # Only for a word that is none of ours: reading the installed packages takes a while.
        if self._points is None:
            from importlib.metadata import entry_points

            found: dict[str, list[EntryPoint]] = {}
            for point in entry_points(group=self.group):
                found.setdefault(point.name, []).append(point)
            self._points = found
        return self._points

    def _load(self, keyword: str, points: list[EntryPoint]) -> type[T]:
        """A class of another package."""
        from cnndsl.diagnostics.model import UserError

        point = points[0]
        if len(points) > 1:
            named = " and ".join(sorted(f"`{one.value}`" for one in points))
            message = f"`{keyword}` is the {self.noun} of {len(points)} packages: {named}"
            raise UserError(self._code, message, help="uninstall the packages but one")
        try:
            found = point.load()
        except Exception as error:
            why = " ".join(str(error).split()) or type(error).__name__
            raise self.failed(point, f"does not load: {why}") from error
        if not (self._is_one(found) and getattr(found, "keyword", None) == keyword):
            message = f"`{point.value}` is not a {self.noun} called `{keyword}`"
            raise UserError(self._code, message, help=_mend(point))
        lacks = self._lacks(found)
        if lacks:
            raise self.failed(point, f"does not say its {lacks}")
        kind: type[T] = found
        return kind


def _mend(point: EntryPoint) -> str:
    """What to do about a class of another package that is of no use."""
    package = f"`{point.dist.name}`" if point.dist else "the package that names it"
    return f"mend {package}, or uninstall it"


# --- the tables -------------------------------------------------------------------------------


def table(package: str) -> str:
    """The text of a package's ``shipped.py``, by its modules as they are."""
    root = import_module(package)
    registries = [value for value in vars(root).values() if isinstance(value, Registry)]
    found: dict[str, dict[str, str]] = {registry.noun: {} for registry in registries}
    for info in walk_packages(root.__path__, f"{package}."):
        module = import_module(info.name)
        for registry in registries:
            for kind in registry.defined_in(module):
                if kind.__module__ == info.name:
                    found[registry.noun][kind.keyword] = info.name.removeprefix(f"{package}.")
    lines = [
        '"""Where each class of this package stands that specs name.',
        "",
        "Written by ``python -m cnndsl.registry``.",
        '"""',
        "",
        '__all__ = ["MODULES"]',
        "",
        "MODULES: dict[str, dict[str, str]] = {",
    ]
    for noun, modules in sorted(found.items()):
        rows = (f'        "{keyword}": "{modules[keyword]}",' for keyword in sorted(modules))
        lines += [f'    "{noun}": {{', *rows, "    },"]
    return "\n".join((*lines, "}", ""))


def main() -> None:
    """Write the table of every package that has one."""
    root = Path(__file__).parent
    for path in sorted(root.rglob("shipped.py")):
        package = ".".join(("cnndsl", *path.relative_to(root).parent.parts))
        path.write_text(table(package), encoding="utf-8")


if __name__ == "__main__":
    # By its own name, since registries are no instances of this module's class.
    import_module("cnndsl.registry").main()
