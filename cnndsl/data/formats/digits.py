"""Turns scikit-learn's 1,797 handwritten digits into a dataset.

Each is 8x8 counts from 0 to 16: how many cells of a block of 4x4 were black in the 32x32 bitmap
that was scanned (UCI, Optical Recognition of Handwritten Digits). So each count is drawn over its
block again, which gives pictures of the bitmaps' size, 0 to 255.
"""

from __future__ import annotations

import numpy
from typing_extensions import override

from cnndsl.data.arraysets import ArraySet, pictures_column
from cnndsl.data.batch_resize import Bytes
from cnndsl.data.class_names import number_indices
from cnndsl.data.formats.base import DataFormat, Place
from cnndsl.data.splits import Wanted, not_understood, only_input, refuse_valid

__all__ = ["DIGITS", "Digits"]

DIGITS = "digits"
"""What the user calls them."""

_BLOCK = 4
_MOST = _BLOCK * _BLOCK


class Digits(DataFormat):
    """The digits themselves, by the word ``digits``."""

    keyword = DIGITS
    dataset = "scikit-learn's digits"

    @override
    def open(self, place: Place, wanted: Wanted) -> ArraySet:
        """All of them, in their order.

        Raises:
            UserError: CNN801 where scikit-learn is missing, CNN703 where the network takes no
                pictures.
        """
        refuse_valid(DIGITS, wanted)
        model_input = only_input(wanted, DIGITS)
        try:
            from sklearn.datasets import load_digits
        except ImportError as error:
            raise not_understood(
                "the digits come with scikit-learn, which is not installed",
                'install it: `pip install "cnndsl[digits]"`',
            ) from error
        found = load_digits()
        column = pictures_column(_drawn(found.images), model_input, DIGITS, (0, 1, 2))
        classes = wanted.classes or (() if wanted.counted else tuple("0123456789"))
        numbers = number_indices(found.target.astype(numpy.int64), DIGITS, classes)
        return ArraySet(
            DIGITS,
            {model_input.name: column},
            labels=numbers.indices,
            classes=classes,
            notes=numbers.notes,
        )


def _drawn(counts: numpy.typing.NDArray[numpy.float64]) -> Bytes:
    values = numpy.rint(counts * (255 / _MOST)).astype(numpy.uint8)
    return values.repeat(_BLOCK, axis=1).repeat(_BLOCK, axis=2)
