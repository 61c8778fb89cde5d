"""Trains by the step of ``make.py``: what the programs in other languages do, in Python.

``python train.py FOLDER STEPS`` needs NumPy and ONNX Runtime, and nothing of cnndsl. It prints the
losses, and the answer for a picture of the class 7, as JSON.
"""

import json
import sys
from pathlib import Path

import numpy
import onnxruntime

SIDE, CLASSES = 32, 10


class Numbers:
    """Random numbers that every language draws alike (a linear congruential generator)."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def next(self) -> float:
        """A number from 0 up to, and without, 1."""
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return self.state / 2**32


def picture(numbers: Numbers, label: int) -> numpy.ndarray:
    """A bar at the height of its class, in noise: 1 x 32 x 32."""
    pixels = numpy.array([0.3 * numbers.next() for _ in range(SIDE * SIDE)])
    pixels.reshape(SIDE, SIDE)[3 * label : 3 * label + 4] += 1
    return pixels.astype(numpy.float32).reshape(1, SIDE, SIDE)


def main(folder: Path, steps: int) -> None:
    """Train and ask."""
    first, step, answer = (
        onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
        for name in ("step.init.onnx", "step.onnx", "answer.onnx")
    )
    values = dict(zip([one.name for one in first.get_outputs()], first.run(None, {}), strict=True))
    batch = step.get_inputs()[0].shape[0]
    names = [one.name for one in step.get_outputs()]
    numbers = Numbers(1)
    losses = []
    for number in range(steps):
        labels = [int(CLASSES * numbers.next()) for _ in range(batch)]
        values["input"] = numpy.stack([picture(numbers, label) for label in labels])
        values["labels"] = numpy.array(labels)
        values["lr"] = numpy.array(0.05, numpy.float32)
        values["step"], values["seed"] = numpy.array(number), numpy.array(1)
        results = dict(zip(names, step.run(names, values), strict=True))
        losses.append(float(results["loss"]))
        # What comes out as `C1.weight.next` goes in as `C1.weight`.
        values |= {n.removesuffix(".next"): v for n, v in results.items() if n.endswith(".next")}
    weights = {one.name: values[one.name] for one in answer.get_inputs()[1:]}
    [found] = answer.run(None, {"input": picture(Numbers(7), 7)[None], **weights})[0]
    print(json.dumps({"losses": losses, "answer": found.tolist()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
