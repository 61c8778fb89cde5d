"""Reads training data: a format is one class in one file, found by what it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnndsl.registry import Registry

if TYPE_CHECKING:
    from cnndsl.data.formats.base import DataFormat

__all__ = ["FORMATS"]

FORMATS: Registry[DataFormat] = Registry(
    "data format",
    "cnndsl.data.formats.base:DataFormat",
    package="cnndsl.data.formats",
    group="cnndsl.formats",
    code="CNN801",
)
"""The formats, by keyword: ours, and those of other packages in the group ``cnndsl.formats``."""
