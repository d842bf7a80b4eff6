// A model made large: shards that no network reads are added to its first stage, and served from memory.
// It is for what streaming must stand, without the hours that a large network computes.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./harness.mjs";

const BYTES = 32 << 20;

/** Serves the bundle `model` beneath `path` with so many `shards` more; gives their bytes, and `remove()`. */
export function addBallast(server, { model, path, shards: count }) {
  const manifest = JSON.parse(readFileSync(join(ROOT, model, "manifest.json"), "utf8"));
  const [encode, ...others] = manifest.stages;
  const [first, ...rest] = manifest.shards;
  if (others[0].tensors[0].offset !== first.bytes) throw new Error(`the first stage of ${model} has several shards`);

  const paths = [];
  const offer = (file, content) => {
    paths.push(`/${path}${file}`);
    server.overrides.set(`/${path}${file}`, (_, response) => {
      const bytes = content();
      response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes.length });
      response.end(bytes);
      return true;
    });
  };
  // All the same but for a number in front: many of them need no memory here.
  const base = Buffer.alloc(BYTES);
  for (let n = 0; n < BYTES; n += 1) base[n] = Math.imul(n, 2654435761) >>> 24;
  const ballast = Array.from({ length: count }, (_, n) => {
    const content = () => {
      const bytes = Buffer.from(base);
      bytes.writeUInt32LE(n);
      return bytes;
    };
    const file = `ballast-${n}.bin`;
    offer(file, content);
    return { file, bytes: BYTES, sha256: createHash("sha256").update(content()).digest("hex") };
  });
  for (const { tensors } of others) for (const tensor of tensors) tensor.offset += count * BYTES;
  for (let n = 0; n < count; n += 1) {
    encode.tensors.push({ name: `ballast.${n}`, shape: [BYTES / 4], encoding: "f32", offset: first.bytes + n * BYTES });
  }
  const text = JSON.stringify({ ...manifest, shards: [first, ...ballast, ...rest] });
  offer("manifest.json", () => Buffer.from(text));
  for (const { file } of manifest.shards) offer(file, () => readFileSync(join(ROOT, model, file)));
  return { bytes: count * BYTES, remove: () => paths.forEach((path) => server.overrides.delete(path)) };
}
