"""Adam, with weight decay apart from the gradient."""

# No `from __future__ import annotations`: pydantic would have to compile every annotation again.

from cnndsl.recipe.optimizers.adam import Adam

__all__ = ["AdamW"]


class AdamW(Adam):
    """Adam with weight decay apart from the gradient: w = w - lr*decay*w (Loshchilov & Hutter)."""

    keyword = "adamw"
    decoupled = True
