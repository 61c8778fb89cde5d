"""Turns a model in float32 into one that computes with bytes, and says what that costs and gains.

Ranges are those that samples of the user's data take (static, min and max), weights have a scale
for each channel. Convolutions and products become int8, and what stands between them; softmax and
the like stay float32. Weights have 7 bits: on processors without instructions for products of
bytes (VNNI), ONNX Runtime adds two of 8 bits up in 16, which overflows.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy
import onnx
import onnx.numpy_helper

from cnndsl.data.dataset import has_labels
from cnndsl.data.formats.memory import ArrayData
from cnndsl.data.loader import evaluation_batches
from cnndsl.data.reading import read_samples
from cnndsl.data.samples import Dataset, Subset
from cnndsl.data.sources import Array, batches, find_files, stack
from cnndsl.data.splits import NoPartError
from cnndsl.data.training_data import inputs_of, open_part
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.compile_options import CompileOptions
from cnndsl.runtime import library
from cnndsl.runtime.batching import run_batch
from cnndsl.runtime.evaluation import Evaluation
from cnndsl.runtime.evaluator import measure
from cnndsl.runtime.session import Session
from cnndsl.runtime.side_by_side import side_by_side
from cnndsl.runtime.start import TIMED

__all__ = [
    "CALIBRATING",
    "MEASURING",
    "QuantizeOptions",
    "Quantized",
    "quantize",
    "quantized",
    "to_int8",
]

CALIBRATING = 128
"""How many samples the ranges are taken from."""

MEASURING = 1000
"""By how many labelled samples the two models are compared."""

_BATCH = 8

_NEUTRAL = ("AveragePool", "Clip", "Concat", "Flatten", "GlobalAveragePool", "MaxPool", "Relu")
_PRODUCTS = ("Conv", "Gemm", "MatMul")
_OPERATORS = (*_PRODUCTS, "Add", *_NEUTRAL, "Reshape", "Transpose")
"""What computes with bytes, and what would only bring float32 between two that do."""

Timer: TypeAlias = Callable[[Session, Session, Mapping[str, Array]], tuple[float, float]]
"""The seconds that each of two models takes for a batch."""


@dataclass(frozen=True, eq=False)
class Quantized:
    """A model in int8, beside the one in float32 that it was made of.

    ``before`` and ``after`` say how good the two are on ``count`` labelled samples; where there are
    no labels both are None. Then ``agreement`` is the share of samples that both put into one
    class, or ``difference`` how far their values are apart, as a share of their mean size.
    ``seconds`` are what a batch of ``batch`` takes each of them on this machine.
    """

    model: Artifact
    count: int
    batch: int
    seconds: tuple[float, float]
    before: Evaluation | None = None
    after: Evaluation | None = None
    agreement: float | None = None
    difference: float | None = None

    @property
    def speed(self) -> float:
        """How many times as fast as in float32 it is."""
        return self.seconds[0] / self.seconds[1]


class QuantizeOptions(CompileOptions, total=False):
    """What may be asked of a model in int8; all of it may be left out."""

    allow_slower: bool
    """Whether a model that is slower than in float32 is made too; by default no."""

    threads: int | None
    """How many threads one operator may use; by default ONNX Runtime decides."""

    tell: Callable[[str], None]
    """Learns how labels were read, and what was passed over."""


def quantized(
    network: TypedNetwork,
    data: str | os.PathLike[str] | ArrayData,
    weights: Path | None,
    compile: Callable[..., Artifact],
    options: QuantizeOptions,
) -> Quantized:
    """The model in int8 of a network and a file of weights; ``compile`` is the pipeline's.

    Raises:
        UserError: as ``compile`` and :func:`quantize` do.
    """
    own = QuantizeOptions.__annotations__.keys() - CompileOptions.__annotations__.keys()
    given: dict[str, Any] = {**options}
    how = {name: given.pop(name) for name in own & given.keys()}
    plain = compile(network, weights=weights, **given)
    folded = compile(network, weights=weights, form="folded", **given)
    return quantize(network, plain, folded, data, **how)


def quantize(
    network: TypedNetwork,
    plain: Artifact,
    folded: Artifact,
    data: str | os.PathLike[str] | ArrayData,
    *,
    allow_slower: bool = False,
    threads: int | None = None,
    tell: Callable[[str], None] = lambda note: None,
    timer: Timer | None = None,
) -> Quantized:
    """Make a network's model one of int8, its ranges taken from data, and compare the two.

    Args:
        network: the network.
        plain: its model in float32.
        folded: the same without the batch normalisations that can be part of other operators.
        data: labelled data as ``train`` takes it, or files and folders as ``run`` takes them.
        allow_slower: whether a model that is slower than in float32 is made too.
        threads: how many threads one operator may use; by default ONNX Runtime decides.
        tell: learns how labels were read, and what was passed over.
        timer: measures the two models; by default they take turns.

    Raises:
        UserError: CNN612 where the model is slower, CNN613 where ONNX Runtime cannot make one,
            and what reading the data raises.
    """
    size = plain.graph_only.graph.input[0].type.tensor_type.shape.dim[0]
    fixed = None if size.dim_param else size.dim_value
    source = _labelled if has_labels(data) else _unlabelled
    samples = source(network, data, fixed or _BATCH, tell)
    rounded = to_int8(folded, samples.calibrating)
    how: dict[str, Any] = {"device": "cpu", "threads": threads, "purpose": TIMED}
    pair = Session(plain.for_runtime(), **how), Session(rounded.for_runtime(), **how)
    batch = fixed or 1
    first = {name: array[:batch] for name, array in samples.calibrating[0].items()}
    seconds = (timer or side_by_side)(*pair, first)
    if seconds[1] > seconds[0] and not allow_slower:
        raise _slower(network.name, batch, *seconds)
    found = Quantized(rounded, samples.count, batch, seconds)
    if samples.labelled is not None:
        before, after = (
            measure(network, one, samples.labelled, device="cpu", threads=threads)
            for one in (plain, rounded)
        )
        return replace(found, before=before, after=after)
    return _compared(found, pair, samples.calibrating)


def _slower(name: str, batch: int, float32: float, int8: float) -> UserError:
    what = "a sample" if batch == 1 else f"a batch of {batch}"
    return UserError(
        "CNN612",
        f"`{name}` is slower in int8 on this machine: {int8 * 1e3:.3g} ms for {what},"
        f" in float32 {float32 * 1e3:.3g} ms",
        help="leave out `--quantize`, or add `--allow-slower` for a machine where it is faster",
    )


# --- samples ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Samples:
    """What ranges are taken from, in batches, and what the models are compared by."""

    calibrating: Sequence[Mapping[str, Array]]
    count: int
    labelled: Dataset | None = None


def _labelled(
    network: TypedNetwork,
    data: str | os.PathLike[str] | ArrayData,
    batch: int,
    tell: Callable[[str], None],
) -> _Samples:
    """Ranges are those of the part for training, numbers those of the part for testing."""
    measured = _evenly(open_part(network, data, "test", tell=tell), MEASURING)
    try:
        training = open_part(network, data, "train")
    except NoPartError:
        training = measured
    chosen = _evenly(training, CALIBRATING)
    with closing(evaluation_batches(chosen, batch)) as found:
        feeds = [_whole(one.inputs, batch) for one in found]
    return _Samples(feeds, len(measured), measured)


def _evenly(dataset: Dataset, most: int) -> Dataset:
    """At most so many samples, from all of a dataset: it may be sorted by classes."""
    if len(dataset) <= most:
        return dataset
    return Subset(dataset, numpy.linspace(0, len(dataset) - 1, most).astype(numpy.int64))


def _unlabelled(
    network: TypedNetwork,
    data: str | os.PathLike[str] | ArrayData,
    batch: int,
    tell: Callable[[str], None],
) -> _Samples:
    assert isinstance(data, str | os.PathLike)
    found = read_samples(find_files([data], tell), [inputs_of(network)])
    samples = [one for (one,), _ in zip(found, range(CALIBRATING), strict=False)]
    groups = batches(samples, batch)
    return _Samples([_whole(stack(group), batch) for group in groups], len(samples))


def _whole(inputs: Mapping[str, Array], batch: int) -> Mapping[str, Array]:
    """A batch of this size, as a model may want it: samples at its end may be there again."""
    return {name: numpy.resize(one, (batch, *one.shape[1:])) for name, one in inputs.items()}


def _compared(
    found: Quantized, pair: Sequence[Session], feeds: Sequence[Mapping[str, Array]]
) -> Quantized:
    """How far the two models' main outputs agree."""
    name = pair[0].outputs[0].name
    one, other = (
        numpy.concatenate([run_batch(session, feed, [name])[name] for feed in feeds])[: found.count]
        for session in pair
    )
    answers = found.model.manifest.answers.get(name)
    if answers is not None and answers.ranked and one.shape[1] > 1:
        same = one.argmax(1) == other.argmax(1)
        return replace(found, agreement=float(same.mean()))
    scale = float(numpy.abs(one).mean()) or 1.0
    return replace(found, difference=float(numpy.abs(one - other).mean()) / scale)


# --- the model --------------------------------------------------------------------------------


def to_int8(model: Artifact, feeds: Sequence[Mapping[str, Array]]) -> Artifact:
    """The model with int8 in place of float32, its ranges those that these batches take.

    Raises:
        UserError: CNN613 where ONNX Runtime cannot make it, or nothing in it would be int8.
    """
    if not any(node.op_type in _PRODUCTS for node in model.graph_only.graph.node):
        raise _impossible(model, "it has no convolution and no matrix product")
    proto = model.to_proto()
    # Otherwise a warning says that normalisations should have been folded.
    proto.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    with _quiet() as quantization, tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        onnx.save(proto, source)
        try:
            quantization.quantize_static(
                source,
                target,
                _reader(quantization, feeds),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=[*_OPERATORS],
                per_channel=True,
                reduce_range=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod.MinMax,
            )
            made = onnx.load(target)
        except Exception as error:
            why = f"ONNX Runtime says: {library.plain(error)}"
            raise _impossible(model, why) from error
    return _artifact(model, made)


def _impossible(model: Artifact, why: str) -> UserError:
    return UserError(
        "CNN613",
        f"`{model.manifest.network}` cannot be made int8: {why}",
        help="leave out `--quantize`",
    )


def _artifact(model: Artifact, made: onnx.ModelProto) -> Artifact:
    """What ONNX Runtime made, as a model of ours: its properties, and its weights apart."""
    manifest = replace(model.manifest, precision="int8")
    weights = {one.name: onnx.numpy_helper.to_array(one) for one in made.graph.initializer}
    del made.graph.initializer[:]
    proto = onnx.ModelProto()
    proto.CopyFrom(model.graph_only)
    proto.graph.CopyFrom(made.graph)
    del proto.metadata_props[:]
    for key, value in manifest.properties().items():
        proto.metadata_props.add(key=key, value=value)
    return Artifact(manifest, proto, weights, model.warnings)


@contextmanager
def _quiet() -> Iterator[Any]:
    """ONNX Runtime's quantization, whose sessions write no warnings to standard error."""
    ort = library.load()
    from onnxruntime import quantization

    ort.set_default_logger_severity(4)
    try:
        yield quantization
    finally:
        ort.set_default_logger_severity(2)


def _reader(quantization: Any, feeds: Sequence[Mapping[str, Array]]) -> Any:
    """The batches as ONNX Runtime takes them."""
    remaining = iter(feeds)

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> Mapping[str, Array] | None:
            return next(remaining, None)

    return Reader()
