// The npm package as embedders use it: packed, installed, built with Vite and with webpack, opened in a browser; and
// the snippets of both READMEs, word for word. Uses web/package/, which `pkg-scripts/build` makes, and the tools of
// tests/embed/.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { ROOT, launch, missing } from "./harness.mjs";
import { serve } from "./server.mjs";

const run = promisify(execFile);
const TOOLS = join(ROOT, "tests/embed");
const EXAMPLES = join(ROOT, "examples/embed");
const PICTURE = join(ROOT, "web/gallery/03.jpg");
const skip = missing("web/package/package.json", "tests/embed/node_modules/vite/package.json");
/** Bytes. The model has 12 MB; the modules that a page loads before anything is pressed are counted compressed. */
const LIMITS = { tarball: 20e6, modules: 46e3 };

let work;
let tarball;
/** The package as npm installs it. */
let installed;
let browser;

/** Runs a program of tests/embed/ in `folder`; fails with what it said. */
async function tool(folder, command, ...args) {
  try {
    return (await run(command, args, { cwd: folder, env: { ...process.env, NO_COLOR: "1" } })).stdout;
  } catch ({ stdout, stderr, message }) {
    throw new Error(`${message}\n${stdout}\n${stderr}`);
  }
}

/** A folder that has the package, and the tools of tests/embed/ as if they were installed there. */
async function project(name) {
  const folder = join(work, name);
  mkdirSync(join(folder, "node_modules/@types"), { recursive: true });
  cpSync(installed, join(folder, "node_modules/art2mus"), { recursive: true });
  for (const entry of readdirSync(join(TOOLS, "node_modules"))) {
    if (entry === "@types") continue;
    symlinkSync(join(TOOLS, "node_modules", entry), join(folder, "node_modules", entry));
  }
  for (const entry of readdirSync(join(TOOLS, "node_modules/@types"))) {
    symlinkSync(join(TOOLS, "node_modules/@types", entry), join(folder, "node_modules/@types", entry));
  }
  return folder;
}

/** Opens `root` as a site of its own, lets `body` use the page, and fails on whatever the browser missed or nobody caught. */
async function visit(root, body) {
  const site = await serve({ root });
  const page = await browser.newPage();
  const faults = [];
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("response", (response) => {
    if (response.status() >= 400 && !response.url().endsWith("/favicon.ico")) faults.push(`${response.status()} ${response.url()}`);
  });
  await page.goto(site.url);
  try {
    return await body(page);
  } finally {
    await page.close();
    await site.close();
    assert.deepEqual(faults, []);
  }
}

/** The snippets of a README in this language. */
const snippets = (file, language) =>
  [...readFileSync(join(ROOT, file), "utf8").matchAll(/^```(\w+)\n(.*?)^```$/gms)].filter((match) => match[1] === language).map((match) => match[2]);

before(async () => {
  if (skip) return;
  work = mkdtempSync(join(tmpdir(), "art2mus-package-"));
  const [{ filename }] = JSON.parse(await tool(work, "npm", "pack", "--json", join(ROOT, "web/package")));
  tarball = join(work, filename);
  const first = join(work, "installed");
  mkdirSync(first);
  writeFileSync(join(first, "package.json"), '{ "private": true }');
  await tool(first, "npm", "install", "--offline", "--no-audit", "--no-fund", tarball);
  assert.deepEqual(readdirSync(join(first, "node_modules")).filter((name) => !name.startsWith(".")), ["art2mus"], "no dependencies");
  installed = join(first, "node_modules/art2mus");
  browser = await launch();
});
after(async () => {
  await browser?.close();
  if (work) rmSync(work, { recursive: true });
});

describe("the package", { skip, timeout: 600_000 }, () => {
  test("keeps its limits of size", () => {
    assert.ok(statSync(tarball).size <= LIMITS.tarball, `the tarball has ${statSync(tarball).size} bytes`);
    const files = readdirSync(installed, { recursive: true });
    assert.deepEqual(files.filter((name) => /\.(gz|br|map|ts)$/.test(name) && !name.endsWith(".d.ts")), []);
    const modules = files.filter((name) => /^dist\/.*\.js$/.test(name) && !/worker\.js|downloader\.js|wasm|webgpu/.test(name));
    const bytes = modules.reduce((sum, name) => sum + gzipSync(readFileSync(join(installed, name))).length, 0);
    assert.ok(bytes <= LIMITS.modules, `the modules have ${bytes} bytes compressed`);
  });

  test("has the version of the crate", () => {
    const { version } = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));
    assert.equal(version, /^version = "(.+)"$/m.exec(readFileSync(join(ROOT, "Cargo.toml"), "utf8"))[1]);
  });

  test("has no fault that publint or attw knows", async () => {
    const { publint } = await import(createRequire(join(TOOLS, "package.json")).resolve("publint"));
    const { messages } = await publint({ pkgDir: installed, strict: true });
    assert.deepEqual(messages, []);
    await tool(TOOLS, "node_modules/.bin/attw", tarball, "--profile", "esm-only");
  });

  test("is imported where there is no browser", async () => {
    const folder = await project("node");
    const program = 'const [a, b] = [await import("art2mus"), await import("art2mus/element")]; console.log(typeof a.create, typeof b.ArtToMus)';
    assert.equal(await tool(folder, process.execPath, "--input-type=module", "--eval", program), "function function\n");
  });

  test("has types with which the snippets of the READMEs compile", async () => {
    const folder = await project("types");
    const files = [];
    for (const readme of ["README.md", "web/README.md"]) {
      for (const [extension, language] of [["mts", "js"], ["tsx", "tsx"]]) {
        for (const [n, source] of snippets(readme, language).entries()) {
          if (!source.includes("art2mus")) continue;
          files.push(`${readme.replace(/\W/g, "-")}-${n}.${extension}`);
          writeFileSync(join(folder, files.at(-1)), source);
        }
      }
    }
    assert.deepEqual(files, ["README-md-0.mts", "web-README-md-0.mts", "web-README-md-0.tsx"]);
    writeFileSync(join(folder, "package.json"), '{ "type": "module" }');
    const options = ["--strict", "--noEmit", "--jsx", "react-jsx", "--target", "ES2022", "--lib", "ES2023,DOM", "--types", "react"];
    for (const [module, resolution] of [["ESNext", "bundler"], ["NodeNext", "NodeNext"]]) {
      await tool(folder, "node_modules/.bin/tsc", ...options, "--module", module, "--moduleResolution", resolution, ...files);
    }
    writeFileSync(join(folder, "wrong.tsx"), 'import type {} from "art2mus/react"; export const wrong = <art-to-mus device="abacus" />;');
    await assert.rejects(tool(folder, "node_modules/.bin/tsc", ...options, "--module", "ESNext", "--moduleResolution", "bundler", "wrong.tsx"), /abacus/);
  });

  /** A folder with the package as art2mus/, the model and a picture, as the READMEs ask for. */
  const site = (name) => {
    const folder = join(work, name);
    mkdirSync(folder);
    cpSync(installed, join(folder, "art2mus"), { recursive: true });
    cpSync(join(installed, "models"), join(folder, "models"), { recursive: true });
    cpSync(PICTURE, join(folder, "painting.jpg"));
    return folder;
  };
  /** Presses the element's button and waits for the music. */
  const press = async (page) => {
    const ended = page.evaluate(() => new Promise((done) => {
      document.addEventListener("art2mus-done", ({ detail }) => done({ seconds: detail.samples.length / detail.sampleRate }));
      document.addEventListener("art2mus-error", ({ detail }) => done({ message: detail.message, hint: detail.hint }));
    }));
    await page.locator("art-to-mus button").click();
    return ended;
  };

  for (const readme of ["README.md", "web/README.md"]) {
    test(`makes music with the element of ${readme}`, async () => {
      const [html, ...others] = snippets(readme, "html");
      assert.deepEqual(others, []);
      const folder = site(`element-${readme.replace(/\W/g, "-")}`);
      writeFileSync(join(folder, "index.html"), html);
      assert.deepEqual(await visit(folder, press), { seconds: 5 });
    });

    test(`makes music with the script of ${readme}`, async () => {
      const [source, ...others] = snippets(readme, "js");
      assert.deepEqual(others, []);
      const folder = site(`script-${readme.replace(/\W/g, "-")}`);
      const imports = JSON.stringify({ imports: { art2mus: "/art2mus/dist/client.js" } });
      writeFileSync(join(folder, "script.js"), `${source}\ndocument.body.dataset.seconds = samples.length / sampleRate;`);
      writeFileSync(
        join(folder, "index.html"),
        `<!doctype html><body><script type="importmap">${imports}</script><script type="module" src="script.js"></script>`,
      );
      const seconds = await visit(folder, (page) => page.locator("body[data-seconds]").getAttribute("data-seconds", { timeout: 120_000 }));
      assert.equal(Number(seconds), 5);
    });
  }

  test("makes music in the example without tools", async () => {
    const folder = site("html");
    cpSync(join(EXAMPLES, "html"), folder, { recursive: true });
    await visit(folder, async (page) => {
      assert.deepEqual(await press(page), { seconds: 5 });
      await page.locator("#said", { hasText: /^Seed 1, 5(\.\d+)? seconds\.$/ }).waitFor();
    });
  });

  test("makes music in the block for WordPress", async () => {
    const folder = site("wordpress");
    cpSync(join(EXAMPLES, "wordpress/block.html"), join(folder, "index.html"));
    mkdirSync(join(folder, "wp-content/uploads"), { recursive: true });
    for (const name of ["art2mus", "painting.jpg"]) cpSync(join(folder, name), join(folder, "wp-content/uploads", name), { recursive: true });
    rmSync(join(folder, "art2mus"), { recursive: true });
    // The length is the model's own.
    const manifest = join(ROOT, "web/models/default/manifest.json");
    const { defaults } = JSON.parse(readFileSync(manifest, "utf8"));
    const { seconds, ...others } = await visit(folder, press);
    assert.deepEqual(others, {});
    assert.ok(Math.abs(seconds - defaults.seconds) < 0.05, `${seconds} seconds`);
  });

  for (const [name, assets] of [["vite-react", "public"], ["webpack", "static"]]) {
    test(`makes music in the example that is built with ${name}`, async () => {
      const folder = await project(name);
      cpSync(join(EXAMPLES, name), folder, { recursive: true, filter: (path) => !path.includes("node_modules") });
      mkdirSync(join(folder, assets), { recursive: true });
      cpSync(PICTURE, join(folder, assets, "painting.jpg"));
      const wanted = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      for (const [dependency, version] of Object.entries({ ...wanted.dependencies, ...wanted.devDependencies })) {
        const found = JSON.parse(readFileSync(join(folder, "node_modules", dependency, "package.json"), "utf8"));
        assert.equal(found.version, version, dependency);
      }
      await tool(folder, "npm", "run", "build");
      // Nothing may be taken from where it was built.
      const [built, moved] = [join(folder, "dist"), join(work, `${name}-dist`)];
      cpSync(built, moved, { recursive: true });
      rmSync(folder, { recursive: true });
      await visit(moved, async (page) => {
        await page.getByRole("button", { name: "Make music" }).click();
        const said = page.locator("#said", { hasText: /seconds\.$/ });
        await said.waitFor({ timeout: 120_000 });
        assert.equal(await said.innerText(), "Seed 1, 5 seconds.");
      });
    });
  }
});
