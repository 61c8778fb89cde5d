"""Where each class of this package stands that specs name.

Written by ``python -m cnndsl.registry``.
"""

__all__ = ["MODULES"]

MODULES: dict[str, dict[str, str]] = {
    "data format": {
        "cifar": "cifar",
        "digits": "digits",
        "folders": "folders",
        "idx": "idx",
        "npz": "npz",
        "table": "tables",
        "tiny_imagenet": "tiny_imagenet",
    },
}
