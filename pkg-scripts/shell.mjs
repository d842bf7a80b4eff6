// Writes web/dist/offline/shell.js: the files that the page is made of, with their hashes, for its service worker.

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";

/** What is large and not for every device or visitor. */
const LAZY = /^web\/dist\/(wasm|webgpu|vendor)\//;
/** What browsers do not ask for. */
const LEFT_OUT = /\.(d\.ts|md|br|gz|LICENSE)$|\/\.|^web\/dist\/(bench-|offline\/)/;

const below = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`);

const paths = ["index.html", "manifest.webmanifest", "web/before.js", ...["styles", "texts", "gallery", "dist"].flatMap((name) => below(`web/${name}`))];
const files = paths
  .filter((path) => !LEFT_OUT.test(path))
  .sort()
  .map((path) => ({
    path,
    sha256: createHash("sha256").update(readFileSync(path)).digest("hex"),
    lazy: LAZY.test(path),
  }));
const version = createHash("sha256").update(JSON.stringify(files)).digest("hex").slice(0, 16);
writeFileSync("web/dist/offline/shell.js", `self.SHELL = ${JSON.stringify({ version, files }, null, 1)};\n`);
