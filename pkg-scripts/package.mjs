// Writes the npm package art2mus from what has been built: `npm pack` makes a tarball of it, and embedders
// compile nothing.
//
//   node pkg-scripts/package.mjs FOLDER

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** What can be imported. */
const DOORS = ["dist/client", "dist/element"];
/** Files that are addressed and not imported; `web/src/engine/files.ts` and `common/texts.ts` name them. */
const ASSETS = [
  "dist/engine/worker.js",
  "dist/storage/downloader.js",
  ...["wasm", "webgpu"].flatMap((device) => [`dist/${device}/art2mus.js`, `dist/${device}/art2mus_bg.wasm`]),
  "texts",
  "models/default",
  "types",
  "README.md",
];

/** The doors' modules and declarations, and all that these import. */
async function modules() {
  const found = new Set();
  const visit = async (file) => {
    if (found.has(file)) return;
    found.add(file);
    const source = await readFile(join(ROOT, "web", file), "utf8");
    const extension = file.endsWith(".d.ts") ? ".d.ts" : ".js";
    for (const [, target] of source.matchAll(/\b(?:from|import)\s*\(?"(\.[^"]+)\.js"/g)) {
      await visit(posix.join(posix.dirname(file), target) + extension);
    }
  };
  for (const door of DOORS) for (const extension of [".js", ".d.ts"]) await visit(door + extension);
  return [...found];
}

const { version, license } = JSON.parse(await readFile(join(ROOT, "web/package.json"), "utf8"));
const door = (path) => ({ types: `./${path}.d.ts`, default: `./${path}.js` });
const description = {
  name: "art2mus",
  version,
  description: "A picture becomes music in the visitor's own browser: <art-to-mus> and its client.",
  keywords: ["music", "art", "web-component", "webgpu", "wasm", "diffusion"],
  license,
  type: "module",
  sideEffects: ["./dist/element.js"],
  main: "./dist/client.js",
  types: "./dist/client.d.ts",
  exports: {
    ".": door("dist/client"),
    "./element": door("dist/element"),
    "./react": { types: "./types/react.d.ts" },
    "./models/*": "./models/*",
    "./package.json": "./package.json",
  },
};

const folder = process.argv[2];
if (folder === undefined) throw new Error("say where to write the package");
await rm(folder, { recursive: true, force: true });
const copy = async (from, to) => {
  await mkdir(dirname(join(folder, to)), { recursive: true });
  await cp(join(ROOT, from), join(folder, to), { recursive: true });
};
for (const file of [...ASSETS, ...(await modules())]) await copy(`web/${file}`, file);
for (const licence of ["LICENSE", "LICENSE-APACHE", "LICENSE-MIT"]) await copy(licence, licence);
await writeFile(join(folder, "package.json"), `${JSON.stringify(description, undefined, 2)}\n`);
