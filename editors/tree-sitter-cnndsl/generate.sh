#!/bin/sh
# Writes src/parser.c and what stands beside it from grammar.js, with the tree-sitter command line (Debian 13 has it:
# `apt install tree-sitter-cli`; else `npm install tree-sitter-cli` or `cargo install tree-sitter-cli`) and Node.js.
set -eu
cd "$(dirname "$0")"
"${TREE_SITTER:-tree-sitter}" generate --no-bindings --abi 14
sha256sum grammar.js > src/grammar.sha256
