// Types only: `tsc` fails when the public surface stops being what design and readers rely on.

import {
  create,
  deleteStored,
  exportBundle,
  importBundle,
  persist,
  preload,
  probe,
  storage,
  type Art2Mus,
  type Art2MusError,
  type ErrorCode,
  type Generation,
  type GenerationEvent,
  type Result,
} from "../src/client.js";
import type { ArtToMusAttributes } from "../src/element.js";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_: Same<A, B>): void => {};

same<Awaited<ReturnType<typeof probe>>["tier"], "webgpu" | "wasm" | "none">(true);
same<Awaited<ReturnType<typeof create>>, Art2Mus>(true);
same<GenerationEvent["type"], "load" | "stage" | "step" | "done">(true);
same<Generation["result"], Promise<Result>>(true);
same<ReturnType<Result["wav"]>, Blob>(true);
same<Result["samples"], Float32Array>(true);
same<Art2MusError["hint"], string>(true);
same<HTMLElementTagNameMap["art-to-mus"]["src"], string>(true);
same<HTMLElementTagNameMap["art-to-mus"]["seconds"], number | null>(true);
same<HTMLElementTagNameMap["art-to-mus"]["result"], Result | null>(true);
same<HTMLElementTagNameMap["art-to-mus"]["comment"], string | null>(true);
same<HTMLElementTagNameMap["art-to-mus"]["negative"], string | null>(true);
same<ArtToMusAttributes["seconds"], number | string | null | undefined>(true);
same<ArtToMusAttributes["controls"], boolean | null | undefined>(true);

export async function element(): Promise<void> {
  const element = document.createElement("art-to-mus");
  element.seconds = 10;
  element.seed = null;
  element.device = "wasm";
  // @ts-expect-error a number is no text
  element.seconds = "10";
  // @ts-expect-error no such device
  element.device = "abacus";
  // @ts-expect-error there is no setter
  element.result = null;
  element.addEventListener("art2mus-done", ({ detail }) => same<typeof detail, Result>(true));
  element.addEventListener("art2mus-load", ({ detail }) => same<typeof detail.total, number>(true));
  document.addEventListener("art2mus-error", ({ detail }) => same<typeof detail, Art2MusError>(true));
  document.body.addEventListener("art2mus-play", ({ detail }) => same<typeof detail, null>(true));
  await element.play();
}

same<Art2MusError["code"], string | undefined>(true);
const codes: ErrorCode[] = ["picture.cut", "shard.hash"];
// @ts-expect-error no such code
codes.push("picture.ugly");

export async function usage(picture: Blob, signal: AbortSignal): Promise<void> {
  await create();
  const art2mus = await create({ bundle: "models/", device: "auto", signal });
  const larger = await preload({ bundle: "large/", signal, agree: (bytes) => bytes < 1e9 });
  await larger.download({ candidates: 2, onProgress: (fraction) => same<typeof fraction, number>(true) });
  const generation = art2mus.generate(picture, { seconds: 10, seed: 1n, scheduler: "dpmpp", signal });
  for await (const event of generation) {
    if (event.type === "step") same<typeof event.step, number>(true);
    if (event.type === "load") same<typeof event.total, number>(true);
  }
  art2mus.generate(new ImageData(1, 1));
  if (art2mus.info.prompts) art2mus.generate(picture, { prompt: "a waltz", negative: `${art2mus.info.prompts.negative}, drums` });
  if (art2mus.info.takesComment) art2mus.generate(picture, { comment: "it makes me feel calm" });
  art2mus.generate(new URL("https://example.org/a.png"), { region: { x: 0, y: 0, width: 0.5, height: 1 } });
  if ((await art2mus.estimate()).download > 1e8) same<Awaited<ReturnType<typeof persist>>, boolean>(true);
  if ((await storage()).stored > 0) await deleteStored();
  await importBundle(await exportBundle({ signal }), { bundle: "models/", onProgress: (fraction) => same<typeof fraction, number>(true) });
  const embedding = await art2mus.embed(picture, { region: { x: 0, y: 0, width: 0.5, height: 1 } });
  const tokens = await art2mus.condition(embedding, { signal });
  art2mus.generate({ embedding }, { candidates: 2 });
  const { pieces } = await art2mus.generate({ tokens }).result;
  for (const { latents } of pieces) same<Awaited<ReturnType<typeof art2mus.decode>>, Float32Array[]>(true), latents;
  // @ts-expect-error an address must be a URL: a bare string says nothing of what it is relative to
  art2mus.generate("a.png");
  // @ts-expect-error no such scheduler
  art2mus.generate(picture, { scheduler: "euler" });
  art2mus.dispose();
}
