"""Writes what editors read: VS Code's grammar and snippets, and the highlights of Tree-sitter."""

from __future__ import annotations

import json
from pathlib import Path

from cnndsl.highlighting.textmate import grammar, snippets
from cnndsl.highlighting.tree_sitter import highlights

__all__ = ["files", "main"]


def files() -> dict[str, str]:
    """The texts of the generated files, by their paths in ``editors``."""
    return {
        "vscode/syntaxes/cnn.tmLanguage.json": json.dumps(grammar(), indent=2) + "\n",
        "vscode/snippets/cnn.json": json.dumps(snippets(), indent=2) + "\n",
        "tree-sitter-cnndsl/queries/highlights.scm": highlights(),
        "zed/languages/cnn/highlights.scm": highlights(),
    }


def main() -> None:
    """Write them into the checkout."""
    folder = Path(__file__).resolve().parents[2] / "editors"
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
