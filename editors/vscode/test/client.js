// Starts the packed extension once, without Code: `node client.js EXTENSION FILE COMMAND...`.
//
// The module `vscode` is stood in for: what the extension and its client ask of it is recorded, all else
// is an object that takes any call. Prints what came from the server as JSON: the diagnostics of FILE, and
// for which features providers were registered.
"use strict";

const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

const [extension, file, ...command] = process.argv.slice(2);
const providers = new Set();
const messages = [];

class Position {
  constructor(line, character) {
    Object.assign(this, { line, character });
  }
}
class Range {
  constructor(start, end, line, character) {
    const [first, last] = line === undefined ? [start, end] : [new Position(start, end), new Position(line, character)];
    Object.assign(this, { start: first, end: last });
  }
}
class Uri {
  static parse(text) {
    return Object.assign(new Uri(), { text, scheme: text.split(":")[0], fsPath: decodeURIComponent(text.slice(7)) });
  }
  static file(name) {
    return Uri.parse(pathToFileURL(name).href);
  }
  toString() {
    return this.text;
  }
}
class Diagnostic {
  constructor(range, message, severity) {
    Object.assign(this, { range, message, severity });
  }
}
class EventEmitter {
  event = () => ({ dispose() {} });
  fire() {}
  dispose() {}
}
class CancellationTokenSource {
  token = { isCancellationRequested: false, onCancellationRequested: () => ({ dispose() {} }) };
  cancel() {}
  dispose() {}
}

// Whatever else is asked for: it can be called, made, and asked for more.
const anything = () =>
  new Proxy(class {}, {
    get: (target, name) => {
      if (name in target) return target[name];
      if (name === Symbol.toPrimitive) return () => 0;
      if (name === "dispose") return () => {};
      if (name === "then") return undefined;
      return (target[name] = String(name).startsWith("on") ? () => ({ dispose() {} }) : anything());
    },
    apply: () => anything(),
  });
const partly = (own) =>
  new Proxy(own, {
    get: (target, name) => {
      if (name in target) return target[name];
      if (typeof name === "symbol" || name === "then") return undefined;
      if (name.startsWith("on")) return () => ({ dispose() {} });
      return (target[name] = anything());
    },
  });

const text = fs.readFileSync(file, "utf8");
const uri = Uri.file(file);
const document = {
  uri, languageId: "cnn", version: 1, isClosed: false, fileName: file, getText: () => text,
};
const output = { append() {}, appendLine() {}, clear() {}, show() {}, hide() {}, dispose() {} };
const languages = partly({
  match: (selector, one) => [selector].flat().some((each) => each.language === one.languageId) ? 10 : 0,
  createDiagnosticCollection: () => ({
    set: (place, found) => finish(found),
    delete() {},
    clear() {},
    dispose() {},
  }),
});
const register = (name) => () => {
  providers.add(name.replace(/^register|Provider$/g, ""));
  return { dispose() {} };
};
const registering = new Proxy(languages, {
  get: (target, name) =>
    typeof name === "string" && name.startsWith("register") ? register(name) : target[name],
});
const vscode = partly({
  Position, Range, Uri, Diagnostic, EventEmitter, CancellationTokenSource,
  version: "1.99.0",
  env: partly({ language: "en", appName: "test", clipboard: {} }),
  languages: registering,
  commands: partly({ registerCommand: () => ({ dispose() {} }) }),
  window: partly({
    createOutputChannel: () => output,
    showErrorMessage: async (message) => void messages.push(message),
    tabGroups: { all: [], onDidChangeTabs: () => ({ dispose() {} }) },
    visibleTextEditors: [], activeTextEditor: undefined,
  }),
  workspace: partly({
    textDocuments: [document],
    notebookDocuments: [],
    workspaceFolders: [{ uri: Uri.file(path.dirname(file)), name: "test", index: 0 }],
    getConfiguration: () => ({ get: (name, other) => (name === "command" ? command : other) }),
    createFileSystemWatcher: () => partly({ dispose() {} }),
  }),
  extensions: partly({ all: [] }),
});
const load = Module._load;
Module._load = (name, ...rest) => (name === "vscode" ? vscode : load(name, ...rest));

let stop = async () => {};
function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
async function finish(found) {
  const said = (found ?? []).map(({ range, message, code }) => ({
    line: range.start.line, character: range.start.character, message, code: code?.value ?? code,
  }));
  process.stdout.write(JSON.stringify({ said, providers: [...providers].sort() }));
  await stop().catch(() => {});  // the stand-ins need not all be such as can be disposed of
  process.exit(0);
}

const main = require(path.resolve(extension));
stop = main.deactivate;
main.activate({ subscriptions: [], asAbsolutePath: (name) => name }).catch((error) => fail([...messages, error.message].join("\n")));
setTimeout(() => fail("nothing came from the server"), 60000).unref();
