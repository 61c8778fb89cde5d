"""Writes what the VS Code extension reads: its grammar and its snippets."""

from __future__ import annotations

import json
from pathlib import Path

from cnndsl.highlighting.textmate import grammar, snippets

__all__ = ["files", "main"]


def files() -> dict[str, str]:
    """The texts of the generated files, by their paths in ``editors/vscode``."""
    return {
        "syntaxes/cnn.tmLanguage.json": json.dumps(grammar(), indent=2) + "\n",
        "snippets/cnn.json": json.dumps(snippets(), indent=2) + "\n",
    }


def main() -> None:
    """Write them into the checkout."""
    folder = Path(__file__).resolve().parents[2] / "editors" / "vscode"
    for name, text in files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
