"""The JavaScript in docs/model-format.md answers as cnndsl does.

It needs Node, and a folder in NODE_PATH where `npm install onnxruntime-web` was run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy
import pytest
from documents import ROOT, fences

import cnndsl

SPEC = """\
input 3x8x6 { scale 1/255
  mean [0.485, 0.456, 0.406]
  std [0.229, 0.224, 0.225]
  layout bgr }
conv 4@3 -> relu -> flatten -> dense 5 -> softmax
"""

# What a canvas gives: four bytes for each pixel.
PROGRAM = """\
import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web";
import { answer } from "./answer.mjs";

const session = await ort.InferenceSession.create("raw.onnx");
const data = new Uint8ClampedArray(readFileSync("canvas.bin"));
const found = await answer(session, { data, width: 6, height: 8 });
console.log(JSON.stringify(Array.from(found)));
"""


def modules() -> Path | None:
    """The folder that has onnxruntime-web, where there is one."""
    places = os.environ.get("NODE_PATH", "").split(os.pathsep)
    found = (Path(place) for place in places if place)
    return next((place for place in found if (place / "onnxruntime-web").is_dir()), None)


def test_the_program_answers_as_cnndsl_does(tmp_path: Path) -> None:
    node, packages = shutil.which("node"), modules()
    if node is None or packages is None:
        pytest.skip("there is no Node with onnxruntime-web in NODE_PATH")
    (tmp_path / "node_modules").symlink_to(packages.absolute(), target_is_directory=True)
    [example] = fences(ROOT / "docs" / "model-format.md", "javascript")
    (tmp_path / "answer.mjs").write_text(example.text, encoding="utf-8")
    (tmp_path / "main.mjs").write_text(PROGRAM, encoding="utf-8")
    network = cnndsl.parse(SPEC)
    network.compile(seed=1, raw=True).save(tmp_path / "raw.onnx")
    canvas = numpy.random.default_rng(1).integers(0, 256, (8, 6, 4), numpy.uint8)
    (tmp_path / "canvas.bin").write_bytes(canvas.tobytes())
    done = subprocess.run(
        [node, "main.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    plain = network.compile(seed=1, device="cpu")
    expected = plain.run(canvas[..., 2::-1].transpose(2, 0, 1))
    assert numpy.ptp(expected) > 0.001
    numpy.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
