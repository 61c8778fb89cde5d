"""What people get wrong, each with its one diagnostic: the code, the place, the message, the fix.

A case underlines its place with `«»`; ``mended`` is the text after the fix, where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from trees import read, read_right

from cnndsl.diagnostics.edit import apply_edits


@dataclass(frozen=True)
class Case:
    """A text with a mistake in it, and what is said of it."""

    text: str
    code: str
    message: str
    mended: str = ""
    safe: bool = True


SPELLING = [
    Case(
        "relu => «6 x 28 x 28»",
        "CNN001",
        "the size `6 x 28 x 28` is not one word with a small `x` between its numbers",
        "relu => 6x28x28",
    ),
    Case(
        "relu => «6X28X28»",
        "CNN001",
        "the size `6X28X28` is not one word with a small `x` between its numbers",
        "relu => 6x28x28",
    ),
    Case(
        "relu => «6×28×28»",
        "CNN001",
        "the size `6×28×28` is not one word with a small `x` between its numbers",
        "relu => 6x28x28",
    ),
    Case("conv «3xk»", "CNN001", "the size `3xk` mixes numbers and names"),
    Case("conv «1k»", "CNN001", "`1k` is neither a number nor a size nor a name"),
    Case(
        "expect params «61_706»",
        "CNN001",
        "the number `61_706` has `_` between its digits",
        "expect params 61706",
    ),
    Case("noise «.5»", "CNN001", "`.5` lacks a digit beside its decimal point", "noise 0.5"),
    Case("noise «5.»", "CNN001", "`5.` lacks a digit beside its decimal point", "noise 5.0"),
    Case("conv «1e999»", "CNN210", "the number `1e999` is too large to compute with"),
    Case("conv «größe»", "CNN002", "the name `größe` has letters other than `a` to `z`"),
    Case("relu «→» tanh", "CNN002", "`→` is not a sign of the language; `->` is", "relu -> tanh"),
    Case("relu «⇒» 3", "CNN002", "`⇒` is not a sign of the language; `=>` is", "relu => 3"),
    Case("let k = 3 «−» 1", "CNN002", "`−` is not a sign of the language; `-` is"),
    Case("if a «&&» b { relu }", "CNN002", "`&&` is not a sign of the language; `and` is"),
    Case(
        "classes «'cat'»",
        "CNN002",
        "text stands between double quotes, not between `'`",
        'classes "cat"',
    ),
    Case(
        "import «“a.cnn”»",
        "CNN002",
        "text stands between double quotes, not between `“`",
        'import "a.cnn"',
    ),
    Case('import «"a.cnn»', "CNN008", 'the string `"a.cnn` is never closed on its line'),
    Case("relu«;»", "CNN002", "statements end with their line, not with `;`", "relu"),
    Case("relu«;» tanh", "CNN002", "statements end with their line, not with `;`", "relu\n tanh"),
    Case("relu «$»", "CNN002", "`$` has no meaning here"),
    Case("relu «\x07»", "CNN002", "U+0007 has no meaning here"),
    Case(
        "relu«\u00a0»-> tanh",
        "CNN002",
        "the white space U+00A0 is neither a space nor a tab",
        "relu -> tanh",
    ),
    Case("conv «\\\n»  3", "CNN002", "`\\` does not continue a line"),
    Case('«//» it\'s "one"', "CNN001", "a comment begins with `#`, not with `//`", '# it\'s "one"'),
    Case("conv 3 «//» one, two", "CNN001", "a comment begins with `#`, not with `//`"),
    Case("conv 3 bias «true»", "CNN208", "the word for `true` is `yes`", "conv 3 bias yes"),
    Case("conv 3 bias «False»", "CNN208", "the word for `False` is `no`", "conv 3 bias no"),
    Case("relu«\0»", "CNN005", "the file holds a NUL byte, so it is not a text"),
]

CHAINS = [
    Case("f(64) «relu»", "CNN001", "there is no `->` before `relu`", "f(64) -> relu"),
    Case(
        "repeat 3 { relu } «tanh»",
        "CNN001",
        "there is no `->` before `tanh`",
        "repeat 3 { relu } -> tanh",
    ),
    Case("conv 6 «S2»: pool 2", "CNN001", "there is no `->` before `S2`", "conv 6 -> S2: pool 2"),
    Case(
        "relu => 3x3 «tanh»",
        "CNN001",
        "there is no `->` before `tanh`",
        "relu => 3x3 -> tanh",
    ),
    Case("relu «if» x { tanh }", "CNN001", "there is no `->` before `if`", "relu -> if x { tanh }"),
    Case("relu «->»", "CNN004", "the chain ends in `->`", "relu", safe=False),
    Case("relu «->»\n\ntrain { }", "CNN004", "the chain ends in `->`", "relu \n\ntrain { }", False),
    Case("f(relu «->»)", "CNN004", "the chain ends in `->`", "f(relu )", safe=False),
    Case("«->» relu", "CNN001", "nothing stands before `->`"),
    Case("relu -> «->» tanh", "CNN001", "`->` and `->` stand side by side", "relu ->  tanh", False),
    Case("x = relu -> «3»", "CNN001", "`3` stands where a layer should"),
    Case("«3 + 4»", "CNN001", "`3 + 4` stands where a layer should"),
    Case("conv 3@3«,» relu", "CNN001", "`,` joins neither layers nor attributes"),
    Case(
        "conv 6 «=» 6x28x28",
        "CNN001",
        "a claim is written with `=>`, not with `=`",
        "conv 6 => 6x28x28",
    ),
    Case(
        "relu «=» 6x28x28",
        "CNN001",
        "the claim `6x28x28` is written with `=`, not with `=>`",
        "relu => 6x28x28",
        safe=False,
    ),
    Case("relu «=>»", "CNN004", "a size is missing behind `=>`"),
    Case("input 3x2x2 «->» relu", "CNN001", "`input` begins no chain", "input 3x2x2\nrelu"),
]

VALUES = [
    Case("k = «32»", "CNN001", "`32` is a value, and `k =` names a stream", "let k = 32"),
    Case("let k«:» 32", "CNN001", "`k` is given its value with `:`, not with `=`", "let k = 32"),
    Case("let k «32»", "CNN001", "there is no `=` before `32`", "let k = 32"),
    Case("let k = conv «3» -> relu", "CNN001", "`let` takes one value, and `3` follows it"),
    Case("let k «=»", "CNN004", "a value is missing behind `=`"),
    Case("let k = 1 «+»\nrelu", "CNN004", "a value is missing behind `+`"),
    Case(
        "let «a.b» = 3",
        "CNN007",
        "the dotted name `a.b` can be used but not defined",
        "let a_b = 3",
    ),
    Case("let «if» = 3", "CNN007", "`if` is a word of the language and cannot be a name"),
    Case("«repeat»: conv 3", "CNN007", "`repeat` is a word of the language and cannot be a name"),
    Case("conv 3 stride«=»2", "CNN001", "`stride` takes its value without `=`", "conv 3 stride 2"),
    Case("conv 3 stride«:» 2", "CNN001", "`stride` takes its value without `:`", "conv 3 stride 2"),
    Case(
        "train {\n  loss«:» mse\n}",
        "CNN001",
        "`loss` takes its value without `:`",
        "train {\n  loss mse\n}",
    ),
    Case("f(64 k «=» , stride = 2)", "CNN001", "`k` takes its value without `=`"),
    Case(
        "rounding «=» floor", "CNN001", "`rounding` takes its value without `=`", "rounding floor"
    ),
    Case("network«:» lenet5", "CNN001", "`network` takes its value without `:`", "network lenet5"),
    Case("input«:» 1x32x32", "CNN001", "`input` takes its value without `:`", "input 1x32x32"),
    Case(
        "f(64, «stride: 2»)",
        "CNN001",
        "the argument `stride` is given with `:`, not with `=`",
        "f(64, stride = 2)",
    ),
    Case(
        "expect params «60,965,224»",
        "CNN001",
        "the number `60,965,224` has commas between its digits",
        "expect params 60965224",
    ),
    Case(
        "classes «=» 1000",
        "CNN001",
        "`classes` takes the names of the classes",
        "param classes = 1000",
        safe=False,
    ),
    Case(
        "classes «cat», dog",
        "CNN001",
        "`cat` stands in no quotes, and a text is needed",
        'classes "cat", "dog"',
        safe=False,
    ),
    Case("conv 3 stride 1 «if» first", "CNN004", "a value with `if` needs an `else`"),
    Case("if a < b «<» c { relu }", "CNN001", "comparisons do not chain"),
    Case("conv 3@3«@»3", "CNN001", "a second `@` stands here"),
    Case("conv 3«**»2", "CNN001", "there is no power `**`"),
    Case("conv «()»", "CNN001", "nothing stands in these parentheses"),
]

BODIES = [
    Case("repeat 3«:» relu", "CNN001", "a body begins with `{`, not with `:`"),
    Case("if a «=» 1 { relu }", "CNN001", "`=` does not compare; `==` does", "if a == 1 { relu }"),
    Case("«else» { relu }", "CNN001", "this `else` has no `if` before it"),
    Case("«for» i in 1..3", "CNN004", "`for` has no body in braces"),
    Case(
        "for i «=» 1..3 { relu }",
        "CNN001",
        "`for` takes its values with `in`, not with `=`",
        "for i in 1..3 { relu }",
    ),
    Case(
        "block «f» { relu }",
        "CNN001",
        "the block `f` has no parentheses for its parameters",
        "block f() { relu }",
    ),
    Case("network a «{»\n  relu\n}", "CNN001", "a network's layers stand in no braces"),
    Case("block f(a «b») { relu }", "CNN001", "`b` cannot stand here, but `)`, `=` or `,` can"),
]

BRACKETS = [
    Case("conv «(»6 -> relu\ntanh", "CNN003", "this `(` is never closed"),
    Case("add«(»relu, tanh\ndense 10", "CNN003", "this `(` is never closed"),
    Case("f(«[»1, 2)\nrelu", "CNN003", "this `[` is never closed"),
    Case("block a() «{»\n  relu\nblock b() {\n  tanh\n}", "CNN003", "this `{` is never closed"),
    Case("block a() {\n  repeat 3 «{»\n    relu\n}\ntanh", "CNN003", "this `{` is never closed"),
    Case("add(\n  conv «(»3,\n  relu\n)\ntanh", "CNN003", "this `(` is never closed"),
    Case("relu «}»\ntanh", "CNN003", "this `}` closes nothing", "relu \ntanh", safe=False),
    Case("relu «)»\ntanh", "CNN003", "this `)` closes nothing", "relu \ntanh", safe=False),
    Case("f(1«]»\nrelu", "CNN003", "`]` closes a `(`", "f(1)\nrelu", safe=False),
]

UNFINISHED = [
    Case("«network»", "CNN004", "`network` is not finished: a name is missing"),
    Case("«input»", "CNN004", "`input` is not finished: a value is missing"),
    Case("«expect params»", "CNN004", "`expect params` is not finished: a value is missing"),
    Case("«param x»", "CNN004", "`param x` is not finished: `=` is missing"),
    Case("return a«,»", "CNN004", "nothing follows this `,`"),
    Case("output a «b»", "CNN001", "`b` cannot stand here, but `,` or the end of the line can"),
]

CASES = [*SPELLING, *CHAINS, *VALUES, *BODIES, *BRACKETS, *UNFINISHED]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.text)
def test_a_mistake_has_one_diagnostic_at_its_place(case: Case) -> None:
    start, end = case.text.index("«"), case.text.index("»") - 1
    text = case.text.replace("«", "").replace("»", "")
    _, diagnostics = read(text)
    found = [(d.code, d.message, d.span.start, d.span.end) for d in diagnostics]
    assert found == [(case.code, case.message, start, end)]
    assert diagnostics[0].help


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.text)
def test_a_fix_mends_it(case: Case) -> None:
    text = case.text.replace("«", "").replace("»", "")
    (diagnostic,) = read(text)[1]
    assert bool(diagnostic.fixes) == bool(case.mended)
    for fix in diagnostic.fixes:
        assert fix.safe == case.safe
        mended = apply_edits(text, fix.edits)
        assert mended.rstrip(" ") == case.mended
        read_right(mended)
