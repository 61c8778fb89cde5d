"""What Caffe's files say of training, and what is said of what no spec says."""

from __future__ import annotations

from pathlib import Path

import pytest
from imported_runs import checked

from cnndsl.diagnostics.compile_error import CompileError
from cnndsl.diagnostics.model import UserError
from cnndsl.importers.networks.caffe.reader import read_caffe
from cnndsl.importers.networks.graph import ImportedNetwork

DATA = Path(__file__).parent / "data"

INPUT = 'input: "data" input_dim: 1 input_dim: 2 input_dim: 12 input_dim: 12\n'


def read(folder: Path, text: str, name: str = "net.prototxt") -> ImportedNetwork:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_caffe(path)


def layer(kind: str, settings: str = "", bottom: str = "data", top: str = "y") -> str:
    return f'layer {{ name: "it" type: "{kind}" bottom: "{bottom}" top: "{top}" {settings} }}\n'


# --- training ---------------------------------------------------------------------------------

LENET = """
name: "lenet"
layer {
  name: "digits" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { scale: 0.00390625 }
  data_param { source: "mnist_train_lmdb" batch_size: 64 backend: LMDB }
}
layer {
  name: "digits" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { scale: 0.00390625 }
  data_param { source: "mnist_test_lmdb" batch_size: 100 backend: LMDB }
}
layer {
  name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  param { lr_mult: 1 } param { lr_mult: 2 }
  convolution_param { num_output: 20 kernel_size: 5 weight_filler { type: "xavier" } }
}
layer {
  name: "conv2" type: "Convolution" bottom: "conv1" top: "conv2" param { lr_mult: 0 } param { lr_mult: 0 }
  convolution_param { num_output: 10 kernel_size: 5 weight_filler { type: "xavier" } }
}
layer {
  name: "ip1" type: "InnerProduct" bottom: "conv2" top: "ip1" param { lr_mult: 10 } param { lr_mult: 20 }
  inner_product_param { num_output: 10 weight_filler { type: "gaussian" std: 0.02 } }
}
layer { name: "accuracy" type: "Accuracy" bottom: "ip1" bottom: "label" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip1" bottom: "label" top: "loss" }
"""  # noqa: E501

SOLVER = """
net: "examples/mnist/lenet_train_test.prototxt"
base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005
lr_policy: "inv" gamma: 0.0001 power: 0.75
max_iter: 10000 solver_mode: GPU snapshot: 5000
"""

DEPLOY = """
name: "lenet"
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 64 dim: 1 dim: 28 dim: 28 } } }
"""  # noqa: E501


@pytest.fixture
def lenet(tmp_path: Path) -> Path:
    """The three files that Caffe's networks come in."""
    (tmp_path / "lenet_train_test.prototxt").write_text(LENET, encoding="utf-8")
    (tmp_path / "lenet_solver.prototxt").write_text(SOLVER, encoding="utf-8")
    layers = LENET[
        LENET.index('layer {\n  name: "conv1"') : LENET.index('layer { name: "accuracy"')
    ]
    (tmp_path / "lenet.prototxt").write_text(DEPLOY + layers, encoding="utf-8")
    return tmp_path


def test_a_solver_beside_the_net_is_its_recipe(lenet: Path) -> None:
    network = read_caffe(lenet / "lenet_train_test.prototxt")
    assert network.refused == ()
    [one] = network.inputs
    assert (str(one.type), one.settings) == ("1x28x28", {"scale": (0.00390625,)})
    text = checked(network)[0].text
    recipe = text.partition("train {")[2].split("\n")
    assert [line.strip() for line in recipe if line.strip(" }")] == [
        "optimizer sgd momentum 0.9",
        "schedule inverse gamma 0.09375 power 0.75",
        "weight_decay 0.0005 all yes",
        "batch 64",
        "epochs 11",
        "init lecun",
        "freeze conv2",
        "lr_factor ip1 10",
    ]
    assert "ip1: dense classes init normal(0.02) -> softmax" in text
    assert network.notes == (
        "line 3, layer `digits`: the size of `data` is that of lenet.prototxt, 1x28x28",
        "the recipe is that of lenet_solver.prototxt",
        "iterations are taken for epochs of 60,000 samples, as many as there are in what"
        " `mnist_train_lmdb` is named after",
        "line 26: `Accuracy` only measures or writes; `cnndsl eval` measures",
        "in 2 layers biases learn 2 times as fast as weights; here both learn alike",
    )


def test_a_solver_leads_to_its_net(lenet: Path) -> None:
    network = read_caffe(lenet / "lenet_solver.prototxt")
    assert network.source == "lenet_train_test.prototxt (Caffe)"


def test_sizes_that_are_given_go_before(lenet: Path) -> None:
    network = read_caffe(lenet / "lenet_train_test.prototxt", {"": (1, 32, 32)})
    assert str(network.inputs[0].type) == "1x32x32"


def test_a_net_whose_sizes_nobody_says_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, LENET, "alone.prototxt")
    assert caught.value.code == "CNN682"
    assert caught.value.message == "alone.prototxt does not say how large its input `data` is"


def test_a_solver_without_its_net_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read(tmp_path, SOLVER, "solver.prototxt")
    assert caught.value.code == "CNN682"


def test_auxiliary_losses_are_heads() -> None:
    network = read_caffe(DATA / "bvlc_googlenet" / "train_val.prototxt")
    text = checked(network)[0].text
    loss = "loss loss1_loss crossentropy weight 0.3 -> loss2_loss crossentropy weight 0.3"
    assert f"  {loss}\n" in text
    assert "  mean [104, 117, 123]\n" in text
    assert "layout bgr" in text


def test_of_two_phases_the_one_that_answers_counts(tmp_path: Path) -> None:
    text = INPUT + layer("Convolution", "convolution_param { num_output: 3 kernel_size: 1 }")
    text += layer("TanH", "include { phase: TRAIN }", "y", "z")
    text += layer("Sigmoid", "include { phase: TEST }", "y", "z")
    text += layer("ReLU", 'include { phase: TEST stage: "other" }', "z", "z")
    network = read(tmp_path, text)
    assert [node.keyword for node in network.nodes] == ["conv", "sigmoid"]
    assert "only in training" in network.notes[0]


# --- what cannot be said ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (layer("Threshold"), "no layer here does what it does"),
        (layer("Convolutoin"), "did you mean `Convolution`"),
        (layer("Power", "power_param { scale: 2 shift: 1 }"), "no layer computes (1 + 2x)^1"),
        (layer("Pooling", "pooling_param { kernel_size: 1 stride: 3 }"),
         "of its 5 windows over 12 cells the last begins at 12, beyond them: what Caffe gives there"
         " is no number"),
        (layer("Convolution", "convolution_param { num_output: 2 kernel_size: 3 axis: 2 }"),
         "`axis` is not 1: convolutions here run over channels"),
        (layer("Softmax", "softmax_param { axis: 2 }"),
         "`softmax` is over the channels, `axis: 1`"),
        (layer("Reshape", "reshape_param { shape { dim: -1 dim: 3 dim: 4 } }"),
         "it makes a part of the batch a part of a sample, or the reverse"),
        (layer("Convolution", "convolution_param { num_output: 2 kernel_size: 13 }"),
         "the kernel is larger than the input: 13 > 12"),
    ],
)  # fmt: skip
def test_what_no_layer_says_is_listed_with_its_place(text: str, why: str, tmp_path: Path) -> None:
    behind = layer("ReLU", bottom="y", top="y") + layer("TanH", bottom="y", top="z")
    network = read(tmp_path, INPUT + text + behind)
    [refused] = network.refused
    assert refused.place == "line 2, layer `it`"
    assert why in refused.why
    assert (network.behind, network.nodes) == (2, ())


def test_what_was_not_read_is_told_with_its_lines(tmp_path: Path) -> None:
    conv = "convolution_param { num_output: 3 kernel_size: 1 wobble: 4 }\n colour: 'red'"
    network = read(tmp_path, INPUT + layer("Convolution", conv))
    assert network.notes == (
        "line 3: `colour` of a layer is not read",
        "line 2: `wobble` of convolution_param is not read",
    )


@pytest.mark.parametrize(
    ("text", "message", "help"),
    [
        (layer("ReLU", bottom="dta"), "layer `it` reads the blob `dta`, which no layer above it"
                                      " gives", "did you mean `data`?"),
        ('layer { name: "it" bottom: "data" top: "y" }', "`layer` has no `type`",
         "write `type: …` there"),
        (layer("Convolution", "convolution_param { kernel_size: 3 }"),
         "`convolution_param` has no `num_output`", "write `num_output: …` there"),
        (layer("Convolution", "convolution_param { num_output: 3 kernal_size: 3 }"),
         "`convolution_param` has no `kernel_size`", "is `kernal_size` meant for it?"),
        (layer("Convolution", "convolution_param { num_output: 'x' kernel_size: 3 }"),
         "`num_output` takes a whole number, not `\"x\"`", ""),
        (layer("Pooling", "pooling_param { pool: MEAN kernel_size: 2 }"),
         "`pool` cannot be `MEAN`", "there are MAX, AVE, STOCHASTIC"),
        (layer("Convolution", "convolution_param { num_output: 3 kernel_size: 3 bias_term: 3 }"),
         "`bias_term` takes `true` or `false`, not `3`", ""),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_at_its_place(
    text: str, message: str, help: str, tmp_path: Path
) -> None:
    with pytest.raises(CompileError) as caught:
        read(tmp_path, INPUT + text)
    [found] = caught.value.diagnostics
    assert (found.code, found.message, found.help) == ("CNN681", message, help)
    assert found.span.first.line == 2
