"""Which files a reader opens to follow `conv 6@5x5` from its text to a node, and on to its update.

    python benchmarks/reader_path.py [--all] [--write]

The compiler runs with every call of a function of cnndsl noted. A file is on the path where a
function of it was called; those that only guard or carry (``ASIDE``, with the reason) are left out,
and shown with ``--all``. ``--write`` puts the two lists into ``docs/architecture.md``.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, MappingProxyType

import cnndsl
from cnndsl import pipeline
from cnndsl.graph.lower import lower
from cnndsl.training.step import build_step

PACKAGE = Path(cnndsl.__file__).parent
PAGE = PACKAGE.parent / "docs" / "architecture.md"
BOUNDS = {"node": 25, "update": 20}
"""How many files there may be: to the ONNX node, and from it to the update."""

SPEC = "input 1x32x32\nconv 6@5x5\n"

RECIPE = "train {\n  loss mse\n  optimizer sgd lr 0.1 momentum 0.9\n}\n"

ASIDE = MappingProxyType(
    {
        # Guards: they let a right spec pass.
        "elaborate/error_nodes.py": "stands in for what could not be read",
        "elaborate/unused.py": "warns of what nothing reads",
        "typecheck/without_holes.py": "has the numbers of holes found, where there are any",
        "repair/shape_advice.py": "finds inputs written channels last",
        "syntax/brackets.py": "finds brackets that are not closed",
        "syntax/collector.py": "gathers what is wrong with a text",
        "typecheck/budgets.py": "compares budgets",
        "typecheck/check_bounds.py": "warns of numbers that mean nothing to a layer",
        "typecheck/check_recipe.py": "holds the recipe against the network",
        "typecheck/claims.py": "compares claims",
        "typecheck/expectations.py": "compares expectations",
        "typecheck/input_checks.py": "warns of doubtful inputs",
        "typecheck/loss_checks.py": "warns of losses that do not suit",
        "typecheck/recipe_checks.py": "holds the recipe against the network",
        "typecheck/setting_checks.py": "warns of settings that do nothing",
        "typecheck/sharing.py": "holds shared weights against each other",
        # Tables for people.
        "analysis/summary.py": "writes the layer table's words",
        "typecheck/table.py": "fills the layer table",
        # What carries everything, and is about nothing.
        "autodiff/geometry.py": "a convolution's sizes and gradient, as data",
        "diagnostics/model.py": "diagnostics as data",
        "diagnostics/source.py": "texts and places in them",
        "elaborate/bound.py": "a phrase that is understood, as data",
        "elaborate/context.py": "what expansion works on, as data",
        "elaborate/draft.py": "a network that may still have holes, as data",
        "frozen.py": "records",
        "graph/garbage_collection.py": "puts off the collection of garbage",
        "graph/type_inference.py": "asks the `onnx` package for types",
        "graph/value_types.py": "types of values as data",
        "limits.py": "how large things may be",
        "layers/__init__.py": "finds classes by keywords",
        "registry.py": "finds classes by keywords",
        "syntax/tokens.py": "tokens as data",
        "syntax/walk.py": "walks trees",
        "typecheck/checked.py": "what checking gives, as data",
        "typecheck/facts.py": "what is known of a value",
        "types.py": "the type of a tensor",
        # Parts of the language and of a recipe that the two lines do not use.
        "analysis/liveness.py": "leaves out what no output needs",
        "elaborate/header.py": "the `input` statement",
        "elaborate/imports.py": "blocks, and what a file imports",
        "elaborate/modules.py": "finds files and imports",
        "elaborate/parameters.py": "values for `param` statements",
        "elaborate/share.py": "shared weights",
        "elaborate/stream_sizes.py": "sizes of streams as numbers",
        "elaborate/values.py": "values that are still open",
        "layers/padding.py": "padding",
        "layers/sizes.py": "sizes as a spec writes them, as types",
        "syntax/sharing.py": "shared weights",
        "typecheck/scores.py": "the scores before a softmax",
        "training/loss_scale.py": "mixed precision",
        "training/random.py": "dropout and noise",
        "training/passes/affine.py": "batch normalisation before a relu",
        "training/passes/channel_products.py": "sums of products over large maps",
        "training/passes/constants.py": "leaves out what is known beforehand",
        "training/passes/decay.py": "decay of large weights",
        "training/passes/descent.py": "dense layers' updates",
        "training/passes/duplicates.py": "leaves out what is there twice",
        "training/passes/fusion.py": "dense layers' updates",
        "training/passes/inlining.py": "composites",
        "training/passes/momentum.py": "dense layers' updates",
        "training/passes/order.py": "orders nodes for memory",
        "training/passes/rewiring.py": "composites",
        "training/passes/unused.py": "leaves out what no output needs",
    }
)
"""Files that are called on the way and that a reader can pass over."""


def called(work: Callable[[], None]) -> dict[str, list[str]]:
    """The functions of cnndsl that a piece of work calls, by file, in the order of calls."""
    found: dict[str, list[str]] = {}

    def note(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event != "call" or code.co_name == "<module>":
            return
        path = Path(code.co_filename)
        if path.is_relative_to(PACKAGE):
            names = found.setdefault(path.relative_to(PACKAGE).as_posix(), [])
            name = code.co_qualname.partition(".<locals>")[0]
            if name not in names:
                names.append(name)

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return found


def paths() -> dict[str, dict[str, list[str]]]:
    """The files called on the way to the node, and those called further on to the update."""

    def node() -> None:
        lower(pipeline.typed(pipeline.check_text(SPEC)))

    def update() -> None:
        build_step(network, batch=2)

    network = pipeline.typed(pipeline.check_text(SPEC + RECIPE))
    for work in (node, update):  # what is loaded or remembered once is on nobody's path
        work()
    first, second = called(node), called(update)
    return {"node": first, "update": {k: v for k, v in second.items() if k not in first}}


def matter(files: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Those of the files that a reader opens."""
    return {path: names for path, names in files.items() if path not in ASIDE}


def told(path: str) -> str:
    """What a file's first line says of it."""
    text = ast.get_docstring(ast.parse((PACKAGE / path).read_text("utf-8"))) or ""
    return text.splitlines()[0].rstrip(".").replace("``", "`").replace(":class:", "")


def table(files: Mapping[str, list[str]]) -> str:
    """The files as a Markdown list, with what each is for."""
    return "\n".join(f"{at}. `{path}`: {told(path)}" for at, path in enumerate(files, 1))


def written(page: str) -> str:
    """The page with both lists as they are now, each between its markers."""
    for name, files in paths().items():
        begin, end = f"<!-- path to the {name} -->", f"<!-- end of the path to the {name} -->"
        before, _, rest = page.partition(begin)
        after = rest.partition(end)[2]
        page = f"{before}{begin}\n{table(matter(files))}\n{end}{after}"
    return page


def main() -> None:
    """Print the lists and how long they may be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="show what is passed over too")
    parser.add_argument("--write", action="store_true", help="write the lists into the page")
    options = parser.parse_args()
    for name, files in paths().items():
        opened = matter(files)
        print(f"to the {name}: {len(opened)} files that matter, at most {BOUNDS[name]}")
        print(table(opened))
        if options.all:
            for path in files.keys() - opened.keys():
                print(f"   passed over: {path}, {ASIDE[path]}")
    if options.write:
        PAGE.write_text(written(PAGE.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
