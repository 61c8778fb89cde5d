"""Proves brought weights by asking both sides the same: the largest difference of two answers.

An ONNX model can be run as it is, and a module of PyTorch's that is at hand. Where one answers with
logits and the other with probabilities, the softmax between is carried out here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy

from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.graph.artifact import Artifact
from cnndsl.graph.weights import Array, Numbers
from cnndsl.runtime.model import Model
from cnndsl.runtime.start import ANSWERING, CPU, start

__all__ = ["Proof", "prove_model", "prove_module"]

_SAMPLES = 4
_MOST = 2e-3
"""So far from each other both may be, as a part of how far the answers for samples are apart."""

_ROUNDING = 4e-6
"""And as a part of the largest number: float32, and other algorithms."""

_LEAST = 1e-5
"""Answers for samples that are less apart, as a part of the largest number, prove nothing."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How far apart two answers are: ``difference`` in numbers, or why that is not known."""

    difference: float | None
    why: str = ""


def prove_model(
    typed: TypedNetwork,
    answering: Artifact,
    arrays: Mapping[str, Array],
    path: str | os.PathLike[str],
) -> Proof:
    """Ask an ONNX model and the network with its weights the same random samples.

    Raises:
        UserError: CNN657 where they do not answer alike.
    """
    try:
        session = start(os.fspath(path), CPU, ANSWERING, refused=_RefusedError)
    except _RefusedError as error:
        return Proof(None, f"ONNX Runtime does not take it ({error})")
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(typed.network.inputs) != 1:
        return Proof(None, "it has several inputs")
    samples = _samples(typed)
    given = _as_input(samples, inputs[0].shape)
    if given is None:
        sizes = "x".join(map(str, inputs[0].shape))
        return Proof(None, f"its input is {sizes}, and the spec's {typed.types[0]}")
    if inputs[0].type != "tensor(float)":
        return Proof(None, f"its input is {inputs[0].type}")

    def ask(batch: Numbers) -> Numbers:
        try:
            answer: Numbers = session.run(None, {inputs[0].name: batch})[0]
        except Exception as error:
            raise _RefusedError(str(error).splitlines()[0]) from error
        return answer

    try:
        whole = isinstance(inputs[0].shape[0], int) and inputs[0].shape[0] == 1
        theirs = numpy.concatenate([ask(one[None]) for one in given]) if whole else ask(given)
    except _RefusedError as error:
        return Proof(None, f"it does not run ({error})")
    return _compared(typed, answering, arrays, samples, theirs, os.fspath(path))


def prove_module(
    typed: TypedNetwork,
    answering: Artifact,
    arrays: Mapping[str, Array],
    ask: Callable[[Array], Numbers],
    name: str,
) -> Proof:
    """Ask what gives answers for a batch, and the network with its weights, the same.

    Raises:
        UserError: CNN657 where they do not answer alike.
    """
    samples = _samples(typed)
    return _compared(typed, answering, arrays, samples, ask(samples), name)


class _RefusedError(Exception):
    """ONNX Runtime does not take a model, or what it is given."""


def _samples(typed: TypedNetwork) -> Array:
    rng = numpy.random.default_rng(0)
    return rng.standard_normal((_SAMPLES, *typed.types[0].dims), numpy.float32)


def _as_input(samples: Array, shape: list[Any]) -> Numbers | None:
    """The samples as a model takes them, channels first or last; None where it does not."""
    known = [size if isinstance(size, int) else None for size in shape[1:]]
    for given in (samples, numpy.ascontiguousarray(numpy.moveaxis(samples, 1, -1))):
        pairs = zip(known, given.shape[1:], strict=False)
        if len(known) == given.ndim - 1 and all(size in (None, there) for size, there in pairs):
            return given
    return None


def _compared(
    typed: TypedNetwork,
    answering: Artifact,
    arrays: Mapping[str, Array],
    samples: Array,
    theirs: Numbers,
    name: str,
) -> Proof:
    model = Model(replace(answering, weights=dict(arrays)), device="cpu")
    ours = model.run(samples)
    if theirs.size != ours.size:
        return Proof(None, f"it gives {theirs.shape}, and the spec {ours.shape}")
    theirs = theirs.reshape(ours.shape)
    if _is_softmax(typed) and not _are_shares(theirs):
        theirs = _softmax(theirs)
    elif not _is_softmax(typed) and _are_shares(theirs) and not _are_shares(ours):
        ours = _softmax(ours)
    difference = float(numpy.abs(ours - theirs).max())
    shares = _are_shares(theirs)
    here, there = (_logarithms(ours), _logarithms(theirs)) if shares else (ours, theirs)
    # What is not random is the same in many networks: how samples differ is the measure.
    spread, largest = float(numpy.ptp(there, axis=0).max()), float(numpy.abs(there).max())
    if not spread > _LEAST * largest:
        return Proof(None, "its answers hardly depend on what it is given")
    if not numpy.abs(here - there).max() <= _MOST * spread + _ROUNDING * largest:
        raise UserError(
            "CNN657",
            f"with these weights `{typed.name}` answers otherwise than `{name}`: a number differs"
            f" by {difference:.3g}, and the largest is {numpy.abs(theirs).max():.3g}",
            help="look whether the layers of both have the same settings, or pair their weights by"
            " `--map`; `--no-prove` writes them in any case",
        )
    return Proof(difference)


def _is_softmax(typed: TypedNetwork) -> bool:
    node = typed.network.nodes[typed.network.main_output]
    return isinstance(node, LayerNode) and node.layer.keyword == "softmax"


def _are_shares(answers: Numbers) -> bool:
    """Whether answers are probabilities, by their sums."""
    if answers.ndim < 2 or answers.shape[1] < 2 or answers.min() < 0:
        return False
    return numpy.allclose(answers.sum(axis=1), 1, atol=1e-3)


def _logarithms(shares: Numbers) -> Numbers:
    """Logits, but for what is the same in all: of probabilities, large ones hide what is small."""
    found: Numbers = numpy.log(numpy.maximum(shares, 1e-12))
    return numpy.asarray(found - found.mean(axis=1, keepdims=True))


def _softmax(logits: Numbers) -> Numbers:
    shifted = numpy.exp(logits - logits.max(axis=1, keepdims=True))
    result: Numbers = shifted / shifted.sum(axis=1, keepdims=True)
    return result
