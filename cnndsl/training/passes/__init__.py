"""Turns a finished step graph into one that computes the same with fewer operators.

Each pass is a file of its own: what it looks for, when it keeps away, and why that is faster. What
is emitted before can stay as it reads in a paper.
"""

from __future__ import annotations

import onnx_ir
import onnx_ir.passes

from cnndsl.autodiff.rules import Target
from cnndsl.training.host.kernels import Host
from cnndsl.training.passes.affine import AffineIntoClip, AffineIntoRelu
from cnndsl.training.passes.blocked_chains import (
    BlockedAddition,
    BlockedClip,
    BlockedRelu,
    UnblockedTwice,
)
from cnndsl.training.passes.blocked_pools import BlockedPools
from cnndsl.training.passes.blocking import BlockedConvolutions
from cnndsl.training.passes.channel_products import MeansOfProducts, SumsOfProducts
from cnndsl.training.passes.constants import FoldConstants, JoinReshapes
from cnndsl.training.passes.decay import DecayAsProduct
from cnndsl.training.passes.descent import DescentIntoProduct
from cnndsl.training.passes.duplicates import MergeDuplicates
from cnndsl.training.passes.inlining import InlineComposites
from cnndsl.training.passes.layouts import BlockedLayouts
from cnndsl.training.passes.momentum import MomentumIntoProduct
from cnndsl.training.passes.scaled_gradients import ScaledGradients
from cnndsl.training.passes.unused import RemoveUnused

__all__ = ["CPU_PASSES", "PASSES", "simplify"]

PASSES: tuple[type[onnx_ir.passes.InPlacePass], ...] = (
    InlineComposites,
    RemoveUnused,
    MomentumIntoProduct,
    DescentIntoProduct,
    DecayAsProduct,
    SumsOfProducts,
    MeansOfProducts,
    AffineIntoRelu,
    AffineIntoClip,
    FoldConstants,
    JoinReshapes,
    RemoveUnused,
    MergeDuplicates,
)
"""All that is done to a step graph, in this order.

Composites are taken apart first: their gradients are made. What nothing needs goes before the
fusions, since they ask who uses a value, and behind, since they leave what they made needless.
"""

CPU_PASSES = frozenset({SumsOfProducts, MeansOfProducts, AffineIntoRelu, AffineIntoClip})
"""Those of them that make what is fast on a CPU only."""


def simplify(model: onnx_ir.Model, host: Host | None = None, target: Target = "cpu") -> None:
    """Run all passes for a target over a model, in place; a host's own forms come in first."""
    if host is not None:
        for form in (
            ScaledGradients(),
            BlockedConvolutions(host),
            BlockedPools(host),
            InlineComposites(),
            RemoveUnused(),
            MergeDuplicates(),
            BlockedLayouts(host),
            UnblockedTwice(),
            RemoveUnused(),
            JoinReshapes(),
            MergeDuplicates(),
            BlockedAddition(),
            BlockedRelu(),
            BlockedClip(),
        ):
            form(model)
    for kind in PASSES:
        if target != "cuda" or kind not in CPU_PASSES:
            kind()(model)
