"""The Tree-sitter grammar of Neovim, Helix and Zed reads what our own parser reads, word by word.

It is compiled here, which needs a C compiler and the package tree-sitter.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT, fences
from hypothesis import given, settings
from random_modules import modules

from cnndsl import resources
from cnndsl.diagnostics.model import Report
from cnndsl.diagnostics.source import Source
from cnndsl.limits import Limits
from cnndsl.syntax.ast import Module
from cnndsl.syntax.collector import Collector
from cnndsl.syntax.layout import arrange
from cnndsl.syntax.lexer import tokenize
from cnndsl.syntax.parser import parse
from cnndsl.syntax.printer import print_module
from cnndsl.syntax.tokens import NEWLINE
from cnndsl.version import __version__

GRAMMAR = ROOT / "editors" / "tree-sitter-cnndsl"
ZED = ROOT / "editors" / "zed"
SPECS = sorted(resources.specs().rglob("*.cnn"))


# --- what it reads ------------------------------------------------------------------------------


@cache
def library() -> Any:
    """The grammar, compiled and loaded."""
    tree_sitter: Any = pytest.importorskip("tree_sitter", reason="there is no tree-sitter")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "cnndsl.so"
        sources = [GRAMMAR / "src" / name for name in ("parser.c", "scanner.c")]
        flags = ("-O1", "-Wall", "-shared", "-fPIC", f"-I{GRAMMAR / 'src'}")
        subprocess.run([compiler, *flags, *sources, "-o", made], check=True)
        language: Any = ctypes.CDLL(str(made)).tree_sitter_cnndsl
        language.restype = ctypes.c_void_p
        wrap: Any = ctypes.pythonapi.PyCapsule_New
        wrap.restype = ctypes.py_object
        wrap.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return tree_sitter.Language(wrap(language(), b"tree_sitter.Language", None))


def tree_of(text: str) -> Any:
    import tree_sitter

    parser: Any = tree_sitter.Parser(library())
    return parser.parse(text.encode()).root_node


def nodes(node: Any) -> Iterator[Any]:
    yield node
    for child in node.children:
        yield from nodes(child)


def mistakes(root: Any) -> list[tuple[str, bytes]]:
    return [(one.type, one.text) for one in nodes(root) if one.type == "ERROR" or one.is_missing]


def leaves(root: Any) -> list[str]:
    """The words and signs, comments among them, in order."""
    return [one.text.decode() for one in nodes(root) if not one.children and one.text]


def ours(text: str) -> list[str]:
    """The same by our own lexer."""
    read = tokenize(Collector(Source("", text), Report(), 100), Limits())
    places = [*zip(read.starts, read.ends, read.kinds, strict=True)]
    places += [(start, end, "COMMENT") for start, end in read.comments]
    return [text[start:end] for start, end, kind in sorted(places) if kind != NEWLINE]


def ends(text: str) -> int:
    """How many line ends end a statement, or a setting, between two of them."""
    report = Report()
    read = tokenize(Collector(Source("", text), report, 100), Limits())
    kept = arrange(read, Collector(Source("", text), report, 100), Limits()).kinds
    return sum(
        kind == NEWLINE
        and kept[at - 1] != "LBRACE"
        and kept[at + 1 : at + 2] not in ([], ["RBRACE"])
        for at, kind in enumerate(kept)
        if at
    )


def agrees(text: str) -> None:
    root = tree_of(text)
    assert mistakes(root) == []
    assert leaves(root) == ours(text)
    lists = [one for one in nodes(root) if one.type in ("source_file", "body", "settings")]
    counts = [
        sum(child.is_named and child.type != "comment" for child in one.children) for one in lists
    ]
    assert sum(max(0, count - 1) for count in counts) == ends(text)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_it_reads_each_spec_as_we_do(path: Path) -> None:
    agrees(path.read_text("utf-8"))


def test_it_reads_what_the_pages_show() -> None:
    pages = sorted((ROOT / "docs").rglob("*.md"))
    read = 0
    for page in pages:
        for fence in fences(page, "cnn"):
            report = Report()
            parse(Source("", fence.text), report)
            if not list(report):
                agrees(fence.text)
                read += 1
    assert read > 200


@settings(max_examples=150, deadline=None)
@given(modules)
def test_it_reads_any_module(module: Module) -> None:
    agrees(print_module(module))


ODD = """\
input 1x8x8
input -> conv 4@3
  -> relu   # here

# and here
  => 4x6x6
output: conv 4@3 -> relu
let a = -1
let b = [a-1, a - 1, 3 -4, -a]
if a > 1 { relu } # c

# d
else { tanh }
add(
  identity,

  conv 4@1   # x
    -> relu,
  if yes {
    relu
    tanh
  } else { relu },
) -> relu
for (x, y) in [[1, 2], [3, 4]] { conv x@y
  relu }
block b(stream x, n = 3,
  k = 2) {
  x -> conv n@k
  return x, x -> relu
}
input
"""


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_go_on_as_ours_do(end: str) -> None:
    agrees(ODD.removesuffix("input\n").replace("\n", end))
    agrees("\ufeff" + ODD.removesuffix("input\n"))


def test_a_text_that_is_being_written_is_read_around_the_gap() -> None:
    root = tree_of("input 1x8x8\nconv 4@3 )\nrelu -> tanh\n")
    assert mistakes(root)
    assert [one.type for one in root.children][-1] == "chain"


# --- what editors are given ---------------------------------------------------------------------


def test_the_parser_was_made_from_the_grammar() -> None:
    said = (GRAMMAR / "src" / "grammar.sha256").read_text("utf-8").split()[0]
    assert said == hashlib.sha256((GRAMMAR / "grammar.js").read_bytes()).hexdigest(), (
        "run `sh editors/tree-sitter-cnndsl/generate.sh`"
    )
    made = json.loads((GRAMMAR / "src" / "grammar.json").read_text("utf-8"))
    assert {one["name"] for one in made["externals"]} == {"_newline", "_negation", "_subtraction"}


def test_the_command_line_makes_the_same_parser(tmp_path: Path) -> None:
    if shutil.which("tree-sitter") is None or shutil.which("node") is None:
        pytest.skip("there are no tree-sitter and Node.js")
    shutil.copytree(GRAMMAR, tmp_path / "grammar")
    subprocess.run(["sh", "generate.sh"], cwd=tmp_path / "grammar", check=True)
    made = json.loads((tmp_path / "grammar" / "src" / "grammar.json").read_text("utf-8"))
    assert made == json.loads((GRAMMAR / "src" / "grammar.json").read_text("utf-8"))


def captured(text: str, query: str) -> dict[str, str]:
    """What each word is called; of several, the last counts."""
    import tree_sitter

    cursor: Any = tree_sitter.QueryCursor(tree_sitter.Query(library(), query))
    places = [
        (at, node.text.decode(), name)
        for at, captures in cursor.matches(tree_of(text))
        for name, some in captures.items()
        for node in some
    ]
    return {word: name for _, word, name in sorted(places, key=lambda one: one[0])}


@pytest.mark.parametrize("folder", [GRAMMAR / "queries", ZED / "languages" / "cnn"])
def test_words_have_colours_by_what_they_are(folder: Path) -> None:
    query = (folder / "highlights.scm").read_text("utf-8")
    text = (
        "network lenet5\nparam n = 3\ninput 1x8x8 { scale 1/255 }\nblock unit(w) { relu }\n"
        "C1: conv n@3 padding same -> unit(4)  # all\nexpect params 8\n"
        "train { optimizer sgd lr 0.1\n schedule step every 5 }\n"
    )
    found = captured(text, query)
    assert (
        found.items()
        >= {
            "conv": "type",
            "padding": "property",
            "same": "constant.builtin",
            "C1": "label",
            "unit": "function",
            "lenet5": "type",
            "w": "variable.parameter",
            "scale": "property",
            "params": "property",
            "sgd": "type",
            "lr": "property",
            "input": "keyword",
            "1x8x8": "number",
            "->": "operator",
            "# all": "comment",
        }.items()
    )
    assert "4" in found


@pytest.mark.parametrize(
    "path",
    [*sorted(GRAMMAR.rglob("*.scm")), *sorted(ZED.rglob("*.scm"))],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_each_query_fits_the_grammar(path: Path) -> None:
    import tree_sitter

    query: Any = tree_sitter.Query(library(), path.read_text("utf-8"))
    cursor: Any = tree_sitter.QueryCursor(query)
    assert list(cursor.matches(tree_of(ODD.removesuffix("input\n") + "C1: relu\nnetwork n\n")))


def test_the_extension_for_zed_names_what_is_there() -> None:
    extension = tomllib.loads((ZED / "extension.toml").read_text("utf-8"))
    language = tomllib.loads((ZED / "languages" / "cnn" / "config.toml").read_text("utf-8"))
    [(name, grammar)] = extension["grammars"].items()
    assert (ROOT / grammar["path"] / "src" / "parser.c").is_file()
    assert f"tree_sitter_{name}" in (GRAMMAR / "src" / "parser.c").read_text("utf-8")
    assert language["grammar"] == name
    assert language["path_suffixes"] == ["cnn"]
    assert extension["language_servers"]["cnndsl"]["languages"] == [language["name"]]
    assert extension["version"] == __version__
    assert (
        tomllib.loads((ZED / "Cargo.toml").read_text("utf-8"))["package"]["version"] == __version__
    )


NVIM = """
vim.opt.runtimepath:prepend(vim.fn.getcwd())
local text = table.concat(vim.fn.readfile(SPEC), "\\n") .. "\\n"
local root = vim.treesitter.get_string_parser(text, "cnndsl"):parse()[1]:root()
local get = vim.treesitter.query and vim.treesitter.query.get or vim.treesitter.get_query
local query, found = get("cnndsl", "highlights"), {}
for id, node in query:iter_captures(root, text, 0, -1) do
  local row, from, _, to = node:range()
  found[vim.split(text, "\\n")[row + 1]:sub(from + 1, to)] = query.captures[id]
end
vim.fn.writefile({ vim.json and vim.json.encode({ root:has_error(), found }) }, "said")
vim.cmd("qa!")
"""


def test_neovim_reads_it_as_the_page_says(tmp_path: Path) -> None:
    nvim, compiler = shutil.which("nvim"), shutil.which("cc")
    if nvim is None or compiler is None:
        pytest.skip("there are no Neovim and C compiler")
    page = (ROOT / "docs" / "editors.md").read_text("utf-8")
    [lines] = [
        one.text for one in fences(ROOT / "docs" / "editors.md", "sh") if "parser" in one.text
    ]
    assert "vim.treesitter.language.register" in page
    script = lines.replace("~/.local/share/nvim/site", str(tmp_path)).replace(
        "cd editors", f"cd {ROOT}/editors"
    )
    subprocess.run(["sh", "-euc", script], check=True)
    spec = next(path for path in SPECS if path.stem == "lenet5")
    (tmp_path / "ask.lua").write_text(f"local SPEC = {json.dumps(str(spec))}\n{NVIM}")
    command = [nvim, "--headless", "-u", "NONE", "-c", "luafile ask.lua"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (tmp_path / "said").exists(), done.stderr
    failed, found = json.loads((tmp_path / "said").read_text("utf-8"))
    assert not failed
    assert (
        found.items()
        >= {"conv": "type", "C1": "label", "stride": "property", "lenet5": "type"}.items()
    )
