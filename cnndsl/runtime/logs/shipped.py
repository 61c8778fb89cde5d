"""Where each class of this package stands that specs name.

Written by ``python -m cnndsl.registry``.
"""

__all__ = ["MODULES"]

MODULES: dict[str, dict[str, str]] = {
    "log": {
        "csv": "steps",
        "mlflow": "mlflow",
        "tensorboard": "tensorboard",
    },
}
