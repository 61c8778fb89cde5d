"""Which algorithms the gradients of convolutions have: those that measured best."""

from __future__ import annotations

from dataclasses import replace

import pytest
from convolution_cases import CASES, Case, square

from cnndsl.autodiff import convolution
from cnndsl.autodiff.geometry import Algorithm, Geometry
from cnndsl.autodiff.input_gradient import flipped, folded, transposed
from cnndsl.autodiff.kernel_gradient import (
    channels_last,
    columns,
    depthwise,
    pointwise,
    shifted,
    swept,
)
from cnndsl.autodiff.rules import Target

RESNET_STEM = square(8, 3, 224, 64, 7, 2, 3)
RESNET_BODY = square(8, 64, 56, 64, 3, 1, 1)
RESNET_HALVING = square(8, 64, 56, 128, 3, 2, 1)
RESNET_PROJECTION = square(8, 64, 56, 128, 1, 2)
LENET_SECOND = square(64, 6, 14, 16, 5)
DEPTHWISE = square(8, 64, 56, 64, 3, 1, 1, 64)
SMALL_MAPS = square(1, 512, 7, 512, 3, 1, 1)


@pytest.mark.parametrize(
    ("geometry", "algorithm"),
    [
        (RESNET_BODY, flipped),
        (RESNET_HALVING, transposed),
        (RESNET_PROJECTION, transposed),
        (square(16, 96, 27, 256, 5, 1, 2, 2), flipped),
        (square(128, 16, 32, 16, 3, 1, 1), flipped),
        (square(1, 16, 32, 16, 3, 1, 1), transposed),  # few cells
        (square(8, 16, 28, 32, 5, 1, 2), transposed),  # few channels
        (square(4, 960, 7, 160, 1), flipped),
        (Case((64, 300), (5, 300), 64, 1, 100).geometry, folded),
        (LENET_SECOND, transposed),
        (square(8, 64, 14, 64, 5), transposed),  # padding would enlarge it
        (SMALL_MAPS, transposed),  # turning the kernels would cost more
        (DEPTHWISE, flipped),
    ],
)
def test_on_the_cpu_the_input_gradient_has_the_form_that_measured_best(
    geometry: Geometry, algorithm: Algorithm
) -> None:
    assert convolution.choose_input_algorithm(geometry, "cpu") is algorithm
    assert convolution.choose_input_algorithm(geometry, "cuda") is transposed


@pytest.mark.parametrize(
    ("geometry", "cpu", "cuda"),
    [
        (RESNET_STEM, swept, columns),
        (RESNET_BODY, swept, columns),
        (RESNET_PROJECTION, pointwise, pointwise),
        (square(8, 512, 7, 2048, 1), columns, columns),  # matrices of 32 MiB
        (DEPTHWISE, shifted, depthwise),
        (square(4, 960, 7, 960, 3, 1, 1, 960), channels_last, depthwise),  # small maps
        (square(32, 512, 14, 512, 3, 1, 1, 512), shifted, depthwise),  # small, but many
        (square(4, 144, 56, 144, 3, 2, 1, 144), channels_last, columns),
        (square(4, 128, 56, 128, 3, 1, 1, 32), shifted, columns),
        (square(4, 512, 14, 512, 3, 1, 1, 32), swept, columns),
        (replace(RESNET_BODY, dilations=(2, 2), before=(2, 2), after=(2, 2)), swept, columns),
    ],
)
def test_the_kernel_gradient_has_the_form_that_measured_best(
    geometry: Geometry, cpu: Algorithm, cuda: Algorithm
) -> None:
    assert convolution.choose_kernel_algorithm(geometry, "cpu") is cpu
    assert convolution.choose_kernel_algorithm(geometry, "cuda") is cuda


def _random_geometries() -> list[Geometry]:
    return [case.geometry for case in CASES.values()]


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_no_form_is_chosen_for_a_convolution_that_it_is_wrong_for(target: Target) -> None:
    for geometry in _random_geometries():
        for size in (1, 64):  # small and large by the cost rule
            wide = replace(geometry, channels=geometry.channels * size, batch=size)
            assert convolution.INPUT_ALGORITHMS[convolution.choose_input_algorithm(wide, target)](
                wide
            )
            assert convolution.KERNEL_ALGORITHMS[convolution.choose_kernel_algorithm(wide, target)](
                wide
            )
