"""The optimizers that `optimizer` can name."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from pydantic import Field, ValidationInfo, field_validator
from typing_extensions import override

from cnndsl.recipe.settings import BelowOne, Optimizer, Positive

__all__ = ["Adam", "AdamW", "RmsProp", "Sgd"]


class Sgd(Optimizer):
    """Stochastic gradient descent: v = momentum*v + g, w = w - lr*v."""

    keyword = "sgd"
    lr: Positive = Field(default=0.01, description="learning rate")
    momentum: BelowOne = Field(
        default=0.0, description="share of the last step's velocity that is kept"
    )
    nesterov: bool = Field(
        default=False, description="step along g + momentum*v (Sutskever et al. 2013)"
    )

    @field_validator("nesterov")
    @classmethod
    def _has_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        if nesterov and info.data.get("momentum") == 0:
            raise ValueError("`nesterov yes` needs a `momentum` above 0")
        return nesterov

    @property
    @override
    def slots(self) -> int:
        """The velocity, where there is momentum."""
        return 1 if self.momentum else 0


class Adam(Optimizer):
    """Adam (Kingma & Ba 2015), with bias correction; weight decay is added to the gradient."""

    keyword = "adam"
    lr: Positive = Field(default=0.001, description="learning rate")
    beta1: BelowOne = Field(default=0.9, description="decay of the mean of the gradients")
    beta2: BelowOne = Field(default=0.999, description="decay of the mean of their squares")
    eps: Positive = Field(default=1e-8, description="added to the root, against division by zero")

    @property
    @override
    def slots(self) -> int:
        """The two moving means."""
        return 2


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: w = w - lr*decay*w (Loshchilov & Hutter)."""

    keyword = "adamw"


class RmsProp(Optimizer):
    """RMSprop (Tieleman & Hinton 2012): steps of g / (root of the mean of squares + eps)."""

    keyword = "rmsprop"
    lr: Positive = Field(default=0.01, description="learning rate")
    alpha: BelowOne = Field(default=0.99, description="decay of the mean of the squares")
    eps: Positive = Field(default=1e-8, description="added to the root, against division by zero")
    momentum: BelowOne = Field(
        default=0.0, description="share of the last step's velocity that is kept"
    )

    @property
    @override
    def slots(self) -> int:
        """The mean of squares, and the velocity where there is momentum."""
        return 2 if self.momentum else 1
