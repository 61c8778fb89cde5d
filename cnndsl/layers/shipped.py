"""Where each class of this package stands that specs name.

Written by ``python -m cnndsl.registry``.
"""

__all__ = ["MODULES"]

MODULES: dict[str, dict[str, str]] = {
    "layer": {
        "add": "join",
        "avgpool": "pool",
        "batchnorm": "normalization",
        "concat": "join",
        "conv": "conv",
        "dense": "dense",
        "depthwise": "conv",
        "dropout": "regularization",
        "flatten": "dense",
        "globalavgpool": "pool",
        "globalmaxpool": "pool",
        "identity": "shape",
        "leakyrelu": "activation",
        "lrn": "normalization",
        "maximum": "join",
        "maxpool": "pool",
        "multiply": "join",
        "noise": "regularization",
        "relu": "activation",
        "scaledtanh": "activation",
        "sigmoid": "activation",
        "softmax": "activation",
        "sumpool": "pool",
        "tanh": "activation",
        "upconv": "upconv",
    },
}
