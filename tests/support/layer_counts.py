"""What layers and stages of the shipped networks have to count: the rows of the papers' tables.

A row is a layer, or a call of a block and all that is inside, then its parameters and its MACs, `-`
where the source does not say; `?` in a name is any character. Biases are counted, and so are batch
normalisation's scale and shift. The sources are those of `network_counts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["CONNECTIONS", "LAYERS"]

_ALEXNET_HEAD = """
    fc6  37,752,832  37,748,736
    fc7  16,781,312  16,777,216
    fc8   4,097,000   4,096,000
"""
_VGG_STEM = """
    conv1.conv1    1,792     86,704,128
    conv1.conv2   36,928  1,849,688,064
    conv2.conv1   73,856    924,844,032
    conv2.conv2  147,584  1,849,688,064
    conv3.conv1  295,168    924,844,032
    conv3.conv2  590,080  1,849,688,064
    conv3.conv3  590,080  1,849,688,064
    conv4.conv1  1,180,160    924,844,032
    conv4.conv2  2,359,808  1,849,688,064
    conv4.conv3  2,359,808  1,849,688,064
"""
_VGG_LAST = """
    conv5.conv1  2,359,808  462,422,016
    conv5.conv2  2,359,808  462,422,016
    conv5.conv3  2,359,808  462,422,016
    fc1  102,764,544  102,760,448
    fc2   16,781,312   16,777,216
    fc3    4,097,000    4,096,000
"""
_CIFAR10 = """
    conv1   2,432  2,457,600
    conv2  25,632  6,553,600
    conv3  51,264  3,276,800
"""
_C3D_STEM = """
    conv1a    5,248   1,040,449,536
    conv2a  221,312  11,098,128,384
    conv3a  884,992   5,549,064,192
"""

LAYERS: Mapping[str, str] = MappingProxyType(
    {
        "lenet5": """
            C1         156  117,600
            C3       2,416  240,000
            C5      48,120   48,000
            F6      10,164   10,080
            OUTPUT     850      840
        """,
        "lenet5-1998": """
            C1         156  -
            S2          12  -
            C3       1,516  -
            S4          32  -
            C5      48,120  -
            F6      10,164  -
            OUTPUT       0  -
        """,
        "lenet-caffe": """
            conv1      520    288,000
            conv2   25,050  1,600,000
            ip1    400,500    400,000
            ip2      5,010      5,000
        """,
        "alexnet": f"""
            conv1   34,944  105,415,200
            conv2  307,456  223,948,800
            conv3  885,120  149,520,384
            conv4  663,936  112,140,288
            conv5  442,624   74,760,192
            {_ALEXNET_HEAD}
        """,
        "alexnet-ungrouped": f"""
            conv1     34,944  105,415,200
            conv2    614,656  447,897,600
            conv3    885,120  149,520,384
            conv4  1,327,488  224,280,576
            conv5    884,992  149,520,384
            {_ALEXNET_HEAD}
        """,
        "alexnet-owt": f"""
            conv1   23,296   70,276,800
            conv2  307,392  223,948,800
            conv3  663,936  112,140,288
            conv4  884,992  149,520,384
            conv5  590,080   99,680,256
            {_ALEXNET_HEAD}
        """,
        "zfnet": f"""
            conv1     14,208  170,755,200
            conv2    614,656  415,334,400
            conv3    885,120  149,520,384
            conv4  1,327,488  224,280,576
            conv5    884,992  149,520,384
            {_ALEXNET_HEAD}
        """,
        "vgg16": _VGG_STEM + _VGG_LAST,
        "vgg19": f"""
            {_VGG_STEM}
            conv3.conv4    590,080  1,849,688,064
            conv4.conv4  2,359,808  1,849,688,064
            {_VGG_LAST}
            conv5.conv4  2,359,808    462,422,016
        """,
        "fastrcnn-vgg16": f"""
            {_VGG_STEM}
            conv5.1  2,359,808  462,422,016
            conv5.2  2,359,808  462,422,016
            conv5.3  2,359,808  462,422,016
            fc6     102,764,544  102,760,448
            fc7      16,781,312   16,777,216
            dense1       86,037       86,016
            boxes       344,148      344,064
        """,
        "googlenet": """
            conv1          9,472  118,013,952
            reduce2        4,160   12,845,056
            conv2        110,784  346,816,512
            inception3a  163,696  128,049,152
            inception3b  388,736  304,267,264
            inception4a  376,176   73,608,192
            aux1       3,188,840            -
            inception4b  449,160   87,908,352
            inception4c  510,104   99,850,240
            inception4d  605,376  118,515,712
            aux2       3,190,888            -
            inception4e  868,352  169,996,288
            inception5a 1,043,456  51,079,168
            inception5b 1,444,080  70,697,984
            classifier  1,025,000   1,024,000
        """,
        "googlenet-bn": """
            conv1          9,536  -
            conv2          4,224  -
            conv3        110,976  -
            inception3a  155,872  -
            inception3b  340,224  -
            inception4a  364,512  -
            aux1       3,188,968  -
            inception4b  425,232  -
            inception4c  486,192  -
            inception4d  573,312  -
            aux2       3,191,016  -
            inception4e  803,840  -
            inception5a  978,944  -
            inception5b 1,347,040 -
            classifier  1,025,000 -
        """,
        "resnet18": """
            conv1  9,408  -
            bn1    128  -
            layer1  147,968  -
            layer2  525,568  -
            layer3  2,099,712  -
            layer4  8,393,728  -
            fc  513,000  -
        """,
        "resnet34": """
            conv1  9,408  -
            bn1    128  -
            layer1  221,952  -
            layer2  1,116,416  -
            layer3  6,822,400  -
            layer4  13,114,368  -
            fc  513,000  -
        """,
        "resnet50": """
            conv1  9,408  -
            bn1    128  -
            layer1  215,808  -
            layer2  1,219,584  -
            layer3  7,098,368  -
            layer4  14,964,736  -
            fc  2,049,000  -
        """,
        "resnet101": """
            conv1  9,408  -
            bn1    128  -
            layer1  215,808  -
            layer2  1,219,584  -
            layer3  26,090,496  -
            layer4  14,964,736  -
            fc  2,049,000  -
        """,
        "resnet152": """
            conv1  9,408  -
            bn1    128  -
            layer1  215,808  -
            layer2  2,339,840  -
            layer3  40,613,888  -
            layer4  14,964,736  -
            fc  2,049,000  -
        """,
        "densenet121": """
            conv0  9,408  -
            norm0    128  -
            block1  335,040  -
            transition1  33,280  -
            block2  919,680  -
            transition2  132,096  -
            block3  2,837,760  -
            transition3  526,336  -
            block4  2,158,080  -
            norm5  2,048  -
            classifier  1,025,000  -
        """,
        "nin": """
            conv1.conv1   14,592   14,745,600
            conv1.conv2   30,880   31,457,280
            conv1.conv3   15,456   15,728,640
            conv2.conv1  460,992  117,964,800
            conv2.conv2   37,056    9,437,184
            conv2.conv3   37,056    9,437,184
            conv3.conv1  331,968   21,233,664
            conv3.conv2   37,056    2,359,296
            conv3.conv3    1,930      122,880
        """,
        "cifar10-quick": f"""
            {_CIFAR10}
            ip1  65,600  65,536
            ip2     650     640
        """,
        "cifar10-full": f"""
            {_CIFAR10}
            ip1  10,250  10,240
        """,
        "local-13pct": """
            conv1       4,864  -
            conv2     102,464  -
            local3  1,181,696  -
            local4    591,872  -
            fc10       20,490  -
        """,
        "dqn": """
            conv1      8,224  -
            conv2     32,832  -
            conv3     36,928  -
            fc     1,606,144  -
            values     2,052  -
        """,
        "dqn-2013": """
            conv1    4,112  -
            conv2    8,224  -
            fc     663,808  -
            values   1,028  -
        """,
        "textcnn": """
            words  5,629,800  0
            conv1     90,100  -
            conv2    120,100  -
            conv3    150,100  -
            fc           602  600
        """,
        "ji3d": """
            channel?.conv1       1,480  -
            channel?.subsample1     92  -
            channel?.conv2       3,810  -
            channel?.subsample2    156  -
            C6                 289,536  -
            dense1                 384  -
        """,
        "c3d": f"""
            {_C3D_STEM}
            conv3b  1,769,728  11,098,128,384
            conv4a  3,539,456   2,774,532,096
            conv4b  7,078,400   5,549,064,192
            conv5a  7,078,400     693,633,024
            conv5b  7,078,400     693,633,024
            fc6    33,558,528      33,554,432
            fc7    16,781,312      16,777,216
            fc8     1,995,239       1,994,752
        """,
        "atomnet": """
            conv1   256,128  -
            conv2   884,992  -
            conv3  1,769,728  -
            conv4  1,769,728  -
            fc1  262,145,024  -
            fc2    1,049,600  -
            dense1     2,050  -
        """,
        "tdnn": """
            hidden1   392  -
            hidden2   123  -
            evidence    6  -
        """,
    }
)
"""By the names of the specs. Together, a spec's rows are the whole network."""

CONNECTIONS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        "lenet5-1998": {
            "C1": 122_304,
            "S2": 5_880,
            "C3": 151_600,
            "S4": 2_000,
            "C5": 48_120,
            "F6": 10_164,
            "OUTPUT": 840,
        },
        "lenet1989": {"H1 bias1": 19_968, "H2 bias2": 38_592, "H3": 5_790, "OUTPUT": 310},
        "tdnn": {"hidden1": 5_096, "hidden2": 1_107, "evidence": 30},
    }
)
"""As the papers count them: each weight and each bias once for every unit that it goes into."""
