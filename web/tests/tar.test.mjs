// Archives of bundles, against the tar of this machine. Run after the TypeScript was compiled.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { filesOf } from "../dist/storage/manifest.js";
import { filesOfTar, tarOf } from "../dist/storage/tar.js";

const folder = mkdtempSync(join(tmpdir(), "art2mus-tar-"));
after(() => rmSync(folder, { recursive: true }));

const CONTENTS = new Map([["manifest.json", Buffer.from("{}")], ["000.bin", randomBytes(1024)], ["001.bin", randomBytes(700)], ["empty.bin", Buffer.alloc(0)]]);
const named = [...CONTENTS].map(([path, bytes]) => ({ path, blob: new Blob([bytes]) }));
const bytesOf = async (files) => new Map(await Promise.all(files.map(async ({ path, blob }) => [path, Buffer.from(await blob.arrayBuffer())])));
const tar = (...args) => execFileSync("tar", args, { cwd: folder });

const source = join(folder, "source");
mkdirSync(source);
for (const [name, bytes] of CONTENTS) writeFileSync(join(source, name), bytes);

test("an archive is read back, by tar too", async () => {
  const archive = tarOf(named);
  assert.equal(archive.size % 512, 0);
  assert.deepEqual(await bytesOf(await filesOfTar(archive)), CONTENTS);
  writeFileSync(join(folder, "ours.tar"), Buffer.from(await archive.arrayBuffer()));
  assert.deepEqual(String(tar("tf", "ours.tar")).trim().split("\n"), [...CONTENTS.keys()]);
  mkdirSync(join(folder, "out"), { recursive: true });
  tar("xf", "ours.tar", "-C", "out");
  for (const [name, bytes] of CONTENTS) assert.deepEqual(readFileSync(join(folder, "out", name)), bytes);
  assert.throws(() => tarOf([{ path: "n".repeat(101), blob: new Blob([]) }]), RangeError);
});

test("what tar makes of a folder is read in each of its formats", async () => {
  for (const format of ["v7", "ustar", "gnu", "pax"]) {
    tar("cf", "theirs.tar", `--format=${format}`, "-C", "source", ".");
    const files = await filesOfTar(new Blob([readFileSync(join(folder, "theirs.tar"))]));
    assert.ok(files.every(({ path }) => path.startsWith("./")), format);
    const found = await bytesOf(files.map(({ path, blob }) => ({ path: path.slice(2), blob })));
    assert.deepEqual(new Map([...found].sort()), new Map([...CONTENTS].sort()), format);
  }
});

test("long paths are put together again, and links left out", async () => {
  const deep = `${"folder".repeat(15)}/${"inner".repeat(15)}/${"name".repeat(24)}.bin`;
  mkdirSync(join(folder, "deep", deep, ".."), { recursive: true });
  writeFileSync(join(folder, "deep", deep), "deep");
  symlinkSync("nowhere", join(folder, "deep", "link"));
  for (const format of ["gnu", "pax"]) {
    tar("cf", "deep.tar", `--format=${format}`, "-C", "deep", "link", deep.split("/")[0]);
    const files = await filesOfTar(new Blob([readFileSync(join(folder, "deep.tar"))]));
    assert.deepEqual(files.map(({ path }) => path), [deep], format);
    assert.equal(await files[0].blob.text(), "deep");
  }
  const split = `${"folder".repeat(15)}/${"name".repeat(20)}`;
  mkdirSync(join(folder, "split", split, ".."), { recursive: true });
  writeFileSync(join(folder, "split", split), "");
  tar("cf", "split.tar", "--format=ustar", "-C", "split", split.split("/")[0]);
  assert.deepEqual((await filesOfTar(new Blob([readFileSync(join(folder, "split.tar"))]))).map(({ path }) => path), [split]);
});

test("what is no archive, or not a whole one, is refused in words", async () => {
  const archive = Buffer.from(await tarOf(named).arrayBuffer());
  const refused = async (bytes, key) => assert.rejects(filesOfTar(new Blob([bytes])), { name: "Format", code: key });
  await refused(Buffer.alloc(0), "tar.none");
  await refused(randomBytes(2000), "tar.none");
  await refused(execFileSync("gzip", ["-c"], { input: archive }), "tar.compressed");
  const damaged = Buffer.from(archive);
  damaged[1024 + 3] ^= 1; // In the name of the second file's header.
  await refused(damaged, "tar.damaged");
  // At the end two empty blocks are usual, and one is enough.
  for (let length = 512; length <= archive.length - 1024; length += 100) await refused(archive.subarray(0, length), "tar.cut");
  assert.equal((await filesOfTar(new Blob([archive.subarray(0, archive.length - 512)]))).length, CONTENTS.size);
});

test("a manifest names its shards and assets; anything else is no manifest", () => {
  const file = { file: "000.bin", bytes: 3, sha256: "0".repeat(64) };
  const manifest = { format: "art2mus-bundle", shards: [file], assets: [{ ...file, file: "words.json", role: "tokenizer" }] };
  assert.deepEqual(filesOf(JSON.stringify(manifest)), [file, { ...file, file: "words.json" }]);
  const wrong = ["", "[]", "null", "{}", JSON.stringify({ ...manifest, format: "zip" }), JSON.stringify({ ...manifest, shards: [] , assets: [] })];
  for (const change of [{ file: "../a" }, { file: ".." }, { bytes: -1 }, { sha256: "x" }, { bytes: undefined }]) {
    wrong.push(JSON.stringify({ ...manifest, shards: [{ ...file, ...change }] }));
  }
  for (const text of wrong) assert.throws(() => filesOf(text), { name: "Format", code: "import.noManifest" }, text);
});
