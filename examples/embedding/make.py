"""Makes the models that the other programs here run: a training step, its beginning, an answer.

``python make.py FOLDER`` needs cnndsl. What comes out needs ONNX Runtime, of whatever language.
"""

import sys
from pathlib import Path

import onnx

import cnndsl

BATCH = 32


def main(folder: Path) -> None:
    """Compile LeNet-5 and its training step into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    network = cnndsl.load("lenet5")
    network.compile_training(batch=BATCH, seed=1).save(folder / "step.onnx")  # and step.init.onnx
    network.compile(seed=1, device="cpu").save(folder / "answer.onnx")

    # The answer has its weights in it. As inputs they are given with each call: those that training
    # has arrived at.
    model = onnx.load(folder / "answer.onnx")
    weights = [one for one in model.graph.initializer if one.name in network.weights]
    for weight in weights:
        model.graph.initializer.remove(weight)
        kind = onnx.helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
        model.graph.input.append(kind)
    onnx.save(model, folder / "answer.onnx")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
