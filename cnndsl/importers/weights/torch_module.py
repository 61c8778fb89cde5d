"""Reads the weights of a PyTorch module that is at hand, and asks it; PyTorch is whoever gave it's.

Nothing here imports PyTorch: a module knows its state dict, and its tensors know NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cnndsl.diagnostics.model import UserError
from cnndsl.graph.weights import Array, Numbers
from cnndsl.importers.weights.source import WeightsSource
from cnndsl.importers.weights.state_dict import Entry, state_dict_source

__all__ = ["answer_of", "module_source"]


def module_source(module: Any) -> WeightsSource:
    """The weights of a module.

    Raises:
        UserError: CNN650 for what is no module.
    """
    state_dict = getattr(module, "state_dict", None)
    if not callable(state_dict):
        raise UserError(
            "CNN650",
            f"no weights can be read from a `{type(module).__name__}`",
            help="give a file's path, or a module of PyTorch's",
        )
    entries = {
        name: Entry(
            tuple(tensor.shape),
            str(tensor.dtype).removeprefix("torch."),
            partial(_numbers, tensor),
        )
        for name, tensor in state_dict().items()
    }
    return state_dict_source(type(module).__name__, "PyTorch module", entries)


def answer_of(module: Any) -> Callable[[Array], Numbers]:
    """What a module answers for a batch, in its inference form; it is left as it was."""

    def ask(batch: Array) -> Numbers:
        import torch

        was_training = module.training
        module.eval()
        try:
            with torch.inference_mode():
                parameter = next(module.parameters())
                given = torch.from_numpy(batch).to(parameter.device, parameter.dtype)
                answer = module(given)
        finally:
            module.train(was_training)
        first = answer[0] if isinstance(answer, tuple) else answer
        return _numbers(first)

    return ask


def _numbers(tensor: Any) -> Numbers:
    numbers: Numbers = tensor.detach().to("cpu").float().numpy()
    return numbers
