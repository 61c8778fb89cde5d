"""From a network of another tool to a spec of ours that was proved to be the same.

The stages stand in ``importers/networks/``; here they are called by name, and what they wrote is
checked as any spec is.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import override

from cnndsl import pipeline
from cnndsl.analysis.cost import quantity
from cnndsl.diagnostics.codes import is_limit
from cnndsl.diagnostics.model import Diagnostic, Severity, UserError
from cnndsl.diagnostics.words import abridged_lines, count

if TYPE_CHECKING:
    import torch

    from cnndsl.elaborate.network import TypedNetwork
    from cnndsl.graph.weights import Array
    from cnndsl.importers.networks.graph import ImportedNetwork, Refusal

__all__ = ["Imported", "import_network", "imported"]

_SHOWN = 20


@dataclass(frozen=True, eq=False)
class Imported:
    """A network that was brought in.

    Attributes:
        text: its spec.
        weights: its numbers under the names that the spec gives them; empty where the source has
            none.
        source: what it was read from, for people.
        refused: what the spec does not say, each with its place in the source.
        behind: how many layers stand behind that.
        notes: what is worth knowing.
        names: the spec's names of layers with weights, by what the source calls them.
    """

    text: str
    weights: Mapping[str, Array]
    source: str
    refused: tuple[Refusal, ...]
    behind: int
    notes: tuple[str, ...]
    network: TypedNetwork
    names: Mapping[str, str] = field(default_factory=dict)

    @override
    def __repr__(self) -> str:
        return f"<Imported {self.network.name} from {self.source}>"

    @property
    def params(self) -> int:
        """How many numbers of it are learnt."""
        return quantity(self.network, "params")[0]

    @property
    def macs(self) -> int:
        """Its multiply-accumulates for one sample."""
        return quantity(self.network, "macs")[0]

    def save(
        self, spec: str | os.PathLike[str], weights: str | os.PathLike[str] | None = None
    ) -> tuple[Path, Path | None]:
        """Write the spec, and its weights beside it where there are any.

        Where there are none, and layers are called otherwise than in the source, a map of their
        names is written beside it (``SPEC.map``), as ``cnndsl weights --map`` takes it. The spec is
        written last: it stands there only with what belongs to it.

        Returns:
            The files that were written; None for weights that there are not.

        Raises:
            UserError: CNN603, where a file cannot be written.
        """
        from cnndsl.graph.files import write_atomically
        from cnndsl.graph.weights import write_weights

        path, target = Path(spec), None
        if self.weights:
            target = Path(weights) if weights is not None else path.with_suffix(".safetensors")
            classes = json.dumps(self.network.network.classes)
            write_weights(target, self.weights, {"classes": classes, "network": self.network.name})
        elif self.name_map:
            write_atomically(path.with_suffix(".map"), self.name_map.encode())
        write_atomically(path, self.text.encode())
        return path, target

    @property
    def name_map(self) -> str:
        """Names of the source's layers and of the spec's, as ``cnndsl weights --map`` takes them.

        Empty where all are the same, and where the source has none.
        """
        # A parenthesis would begin a pattern, a space the second name.
        rows = [
            (theirs, ours)
            for theirs, ours in self.names.items()
            if not any(one.isspace() or one in "()#" for one in theirs)
        ]
        if all(theirs == ours for theirs, ours in rows):
            return ""
        cells = max(len(theirs) for theirs, _ in rows)
        lines = [f"{theirs:{cells}}  {ours}" for theirs, ours in rows]
        return "\n".join((f"# {self.source}, and {self.network.name}", *lines, ""))


def import_network(
    source: str | os.PathLike[str] | torch.nn.Module,
    example: object = None,
    *,
    sizes: Mapping[str, Sequence[int]] | None = None,
    samples: int = 0,
    partial: bool = False,
    blocks: bool = True,
) -> Imported:
    """Bring in a network of another tool: an ONNX file, say, or a PyTorch module.

    Args:
        source: the file, or the module.
        example: for a module an input of it, the batch first; or a tuple of several inputs.
        sizes: the sizes of inputs that the file leaves open, without the batch, by name; those of
            an only input under ``""``.
        samples: how many samples there are to train with, by which a recipe that counts
            iterations, as Caffe's and Darknet's, counts epochs.
        partial: whether to write what can be said up to what cannot.
        blocks: whether to look for what repeats, and write it as blocks and loops.

    Raises:
        UserError: for a file that cannot be read, of an unknown format (CNN670), and for a network
            that no spec says (CNN669), with all that is in the way.
    """
    from cnndsl.importers.networks.formats import ReadOptions, read_network

    if not isinstance(source, str | os.PathLike):
        from cnndsl.importers.networks.from_torch.read import read_module

        inputs = example if isinstance(example, tuple | list) else (example,)
        if example is None or not all(hasattr(one, "shape") for one in inputs):
            raise TypeError("a module needs an example: a tensor, or a tuple of them")
        module = read_module(source, inputs)
        return imported(module, module.name, partial=partial, blocks=blocks)
    known = {name: tuple(one) for name, one in (sizes or {}).items()}
    network = read_network(source, ReadOptions(known, samples))
    return imported(network, os.fspath(source), partial=partial, blocks=blocks)


def imported(
    network: ImportedNetwork, name: str, *, partial: bool = False, blocks: bool = True
) -> Imported:
    """Write a network that was read, check what was written, and compare the two.

    Raises:
        UserError: CNN669, CNN671.
    """
    from cnndsl.importers.networks.input_settings import unsaid_preparation

    if network.refused and not partial:
        raise _not_said(network, name)
    if not network.nodes:
        raise _nothing(network, name)
    network = replace(network, notes=(*network.notes, *unsaid_preparation(network.inputs)))
    try:
        return _proved(network, blocks=blocks)
    except _Beyond as beyond:
        limit = beyond.limit
        message = f"no spec may hold `{name}`: {limit.message}"
        raise UserError(limit.code, message, help=limit.help) from None
    except _Unlike as first:
        reason = str(first)
        if blocks:
            with suppress(_Unlike):
                return _proved(network, blocks=False)
        if network.recipe is not None:
            # The checker refuses a recipe that does not suit the network, whoever wrote it.
            notes = (*network.notes, f"its recipe is left out: {reason}")
            with suppress(_Unlike):
                return _proved(replace(network, recipe=None, notes=notes), blocks=blocks)
    raise UserError(
        "CNN671",
        f"the spec of `{name}` is not what it should be: {reason}",
        help="report it with the file: what was written was refused by its own proof",
    )


class _Unlike(Exception):  # noqa: N818 (it is a finding, which its catcher handles)
    """Why what was written is not the network that it was written from."""


class _Beyond(Exception):  # noqa: N818 (as above)
    """A limit that the spec would pass, as right as it may be."""

    def __init__(self, limit: Diagnostic) -> None:
        super().__init__(limit.message)
        self.limit = limit


def _proved(network: ImportedNetwork, *, blocks: bool) -> Imported:
    """Write a network twice: the counts and names that a spec states are known when it was read.

    Raises:
        _Unlike: where the spec is not right, or not the network.
        _Beyond: where it is larger than any spec may be.
        UserError: CNN601 for weights with which no network can be run.
    """
    from cnndsl.graph.weights import refuse_not_finite
    from cnndsl.importers.networks.proof import (
        Mismatch,
        correspondence,
        labels_of,
        names_of,
        weights_of,
    )
    from cnndsl.importers.networks.write import written

    try:
        draft = written(network, blocks=blocks)
        typed = _typed(draft.text)
        places = correspondence(draft.network, draft.order, typed)
        labels = labels_of(draft.network, typed, places)
        counts = {what: quantity(typed, what)[0] for what in ("params", "macs")}
        found = written(network, blocks=blocks, labels=labels, expected=counts)
        text = _laid_out(network, found.text)
        typed = _typed(text)
        places = correspondence(found.network, found.order, typed)
    except Mismatch as mismatch:
        raise _Unlike(str(mismatch)) from mismatch
    numbers = weights_of(found.network, typed, places)
    refuse_not_finite(numbers, network.source)
    left, behind = network.refused, network.behind
    names = names_of(found.network, typed, places)
    return Imported(text, numbers, network.source, left, behind, network.notes, typed, names)


def _typed(text: str) -> TypedNetwork:
    """The network of a text that must be right."""
    checked = pipeline.check_text(text, "imported.cnn")
    for one in checked.diagnostics:
        if is_limit(one.code):
            raise _Beyond(one)
        if one.severity is Severity.ERROR:
            raise _Unlike(one.message)
    return checked.typed()


def _laid_out(network: ImportedNetwork, text: str) -> str:
    """The text as `cnndsl fmt` lays it out, below where it is from and what it does not say."""
    from cnndsl.diagnostics.source import Source
    from cnndsl.syntax.formatter import format_source

    comments = [
        f"Imported from {network.source}.",
        *(f"Not said: {one}" for one in _refusals(network)),
    ]
    lines = [f"# {' '.join(one.split())}" for one in comments]
    printable = "\n".join(line if line.isprintable() else ascii(line)[1:-1] for line in lines)
    return format_source(Source("imported.cnn", f"{printable}\n{text}"))


def _nothing(network: ImportedNetwork, name: str) -> UserError:
    """CNN671, where there is nothing to write."""
    if not network.refused:
        return UserError(
            "CNN671",
            f"`{name}` has no layers: it gives what it is given",
            help="give the file of a network; a spec has a layer at least",
        )
    return UserError(
        "CNN671",
        f"no layer of `{name}` can be said in a spec",
        notes=_refusals(network),
        help="`docs/bringing-networks.md` lists what can be said",
    )


def _not_said(network: ImportedNetwork, name: str) -> UserError:
    """CNN669, with all that no layer says."""
    behind = f", and {count(network.behind, 'layer')} behind" if network.behind else ""
    parts = count(len(network.refused), "part")
    return UserError(
        "CNN669",
        f"{parts} of `{name}` cannot be said in a spec{behind}",
        notes=_refusals(network),
        help="add `--partial` for what can be said up to there",
    )


def _refusals(network: ImportedNetwork) -> list[str]:
    lines = [f"{one.place}, {one.what}: {one.why}" for one in network.refused]
    return abridged_lines(lines, _SHOWN)
