"""What a network shows of itself: its table and picture in a notebook, figures of its layers."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from typing_extensions import Unpack

from cnndsl import pipeline
from cnndsl.diagnostics.model import UserError
from cnndsl.elaborate.network import LayerNode, TypedNetwork
from cnndsl.typecheck.checked import Checked

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

    from cnndsl.plots.diagram.draw import DrawOptions, Format

__all__ = ["NetworkFigures"]


class NetworkFigures:
    """The part of :class:`cnndsl.Network` that makes figures."""

    _checked: Checked
    _typed: TypedNetwork

    def _repr_html_(self) -> str:
        from cnndsl.display.network import network_html

        return network_html(self._typed, self._checked.table, self._checked.diagnostics)

    def draw(
        self,
        path: str | os.PathLike[str],
        format: Format | None = None,
        **options: Unpack[DrawOptions],
    ) -> None:
        """Draw the network; the file ends in ``.svg``, ``.png``, ``.pdf``, ``.dot`` or ``.mmd``.

        ``options``, and what is raised: as :func:`cnndsl.plots.diagram.draw.draw` tells.
        """
        from cnndsl.plots.diagram.draw import draw

        draw(self._typed, path, format, **options)

    def drawing(self, format: Format = "svg", **options: Unpack[DrawOptions]) -> bytes:
        """What :meth:`draw` writes into a file."""
        from cnndsl.plots.diagram.draw import drawn

        return drawn(self._typed, format, **options)

    def kernels(
        self, layer: str, weights: str | os.PathLike[str] | None = None, *, seed: int | None = None
    ) -> Figure:
        """The kernels of a layer, as a figure of Matplotlib's.

        Args:
            layer: a convolution, by its name.
            weights: a weights file or a compiled model; without one, weights are drawn as the spec
                asks for.
            seed: where drawing them starts.

        Raises:
            UserError: CNN704 for a layer that there is not, CNN715 for one without kernels, and as
                :meth:`Network.compile` does.
        """
        from cnndsl.runtime.kernels import kernels_figure

        path = None if weights is None else Path(weights)
        artifact = pipeline.compile(self._typed, weights=path, seed=seed)
        return kernels_figure(self._typed, artifact, layer)

    def feature_maps(
        self,
        sample: str | os.PathLike[str] | ArrayLike,
        layer: str = "",
        weights: str | os.PathLike[str] | None = None,
        *,
        seed: int | None = None,
        device: str = "auto",
    ) -> Figure:
        """What a layer makes of a sample, as a figure of Matplotlib's.

        Args:
            sample: a file, or an array as :meth:`cnndsl.Model.run` takes it.
            layer: a layer with places, by its name; by default the first.
            weights: as for :meth:`kernels`.
            seed: as for :meth:`kernels`.
            device: as for :meth:`Network.compile`.

        Raises:
            UserError: CNN704 for a layer that there is not, CNN714 for one that gives a vector, and
                as compiling and running do.
        """
        from cnndsl.runtime.model import Model

        path = None if weights is None else Path(weights)
        artifact = pipeline.compile(self._typed, weights=path, seed=seed)
        model = Model(artifact, device=device, network=self._typed)
        return model.feature_maps(sample, layer or self._first_with_places())

    def _first_with_places(self) -> str:
        nodes = zip(self._typed.network.nodes, self._typed.types, strict=True)
        for node, kind in nodes:
            if isinstance(node, LayerNode) and kind.spatial:
                return node.name
        raise UserError(
            "CNN714",
            f"no layer of `{self._typed.name}` gives feature maps",
            help="there are some where an input has places: `input 1x28x28`",
        )
