// The syntax of cnndsl for editors, after grammar/cnn.lark of the repository, which is the authority: a test holds that both
// see the same words. After a change here run `sh generate.sh`, which writes src/parser.c.
//
// src/scanner.c decides what a regular expression cannot: which line ends end a statement, and whether a minus sign stands before
// an operand (` -1`) or between two (`k-1`, `k - 1`).

const STATEMENT_WORDS = [
  'network', 'input', 'classes', 'output', 'param', 'let', 'import', 'rounding', 'expect', 'block', 'return', 'train',
];
const LABEL_WORDS = ['input', 'output', 'classes', 'block', 'stream'];

const commas = (rule) => seq(rule, repeat(seq(',', rule)));
const closed = (rule) => seq(commas(rule), optional(','));

module.exports = grammar({
  name: 'cnndsl',

  externals: ($) => [$._newline, $._negation, $._subtraction],
  extras: ($) => [/[ \t\r\f\n\uFEFF]/, $.comment],
  word: ($) => $.name,

  rules: {
    source_file: ($) => optional($._lines),

    _lines: ($) => choice(
      repeat1($._newline),
      seq(
        repeat($._newline),
        $._statement,
        repeat(seq(repeat1($._newline), $._statement)),
        repeat($._newline),
      ),
    ),

    // --- statements ---

    _statement: ($) => choice(
      $.network,
      $.input,
      $.classes,
      $.output,
      $.param,
      $.let,
      $.import,
      $.rounding,
      $.expect,
      $.block,
      $.return,
      $.train,
      $.bind,
      $.chain,
      alias($._chain_of_word, $.chain),
    ),

    network: ($) => seq('network', field('name', $.name)),
    input: ($) => seq('input', repeat1($._expression), optional($.settings)),
    classes: ($) => seq('classes', choice(commas($.string), seq('from', $.string))),
    output: ($) => seq('output', commas($.name)),
    param: ($) => seq('param', field('name', $.name), '=', $._expression),
    let: ($) => seq('let', field('name', $.name), '=', $._expression),
    import: ($) => seq('import', $.string),
    rounding: ($) => seq('rounding', field('rule', $.name)),
    expect: ($) => seq('expect', field('quantity', $.name), optional($.comparison), repeat1($._expression)),
    block: ($) => seq(
      'block',
      field('name', $.name),
      '(',
      optional(closed($.parameter)),
      ')',
      field('body', $.body),
    ),
    return: ($) => seq('return', commas($.chain)),
    train: ($) => seq('train', $.settings),
    bind: ($) => seq(commas(field('name', $.name)), '=', $.chain),

    parameter: ($) => choice(
      seq(optional('stream'), field('name', $.name)),
      seq(field('name', $.name), '=', field('default', $._expression)),
    ),

    body: ($) => seq('{', optional($._lines), '}'),

    settings: ($) => seq('{', optional($._setting_lines), '}'),
    _setting_lines: ($) => choice(
      repeat1($._newline),
      seq(
        repeat($._newline),
        $.setting,
        repeat(seq(repeat1($._newline), $.setting)),
        repeat($._newline),
      ),
    ),
    setting: ($) => seq(
      field('name', $.name),
      optional(seq(repeat1($._expression), repeat(seq('->', repeat1($._expression))))),
    ),

    // --- chains ---

    chain: ($) => seq($._link, repeat(seq('->', $._link))),
    // A statement's word is a name like any other before an arrow or a claim, and some also before a colon.
    _chain_of_word: ($) => choice(
      seq(alias($._word_as_layer, $.phrase), repeat($.claim), repeat1(seq('->', $._link))),
      seq(alias($._word_as_layer, $.phrase), repeat1($.claim)),
      seq(
        alias($._word_as_label, $.label), ':', $._element, repeat($.claim),
        repeat(seq('->', $._link)),
      ),
    ),
    _word_as_label: ($) => choice(...LABEL_WORDS.map((word) => alias(word, $.name))),
    _word_as_layer: ($) => choice(...STATEMENT_WORDS.map((word) => alias(word, $.name))),
    _link: ($) => seq(optional(seq($.label, ':')), $._element, repeat($.claim)),
    label: ($) => $.name,
    claim: ($) => prec.right(seq('=>', $._expression)),

    _element: ($) => choice($.phrase, $.if, $.repeat, $.for),
    phrase: ($) => repeat1($._expression),
    if: ($) => prec.right(seq(
      'if',
      field('condition', $._expression),
      $.body,
      optional(seq('else', choice($.body, $.if))),
    )),
    repeat: ($) => seq('repeat', field('count', $._expression), $.body),
    for: ($) => seq(
      'for',
      choice(commas(field('name', $.name)), seq('(', commas(field('name', $.name)), ')')),
      'in',
      field('values', $._expression),
      $.body,
    ),

    // --- expressions ---

    _expression: ($) => choice($.at, $._value),
    at: ($) => prec.left(1, seq($._value, '@', $._value)),
    _value: ($) => choice($.conditional, $.binary, $.unary, $._atom),
    conditional: ($) => prec.right(2, seq($._value, 'if', $._value, 'else', $._value)),
    binary: ($) => choice(
      prec.left(3, seq($._value, 'or', $._value)),
      prec.left(4, seq($._value, 'and', $._value)),
      prec.left(6, seq($._value, $.comparison, $._value)),
      prec.left(7, seq($._value, '..', $._value)),
      prec.left(8, seq($._value, choice('+', alias($._subtraction, '-')), $._value)),
      prec.left(9, seq($._value, choice('*', '/', '//', '%'), $._value)),
    ),
    unary: ($) => choice(
      prec(5, seq('not', $._value)),
      prec(10, seq(alias($._negation, '-'), $._value)),
    ),
    _atom: ($) => choice($.number, $.size, $.hole, $.string, $.name, $.call, $.list, $.group),
    call: ($) => seq(
      field('name', $.name),
      token.immediate('('),
      optional(closed($._argument)),
      ')',
      optional(seq('share', field('owner', $.name))),
    ),
    _argument: ($) => choice($.chain, $.named_argument),
    named_argument: ($) => seq(field('name', $.name), '=', $.chain),
    list: ($) => seq('[', optional(closed($._expression)), ']'),
    group: ($) => seq('(', closed($._expression), ')'),

    // --- words ---

    comparison: (_) => choice('<', '<=', '>', '>=', '==', '!='),
    name: (_) => /[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*/,
    number: (_) => /[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?/,
    size: (_) => /([0-9]+|\?)(x([0-9]+|\?))+/,
    hole: (_) => '?',
    string: (_) => /"([^"\\\n]|\\[^\n])*"/,
    comment: (_) => token(/#[^\n]*/),
  },
});
