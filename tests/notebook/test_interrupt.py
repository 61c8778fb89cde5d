"""A run whose kernel is interrupted ends, says so in its display, and leaves what it has learnt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT

manager = pytest.importorskip("jupyter_client.manager", reason="there is no Jupyter")
pytest.importorskip("ipykernel", reason="there is no ipykernel")

DATA = """\
%load_ext cnndsl
import cnndsl, numpy
net = cnndsl.parse("input 1x16x16\\nconv 8@3 -> relu\\nflatten -> dense 4 -> softmax\\n", "net.cnn")
x = numpy.random.default_rng(0).normal(size=(2000, 1, 16, 16)).astype("float32")
y = numpy.arange(2000) % 4
"""


class Kernel:
    """A kernel, and what a cell shows."""

    def __init__(self, folder: Path) -> None:
        starting: Any = manager
        paths = {"PYTHONPATH": str(ROOT)}
        self.manager, self.client = starting.start_new_kernel(
            kernel_name="python3",
            cwd=str(folder),
            extra_arguments=[],
            env={**_environment(), **paths},
        )

    def run(self, code: str, *, interrupt: bool = False) -> list[tuple[str, dict[str, Any]]]:
        """All messages of a cell; interrupted, once its display has changed."""
        asked = self.client.execute(code)
        found: list[tuple[str, dict[str, Any]]] = []
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return found
            found.append((kind, content))
            if interrupt and kind == "update_display_data" and "epoch" in str(content["data"]):
                self.manager.interrupt_kernel()
                interrupt = False


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    started = Kernel(tmp_path)
    yield started
    started.client.stop_channels()
    started.manager.shutdown_kernel(now=True)
    started.manager.cleanup_resources()


def test_an_interrupted_run_ends_and_is_kept(kernel: Kernel) -> None:
    assert not [one for one in kernel.run(DATA) if one[0] == "error"]
    said = kernel.run("training = net.train((x, y), epochs=10**4, device='cpu')", interrupt=True)
    assert not [one for one in said if one[0] == "error"]
    shown = [content["data"] for kind, content in said if kind == "update_display_data"]
    assert "interrupted after" in shown[-1]["text/html"]
    # What follows runs: what was learnt is there.
    [(_, result)] = [one for one in kernel.run("training") if one[0] == "execute_result"]
    assert "interrupted after" in result["data"]["text/plain"]
    said = kernel.run("net.train((x, y), epochs=1, device='cpu', out='other')")
    assert not [one for one in said if one[0] == "error"]
