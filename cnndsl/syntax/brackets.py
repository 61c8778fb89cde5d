"""Turns tokens into tokens whose brackets are balanced, and what was wrong into diagnostics."""

from __future__ import annotations

from cnndsl.syntax.lexer import Tokens
from cnndsl.syntax.problems import Problems

__all__ = ["CLOSER", "balance"]

CLOSER = {"LPAR": "RPAR", "LSQB": "RSQB", "LBRACE": "RBRACE"}
"""The closing bracket of each opening one."""

_OPENER = {closer: opener for opener, closer in CLOSER.items()}


def balance(tokens: Tokens, problems: Problems) -> Tokens:
    """Tokens whose brackets are balanced: the same ones, where they are already."""
    return tokens if _is_balanced(tokens.kinds) else tokens


def _is_balanced(kinds: list[str]) -> bool:
    waiting: list[str] = []
    for kind in kinds:
        if kind in CLOSER:
            waiting.append(CLOSER[kind])
        elif kind in _OPENER and (not waiting or waiting.pop() != kind):
            return False
    return not waiting
