"""The rules that keep the project as it is: who may import whom, what is public and small."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import pytest
from documents import ROOT

from cnndsl.elaborate.quantities import Quantity
from cnndsl.layers import keywords
from cnndsl.limits import Limits

PACKAGE = ROOT / "cnndsl"
SOURCES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 400
"""No file has more lines."""

FUNCTION = 40
"""No function has more lines of code, unless a comment above it says why."""

MEDIAN = 180
"""Half of the source files have fewer."""


def name_of(path: Path) -> str:
    """``cnndsl.layers.conv`` for its file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in SOURCES}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# --- dependencies -----------------------------------------------------------------------------


def test_the_stages_look_only_down() -> None:
    # In a process of its own: it configures logging, which closes all handlers that there are,
    # and absl's (Keras imports it) closes the stream behind it, which is that of pytest's capture.
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    command = [sys.executable, "-c", lint, "--no-cache"]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


EXEMPT = {
    "only the runtime loads ONNX Runtime": {"runtime"},
    "only the graph stages load onnx-ir": {"graph", "autodiff", "training"},
    "checking never loads ONNX or NumPy": {
        *(
            "__main__",
            "cli",
            "language_server",
            "schemas",
            "sweeps",
            "inspection",
            "weight_import",
            "comparison",
            "texts",
            "api",
            "network_import",
            "emit",
            "integrations",
            "notebook",
            "network_figures",
            "display",
            "markdown",
            "pipeline",
            "runtime",
            "plots",
            "data",
            "importers",
            "training",
            "autodiff",
            "graph",
        ),
    },
}
"""The packages that each contract leaves out, because they do load what it forbids to the rest."""


def test_a_contract_names_all_packages_but_those_that_it_is_not_about() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    everything = {name.split(".")[1] for name in MODULES if "." in name}
    named = {
        contract["name"]: {name.partition(".")[2] for name in contract["source_modules"]}
        for contract in contracts
        if contract["type"] == "forbidden"
    }
    assert named == {name: everything - exempt for name, exempt in EXEMPT.items()}
    assert all(contract["exhaustive"] for contract in contracts if contract["type"] == "layers")


def imports_of(path: Path) -> set[str]:
    """The modules of ours that a module takes anything from, wherever in its text it does.

    Imports in functions and under ``TYPE_CHECKING`` count like any other. ``from package import
    name`` counts as the submodule where ``name`` is one, else as the package's ``__init__``. That
    an import also runs the packages above it does not count, nor does a module named in a string
    (the tables of verbs, renderers and public names), which is data.
    """
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Import(names=names):
                found.update(alias.name for alias in names)
            case ast.ImportFrom(module=str(module), names=names):
                inside = {f"{module}.{alias.name}" for alias in names}
                found |= inside & MODULES.keys()
                if inside - MODULES.keys():
                    found.add(module)
            case _:
                pass
    return found & MODULES.keys() - {name_of(path)}


def circle_among(graph: dict[str, set[str]]) -> set[str]:
    """The modules that are on a circle, or on the way from one circle to another."""
    left = {name: set(others) for name, others in graph.items()}
    while True:
        reached = set().union(*left.values())
        ends = {name for name, others in left.items() if not others or name not in reached}
        if not ends:
            return set(left)
        left = {name: others - ends for name, others in left.items() if name not in ends}


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle_among({name: imports_of(path) for name, path in MODULES.items()}) == set()


HEAVY = ("numpy", "onnx", "onnx_ir", "onnxruntime", "PIL", "safetensors", "rich", "matplotlib")


def loaded_by(program: str) -> list[str]:
    """The heavy packages that a fresh interpreter has loaded at the end of a program."""
    program += f"\nimport sys; print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()[-1].split()


_RUN = """
from contextlib import suppress
from cnndsl.cli import main
with suppress(SystemExit):
    main({arguments})
"""


CHECKING = (
    "import cnndsl",
    "import cnndsl; cnndsl.check('lenet5')",
    "import cnndsl; cnndsl.load('resnet18').summary()",
    "import cnndsl; cnndsl.check('input 3x224x224\\nconv 96@11 stride 4\\nfc 3\\n')",
    *(
        f"import cnndsl; assert not cnndsl.check({text!r})"
        for text in (
            "input 1x8x8\nconv 2@3 -> relu\nflatten -> dense 3\ntrain {\n"
            f"  loss {loss}\n  optimizer {optimizer}\n  schedule {schedule}\n"
            "  augment crop -> flip -> rotate -> shift -> noise -> cutout 2\n}\n"
            for loss, optimizer, schedule in zip(
                ("crossentropy", "binarycrossentropy", "mse", "hinge", "mae", "huber"),
                ("sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta"),
                ("step every 3", "cosine", "polynomial", "plateau", "inverse", "constant"),
                strict=True,
            )
        )
    ),
    _RUN.format(arguments=["check", "lenet5"]),
    _RUN.format(arguments=["summary", "lenet5"]),
    _RUN.format(arguments=["explain", "CNN301"]),
    _RUN.format(arguments=["--help"]),
)


def test_only_what_compiles_loads_something_heavy() -> None:
    assert {program: heavy for program in CHECKING if (heavy := loaded_by(program))} == {}
    assert "onnx" in loaded_by("import cnndsl; cnndsl.load('lenet5').compile()")


# --- codes ------------------------------------------------------------------------------------


def is_code(node: ast.AST | None) -> bool:
    """Whether an expression is the text of a diagnostic's code."""
    text = node.value if isinstance(node, ast.Constant) else None
    return isinstance(text, str) and re.fullmatch(r"CNN\d*", text) is not None


def asks_for_codes(path: Path) -> Iterator[int]:
    """The lines at which a module decides by the code of a diagnostic, which is for people.

    That is a comparison with a code or with a diagnostic's ``code`` (numbers and None are what
    the code of an exit is compared with), a pattern or a prefix that is one, and a table or a set
    of nothing but codes.
    """
    for node in ast.walk(tree_of(path)):
        match node:
            case ast.Compare(left=left, comparators=others):
                sides = [left, *others]
                codes = any(isinstance(one, ast.Attribute) and one.attr == "code" for one in sides)
                exits = any(
                    isinstance(one, ast.Constant) and not isinstance(one.value, str)
                    for one in sides
                )
                if (codes and not exits) or any(is_code(one) for one in sides):
                    yield node.lineno
            case ast.MatchValue(value=value) if is_code(value):
                yield node.lineno
            case ast.Call(func=ast.Attribute(attr="startswith"), args=[value]) if is_code(value):
                yield node.lineno
            case ast.Set(elts=items) | ast.List(elts=items) | ast.Tuple(elts=items):
                if items and all(is_code(item) for item in items):
                    yield node.lineno
            case ast.Dict(keys=keys) if any(is_code(key) for key in keys):
                yield node.lineno
            case _:
                pass


def test_nothing_is_decided_by_a_code() -> None:
    table = PACKAGE / "diagnostics" / "codes.py"
    found = [f"{path}:{line}" for path in SOURCES if path != table for line in asks_for_codes(path)]
    assert found == []


# --- files ------------------------------------------------------------------------------------


def test_files_are_short() -> None:
    lengths = {
        str(path): len(path.read_text(encoding="utf-8").splitlines())
        for path in (*SOURCES, *sorted((ROOT / "tests").rglob("*.py")))
    }
    assert {path: length for path, length in lengths.items() if length > LONGEST} == {}
    assert median(lengths[str(path)] for path in SOURCES) < MEDIAN


REASON = "# Long, because "
"""Begins the comment above a function that is longer than :data:`FUNCTION` with good reason."""


def long_functions(path: Path) -> Iterator[str]:
    """The functions whose code, without the docstring, is too long, and no reason stands above."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        first, last = node.lineno, node.end_lineno or node.lineno
        if ast.get_docstring(node):
            first += (node.body[0].end_lineno or 0) - node.body[0].lineno + 1
        top = min([node.lineno, *(one.lineno for one in node.decorator_list)])
        reason = lines[top - 2].strip().startswith(REASON)
        if last - first >= FUNCTION and not reason:
            yield f"{path}:{node.lineno} {node.name}: {last - first + 1} lines"


def test_functions_are_short_or_say_why_not() -> None:
    assert [function for path in SOURCES for function in long_functions(path)] == []


def test_a_module_says_what_it_is_for() -> None:
    assert [name for name, path in MODULES.items() if not ast.get_docstring(tree_of(path))] == []


# --- what is public ---------------------------------------------------------------------------
#
# The classes and functions of a module without a leading underscore are public, and so is whatever
# another module imports from it: exactly these are in its `__all__`, besides constants and types
# that tests and readers may want. Names for type variables and constants of the module's own need
# not be there.


def assigned(path: Path) -> Iterator[tuple[str, ast.expr | None]]:
    """The names that a module assigns at its top level, and to what."""
    for node in tree_of(path).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=value):
                yield name, value
            case _:
                pass


def listed(path: Path) -> set[str]:
    """What a module's ``__all__`` lists."""
    value = dict(assigned(path)).get("__all__")
    return set(ast.literal_eval(value)) if value is not None else set()


def defined(path: Path) -> set[str]:
    """The classes and functions of a module."""
    kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in tree_of(path).body if isinstance(node, kinds)}


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """What a module takes from others of ours: pairs of a module and a name."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "cnndsl":
            yield from ((node.module or "", alias.name) for alias in node.names)


def mislisted(name: str) -> Iterator[str]:
    """What is wrong with what a module says is public, in words."""
    path = MODULES[name]
    taken = {one for _, one in imported(path)}
    public = {one for one in defined(path) if not one.startswith("_")}
    there = defined(path) | {one for one, _ in assigned(path)} | taken
    for one in sorted(public - listed(path)):
        yield f"{name} has {one}, which is not listed"
    for one in sorted(listed(path) - there):
        yield f"{name} lists {one}, which is not there"
    for module, one in imported(path):
        if f"{module}.{one}" not in MODULES and one not in listed(MODULES[module]):
            yield f"{name} imports {module}.{one}, which is not listed"


def test_all_lists_exactly_what_is_public() -> None:
    assert [problem for name in MODULES for problem in mislisted(name)] == []


def test_the_public_api_is_loaded_lazily_and_completely() -> None:
    import cnndsl

    for name in cnndsl.__all__:
        assert getattr(cnndsl, name) is not None
    assert set(cnndsl.__all__) <= set(dir(cnndsl))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = cnndsl.nothing


# --- one place per thing ----------------------------------------------------------------------


def test_the_language_page_lists_every_layer_and_every_quantity() -> None:
    page = (ROOT / "docs" / "language.md").read_text(encoding="utf-8")
    assert [word for word in keywords() if f"[`{word}`](layers/{word}.md)" not in page] == []
    assert [name for name in Quantity if f"| `{name}` |" not in page] == []


def test_the_limits_page_has_the_limits() -> None:
    page = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    rows = [f"| `{name}` | {getattr(Limits(), name):,} |" for name in Limits.__annotations__]
    assert [row for row in rows if row not in page] == []
