// Bundles the client and packs the extension into cnndsl-VERSION.vsix: `npm run package`.
"use strict";

const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");

const here = __dirname;
const { version } = require("./package.json");
const run = (name, ...args) =>
  execFileSync(process.execPath, [path.join(here, "node_modules", name), ...args], {
    cwd: here,
    stdio: "inherit",
  });

const license = path.join(here, "LICENSE");
fs.copyFileSync(path.join(here, "..", "..", "LICENSE"), license);
try {
  require("esbuild").buildSync({
    absWorkingDir: here,
    entryPoints: ["extension.js"],
    bundle: true,
    platform: "node",
    target: "node18",
    external: ["vscode"],
    minify: true,
    outfile: "dist/extension.js",
  });
  const out = process.argv[2] ?? `cnndsl-${version}.vsix`;
  run("@vscode/vsce/vsce", "package", "--no-dependencies", "--allow-missing-repository", "--out", out);
} finally {
  fs.rmSync(license);
}
