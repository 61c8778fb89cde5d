"""What the field computes and no layer here does: said to be absent, never «corrected».

The names are those of PyTorch, Keras, ONNX, Caffe and Darknet. A name that is a layer is never
looked up here, so an entry may stay when its layer comes. Names that are near a layer's by spelling
(``elu``, ``minimum``) are other operations all the same.
"""

from __future__ import annotations

import re
from functools import cache

from cnndsl.diagnostics.words import closest, is_slip
from cnndsl.frozen import frozen

__all__ = ["Absence", "absence", "absent_names"]


@frozen
class Absence:
    """An operation that no layer computes: its name, as it is known, and what is nearest here."""

    name: str
    instead: str


_SMOOTH = "`relu`, `elu`, `silu` and others are here, which are other functions"
_LARGER = "`upsample` makes a feature map larger, and `upconv` does with kernels that learn"
_PART = "`slice` and `split` take parts of a stream, and `crop` a part of its feature maps"
_SIZES = "`reshape` and `transpose` are here, which order sizes anew"
_WHOLE = "`dropout`, `spatialdropout` and `droppath` are here, which leave out otherwise"
_NORMS = "`batchnorm`, `layernorm`, `groupnorm` and `lrn` are here, which normalise otherwise"
_SINGLE = "no layer computes this of each number alone"
_GLOBAL = "`globalavgpool`, `globalmaxpool` and `globallppool` are here: one number for a channel"
_NONE = "nothing here comes near it"
_STEPS = "no layer reads a sequence step by step"
_LOSS = "the loss stands in the recipe, as in `train { loss crossentropy }`"

_ABSENT = {
    _SMOOTH: "celu quickgelu squaredrelu concatrelu squareplus"
    " hardmish bnll crelu srelu frelu drelu rrelu randomizedrelu"
    " randomizedleakyrelu thresholdedrelu threshold thresholding softshrink hardshrink shrink",
    "`clip 0 1` is a relu that ends at 1; any two bounds can stand there": "relun relu1 clippedrelu"
    " cappedrelu",
    "`sigmoid` is here, which is another function": "logsigmoid probit",
    "`tanh` and `softsign` are here, which are other functions": "tanhshrink arctan atan arctanh"
    " sinh lisht",
    "write `gelu form tanh`": "gelutanh geluapproximate fastgelu newgelu",
    "`softmax` and `logsoftmax` are here, which are other functions": "softmin gumbelsoftmax"
    " softargmax spatialsoftmax"
    " sparsemax hardmax entmax",
    "write the activation itself, as in `conv 8@3 -> relu`": "activation act nonlinearity",
    "multiply one chain by another, as in `multiply(conv 8@1, conv 8@1 -> sigmoid)`": "glu geglu"
    " swiglu reglu gatedlinearunit",
    "`minimum( … )` is here, which takes the smallest number of each place": "min",
    "`add( … )`, `multiply( … )`, `maximum( … )`, `minimum( … )` and `concat( … )` join streams": ""
    "subtract sub minus difference divide div quotient average mean dot einsum"
    " bilinear outer stack where",
    "Caffe's Eltwise is `add( … )`, `multiply( … )` or `maximum( … )` here": "eltwise elementwise",
    "write `add( … )` or `concat( … )`": "merge",
    "write `add(identity, … )`, which adds a stream to what is made of it": "residual shortcut"
    " skip skipconnection resnetblock",
    "write its layers one below the other, or join them with `->`": "sequential modulelist",
    "the recipe stands in `train { … }`, and `cnndsl train` carries it out": "compile fit",
    "label a layer and begin a chain with its name, or join with `concat( … )`": "route",
    _SINGLE: "power pow square sqrt exp log log1p abs absval neg negative sign erf floor ceil round"
    " reciprocal sin cos shift affinegrid constant addconstant mulconstant rescaling"
    " rescale normalization",
    _WHOLE: "featurealphadropout gaussiandropout dropblock zoneout shakedrop",
    "`unpool` puts numbers back to a max pooling's places, and `upsample` copies them": "unpooling",
    "write `upsample 2 mode bilinear`, with the factor of yours": "bilinearupsample"
    " bilinearupsampling upsamplebilinear",
    "write `conv 16@3 padding 1 -> depthtospace 2`, with the numbers of yours": "subpixel"
    " subpixelconv subpixelconvolution",
    _LARGER: "upsamplingbilinear resizing resize upscale zoom",
    "`pad` is here, whose `mode` is `constant`, `reflect` or `edge`": "padding constantpad"
    " reflectionpad reflectpad replicationpad replicatepad circularpad mirrorpad",
    _PART: "cropping stridedslice select gather index take unbind unstack topk argmax argmin",
    _SIZES: "swapaxes unsqueeze squeeze expanddims expand tile repeatvector unflatten reorg",
    "`embedding` is here, which gives a vector for each token": "embeddingbag positionembedding"
    " positionalembedding onehot",
    "`excite` is here, a block of `std/residual`": "squeezeexcitation squeezeexcite seblock selayer"
    " squeezeandexcitation",
    "`basic` and `bottleneck` are blocks of `std/residual`": "bottleneck basicblock",
    "`inverteds` is a block of `std/inverted`, and `mbconvs` one of `std/mbconv`": "mbconv"
    " invertedresidual",
    "`inception` is a block of `std/inception`": "inception inceptionblock inceptionmodule",
    "`fire` is a block of `std/fire`": "fire firemodule",
    "`denseblock` and `transition` are blocks of `std/densenet`": "denseblock transitionlayer",
    "`octconv` is a block of `std/octave`": "octaveconv octconv",
    "write its branches in `concat( … )`": "aspp atrousspatialpyramidpooling ghostmodule ghostconv",
    "augmentations stand in the recipe, as in `train { augment flip }`": "randomflip randomcrop"
    " randomrotation randomerasing cutout mixup",
    _NONE: "gridsample spatialtransformer stn netvlad correlation costvolume cosinesimilarity"
    " masking positionalencoding capsule capsules cbam noisydense hashing discretization lambda"
    " silence yolo region detection priorbox",
    "`layernorm` is here, and `layernorm over channels` for last dimensions": "layernormalization",
    "`rmsnorm over channels affine no` is here, which is the same": "pixelnorm",
    _NORMS: "lcn contrastnorm contrastnormalization localcontrastnormalization divisivenorm"
    " divisivenormalization subtractivenorm switchnorm switchablenorm evonorm frn powernorm"
    " weightnorm weightnormalization spectralnorm spectralnormalization l1norm normalize mvn"
    " meanvariancenormalization localcontrastnorm contrastivenormalization ghostbatchnorm"
    " batchrenorm filterresponsenorm lpnormalization",
    "`maxpool`, `minpool`, `avgpool`, `sumpool` and `lppool` are here": "pool pooling pool2"
    " medianpool kmaxpool kmaxpooling dynamickmaxpool dynamicpool chunkmaxpool powerpool"
    " logsumexp logsumexppool lsepool maxblurpool rmspool softpool blurpool strippooling mixedpool",
    "`roipool` and `roialign` are here, which take regions as an input": "psroipool psroialign"
    " roialignrotated roi",
    "`adaptiveavgpool` and `adaptivemaxpool` are here, which give any size": "adaptivepool"
    " adaptivelppool adaptiveminpool adaptivesumpool",
    "`adaptivemaxpool` of several sizes is a pyramid, as in"
    " `concat(adaptivemaxpool 2 -> flatten, globalmaxpool)`": "spp spatialpyramidpooling"
    " pyramidpooling",
    _GLOBAL: "globalsumpool globalminpool gempool gem"
    " reducemean reducemax reducesum reduction statspool",
    "write `depthwise 3 -> conv 64@1`, with the kernel and the filters of yours": "separableconv"
    " sepconv separableconvolution depthwiseseparableconv",
    "write `conv 16@3 groups 2`, with the numbers of yours": "groupconv groupedconv"
    " groupconvolution groupedconvolution",
    "write `conv 16@3 dilation 2`, with the numbers of yours": "dilatedconv atrousconv"
    " dilatedconvolution atrousconvolution",
    "write `conv 16@1`, with the filters of yours": "pointwise pointwiseconv pointwiseconvolution",
    "`filter` is here, whose kernels the spec writes": "blur boxblur gaussianblur sobel laplacian",
    "`conv` is here, whose filters are the same everywhere": "pconv deformconv deformableconv"
    " dynamicconv condconv involution maskedconv partialconv"
    " gatedconv causalconv spectralconv lazyconv sparseconv graphconv unfold fold im2col",
    "`attention` is here, which weighs places by each other": "additiveattention nonlocal"
    " groupqueryattention transformer transformerencoder transformerdecoder"
    " transformerencoderlayer transformerdecoderlayer nonlocalblock",
    _STEPS: "lstm gru rnn bilstm bigru lstmcell grucell rnncell simplernn bidirectional"
    " timedistributed convlstm stackedrnncells",
    _LOSS: "softmaxwithloss crossentropyloss nllloss mseloss l1loss bceloss bcewithlogitsloss"
    " euclideanloss hingeloss sigmoidcrossentropyloss cost crossentropy",
}
"""What is said of operations, and their names without case, `_`, `-` and the rank (`2d`)."""


@cache
def _instead() -> dict[str, str]:
    return {name: text for text, names in _ABSENT.items() for name in names.split()}


def absent_names() -> tuple[str, ...]:
    """The names of all operations that are known to be absent, spelled plainly."""
    return tuple(_instead())


def absence(name: str) -> Absence | None:
    """What is known of an operation that is no layer; None where the name is none of the field's.

    A slip of the fingers is recognised.

    >>> absence("CELU").name, absence("LSTM").instead, absence("conv")
    ('CELU', 'no layer reads a sequence step by step', None)
    """
    plain = re.sub(r"[_-]", "", name.casefold())
    known = _instead()
    for spelled in (plain, re.sub(r"[123]d", "", plain)):
        if spelled in known:
            return Absence(name, known[spelled])
    near = closest(plain, known)
    if near and is_slip(plain, near[0]):
        return Absence(near[0], known[near[0]])
    return None
