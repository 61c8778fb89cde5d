"""Puts off the import of SymPy, which onnx-ir needs only to compute with sizes that have names.

The compiler never does: all its sizes are numbers but the batch's, which it only hands on. SymPy is
two thirds of what importing onnx-ir costs (0.50 of 0.70 s of computing).
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from typing_extensions import override

__all__ = ["defer_sympy"]

_USER = "onnx_ir._symbolic_shapes"
"""The module of onnx-ir that computes with SymPy, and reads its names as it is imported."""


class _Deferring(MetaPathFinder):
    """Finds SymPy and its user for onnx-ir, to be loaded by their first use."""

    def __init__(self) -> None:
        self._left = {"sympy", _USER}

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in self._left or "onnx_ir._core" not in sys.modules:
            return None
        self._left.remove(fullname)  # before it is asked for again, by the next line
        spec = importlib.util.find_spec(fullname)
        if fullname == _USER:
            sys.meta_path.remove(self)
        if spec is not None and spec.loader is not None:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        return spec


def defer_sympy() -> None:
    """Let an import of onnx-ir from here on load SymPy only when it is first used."""
    if "onnx_ir" not in sys.modules:
        sys.meta_path.insert(0, _Deferring())
