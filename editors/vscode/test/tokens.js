// Prints how the grammar splits texts, by the tokenizer of VS Code itself: JSON, one list for each file
// named, of [offset, text, innermost scope]. What is no word and no sign of the grammar is left out.
"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { INITIAL, Registry, parseRawGrammar } = require("vscode-textmate");
const oniguruma = require("vscode-oniguruma");

async function main(files) {
  const wasm = path.join(path.dirname(require.resolve("vscode-oniguruma")), "onig.wasm");
  await oniguruma.loadWASM(fs.readFileSync(wasm).buffer);
  const grammarPath = path.join(__dirname, "..", "syntaxes", "cnn.tmLanguage.json");
  const registry = new Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (sources) => new oniguruma.OnigScanner(sources),
      createOnigString: (text) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async () => parseRawGrammar(fs.readFileSync(grammarPath, "utf8"), grammarPath),
  });
  const grammar = await registry.loadGrammar("source.cnn");
  const found = files.map((file) => {
    const tokens = [];
    let stack = INITIAL;
    let offset = 0;
    for (const line of fs.readFileSync(file, "utf8").split("\n")) {
      const result = grammar.tokenizeLine(line, stack);
      stack = result.ruleStack;
      for (const one of result.tokens) {
        if (one.scopes.length > 1) {
          const text = line.slice(one.startIndex, one.endIndex);
          tokens.push([offset + one.startIndex, text, one.scopes[one.scopes.length - 1]]);
        }
      }
      offset += line.length + 1;
    }
    return tokens;
  });
  process.stdout.write(JSON.stringify(found));
}

main(process.argv.slice(2));
