"""SymPy stays where it is until somebody computes with sizes that have names."""

from __future__ import annotations

import subprocess
import sys

LOADED = "'sympy.core' in sys.modules"


def told(program: str) -> list[str]:
    """What a program prints in a process of its own."""
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return found.stdout.split()


def test_compiling_loads_no_sympy() -> None:
    program = f"""
import sys
import cnndsl
cnndsl.parse("input 1x8x8\\nconv 4@3 -> relu -> flatten -> dense 2").compile()
print("onnx_ir" in sys.modules, {LOADED})
"""
    assert told(program) == ["True", "False"]


def test_sympy_is_there_when_sizes_with_names_are_computed_with() -> None:
    program = f"""
import sys
import cnndsl.graph.builder
import onnx_ir
shape = onnx_ir.Shape(["N", 3])
print({LOADED})
print(shape[0] * 2 + 1)
print({LOADED}, sum("_Deferring" in str(one) for one in sys.meta_path))
import sympy
print(sympy.Symbol("x") + 1)
"""
    assert "".join(told(program)) == "False2*N+1True0x+1"


def test_an_onnx_ir_that_is_there_already_is_left_alone() -> None:
    program = """
import sys
import onnx_ir
before = list(sys.meta_path)
import cnndsl.graph
print(sys.meta_path == before)
"""
    assert told(program) == ["True"]
