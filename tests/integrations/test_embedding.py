"""The programs of `examples/embedding` train and answer as Python does.

Node's needs the folder of `npm install` in NODE_PATH; the web page Chromium besides; C++ a compiler
and ONNX Runtime's headers, in the system or in ONNXRUNTIME_INCLUDE. The library is the one that
Python runs with.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import numpy
import onnxruntime
import pytest
from documents import ROOT
from typing_extensions import override

EXAMPLE = ROOT / "examples" / "embedding"
STEPS = "20"
Result = Mapping[str, Sequence[float]]


def run(*words: str | Path, cwd: Path, **more: str) -> str:
    environment = {**os.environ, **more}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example, with its models."""
    folder = tmp_path_factory.mktemp("embedding") / "example"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "models"))
    run(sys.executable, "make.py", "models", cwd=folder, PYTHONPATH=str(ROOT))
    return folder


@pytest.fixture(scope="module")
def expected(folder: Path) -> Result:
    found: Result = json.loads(run(sys.executable, "train.py", "models", STEPS, cwd=folder))
    return found


def agrees(found: Result, expected: Result) -> None:
    assert len(found["losses"]) == len(expected["losses"]) == int(STEPS)
    numpy.testing.assert_allclose(found["losses"], expected["losses"], rtol=0, atol=5e-6)
    numpy.testing.assert_allclose(found["answer"], expected["answer"], rtol=0, atol=5e-5)


def test_python_learns(expected: Result) -> None:
    assert expected["losses"][-1] < 0.02 < 2 < expected["losses"][0]
    assert int(numpy.argmax(expected["answer"])) == 7
    assert expected["answer"][7] > 0.9


def test_python_needs_nothing_of_cnndsl(folder: Path) -> None:
    text = (folder / "train.py").read_text(encoding="utf-8")
    assert set(re.findall(r"^(?:import|from) (\w+)", text, re.MULTILINE)) == {
        *("json", "sys", "pathlib", "numpy", "onnxruntime")
    }


# --- JavaScript -------------------------------------------------------------------------------


def node_with(folder: Path, package: str) -> str:
    """Node, which finds a package from a folder."""
    node = shutil.which("node")
    places = os.environ.get("NODE_PATH", "").split(os.pathsep)
    found = [Path(place) for place in places if place and (Path(place) / package).is_dir()]
    if node is None or not found:
        pytest.skip(f"there is no Node with {package} in NODE_PATH")
    link = folder / "node_modules"
    if not link.exists():
        link.symlink_to(found[0].absolute(), target_is_directory=True)
    return node


@pytest.mark.parametrize("package", ["onnxruntime-node", "onnxruntime-web"])
def test_node_does_as_python(folder: Path, expected: Result, package: str) -> None:
    node = node_with(folder, package)
    agrees(json.loads(run(node, "train.mjs", "models", STEPS, package, cwd=folder)), expected)


class _Pages(SimpleHTTPRequestHandler):
    """Serves a folder, and takes one report."""

    def __init__(self, reports: Queue[str], *words: Any, **more: Any) -> None:
        self.reports = reports
        super().__init__(*words, **more)

    def do_POST(self) -> None:
        self.reports.put(self.rfile.read(int(self.headers["content-length"])).decode())
        self.send_response(204)
        self.end_headers()

    @override
    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[tuple[int, Queue[str]]]:
    reports: Queue[str] = Queue()
    pages = partial(_Pages, reports, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), pages)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, reports
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_web_page_does_as_python(folder: Path, expected: Result, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    if browser is None:
        pytest.skip("there is no Chromium")
    node_with(folder, "onnxruntime-web")
    flags = ("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}")
    with served(folder) as (port, reports):
        address = f"http://127.0.0.1:{port}/index.html?report&steps={STEPS}"
        with subprocess.Popen(
            [browser, *flags, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                report = reports.get(timeout=120)
            except Empty:
                pytest.fail("the page gave no report")
            finally:
                process.terminate()
    agrees(json.loads(report), expected)


# --- C++ --------------------------------------------------------------------------------------


def headers() -> Path | None:
    """The folder of ONNX Runtime's headers for C++."""
    given = os.environ.get("ONNXRUNTIME_INCLUDE")
    places = [given] if given else []
    places += [f"{root}/include{sub}" for root in ("/usr", "/usr/local") for sub in SUBFOLDERS]
    return next((Path(at) for at in places if (Path(at) / "onnxruntime_cxx_api.h").is_file()), None)


SUBFOLDERS = ("/onnxruntime", "", "/onnxruntime/core/session")


def library() -> Path | None:
    """The library that Python's ONNX Runtime runs."""
    folder = Path(str(onnxruntime.__file__)).parent / "capi"
    return next(iter(sorted(folder.glob("libonnxruntime.so.1.*"))), None)


def test_cpp_does_as_python(folder: Path, expected: Result) -> None:
    compiler, include, found = shutil.which("g++"), headers(), library()
    if compiler is None or include is None:
        pytest.skip("there are no g++ and headers of ONNX Runtime (Debian 13: libonnxruntime-dev)")
    if found is None:
        pytest.skip("there is no libonnxruntime.so in Python's ONNX Runtime")
    (folder / "lib").mkdir()
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (folder / "lib" / name).symlink_to(found)
    flags = ("-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", f"-isystem{include}")
    link = (f"-L{folder / 'lib'}", "-lonnxruntime", f"-Wl,-rpath,{folder / 'lib'}")
    run(compiler, *flags, "train.cpp", "-o", "train", *link, cwd=folder)
    agrees(json.loads(run(folder / "train", "models", STEPS, cwd=folder)), expected)


def test_cmake_builds_the_same(folder: Path, tmp_path: Path) -> None:
    cmake, include, found = shutil.which("cmake"), headers(), library()
    if cmake is None or include is None or found is None:
        pytest.skip("there are no CMake and headers of ONNX Runtime")
    given = (f"-DONNXRUNTIME_INCLUDE={include}", f"-DONNXRUNTIME_LIBRARY={found}")
    run(cmake, "-S", folder, "-B", tmp_path, *given, cwd=tmp_path)
    run(cmake, "--build", tmp_path, cwd=tmp_path)
    assert (tmp_path / "train").is_file()
