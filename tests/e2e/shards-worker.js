// A worker that gets shards as the engine's worker does, for tests that need no engine.

import { Sha256 } from "/web/dist/storage/sha256.js";
import { Shards } from "/web/dist/storage/shards.js";
import { deleteStored } from "/web/dist/storage/storage.js";
import { loadTexts } from "/web/dist/common/texts.js";

const [bundle, program] = ["/bundle/", "/web/dist/storage/downloader.js"].map((path) => new URL(path, location.href).href);
const opening = loadTexts().then(() => new Shards(bundle, program));

addEventListener("message", async ({ data: { wanted, cancelAt, forget } }) => {
  const shards = await opening;
  const progress = [];
  try {
    const total = wanted.reduce((sum, { bytes }) => sum + bytes, 0);
    for (let known = 0; known < total; ) {
      known = await shards.arrived(wanted, known);
      progress.push(known);
      postMessage({ known });
      // As a message of the page does: while the next bytes are waited for.
      if (cancelAt !== undefined && known >= cancelAt) setTimeout(() => shards.cancel());
    }
    if (forget) await deleteStored();
    const hashes = [];
    for (const { file, bytes } of wanted) {
      // In two parts, as tensors are read.
      const half = Math.floor(bytes / 2);
      const [one, other] = [shards.read(file, 0, half), shards.read(file, half, bytes - half)];
      hashes.push(new Sha256().update(one).update(other).hex());
      shards.release(file);
    }
    postMessage({ progress, hashes });
  } catch ({ name, message, hint }) {
    postMessage({ progress, error: { name, message, hint } });
  }
});
