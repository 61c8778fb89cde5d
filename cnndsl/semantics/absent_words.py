"""Optimizers, losses, schedules and augmentations of the field that the recipe does not have.

They are said to be absent: a word that is near one of ours by spelling (``nadam``, ``mae``) is
another thing all the same.
"""

from __future__ import annotations

import re

__all__ = ["absent_word"]

_ABSENT = {
    "optimizer": "adamax adagrad adadelta nadam radam adabelief adabound adafactor lamb lars lion"
    " ftrl asgd asam sam rprop lbfgs sparseadam sgdw sgdm sgdr nag momentum nesterov muon shampoo"
    " novograd yogi adan sophia adam8bit adamw8bit amsgrad adam adamw rmsprop sgd",
    "loss": "mae l1 l1loss smoothl1 huber logcosh nll nllloss kl kld kldiv kldivergence focal dice"
    " jaccard iou giou ctc triplet contrastive cosine cosinesimilarity cosineembedding margin"
    " multimargin marginranking squaredhinge categoricalhinge poisson poissonnll gaussiannll mape"
    " msle rmse tversky wasserstein infonce arcface mse hinge softmargin multilabelsoftmargin",
    "schedule": "linear cosinerestarts warmrestarts cosinewarmrestarts sgdr onecycle cyclic"
    " triangular lambda multiplicative inverse invsqrt inversetime inversesqrt noam piecewise"
    " trapezoid",
    "augment": "affine perspective elastic shear scale zoom resize resizedcrop randomresizedcrop"
    " centercrop brightness contrast saturation hue jitter colorjitter gamma blur gaussianblur"
    " sharpen sharpness posterize solarize equalize autocontrast invert grayscale mixup cutmix"
    " mosaic augmix autoaugment randaugment trivialaugment erase erasing randomerasing dropout"
    " normalize pad transpose",
}

_WRITTEN = {
    ("augment", "hflip"): "flip",
    ("augment", "horizontalflip"): "flip",
    ("augment", "vflip"): "flip direction vertical",
    ("augment", "verticalflip"): "flip direction vertical",
    ("optimizer", "nesterov"): "sgd momentum 0.9 nesterov yes",
    ("optimizer", "nag"): "sgd momentum 0.9 nesterov yes",
    ("optimizer", "momentum"): "sgd momentum 0.9",
    ("optimizer", "sgdm"): "sgd momentum 0.9",
    ("schedule", "linear"): "polynomial power 1",
}
"""What is here under another name, with attributes."""


def absent_word(setting: str, word: str) -> str | None:
    """What is known of a word that a setting does not have, as help; None where nothing is.

    >>> absent_word("optimizer", "Nadam"), absent_word("augment", "vflip")
    ('there is no `Nadam` yet', 'write `augment flip direction vertical`')
    """
    plain = re.sub(r"[_-]|^random", "", word.casefold())
    written = _WRITTEN.get((setting, plain))
    if written is not None:
        return f"write `{setting} {written}`"
    known = _ABSENT.get(setting, "").split()
    return f"there is no `{word}` yet" if {plain, word.casefold()} & set(known) else None
