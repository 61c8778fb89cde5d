"""The table of all codes: what each stands for, and how bad it is unless a stage says otherwise.

The first digit is the stage that speaks: 0 reading, 1 names, 2 values, 3 shapes, 4 claims and
holes, 5 input and recipe, 6 model files, 7 running, 8 training,
9 limits. A code is never used twice, and
each has its page ``docs/errors/CODE.md``, which ``cnndsl explain CODE`` prints.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cnndsl.diagnostics.model import Severity
from cnndsl.frozen import frozen

__all__ = ["CODES", "Code"]


@frozen
class Code:
    """What a code stands for."""

    title: str
    severity: Severity = Severity.ERROR


CODES: Mapping[str, Code] = MappingProxyType(
    {
        "CNN001": Code("unexpected text"),
        "CNN002": Code("unknown character"),
        "CNN003": Code("bracket or brace without its partner"),
        "CNN004": Code("unfinished statement"),
        "CNN005": Code("file cannot be read"),
        "CNN007": Code("name cannot be defined"),
        "CNN008": Code("string never closed"),
        "CNN010": Code("no such spec"),
        "CNN101": Code("unknown layer or block"),
        "CNN102": Code("unknown name in an expression"),
        "CNN103": Code("unknown stream or label"),
        "CNN104": Code("defined twice"),
        "CNN105": Code("no input"),
        "CNN106": Code("statement given twice"),
        "CNN107": Code("import not found"),
        "CNN108": Code("import cycle"),
        "CNN109": Code("import leaves the allowed folders"),
        "CNN110": Code("block calls itself"),
        "CNN111": Code("wrong number of streams"),
        "CNN112": Code("statement not allowed here"),
        "CNN113": Code("network has no layers"),
        "CNN114": Code("no such parameter"),
        "CNN115": Code("unknown quantity in `expect`"),
        "CNN120": Code("stream never used", Severity.WARNING),
        "CNN121": Code("block never used", Severity.WARNING),
        "CNN122": Code("constant or parameter never used", Severity.WARNING),
        "CNN123": Code("result of a labelled layer never used", Severity.WARNING),
        "CNN125": Code("label before a stream names only the stream", Severity.WARNING),
        "CNN126": Code("filters and kernel probably swapped", Severity.WARNING),
        "CNN127": Code("text of another language"),
        "CNN128": Code("nothing to share the weights of"),
        "CNN129": Code("shared layers differ"),
        "CNN130": Code("setting for a layer whose weights are another's"),
        "CNN131": Code("dimension that does not split into the parts"),
        "CNN132": Code("stream without such a size"),
        "CNN201": Code("unknown attribute"),
        "CNN202": Code("missing argument"),
        "CNN203": Code("surplus argument"),
        "CNN204": Code("wrong type"),
        "CNN205": Code("out of range"),
        "CNN206": Code("given twice"),
        "CNN207": Code("attribute without a value"),
        "CNN208": Code("wrong word"),
        "CNN209": Code("stream and number confused"),
        "CNN210": Code("arithmetic without a value"),
        "CNN211": Code("condition is neither yes nor no"),
        "CNN212": Code("cannot loop over this"),
        "CNN213": Code("setting without effect", Severity.WARNING),
        "CNN301": Code("size rule leaves a remainder"),
        "CNN302": Code("kernel larger than the padded input"),
        "CNN303": Code("padding as large as the pooling kernel"),
        "CNN304": Code("input channels not divisible by the groups"),
        "CNN305": Code("joined shapes differ"),
        "CNN306": Code("layer needs spatial dimensions"),
        "CNN307": Code("dense on feature maps without flatten"),
        "CNN308": Code("sizes for the wrong number of dimensions"),
        "CNN309": Code("filters not divisible by the groups"),
        "CNN310": Code("layer does not suit its input"),
        "CNN311": Code("input in the order height, width, channels", Severity.WARNING),
        "CNN312": Code("input with a batch", Severity.WARNING),
        "CNN313": Code("normalisation over a single value"),
        "CNN320": Code("part beyond the input"),
        "CNN321": Code("reshape to another number of elements"),
        "CNN322": Code("reflection larger than the input"),
        "CNN323": Code("no order of the dimensions"),
        "CNN324": Code("blocks do not tile the input"),
        "CNN330": Code("id that the vocabulary lacks"),
        "CNN331": Code("width not divisible by the heads"),
        "CNN314": Code("channels do not split into pieces"),
        "CNN340": Code("padding crops all of the output"),
        "CNN341": Code("output padding not below the stride"),
        "CNN342": Code("output padding where the size is settled"),
        "CNN401": Code("claimed shape does not hold"),
        "CNN402": Code("expectation does not hold"),
        "CNN403": Code("open hole"),
        "CNN404": Code("no value fits the hole"),
        "CNN405": Code("nothing determines the hole"),
        "CNN406": Code("hole not allowed here"),
        "CNN501": Code("unknown setting"),
        "CNN502": Code("number of classes does not match the output"),
        "CNN503": Code("setting does not fit the input"),
        "CNN504": Code("output is not trained", Severity.WARNING),
        "CNN505": Code("last layer does not suit the loss", Severity.WARNING),
        "CNN506": Code("dropout or noise behind the last layer", Severity.WARNING),
        "CNN530": Code("two losses of one output"),
        "CNN601": Code("weights do not fit the network"),
        "CNN602": Code("weights file unreadable"),
        "CNN603": Code("cannot write"),
        "CNN604": Code("not a readable model of cnndsl"),
        "CNN605": Code("opset not supported"),
        "CNN606": Code("model too large for one file"),
        "CNN607": Code("compiled model or weights damaged or changed"),
        "CNN608": Code("no raw pictures for this network"),
        "CNN609": Code("no such format of a figure"),
        "CNN630": Code("no network in the file"),
        "CNN701": Code("device not available"),
        "CNN702": Code("input file unreadable"),
        "CNN703": Code("input does not fit the network"),
        "CNN704": Code("no such layer to show"),
        "CNN705": Code("ONNX Runtime missing or broken"),
        "CNN706": Code("no inputs found"),
        "CNN707": Code("class names do not fit the output"),
        "CNN708": Code("input cannot be seen in several ways"),
        "CNN709": Code("answers of several views have no mean"),
        "CNN710": Code("models of an ensemble differ"),
        "CNN801": Code("training data not found or not understood"),
        "CNN802": Code("labels do not fit the network"),
        "CNN803": Code("broken pictures in the training data"),
        "CNN804": Code("training data changed during training"),
        "CNN805": Code("training diverged"),
        "CNN806": Code("checkpoint damaged"),
        "CNN807": Code("checkpoint of another run"),
        "CNN808": Code("nothing to train"),
        "CNN809": Code("loss does not suit the network"),
        "CNN810": Code("run's folder is taken"),
        "CNN811": Code("selftest failed"),
        "CNN812": Code("recipe override does not apply"),
        "CNN830": Code("augmentation does not suit the data"),
        "CNN840": Code("classes of one name", Severity.WARNING),
        "CNN845": Code("no labels for a head"),
        "CNN901": Code("text too large"),
        "CNN902": Code("nested too deeply"),
        "CNN903": Code("too many layers"),
        "CNN904": Code("too many steps"),
        "CNN905": Code("tensor or network too large"),
        "CNN906": Code("data too large"),
    }
)
"""Every code there is."""
