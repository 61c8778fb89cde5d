"""Profiles: every kernel's time is somebody's, and the right one's."""

from __future__ import annotations

import json
import signal
import tempfile
from pathlib import Path
from typing import Any

import onnx
import pytest
from pydantic import ConfigDict, TypeAdapter, with_config

import cnndsl
from cnndsl.analysis.cost import backward_macs, macs_of
from cnndsl.diagnostics.model import UserError
from cnndsl.runtime import profiler
from cnndsl.runtime.kernel_times import Kernel, kernels
from cnndsl.runtime.profile import Profile, ProfileJson, Times

RESIDUAL = """\
network small
input 3x16x16
block unit(n) {
  start = conv n@3 padding 1 bias no -> batchnorm -> relu
  add(start, start -> conv n@3 padding 1 bias no -> batchnorm) -> relu
}
stem: conv 8@3 padding 1 -> relu -> maxpool 2 stride 2
repeat 3 { unit(8) }
globalavgpool
head: dense 4 -> softmax
train {
  batch 2
  clip 1
}
"""


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[Kernel]:
    """The kernels of each profile that a test makes."""
    found: list[Kernel] = []

    def noting(*args: Any, **kwargs: Any) -> list[Kernel]:
        found[:] = kernels(*args, **kwargs)
        return found

    monkeypatch.setattr(profiler, "kernels", noting)
    return found


def profile(text: str = RESIDUAL, **options: Any) -> Profile:
    return cnndsl.profile(cnndsl.parse(text), device="cpu", threads=1, seconds=0.01, **options)


def layer(measured: Profile, name: str) -> Any:
    return next(one for one in measured.layers if one.name == name)


# --- whose a kernel is --------------------------------------------------------------------------


@pytest.mark.parametrize("training", [False, True])
def test_the_times_of_all_kernels_are_handed_out_once(
    recorded: list[Kernel], training: bool
) -> None:
    measured = profile(training=training)
    total = sum(kernel.seconds for kernel in recorded)
    assert measured.kernels.seconds == pytest.approx(total)
    assert measured.kernels.kernels == len(recorded)
    assert measured.kernels.made == sum(kernel.made for kernel in recorded)
    lines = sum((line.times for line in measured.lines), Times())
    others = sum(measured.others.values(), Times())
    assert (lines + others).seconds == pytest.approx(total)


NETWORKS = [
    *("lenet5", "lenet5-1998", "siamese", "textcnn", "maxout-mnist", "neocognitron", "octresnet26"),
    *("densenet-bc-100-12", "mobilenetv2", "shufflenetv2", "dqn", "spoken-digits"),
]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("training", [False, True])
def test_every_kernel_is_a_layer_s_or_the_loss_s(name: str, training: bool) -> None:
    options: dict[str, Any] = {"batch": 2} if training else {}
    measured = cnndsl.profile(name, training=training, device="cpu", seconds=0.01, **options)
    assert set(measured.others) <= {"loss"}
    for one in measured.layers:
        multiplies = one.phrase.split()[0] in {"conv", "dense", "depthwise", "localconv"}
        assert not multiplies or one.times.kernels or one.within, one.name


def test_what_is_fused_is_where_it_is_computed() -> None:
    measured = profile()
    assert layer(measured, "unit1.conv2").times.kernels
    batchnorm = layer(measured, "unit1.batchnorm2")
    assert batchnorm.within == "unit1.conv2"
    assert batchnorm.times == Times()
    # What else is fused into a convolution depends on the processor.
    for name, into in (("relu1", "stem"), ("unit1.add1", "unit1.conv2")):
        one = layer(measured, name)
        assert one.times.kernels or one.within == into


def test_the_parts_of_a_step_are_told_apart() -> None:
    measured = profile(training=True)
    head = layer(measured, "head").times
    assert min(head.forward, head.backward, head.update) > 0
    pool = layer(measured, "maxpool1").times
    assert min(pool.forward, pool.backward) > pool.update == 0
    loss = measured.others["loss"]
    assert min(loss.forward, loss.backward) > 0
    assert measured.others["optimizer"].update  # clipping is about all gradients
    answer = profile()
    assert answer.kernels.backward == answer.kernels.update == 0
    assert " ms for a training step of batch " in repr(measured)
    assert " ms for an answer of batch 1 on cpu>" in repr(answer)


def test_a_line_has_all_layers_that_it_makes() -> None:
    measured = profile()
    [line] = [one for one in measured.lines if one.line == 4]
    assert line.layers == 9  # three units of three layers
    assert line.text == "start = conv n@3 padding 1 bias no -> batchnorm -> relu"
    names = {f"unit{at}.{name}1" for at in (1, 2, 3) for name in ("conv", "batchnorm", "relu")}
    times = [one.times.seconds for one in measured.layers if one.name in names]
    assert line.times.seconds == pytest.approx(sum(times))


# --- what is counted ----------------------------------------------------------------------------


def test_flops_are_those_of_the_batch() -> None:
    assert layer(profile(batch=5), "stem").times.flops == 2 * 5 * 8 * 27 * 256
    measured = profile(training=True)
    # Of the first layer there is no gradient of the input.
    assert layer(measured, "stem").times.flops == 2 * 2 * 2 * 8 * 27 * 256
    assert layer(measured, "head").times.flops == 3 * 2 * 2 * 8 * 4


def test_frozen_layers_have_no_gradients() -> None:
    text = RESIDUAL.replace("clip 1", "freeze stem unit1")
    typed = cnndsl.parse(text).typed
    counts = {
        node.name: (macs_of(typed, at), backward)
        for at, (node, backward) in enumerate(
            zip(typed.network.nodes, backward_macs(typed), strict=True)
        )
    }
    assert counts["stem"][1] == counts["unit1.conv2"][1] == 0
    assert counts["unit2.conv1"][1] == counts["unit2.conv1"][0]
    assert counts["unit2.conv2"][1] == 2 * counts["unit2.conv2"][0]


def test_bytes_are_those_of_the_maps_and_weights() -> None:
    times = layer(profile("input 1x8x8\nC: conv 4@3 -> flatten -> D: dense 2\n"), "C").times
    assert times.made >= 4 * 4 * 36
    assert times.read >= 4 * (64 + 36 + 4)


# --- models -------------------------------------------------------------------------------------


def test_a_model_s_lines_are_those_of_the_spec_that_it_carries(tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    network = cnndsl.parse(f"# a comment that the model does not carry\n\n{RESIDUAL}")
    network.compile(device="cpu").save(path)
    measured = cnndsl.profile(path, device="cpu", seconds=0.01)
    lines = network.text.splitlines()
    assert measured.lines
    for one in measured.lines:
        assert " ".join(lines[one.line - 1].split()) == one.text
    assert measured.batch == 1


@pytest.mark.parametrize("options", [{"raw": True}, {"batch": 3}, {"float16": True}])
def test_models_of_any_form(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "lenet5.onnx"
    cnndsl.load("lenet5").compile(device="cpu", **options).save(path)
    measured = cnndsl.profile(path, device="cpu", seconds=0.01)
    assert measured.batch == options.get("batch", 1)
    assert layer(measured, "C3").times.kernels


def test_a_model_for_another_batch_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lenet5.onnx"
    cnndsl.load("lenet5").compile(device="cpu", batch=3).save(path)
    assert cnndsl.profile(path, device="cpu", batch=3, seconds=0.01).batch == 3
    with pytest.raises(UserError, match="for batches of 3, not of 4") as caught:
        cnndsl.profile(path, device="cpu", batch=4, seconds=0.01)
    assert caught.value.code == "CNN860"


def test_a_batch_of_none_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="1 or more"):
        profile(batch=0)


# --- what goes wrong ----------------------------------------------------------------------------


def test_no_room_for_the_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = pytest.importorskip("resource")  # not on Windows
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        with pytest.raises(UserError, match="cannot be kept in") as caught:
            profile()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.code == "CNN861"
    assert "TMPDIR" in caught.value.help


def test_no_folder_for_the_recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(UserError, match="gone`: no such file or directory") as caught:
        profile()
    assert caught.value.code == "CNN861"


@pytest.mark.parametrize("training", [False, True])
def test_nothing_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, training: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    profile(training=training)
    assert not list(tmp_path.iterdir())


# --- as data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [False, True])
def test_the_json_is_of_its_type(training: bool) -> None:
    plain = profile(training=training).to_json()
    adapter = TypeAdapter(with_config(ConfigDict(extra="forbid", strict=True))(ProfileJson))
    assert adapter.validate_json(json.dumps(plain)) == plain


def test_kernels_that_only_reorder_go_to_whose_numbers_they_reorder(tmp_path: Path) -> None:
    node = onnx.helper.make_node
    given = onnx.GraphProto(
        node=[node("Neg", ["x"], ["b"], name="b/Neg"), node("Abs", ["b"], ["z"], name="c/Abs")]
    )
    ran = onnx.GraphProto(
        node=[
            node("ReorderInput", ["x"], ["p"], name="ReorderInput"),
            node("Neg", ["p"], ["q"], name="b_nchwc"),
            node("ReorderOutput", ["q"], ["b"], name="ReorderOutput"),
            node("Abs", ["b"], ["z"], name="c/Abs"),
        ]
    )
    events = [
        {"cat": "Node", "name": f"{one.name}_kernel_time", "dur": 5, "args": {"op_name": "X"}}
        for one in ran.node
    ]
    recording, optimized = tmp_path / "run.json", tmp_path / "run.onnx"
    recording.write_text(json.dumps(events))
    onnx.save(onnx.ModelProto(ir_version=8, graph=ran), optimized)
    found = {one.name: one.nodes for one in kernels(recording, optimized, given, skipped=1)}
    assert found == {
        "ReorderInput": ("b/Neg",),
        "b_nchwc": ("b/Neg",),
        "ReorderOutput": ("b/Neg",),
        "c/Abs": ("c/Abs",),
    }
