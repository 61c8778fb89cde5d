// Starts `cnndsl lsp` for texts of the language `cnn`; all that is known of a text comes from there.
"use strict";

const vscode = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

/** @type {LanguageClient | undefined} */
let client;

function makeClient() {
  const words = vscode.workspace.getConfiguration("cnndsl").get("command");
  const [command, ...args] = Array.isArray(words) && words.length ? words : ["cnndsl", "lsp"];
  return new LanguageClient(
    "cnndsl",
    "cnndsl",
    { command, args, transport: TransportKind.stdio },
    {
      documentSelector: [{ language: "cnn" }],
      synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/*.cnn") },
    },
  );
}

async function start() {
  client = makeClient();
  try {
    await client.start();
  } catch (error) {
    const command = vscode.workspace.getConfiguration("cnndsl").get("command");
    const shown = (Array.isArray(command) ? command : ["cnndsl", "lsp"]).join(" ");
    vscode.window.showErrorMessage(
      `cnndsl: \`${shown}\` does not start. Install it by pip install "cnndsl[lsp]", or name ` +
        "the command in the setting cnndsl.command.",
    );
    client = undefined;
    throw error;
  }
}

async function stop() {
  const running = client;
  client = undefined;
  if (running && running.needsStop()) {
    await running.stop();
  }
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("cnndsl.restart", async () => {
      await stop();
      await start();
    }),
    vscode.workspace.onDidChangeConfiguration(async (change) => {
      if (change.affectsConfiguration("cnndsl.command")) {
        await stop();
        await start();
      }
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
