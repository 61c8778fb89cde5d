"""Where each class of this package stands that specs name.

Written by ``python -m cnndsl.registry``.
"""

__all__ = ["MODULES"]

MODULES: dict[str, dict[str, str]] = {
    "augmentation": {
        "crop": "augmentations.crop",
        "cutout": "augmentations.cutout",
        "flip": "augmentations.flip",
        "noise": "augmentations.noise",
        "rotate": "augmentations.rotate",
        "shift": "augmentations.shift",
    },
    "loss": {
        "binarycrossentropy": "losses.binarycrossentropy",
        "crossentropy": "losses.crossentropy",
        "hinge": "losses.hinge",
        "huber": "losses.huber",
        "mae": "losses.mae",
        "mse": "losses.mse",
    },
    "optimizer": {
        "adadelta": "optimizers.adadelta",
        "adagrad": "optimizers.adagrad",
        "adam": "optimizers.adam",
        "adamw": "optimizers.adamw",
        "rmsprop": "optimizers.rmsprop",
        "sgd": "optimizers.sgd",
    },
    "schedule": {
        "constant": "schedules.constant",
        "cosine": "schedules.cosine",
        "exponential": "schedules.exponential",
        "inverse": "schedules.inverse",
        "multistep": "schedules.multistep",
        "plateau": "schedules.plateau",
        "polynomial": "schedules.polynomial",
        "step": "schedules.step",
    },
}
