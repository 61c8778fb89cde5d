"""The words of the language, each in a sentence: for hover and completion.

Which words there are is the grammar's business; a test holds this table against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["FOLLOWERS", "KEYWORDS", "OPENERS", "SIZE_FUNCTIONS"]

KEYWORDS: Mapping[str, str] = MappingProxyType(
    {
        "network": "`network NAME`: what the network is called, once in a file.",
        "input": "`input [NAME] SIZES { settings }`: channels x height x width of one sample.",
        "classes": '`classes "cat", "dog"`: the units of the main output, in order.',
        "output": "`output NAME`: a further output: a label, a stream, any layer.",
        "param": "`param NAME = VALUE`: a value that a caller can set.",
        "let": "`let NAME = VALUE`: a name for a value, known from here on.",
        "import": '`import "FILE"`: brings in the blocks of another file.',
        "rounding": "`rounding floor`: what happens to remainders of the size rule from here on.",
        "expect": "`expect QUANTITY VALUE`: a claim about the whole network, which is checked.",
        "block": "`block NAME(PARAMETERS) { … }`: a part that can be called by its name.",
        "return": "`return CHAIN, CHAIN`: what a block gives back, if not its last stream.",
        "train": "`train { … }`: the recipe: loss, optimizer, schedule and the rest.",
        "from": '`classes from "FILE"`: one name a line.',
        "stream": "`stream NAME`: a parameter of a block that is a stream.",
        "repeat": "`repeat N { … }`: N rounds, each from the result of the one before.",
        "for": "`for NAME in VALUES { … }`: a round for each value.",
        "in": "`for NAME in VALUES`",
        "if": "`if CONDITION { … } else { … }`, or `a if CONDITION else b` of values.",
        "else": "`if CONDITION { … } else { … }`",
        "not": "`not CONDITION`",
        "and": "`CONDITION and CONDITION`",
        "or": "`CONDITION or CONDITION`",
    }
)
"""Each word and what it is for."""

OPENERS: Mapping[str, str] = MappingProxyType(
    {
        "network": "network ${1:name}",
        "input": "input ${1:3x224x224}",
        "classes": 'classes "${1:cat}", "${2:dog}"',
        "output": "output ${1:label}",
        "param": "param ${1:classes} = ${2:10}",
        "let": "let ${1:name} = ${2:1}",
        "import": 'import "${1:std/residual}"',
        "rounding": "rounding ${1|floor,ceil,exact|}",
        "expect": "expect ${1:params} ${2:?}",
        "block": "block ${1:name}(${2:width}) {\n\t$0\n}",
        "return": "return ${1:stream}",
        "train": "train {\n\tloss ${1:crossentropy}\n\toptimizer ${2:sgd lr 0.1}\n\t$0\n}",
        "repeat": "repeat ${1:2} { $0 }",
        "for": "for ${1:width} in [${2:16, 32}] { $0 }",
        "if": "if ${1:condition} { $0 }",
    }
)
"""How what begins with a word is written, as a snippet."""

FOLLOWERS: Mapping[str, str] = MappingProxyType(
    {
        "and": "and ${1:condition}",
        "else": "else ${1:0}",
        "else of a choice": "else { $0 }",
        "from": 'from "${1:labels.txt}"',
        "if": "if ${1:condition} else ${2:0}",
        "if of a choice": "if ${1:condition} { $0 }",
        "in": "in [${1:16, 32}] { $0 }",
        "not": "not ${1:condition}",
        "or": "or ${1:condition}",
        "share": "share ${1:label}",
        "stream": "stream ${1:x}",
        "tokens": "tokens ${1:56} vocabulary ${2:20000}",
        "vocabulary": "vocabulary ${1:20000}",
    }
)
"""How words are written that go on with what stands before them, as snippets."""

SIZE_FUNCTIONS: Mapping[str, str] = MappingProxyType(
    {
        "channels": "the channels of a stream",
        "depth": "the depth of a stream of volumes",
        "height": "the height of a stream",
        "width": "the width of a stream",
        "length": "the length of a stream of signals",
        "size": "the list of a stream's spatial sizes",
    }
)
"""What the functions that read a size of a stream give."""
