"""A class of another package that does not do its part is named; it is no mistake of ours."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from documents import fences

from cnndsl.resources import docs

SPEC = """network tiny
input 3
dense 8 -> swish -> dense 2
train {
  loss logcosh
  optimizer lion
  schedule halflife
  augment bright 0.01
  batch 8
  epochs 1
}
"""

FORMAT = """
import numpy
from cnndsl.data.formats.base import DataFormat
from cnndsl.data.formats.memory import open_arrays


class Ramp(DataFormat):
    keyword = "ramp"

    def holdings(self, place):
        return ("a ramp",) if place.path.suffix == ".ramp" else ()

    def open(self, place, wanted):
        x = numpy.random.default_rng(0).normal(size=(32, 3)).astype("float32")
        return open_arrays((x, x[:, :2]), wanted, place.data)
"""

KINDS = {
    "losses": "logcosh = more_kinds:LogCosh",
    "optimizers": "lion = more_kinds:Lion",
    "schedules": "halflife = more_kinds:HalfLife",
    "augmentations": "bright = more_kinds:Bright",
    "layers": "swish = more_kinds:Swish",
    "formats": "ramp = more_kinds:Ramp",
    "logs": "syslog = more_kinds:SystemLog",
}


def source() -> str:
    """The classes of docs/plugins.md in one module, and a data format that needs no package."""
    texts = [fence.text for fence in fences(docs() / "plugins.md", "python")]
    return "\n".join((*(text for text in texts if "h5py" not in text), FORMAT))


def installed(site: Path, name: str, text: str) -> None:
    info = site / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (site / f"{name}.py").write_text(text, "utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    points = "".join(f"[cnndsl.{kind}]\n{line}\n" for kind, line in KINDS.items())
    (info / "entry_points.txt").write_text(points.replace("more_kinds", name), "utf-8")


def trained(tmp_path: Path, text: str, *others: str) -> subprocess.CompletedProcess[str]:
    """Train with a package of this text, and with others that name the same."""
    site = tmp_path / "site"
    for name in ("more_kinds", *others):
        installed(site, name, text)
    (tmp_path / "n.cnn").write_text(SPEC, "utf-8")
    (tmp_path / "a.ramp").write_text("", "utf-8")
    command = "train n.cnn --data a.ramp --valid 0.25 --device cpu --out run"
    environment = {"PYTHONPATH": os.pathsep.join((str(site), str(docs().parent))), "PATH": ""}
    return subprocess.run(
        [sys.executable, "-m", "cnndsl", *command.split()],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_classes_of_the_page_train(tmp_path: Path) -> None:
    done = trained(tmp_path, source())
    assert (done.returncode, "finished after 1 epoch" in done.stdout + done.stderr) == (0, True)


@pytest.mark.parametrize(
    ("right", "wrong", "code", "message"),
    [
        ("scores = context.scores", 'raise KeyError("oh")', "CNN208",
         "the loss `logcosh` of `more_kinds:LogCosh` failed at line"),
        ('emit.op("Abs", emit.op("Sub"', 'emit.op("Abz", emit.op("Sub"', "CNN208",
         "the loss `logcosh` of `more_kinds:LogCosh` failed at line"),
        ('emit.op("ReduceMean", curve, keepdims=0)\n        return emit.op("Mul", mean,',
         'curve\n        return emit.op("Mul", mean,', "CNN809",
         "the loss `logcosh` gives numbers of shape (8, 2), no scalar"),
        ("return self.delta**2 * (numpy", "return 1 / 0 * (numpy", "CNN208",
         "the loss `logcosh` of `more_kinds:LogCosh` failed at line"),
        ("return self.delta**2 * (numpy", "return error[:3, 0]  # (numpy", "CNN809",
         "the loss `logcosh` gives 3 of float64 for 16 answers"),
        ('{"mean": mean}', '{"meen": mean}', "CNN208",
         "the optimizer `lion` gives no update of a weight and of `mean`"),
        ("gradient, old =", "raise OSError; gradient, old =", "CNN208",
         "the optimizer `lion` of `more_kinds:Lion` failed at line"),
        ("return 1 / (2", "return 1 / 0 / (2", "CNN208",
         "the schedule `halflife` of `more_kinds:HalfLife` failed at line"),
        ("return x + added", "return None and x + added", "CNN830",
         "`augment bright` makes a batch of shape (8, 3) into no array"),
        ("return x + added", "return x[:2] + added[:2]", "CNN830",
         "`augment bright` makes a batch of shape (8, 3) into one of (2, 3)"),
        ("return x + added", "return x + 1j + added", "CNN830",
         "`augment bright` makes float32 into complex"),
        ("added = (draws", "added = (1 / 0 + draws", "CNN208",
         "the augmentation `bright` of `more_kinds:Bright` failed at line"),
        ("def lower(self, emit, context):\n        x =",
         "def other(self, emit, context):\n        x =", "CNN101",
         "the layer `swish` of `more_kinds:Swish` does not say its `lower`"),
        ("x = context.inputs[0]", "x = context.inputs[9]", "CNN101",
         "the layer `swish` of `more_kinds:Swish` failed at line"),
        ("x = numpy.random.default_rng(0)", "x = 1 / 0, numpy.random.default_rng(0)", "CNN801",
         "the data format `ramp` of `more_kinds:Ramp` failed at line"),
        ('return ("a ramp"', 'raise OSError("disk"); return ("a ramp"', "CNN801",
         "the data format `ramp` of `more_kinds:Ramp` failed at line"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_one_is_one_error(
    right: str, wrong: str, code: str, message: str, tmp_path: Path
) -> None:
    text = source()
    assert right in text
    done = trained(tmp_path, text.replace(right, wrong))
    assert f"error[{code}]: {message}" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 1


def test_two_packages_that_name_the_same_are_told_apart(tmp_path: Path) -> None:
    done = trained(tmp_path, source(), "other_kinds")
    named = "`more_kinds:Swish` and `other_kinds:Swish`"
    assert f"error[CNN101]: `swish` is the layer of 2 packages: {named}" in done.stderr
    assert "= help: uninstall the packages but one" in done.stderr
    assert done.returncode == 1


def test_what_nobody_foresaw_names_the_packages_too(tmp_path: Path) -> None:
    done = trained(tmp_path, source().replace("return 1 / (2", 'return "a" and str(2'))
    assert done.returncode == 70
    assert "it may be a mistake of other packages: " in done.stderr
    assert "schedule `halflife` of `more_kinds:HalfLife`" in done.stderr
