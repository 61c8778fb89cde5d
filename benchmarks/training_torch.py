"""PyTorch's side of the training benchmark: the step that a spec's recipe asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from training_cases import Setup, batch_of, recipe_of, weights_of
from training_networks import NETWORKS, take_weights

from cnndsl.recipe.recipe import Recipe
from cnndsl.typecheck.heads import heads_of

__all__ = ["start_torch"]


def start_torch(setup: Setup) -> Callable[[], float]:
    """A function that makes a step and gives the loss; the side says in which way."""
    network, recipe, device = setup.network, recipe_of(setup.network), setup.device
    weights = weights_of(network)
    module = NETWORKS[setup.name]()
    if not setup.chance:
        for part in module.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
    take_weights(module, weights)
    module.to(device).train()
    samples, labels = batch_of(network, setup.batch)
    batch = torch.from_numpy(samples)
    if setup.side == "channels_last" and (layout := _channels_last(batch)) is not None:
        arrange: Any = module
        arrange.to(memory_format=layout)
        batch = batch.contiguous(memory_format=layout)
    optimizer = _optimizer(recipe, module, setup.rate)
    answers = {head: torch.from_numpy(array) for head, array in labels.items()}
    losses = [(head.name, head.loss.keyword, head.weight) for head in heads_of(network.network)]

    def forward(samples: Tensor, answers: Mapping[str, Tensor]) -> Tensor:
        found = module(samples)
        scores = found if isinstance(found, tuple) else (found,)
        parts = [
            weight * _loss(keyword, one, answers[head])
            for one, (head, keyword, weight) in zip(scores, losses, strict=True)
        ]
        return sum(parts[1:], parts[0])

    held = [(module.get_parameter(one), most) for one, most in _max_norms(recipe, module)]
    run: Any = torch.compile(forward) if setup.side == "compile" else forward
    update: Any = optimizer.step

    def step() -> float:
        nonlocal update
        loss = run(batch.to(device), {head: one.to(device) for head, one in answers.items()})
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        update()
        if setup.side == "compile" and update == optimizer.step:
            update = torch.compile(optimizer.step)  # now that it has its state
        for weight, most in held:
            weight.data = torch.renorm(weight.data, 2, 0, most)
        return float(loss.detach())

    return step


def _channels_last(batch: Tensor) -> Any:
    """The layout with channels last for such samples; None where PyTorch has none."""
    return {4: torch.channels_last, 5: torch.channels_last_3d}.get(batch.ndim)


def _loss(keyword: str, scores: Tensor, answers: Tensor) -> Tensor:
    if keyword == "mse":
        return nn.functional.mse_loss(scores, answers)
    assert keyword == "crossentropy", keyword
    return nn.functional.cross_entropy(scores, answers)


def _optimizer(recipe: Recipe, module: nn.Module, rate: float) -> torch.optim.Optimizer:
    """The spec's optimizer; weight decay leaves biases and normalisation alone."""
    how: Any = recipe.optimizer
    decay = recipe.weight_decay.value

    def groups() -> Iterator[dict[str, Any]]:
        for decays in (True, False):
            parameters = [one for one in module.parameters() if (one.ndim > 1) == decays]
            yield {"params": parameters, "weight_decay": decay if decays else 0.0}

    parts: Any = [*groups()]
    match how.keyword:
        case "sgd":
            return torch.optim.SGD(parts, lr=rate, momentum=how.momentum, nesterov=how.nesterov)
        case "rmsprop":
            options = {"alpha": how.alpha, "eps": how.eps, "momentum": how.momentum}
            return torch.optim.RMSprop(parts, lr=rate, **options)
        case "adadelta":
            return torch.optim.Adadelta(parts, lr=rate, rho=how.rho, eps=how.eps)
    raise AssertionError(how.keyword)


def _max_norms(recipe: Recipe, module: nn.Module) -> Iterator[tuple[str, float]]:
    """The matrices whose rows are held to a norm, by the names that they have here."""
    for name, parameter in module.named_parameters():
        most = recipe.max_norm(name.rpartition(".")[0])
        if most is not None and parameter.ndim > 1:
            yield name, most
