"""The tables of shipped classes, and the command that writes them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import cnndsl
from cnndsl.registry import Registry, main, table

PACKAGE = Path(cnndsl.__file__).parent
TABLES = sorted(PACKAGE.rglob("shipped.py"))


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.parent.name)
def test_shipped_tables_are_fresh(path: Path) -> None:
    expected = table(".".join(("cnndsl", *path.parent.relative_to(PACKAGE).parts)))
    assert path.read_text("utf-8") == expected, "run: python -m cnndsl.registry"


def test_the_command_rewrites_every_table(monkeypatch: pytest.MonkeyPatch) -> None:
    written: dict[Path, str] = {}

    def write_text(path: Path, text: str, encoding: str) -> None:
        written[path] = text

    monkeypatch.setattr(Path, "write_text", write_text)
    main()
    assert written == {path: path.read_text("utf-8") for path in TABLES}


# --- a package with kinds of its own ----------------------------------------------------------


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "zoo"
    (folder / "small").mkdir(parents=True)
    (folder / "__init__.py").write_text(
        "from cnndsl.registry import Registry\n"
        "CATS = Registry('cat', 'zoo.base:Cat', package='zoo', group='zoo.cats', code='CNN101')\n"
        "DOGS = Registry('dog', 'zoo.base:Dog', package='zoo', group='zoo.dogs', code='CNN101')\n"
    )
    (folder / "base.py").write_text("class Cat: pass\nclass Dog: pass\n")
    (folder / "large.py").write_text(
        "from zoo.base import Cat, Dog\n"
        "class Tiger(Cat): keyword = 'tiger'\n"
        "class Lazy(Tiger): pass\n"
        "class Wolf(Dog): keyword = 'wolf'\n"
    )
    (folder / "small" / "__init__.py").write_text("from zoo.large import Tiger\n")
    (folder / "small" / "house.py").write_text(
        "from zoo.base import Cat\nclass House(Cat): keyword = 'house'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "zoo"]:
        del sys.modules[name]


def test_a_table_has_each_kind_where_it_is_defined(zoo: None, tmp_path: Path) -> None:
    shipped = tmp_path / "zoo" / "shipped.py"
    shipped.write_text("MODULES = {}\n")
    text = table("zoo")
    names: dict[str, object] = {}
    exec(text, names)
    assert names["MODULES"] == {
        "cat": {"house": "small.house", "tiger": "large"},
        "dog": {"wolf": "large"},
    }


def test_each_kind_is_found_among_its_own(zoo: None, tmp_path: Path) -> None:
    (tmp_path / "zoo" / "shipped.py").write_text(
        "MODULES = {'cat': {'tiger': 'large', 'house': 'small.house'}, 'dog': {'wolf': 'large'}}\n"
    )
    package = import_module("zoo")
    cats: Registry[object] = package.CATS
    dogs: Registry[object] = package.DOGS
    assert cats.keywords() == ("house", "tiger")
    assert "zoo.small.house" not in sys.modules
    house = cats.find("house")
    assert house is not None
    assert house.__name__ == "House"
    assert (cats.find("wolf"), dogs.find("tiger")) == (None, None)
    assert dogs.is_shipped("wolf")
    assert not cats.is_shipped("wolf")
