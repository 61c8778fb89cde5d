// Line ends that end a statement, and the two minus signs.
#include "tree_sitter/parser.h"

enum Token { NEWLINE, NEGATION, SUBTRACTION };

void *tree_sitter_cnndsl_external_scanner_create(void) { return 0; }
void tree_sitter_cnndsl_external_scanner_destroy(void *state) { (void)state; }
unsigned tree_sitter_cnndsl_external_scanner_serialize(void *state, char *buffer) {
  (void)state;
  (void)buffer;
  return 0;
}
void tree_sitter_cnndsl_external_scanner_deserialize(void *state, const char *buffer, unsigned length) {
  (void)state;
  (void)buffer;
  (void)length;
}

static bool is_blank(int32_t c) { return c == ' ' || c == '\t' || c == '\r' || c == '\f'; }

static bool is_in_word(int32_t c) {
  return c == '_' || c == '.' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Whether a line that begins here goes on with the one before: with `->`, `=>` or `else`.
static bool goes_on(TSLexer *lexer) {
  if (lexer->lookahead == '-' || lexer->lookahead == '=') {
    lexer->advance(lexer, false);
    return lexer->lookahead == '>';
  }
  for (const char *word = "else"; *word; word++) {
    if (lexer->lookahead != *word) return false;
    lexer->advance(lexer, false);
  }
  return !is_in_word(lexer->lookahead);
}

static bool line_end(TSLexer *lexer) {
  lexer->advance(lexer, false);
  lexer->mark_end(lexer);
  // What follows is only looked at: blank lines and comments decide nothing.
  for (;;) {
    while (is_blank(lexer->lookahead) || lexer->lookahead == '\n') lexer->advance(lexer, false);
    if (lexer->lookahead != '#') break;
    while (lexer->lookahead != '\n' && !lexer->eof(lexer)) lexer->advance(lexer, false);
  }
  lexer->result_symbol = NEWLINE;
  return !goes_on(lexer);
}

static bool minus(TSLexer *lexer, const bool *valid, bool behind_blank) {
  lexer->advance(lexer, false);
  if (lexer->lookahead == '>') return false;
  lexer->mark_end(lexer);
  bool before_blank = is_blank(lexer->lookahead) || lexer->lookahead == '\n';
  bool negates = valid[NEGATION] && (!valid[SUBTRACTION] || (behind_blank && !before_blank));
  lexer->result_symbol = negates ? NEGATION : SUBTRACTION;
  return negates || valid[SUBTRACTION];
}

bool tree_sitter_cnndsl_external_scanner_scan(void *state, TSLexer *lexer, const bool *valid) {
  (void)state;
  bool behind_blank = false;
  while (is_blank(lexer->lookahead) || (lexer->lookahead == '\n' && !valid[NEWLINE])) {
    behind_blank = true;
    lexer->advance(lexer, true);
  }
  if (lexer->lookahead == '\n') return line_end(lexer);
  if (lexer->lookahead == '-' && (valid[NEGATION] || valid[SUBTRACTION])) return minus(lexer, valid, behind_blank);
  return false;
}
