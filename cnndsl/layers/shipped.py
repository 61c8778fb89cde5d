"""Where each class of this package stands that specs name.

Written by ``python -m cnndsl.registry``.
"""

__all__ = ["MODULES"]

MODULES: dict[str, dict[str, str]] = {
    "layer": {
        "adaptiveavgpool": "adaptive",
        "adaptivemaxpool": "adaptive",
        "add": "join",
        "avgpool": "pool",
        "batchnorm": "normalization",
        "bias": "bias",
        "concat": "join",
        "conv": "conv",
        "dense": "dense",
        "depthwise": "conv",
        "dropout": "regularization",
        "embedding": "embedding",
        "flatten": "dense",
        "globalavgpool": "pool",
        "globallppool": "lppool",
        "globalmaxpool": "pool",
        "identity": "shape",
        "leakyrelu": "activation",
        "localconv": "localconv",
        "lppool": "lppool",
        "lrn": "normalization",
        "maximum": "join",
        "maxpool": "pool",
        "maxtime": "maxtime",
        "minpool": "minpool",
        "multiply": "join",
        "noise": "regularization",
        "relu": "activation",
        "scaledtanh": "activation",
        "sigmoid": "activation",
        "softmax": "activation",
        "split": "split",
        "subsample": "subsample",
        "sumpool": "pool",
        "tanh": "activation",
        "upconv": "upconv",
    },
}
