; Written by `python -m cnndsl.highlighting`: the words are those of the layers and settings.
; Of several that match, the last counts. Names without a meaning of their own have no colour.

["and" "in" "not" "or"] @keyword.operator
["block" "classes" "else" "expect" "for" "from" "if" "import" "input" "let" "network" "output" "param" "repeat" "return" "rounding" "stream" "train"] @keyword

(comment) @comment
(string) @string
[(number) (size) (hole)] @number
["->" "=>" "@" "=" "+" "-" "*" "/" "//" "%" ".." (comparison)] @operator
["," ":"] @punctuation.delimiter
["(" ")" "[" "]" "{" "}"] @punctuation.bracket

(network name: (name) @type)
(block name: (name) @function)
(param name: (name) @constant)
(let name: (name) @constant)
(parameter name: (name) @variable.parameter)
(label (name) @label)
(bind name: (name) @variable)
(named_argument name: (name) @property)
(expect quantity: (name) @property)
(rounding rule: (name) @constant)
(call name: (name) @function)
(setting name: (name) @property)

(phrase . (name) @type
  (#any-of? @type "adaptiveavgpool" "adaptivemaxpool" "add" "alphadropout" "attention" "avgpool" "batchnorm" "bias" "channelshuffle" "clip" "concat" "conv" "crop" "dense" "depthtospace" "depthwise" "dropconnect" "dropout" "droppath" "elu" "embedding" "filter" "flatten" "fractionalmaxpool" "gelu" "globalavgpool" "globallppool" "globalmaxpool" "groupnorm" "hardsigmoid" "hardswish" "hardtanh" "identity" "instancenorm" "l2norm" "layernorm" "leakyrelu" "localconv" "logsoftmax" "lppool" "lrn" "matmul" "maximum" "maxout" "maxpool" "maxtime" "minimum" "minpool" "mish" "multiply" "noise" "pad" "prelu" "rbf" "relu" "relu6" "reshape" "rmsnorm" "roialign" "roipool" "scale" "scaledtanh" "selu" "sigmoid" "silu" "slice" "softmax" "softplus" "softsign" "spacetodepth" "spatialdropout" "split" "stochasticpool" "subsample" "sumpool" "tanh" "transpose" "unpool" "upconv" "upsample"))

(call name: (name) @type
  (#any-of? @type "adaptiveavgpool" "adaptivemaxpool" "add" "alphadropout" "attention" "avgpool" "batchnorm" "bias" "channelshuffle" "clip" "concat" "conv" "crop" "dense" "depthtospace" "depthwise" "dropconnect" "dropout" "droppath" "elu" "embedding" "filter" "flatten" "fractionalmaxpool" "gelu" "globalavgpool" "globallppool" "globalmaxpool" "groupnorm" "hardsigmoid" "hardswish" "hardtanh" "identity" "instancenorm" "l2norm" "layernorm" "leakyrelu" "localconv" "logsoftmax" "lppool" "lrn" "matmul" "maximum" "maxout" "maxpool" "maxtime" "minimum" "minpool" "mish" "multiply" "noise" "pad" "prelu" "rbf" "relu" "relu6" "reshape" "rmsnorm" "roialign" "roipool" "scale" "scaledtanh" "selu" "sigmoid" "silu" "slice" "softmax" "softplus" "softsign" "spacetodepth" "spatialdropout" "split" "stochasticpool" "subsample" "sumpool" "tanh" "transpose" "unpool" "upconv" "upsample"))

(call name: (name) @function.builtin
  (#any-of? @function.builtin "channels" "depth" "height" "length" "max" "min" "size" "width"))

((name) @constant.builtin
  (#any-of? @constant.builtin "0..15" "across" "bfloat16" "bgr" "bicubic" "bilinear" "both" "ceil" "constant" "crd" "crop" "dcr" "depth" "edge" "exact" "fixed" "float16" "float32" "floor" "full" "glorot" "gray" "he" "height" "horizontal" "image" "lecun" "length" "moved" "nearest" "no" "normal" "pad" "reflect" "resize" "rgb" "same" "signal" "tanh" "tokens" "uniform" "valid" "vertical" "within" "yes"))

(phrase (_) (name) @property
  (#any-of? @property "affine" "align_corners" "aligned" "all" "alpha" "at" "augment" "axis" "background" "batch" "beta" "beta1" "beta2" "bias" "bias_init" "channels" "clip" "codes" "count_padding" "delta" "dilation" "early_stop" "epochs" "eps" "every" "factor" "fit" "form" "freeze" "from" "gamma" "groups" "init" "invert" "k" "keep" "kernel" "label" "labels" "layout" "loss" "lr" "lr_factor" "margin" "max_norm" "mean" "min_lr" "mode" "momentum" "multiplier" "negate" "nesterov" "offset" "optimizer" "order" "output_padding" "over" "p" "padding" "padding_id" "patience" "power" "precision" "probability" "range" "rate" "region" "resample" "rho" "rounding" "samples" "scale" "schedule" "seed" "shards" "share" "shared" "size" "smoothing" "start" "std" "step" "stride" "table" "value" "vocabulary" "warmup" "warmup_lr" "weight_decay" "width"))

(setting (_) (_) (name) @property
  (#any-of? @property "affine" "align_corners" "aligned" "all" "alpha" "at" "augment" "axis" "background" "batch" "beta" "beta1" "beta2" "bias" "bias_init" "channels" "clip" "codes" "count_padding" "delta" "dilation" "early_stop" "epochs" "eps" "every" "factor" "fit" "form" "freeze" "from" "gamma" "groups" "init" "invert" "k" "keep" "kernel" "label" "labels" "layout" "loss" "lr" "lr_factor" "margin" "max_norm" "mean" "min_lr" "mode" "momentum" "multiplier" "negate" "nesterov" "offset" "optimizer" "order" "output_padding" "over" "p" "padding" "padding_id" "patience" "power" "precision" "probability" "range" "rate" "region" "resample" "rho" "rounding" "samples" "scale" "schedule" "seed" "shards" "share" "shared" "size" "smoothing" "start" "std" "step" "stride" "table" "value" "vocabulary" "warmup" "warmup_lr" "weight_decay" "width"))

(setting name: (name) . (name) @type
  (#any-of? @type "adadelta" "adagrad" "adam" "adamw" "binarycrossentropy" "constant" "cosine" "crop" "crossentropy" "cutout" "exponential" "flip" "hinge" "huber" "inverse" "mae" "mse" "multistep" "noise" "plateau" "polynomial" "rmsprop" "rotate" "sgd" "shift" "step"))

(setting "->" . (name) @type
  (#any-of? @type "adadelta" "adagrad" "adam" "adamw" "binarycrossentropy" "constant" "cosine" "crop" "crossentropy" "cutout" "exponential" "flip" "hinge" "huber" "inverse" "mae" "mse" "multistep" "noise" "plateau" "polynomial" "rmsprop" "rotate" "sgd" "shift" "step"))
