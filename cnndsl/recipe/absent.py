"""Words that the field has for settings and their kinds: other names of ours, and what is absent.

A word that is near one of ours by spelling (``nadam``) is another thing all the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["absent_word", "other_quantity", "other_setting", "same_word"]

_ABSENT = {
    "optimizer": "adamax nadam radam adabelief adabound adafactor lamb lars lion"
    " ftrl asgd asam sam rprop lbfgs sparseadam sgdw sgdm sgdr nag momentum nesterov muon shampoo"
    " novograd yogi adan sophia adam8bit adamw8bit amsgrad",
    "loss": "logcosh nll nllloss kl kld kldiv kldivergence focal dice"
    " jaccard iou giou ctc triplet contrastive cosine cosinesimilarity cosineembedding margin"
    " multimargin marginranking squaredhinge categoricalhinge poisson poissonnll gaussiannll mape"
    " msle rmse tversky wasserstein infonce arcface softmargin multilabelsoftmargin",
    "schedule": "linear cosinerestarts warmrestarts cosinewarmrestarts sgdr onecycle cyclic"
    " triangular lambda multiplicative invsqrt inversesqrt noam piecewise"
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
    ("loss", "smoothl1"): "huber delta 1",
    ("loss", "smoothl1loss"): "huber delta 1",
}
"""What is here under another name, with attributes."""


_SAME = {
    "crossentropy": "ce cce xent softmaxcrossentropy categoricalcrossentropy"
    " sparsecategoricalcrossentropy crossentropyloss softmaxwithloss",
    "binarycrossentropy": "bce bceloss bcewithlogits bcewithlogitsloss sigmoidcrossentropy",
    "mse": "mseloss l2 l2loss meansquarederror squarederror euclideanloss",
    "mae": "l1 l1loss meanabsoluteerror",
    "huber": "huberloss",
    "hinge": "hingeloss",
    "step": "steplr stepdecay steps",
    "multistep": "multisteplr",
    "cosine": "cosineannealing cosineannealinglr cosinedecay",
    "exponential": "exponentiallr exponentialdecay exp",
    "polynomial": "poly polynomiallr polynomialdecay",
    "inverse": "inv invlr inversetime inversetimedecay",
    "plateau": "reducelronplateau reduceonplateau",
    "rotate": "rotation",
    "shift": "translate translation",
    "noise": "gaussiannoise",
}
"""Our words, and those of other tools for the same."""


def same_word(word: str, variants: Sequence[str]) -> str | None:
    """The word of ours that another tool's word means exactly; None where there is none.

    >>> same_word("Adam", ["sgd", "adam"]), same_word("L1", ["mae"]), same_word("rmse", ["mse"])
    ('adam', 'mae', None)
    """
    plain = re.sub(r"[_-]|^random", "", word.casefold())
    known = {name: ours for ours, names in _SAME.items() for name in names.split()}
    found = known.get(plain, plain)
    return found if found in variants else None


_SETTINGS = {
    "train": {
        "batch": "batch_size batchsize mini_batch minibatch",
        "loss": "criterion objective cost loss_fn loss_function",
        "schedule": "scheduler lr_scheduler lr_schedule lr_policy",
        "epochs": "num_epochs n_epochs max_epochs nb_epoch",
        "optimizer": "optim optimiser solver",
        "augment": "augmentation augmentations transforms transform",
        "init": "initializer initialization initialisation weight_init",
        "early_stop": "early_stopping patience",
        "clip": "grad_clip clip_grad gradient_clip clipnorm clip_gradients",
        "seed": "random_seed",
        "weight_decay": "l2 wd decay",
        "shards": "subdivisions microbatches micro_batches num_microbatches splits",
        "freeze": "frozen fixed",
        "precision": "dtype",
    },
    "input": {
        "std": "stdev stddev stds sigma",
        "mean": "mean_value mean_pixel",
        "scale": "scaling rescale",
        "layout": "channels colors colours color_mode",
        "resample": "interpolation",
    },
}
_ELSEWHERE = {
    "train": {
        "write it behind the optimizer, as in `optimizer sgd {text}`": "lr momentum nesterov",
        "write it behind the optimizer, as in `optimizer sgd lr {value}`": "learning_rate base_lr",
        "write it behind the optimizer, as in `optimizer adam {text}`": "beta1 beta2 eps",
        "write `precision float16`": "amp mixed_precision autocast fp16 half",
        "leave it out: what is measured follows from the loss": "metrics metric",
        "leave it out: every epoch has an order of its own": "shuffle",
        "leave it out, and write `cnndsl train … --device {value}`": "device gpu",
        "leave it out, and write `cnndsl train … --valid {value}`": "validation valid val"
        " validation_split val_split valid_split",
        "leave it out, and write `cnndsl train … --data {value}`": "data dataset",
        "leave it out, and write `cnndsl train … --threads {value}`": "threads num_workers",
        "leave it out, and write `cnndsl train … --workers {value}`": "workers num_processes"
        " nproc_per_node world_size num_gpus n_gpus",
        "write `shards {value}`, and all samples of a step as `batch`": "accumulate accumulation"
        " accumulate_grad_batches accumulation_steps grad_accum grad_accumulation"
        " gradient_accumulation gradient_accumulation_steps iter_size",
        "write it as a layer of the network": "dropout batchnorm",
    },
    "input": {
        "write `mean` and `std`, as in `scale 1/255 mean 0.5 std 0.5`": "normalize normalise"
        " normalization normalisation subtract",
        "write `fit resize`": "resize",
        "write `fit crop`": "crop center_crop centercrop",
        "write `fit pad`": "pad padding letterbox",
        "leave it out: the batch stands in the recipe, as in `train {{ batch 64 }}`": "batch"
        " batch_size",
    },
}


def other_setting(where: str, name: str, value: str) -> tuple[str, str] | None:
    """What a setting of other tools is here: our name, or nothing and what to do instead.

    >>> other_setting("train", "batch_size", "32"), other_setting("input", "colour", "")
    (('batch', ''), None)
    """
    for ours, names in _SETTINGS.get(where, {}).items():
        if name in names.split():
            return ours, ""
    for help, names in _ELSEWHERE.get(where, {}).items():
        if name in names.split():
            return "", help.format(text=f"{name} {value}".strip(), value=value or "…")
    return None


_QUANTITIES = {
    "params": "parameters num_params n_params param_count weights",
    "macs": "multiply_adds mult_adds multadds madds",
    "output": "shape output_shape output_size",
    "receptive_field": "rf",
    "depth": "weight_layers",
    "weight_bytes": "model_size",
}


def other_quantity(name: str) -> str | None:
    """The quantity of `expect` that other tools call by another name."""
    known = {other: ours for ours, names in _QUANTITIES.items() for other in names.split()}
    return known.get(name.casefold())


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
