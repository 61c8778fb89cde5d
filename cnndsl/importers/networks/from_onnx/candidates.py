"""Which layers a graph is searched for (:mod:`.lowered`), and with which settings to begin.

A setting that is a number with a point need not be right: it is read from the graph. Those that
decide what is emitted are tried one after the other; larger layers before those that are in them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from cnndsl.frozen import frozen
from cnndsl.types import TensorType

if TYPE_CHECKING:
    from cnndsl.elaborate.values import Value
    from cnndsl.importers.networks.from_onnx.graph import OnnxGraph

__all__ = ["CANDIDATES", "Candidate", "Facts", "Search", "Settings", "facts_of"]

Candidate: TypeAlias = "dict[str, Value]"
"""Settings to begin with."""


@frozen
class Facts:
    """What a graph has that settings could be: windows of means, matrices, weights of places."""

    windows: tuple[tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]], ...]
    matrices: tuple[tuple[Any, bool], ...]
    """Each with whether it is a weight."""
    local_shapes: tuple[tuple[int, ...], ...]
    sizes: tuple[tuple[int, ...], ...]
    """The spatial sizes that streams have."""
    scalars: tuple[float, ...]


Settings: TypeAlias = "Callable[[TensorType, Facts], Iterator[Candidate]]"


def _plain(*settings: Candidate) -> Settings:
    """The same settings whatever the input is."""

    def candidates(type: TensorType, facts: Facts) -> Iterator[Candidate]:
        yield from ({**one} for one in settings)

    return candidates


def _norms(type: TensorType, facts: Facts) -> Iterator[Candidate]:
    for over in ("channels", "all") if type.spatial else ("all",):
        for affine in (True, False):
            yield {"over": over, "affine": affine}


def _groups(type: TensorType, facts: Facts) -> Iterator[Candidate]:
    for groups in _divisors(type.channels):
        for affine in (True, False):
            yield {"groups": groups, "affine": affine}


def _pieces(type: TensorType, facts: Facts) -> Iterator[Candidate]:
    for pieces in _divisors(type.channels)[1:]:
        yield {"pieces": pieces}


def _divisors(number: int) -> list[int]:
    return [one for one in range(1, min(number, 64) + 1) if number % one == 0]


def _windows(*more: Candidate) -> Settings:
    """The windows that means are taken over in the graph, and the whole map."""

    def candidates(type: TensorType, facts: Facts) -> Iterator[Candidate]:
        rank = len(type.spatial)
        whole = (type.spatial, type.spatial, (0,) * 2 * rank)
        for kernel, stride, pads in (*facts.windows, whole):
            if len(kernel) != rank:
                continue
            for padding, rounding in ((pads, "floor"), (pads[:rank] * 2, "ceil")):
                for other in more:
                    yield {
                        "kernel": kernel,
                        "stride": stride,
                        "padding": padding,
                        "rounding": rounding,
                        **other,
                    }

    return candidates


def _codes(type: TensorType, facts: Facts) -> Iterator[Candidate]:
    """Distances to rows of a matrix: of one that learns, or of one that stands in the graph."""
    for array, learns in facts.matrices:
        if array.shape[-1] != type.elements:
            continue
        for negate in (True, False):
            units: Candidate = {"units": len(array), "negate": negate}
            codes = tuple(tuple(map(_number, row)) for row in array.tolist())
            yield units if learns else {**units, "codes": codes}


def _regions(type: TensorType, facts: Facts) -> Iterator[Candidate]:
    """Pools over regions: sizes that maps have, scales that stand in the graph."""
    if len(type.spatial) != 2:
        return
    for size in facts.sizes:
        for scale in facts.scalars:
            yield {"size": size, "scale": scale}


def _number(value: float) -> Value:
    return int(value) if float(value).is_integer() else float(value)


def _local(type: TensorType, facts: Facts) -> Iterator[Candidate]:
    """Local convolutions whose weights have the shapes of some that stand in the graph."""
    rank = len(type.spatial)
    for _, filters, channels, *kernel in facts.local_shapes:
        if channels != type.channels or len(kernel) != rank:
            continue
        for stride in (1, 2):
            for padding in {0, *(size // 2 for size in kernel)}:
                for bias in (True, False):
                    yield {
                        "filters": filters,
                        "kernel": tuple(kernel),
                        "stride": (stride,),
                        "padding": (padding,),
                        "rounding": "floor",
                        "bias": bias,
                    }


def _lrn(type: TensorType, facts: Facts) -> Iterator[Candidate]:
    for region in ("across", "within"):
        for size in range(1, 16, 2):
            # Others are no roots, and all emitted alike: 0.4 stands for what the graph has.
            for beta in (0.75, 0.5, 1.0, 0.4):
                yield {"size": size, "region": region, "beta": beta}


@frozen
class Search:
    """What a layer is looked for by.

    ``first`` are the operators of which one reads its input, ``needs`` those that the graph must
    have at all, ``settings`` are tried one after the other.
    """

    first: frozenset[str]
    needs: frozenset[str]
    settings: Settings
    beside: bool = False
    """Whether it reads an input of the network beside."""


def _search(first: str, needs: str, settings: Settings) -> Search:
    return Search(frozenset(first.split()), frozenset(needs.split()), settings)


CANDIDATES: Mapping[str, Search] = MappingProxyType(
    {
        "roipool": Search(frozenset(("Transpose",)), frozenset(("GatherND",)), _regions, True),
        "localconv": _search("Transpose", "MatMul Unsqueeze Slice", _local),
        "rbf": _search("Unsqueeze", "Sub", _codes),
        "layernorm": _search("Reshape Transpose", "InstanceNormalization", _norms),
        "groupnorm": _search("Reshape", "InstanceNormalization", _groups),
        "rmsnorm": _search("Mul", "ReduceMean Sqrt Div", _norms),
        "l2norm": _search("ReduceL2", "Max Div", _plain({}, {"scale": 1.0})),
        "lrn": _search("Mul", "", _lrn),
        "subsample": _search("AveragePool", "Mul Add", _windows({})),
        "lppool": _search("Mul Abs Pow", "AveragePool Where", _windows({"p": 2.0}, {"p": 1.0})),
        "sumpool": _search("AveragePool", "Mul", _windows({})),
        "globallppool": _search(
            "Abs Mul ReduceL2", "", _plain({}, {"p": 1.0}, {"keep": True, "p": 1.0})
        ),
        "maxout": _search("Reshape", "ReduceMax", _pieces),
        "maxtime": _search("Transpose", "GlobalMaxPool", _plain({})),
        "gelu": _search("Div Mul", "", _plain({}, {"form": "tanh"})),
        "mish": _search("Min", "Exp Div", _plain({})),
        "silu": _search("Sigmoid", "Mul", _plain({})),
        "scaledtanh": _search("Mul", "Tanh", _plain({})),
        "prelu": _search("Min", "Relu Add", _plain({}, {"shared": True})),
    }
)
"""By keyword: how it is looked for, larger layers before those that are in them."""


def facts_of(graph: OnnxGraph) -> Facts:
    """What the settings of layers could be taken from."""
    windows = {
        tuple(
            tuple(node.attributes.get(name, usual))
            for name, usual in (
                ("kernel_shape", ()),
                ("strides", [1] * len(node.attributes.get("kernel_shape", ()))),
                ("pads", [0] * 2 * len(node.attributes.get("kernel_shape", ()))),
            )
        )
        for node in graph.nodes
        if node.op == "AveragePool"
    }
    floats = [(name, one) for name, one in graph.constants.items() if one.dtype.kind == "f"]
    return Facts(
        tuple(sorted(windows)),  # type: ignore[arg-type]
        tuple((one, name in graph.weights) for name, one in floats if one.ndim == 2),
        tuple(one.shape for name, one in floats if one.ndim >= 4 and name in graph.weights),
        tuple({shape[2:]: None for shape in graph.shapes.values() if len(shape) == 4}),
        tuple({float(one.reshape(-1)[0]): None for _, one in floats if one.size == 1}),
    )
