"""The layers, one class each, one file per family; found by the word that a spec writes.

Adding a layer is adding a class to a module of this package and running ``python -m
cnndsl.registry``, or adding it to a package of one's own that names it in its ``pyproject.toml``:
``KEYWORD = "module:Class"`` under ``[project.entry-points."cnndsl.layers"]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cnndsl.registry import Registry

if TYPE_CHECKING:
    from cnndsl.layers.base import Layer

__all__ = ["FOREIGN", "FOREIGN_ATTRIBUTES", "LAYERS", "find", "is_shipped", "keywords"]

LAYERS: Registry[Layer] = Registry(
    "layer",
    "cnndsl.layers.base:Layer",
    package="cnndsl.layers",
    group="cnndsl.layers",
    code="CNN101",
)
"""The layers, by keyword: ours, and those of other packages in the group ``cnndsl.layers``."""


def find(keyword: str) -> type[Layer] | None:
    """The layer of this name, or None.

    Raises:
        UserError: where another package names a layer so and it cannot be loaded.

    >>> find("conv").__name__, find("fc")
    ('Conv', None)
    """
    return LAYERS.find(keyword)


def is_shipped(keyword: str) -> bool:
    """Whether a layer of this package has the name; never looks elsewhere as :func:`find` does."""
    return LAYERS.is_shipped(keyword)


def keywords() -> tuple[str, ...]:
    """All layers' names, sorted."""
    return LAYERS.keywords()


_OTHER_NAMES = {
    "conv": "convolution Convolution Conv conv1d conv2d conv3d Conv1d Conv2d Conv3d Conv1D Conv2D"
    " Conv3D convolution2d Convolution2D conv_2d convolutional SpatialConvolution",
    "depthwise": "depthwise_conv depthwise_conv2d depthwiseconv dwconv DepthwiseConv2D"
    " DepthwiseConv2d depthwise_conv_2d ConvolutionDepthwise",
    "upconv": "deconv Deconv deconvolution Deconvolution deconvolutional convtranspose"
    " ConvTranspose convtranspose1d convtranspose2d convtranspose3d ConvTranspose1d ConvTranspose2d"
    " ConvTranspose3d conv_transpose conv_transpose1d conv_transpose2d conv_transpose3d"
    " conv1d_transpose conv2d_transpose conv3d_transpose Conv1DTranspose Conv2DTranspose"
    " Conv3DTranspose Convolution2DTranspose transposed_conv transpose_conv transposedconv"
    " transposeconv transposed_convolution upconvolution up_conv UpConv SpatialFullConvolution",
    "maxpool": "max_pool max_pooling maxpooling MaxPool maxpool1d maxpool2d"
    " maxpool3d MaxPool1d MaxPool2d MaxPool3d MaxPool1D MaxPool2D MaxPool3D MaxPooling1D"
    " TemporalMaxPooling SpatialMaxPooling VolumetricMaxPooling"
    " MaxPooling2D MaxPooling3D max_pool1d max_pool2d max_pool3d max_pool_2d",
    "avgpool": "avg_pool average_pool averagepool meanpool mean_pool AvgPool AveragePool avgpool1d"
    " avgpool2d avgpool3d AvgPool1d AvgPool2d AvgPool3d AvgPool2D AveragePooling1D"
    " SpatialAveragePooling"
    " AveragePooling2D AveragePooling3D avg_pool1d avg_pool2d avg_pool3d average_pooling",
    "sumpool": "sum_pool sum_pooling sumpooling SumPool SumPool2d",
    "minpool": "min_pool min_pooling minpooling MinPool MinPool2d MinPooling2D",
    "lppool": "lp_pool LpPool LPPool LPPool1d LPPool2d LPPool3d lp_pool1d lp_pool2d lp_pool3d"
    " lpnormpool lp_norm_pool",
    "globallppool": "GlobalLpPool GlobalLPPool global_lp_pool",
    "adaptiveavgpool": "AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d adaptive_avg_pool"
    " adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptiveaveragepool"
    " AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D",
    "adaptivemaxpool": "AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d adaptive_max_pool"
    " adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d AdaptiveMaxPooling1D"
    " AdaptiveMaxPooling2D AdaptiveMaxPooling3D",
    "maxtime": "max_time maxovertime max_over_time max_over_time_pool",
    "subsample": "subsampling trainable_subsampling",
    "stochasticpool": "stochastic_pool stochastic_pooling StochasticPooling StochasticPool2d",
    "fractionalmaxpool": "FractionalMaxPool2d FractionalMaxPool3d fractional_max_pool2d"
    " fractional_max_pool3d fractional_max_pool",
    "roipool": "roi_pool RoIPool ROIPool MaxRoiPool maxroipool ROIPooling roi_pooling RoIPooling",
    "roialign": "roi_align RoIAlign RoiAlign ROIAlign",
    "globalavgpool": "gap GAP global_avg_pool global_average_pool globalaveragepool"
    " global_average_pooling GlobalAveragePool GlobalAvgPool GlobalAveragePooling1D"
    " GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D"
    " GlobalAvgPool3D",
    "globalmaxpool": "gmp GMP global_max_pool global_max_pooling GlobalMaxPool GlobalMaxPooling1D"
    " GlobalMaxPooling2D GlobalMaxPooling3D",
    "flatten": "Flatten flat ravel",
    "dense": "fc FC fully_connected fullyconnected FullyConnected connected linear Linear"
    " Dense InnerProduct inner_product innerproduct affine Gemm ip",
    "localconv": "locally_connected locallyconnected LocallyConnected LocallyConnected1D"
    " LocallyConnected2D LocallyConnected3D local_conv LocalConv local",
    "attention": "MultiheadAttention MultiHeadAttention multihead_attention multi_head_attention"
    " mha MHA self_attention SelfAttention selfattention",
    "rbf": "RBF rbf_layer RBFLayer RadialBasis radial_basis EuclideanRBF",
    "matmul": "MatMul Matmul mat_mul bmm batch_matmul BatchMatMul batchmatmul matmult",
    "embedding": "Embedding Embed embed embedding_lookup lookup_table LookupTable word_embedding",
    "dropout": "Dropout drop",
    "spatialdropout": "spatial_dropout SpatialDropout SpatialDropout1D SpatialDropout2D"
    " SpatialDropout3D dropout1d dropout2d dropout3d Dropout1d Dropout2d Dropout3d channeldropout"
    " featuredropout spatialdropout1d spatialdropout2d spatialdropout3d",
    "alphadropout": "AlphaDropout alpha_dropout",
    "droppath": "DropPath drop_path stochasticdepth StochasticDepth stochastic_depth",
    "dropconnect": "DropConnect drop_connect",
    "noise": "GaussianNoise gaussian_noise",
    "relu": "ReLU ReLu Relu RELU rectify rectifier",
    "leakyrelu": "leaky_relu LeakyReLU LeakyRelu leaky lrelu leakyReLU",
    "prelu": "PReLU PRelu p_relu parametric_relu parametricrelu ParametricReLU",
    "relu6": "ReLU6 Relu6 relu_6 RELU6",
    "clip": "Clip clamp Clamp clip_by_value clipbyvalue",
    "elu": "ELU Elu",
    "selu": "SELU Selu",
    "gelu": "GELU Gelu GeLU",
    "silu": "SiLU Silu swish Swish",
    "mish": "Mish MISH",
    "softplus": "Softplus SoftPlus soft_plus",
    "softsign": "Softsign SoftSign soft_sign",
    "hardsigmoid": "Hardsigmoid HardSigmoid hard_sigmoid hsigmoid h_sigmoid",
    "hardswish": "Hardswish HardSwish hard_swish hswish h_swish hardsilu",
    "hardtanh": "Hardtanh HardTanh hard_tanh htanh",
    "tanh": "Tanh TanH tanH hyperbolic_tangent",
    "scaledtanh": "scaled_tanh ScaledTanh lecun_tanh lecuntanh",
    "sigmoid": "Sigmoid logistic sigm",
    "softmax": "Softmax Softmax2d SoftMax softMax",
    "logsoftmax": "LogSoftmax LogSoftMax log_softmax logSoftmax",
    "batchnorm": "bn BN batch_norm batchnorm1d batchnorm2d batchnorm3d BatchNorm BatchNorm1d"
    " BatchNorm2d BatchNorm3d BatchNormalization batchnormalization batch_normalization"
    " batch_norm2d",
    "lrn": "LRN local_response_norm LocalResponseNorm local_response_normalization"
    " LocalResponseNormalization localresponsenorm",
    "layernorm": "layer_norm ln LN LayerNorm",
    "groupnorm": "group_norm gn GN GroupNorm GroupNormalization groupnormalization"
    " group_normalization",
    "instancenorm": "InstanceNorm InstanceNorm1d InstanceNorm2d InstanceNorm3d instance_norm"
    " InstanceNormalization instancenormalization instance_normalization",
    "rmsnorm": "rms_norm RMSNorm RMSNormalization rmsnormalization",
    "l2norm": "l2_norm L2Norm l2normalize L2Normalize l2_normalize UnitNormalization",
    "pad": "Pad pad1d pad2d pad3d zeropad ZeroPad ZeroPadding zero_pad zero_padding zeropad1d"
    " zeropad2d zeropad3d"
    " ZeroPad1d ZeroPad2d ZeroPad3d ZeroPadding1D ZeroPadding2D ZeroPadding3D zero_padding2d",
    "crop": "Crop CenterCrop center_crop centercrop",
    "slice": "Slice narrow",
    "split": "Split chunk",
    "unpool": "maxunpool max_unpool MaxUnpool MaxUnpool1d MaxUnpool2d MaxUnpool3d maxunpool1d"
    " maxunpool2d maxunpool3d max_unpool1d max_unpool2d max_unpool3d maxunpooling",
    "reshape": "Reshape view View",
    "transpose": "Transpose permute Permute",
    "upsample": "Upsample UpSampling1D UpSampling2D UpSampling3D upsampling upsampling2d"
    " up_sampling2d interpolate Interpolate UpsamplingNearest2d",
    "channelshuffle": "ChannelShuffle channel_shuffle ShuffleChannel shuffle_channels"
    " shufflechannels",
    "depthtospace": "DepthToSpace depth_to_space PixelShuffle pixel_shuffle pixelshuffle",
    "spacetodepth": "SpaceToDepth space_to_depth PixelUnshuffle pixel_unshuffle pixelunshuffle",
    "identity": "Identity noop no_op pass_through",
    "add": "Add sum Sum plus",
    "multiply": "mul Mul Multiply product times prod",
    "maximum": "Maximum Max",
    "minimum": "Minimum Min",
    "maxout": "Maxout MaxOut max_out",
    "scale": "Scale",
    "concat": "cat Concat concatenate Concatenate depth_concat DepthConcat",
}

_AS_SPELLED = {name: ours for ours, names in _OTHER_NAMES.items() for name in names.split()}
_SHORT = 3
"""Names of no more letters are other words in small letters: `Max` is, but `max` may be a slip."""

FOREIGN = {
    **{
        name.lower(): ours
        for name, ours in _AS_SPELLED.items()
        if len(name) > _SHORT and name.lower() not in _OTHER_NAMES
    },
    **_AS_SPELLED,
}
"""Names that other tools use, and ours: for «in cnndsl it is called», not aliases.

Any name may be in small letters: `globalaveragepooling2d`.
"""

_OTHER_ATTRIBUTES = {
    "kernel": "kernel_size kernel_shape ksize pool_size filter_size window",
    "filters": "out_channels channels num_filters",
    "units": "out_features",
    "padding": "pads pad border_mode",
    "output_padding": "output_pad out_pad outpad adj",
    "dilation": "dilation_rate dilate rate",
    "groups": "num_groups",
    "bias": "use_bias bias_term",
    "rate": "p drop_prob dropout_ratio prob",
    "eps": "epsilon",
    "slope": "negative_slope alpha",
    "affine": "elementwise_affine",
    "factor": "scale_factor",
    "block": "upscale_factor downscale_factor block_size blocksize",
    "multiplier": "depth_multiplier",
    "count_padding": "count_include_pad",
    "table": "connections connection_table connectivity",
    "start": "init initial initial_value",
    "lr": "learning_rate base_lr initial_lr eta",
    "smoothing": "label_smoothing label_smooth",
    "every": "step_size stepsize",
    "at": "milestones",
    "warmup": "warmup_epochs warm_up num_warmup_epochs",
    "min_lr": "eta_min",
}

FOREIGN_ATTRIBUTES = {
    name: ours for ours, names in _OTHER_ATTRIBUTES.items() for name in names.split()
}
"""Names that other tools use for attributes, and ours."""
