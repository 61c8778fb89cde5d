"""What a format of training data is: how it is recognised, and how it becomes a dataset."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from cnndsl.data.samples import Dataset
from cnndsl.data.sources import is_hidden
from cnndsl.data.splits import Wanted, not_understood
from cnndsl.diagnostics.model import UserError
from cnndsl.graph.files import reason

__all__ = ["DataFormat", "Place", "list_folder"]


def list_folder(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in a folder, without hidden ones.

    Raises:
        UserError: CNN801 for a folder that cannot be listed.
    """
    folders: list[str] = []
    files: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not is_hidden(entry.name):
                    (folders if entry.is_dir() else files).append(entry.name)
    except OSError as error:
        raise not_understood(
            f"cannot list the folder `{folder}`: {reason(error)}", "check its permissions"
        ) from error
    return sorted(folders), sorted(files)


@dataclass(frozen=True)
class Place:
    """A file or folder that holds training data, and what the user called it."""

    path: Path
    data: str

    @cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder, and not a file."""
        return self.path.is_dir()

    @cached_property
    def _listed(self) -> tuple[list[str], list[str]]:
        return list_folder(self.path) if self.is_folder else ([], [])

    @property
    def folders(self) -> list[str]:
        """The names of the folders in a folder, sorted, without hidden ones."""
        return self._listed[0]

    @property
    def files(self) -> list[str]:
        """The names of the files in a folder, sorted, without hidden ones."""
        return self._listed[1]


class DataFormat(ABC):
    """A format of training data, in one class in one file.

    Packages name theirs by the group ``cnndsl.formats`` of entry points, as
    ``KEYWORD = "module:Class"``. They are asked where none of ours holds anything.
    """

    keyword: ClassVar[str]
    """What it is found by."""

    needed: ClassVar[tuple[str, ...]] = ("open",)
    """What every format has to say for itself."""

    dataset: ClassVar[str] = ""
    """What the keyword names when it is given as the data itself: ``scikit-learn's digits``. Empty
    for a format that is recognised by files."""

    turn: ClassVar[int] = 0
    """When it is asked: those that look at the names of files before those that look into them."""

    def holdings(self, place: Place) -> tuple[str, ...]:
        """What of this format a place holds, in words for messages; nothing by default.

        Where one place holds several things, of one format or of two, none is taken.
        """
        return ()

    def refusal(self, place: Place) -> UserError | None:
        """Why a place that no format holds is nearly of this one, and what to give instead."""
        return None

    @abstractmethod
    def open(self, place: Place, wanted: Wanted) -> Dataset:
        """The dataset.

        Raises:
            UserError: CNN801 where the data is damaged or has no such part, CNN802 where its
                classes are not the spec's, CNN808 where it is empty, CNN703 where the network
                does not take it.
        """
