// IIIF on small manifests of both versions. Run after the TypeScript was compiled.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { loadTexts } from "../dist/common/texts.js";
import { findIiifPicture, imageAddress, labelOf, parseManifest, parseService } from "../dist/pictures/iiif.js";

globalThis.fetch = async (url) => new Response(readFileSync(url));
await loadTexts();

const VERSION_2 = {
  "@context": "http://iiif.io/api/presentation/2/context.json", "@type": "sc:Manifest", "@id": "https://iiif.example/2/manifest",
  label: [{ "@value": "Il libro", "@language": "it" }, { "@value": "The book", "@language": "en" }], attribution: "The <b>library</b>",
  sequences: [{ canvases: [
    { label: "1r", images: [{ resource: {
      "@id": "https://iiif.example/2/a/full/full/0/default.jpg",
      service: { "@context": "http://iiif.io/api/image/2/context.json", "@id": "https://iiif.example/2/a", profile: "http://iiif.io/api/image/2/level1.json" },
    } }] },
    { label: "1v", images: [{ resource: { "@type": "oa:Choice", default: { "@id": "https://iiif.example/2/b.jpg" }, item: [] } }] },
  ] }],
};
const VERSION_3 = {
  "@context": "http://iiif.io/api/presentation/3/context.json", type: "Manifest", id: "https://iiif.example/3/manifest",
  label: { en: ["A painting"], none: ["?"] }, requiredStatement: { label: { en: ["Attribution"] }, value: { en: ["The museum"] } },
  items: [
    { type: "Canvas", label: { none: ["front"] }, items: [{ type: "AnnotationPage", items: [
      { motivation: "commenting", body: { type: "TextualBody", value: "no picture" } },
      { motivation: "painting", body: { type: "Image", id: "https://iiif.example/3/a.jpg", service: [{ id: "https://iiif.example/3/a/", type: "ImageService3", profile: "level2" }] } },
    ] }] },
    { type: "Canvas", items: [{ items: [{ motivation: "painting", body: { type: "Choice", items: [{ type: "Image", id: "https://iiif.example/3/b.jpg" }] } }] }] },
    { type: "Canvas", items: [] },
  ],
};
const INFO_2 = { "@context": "http://iiif.io/api/image/2/context.json", "@id": "https://iiif.example/2/a", width: 4000, height: 6000,
  profile: ["http://iiif.io/api/image/2/level1.json", { maxWidth: 600 }] };
const INFO_3 = { "@context": "http://iiif.io/api/image/3/context.json", id: "https://iiif.example/3/a", type: "ImageService3", width: 5000, height: 2500, profile: "level2" };
const LEVEL_0 = { ...INFO_3, profile: "level0", sizes: [{ width: 250, height: 125 }, { width: 1000, height: 500 }, { width: 2000, height: 1000 }] };

test("manifests of both versions say the same", () => {
  assert.deepEqual(parseManifest(VERSION_2, ["en"]), { title: "The book", credit: "The library", canvases: [
    { label: "1r", service: "https://iiif.example/2/a", image: "https://iiif.example/2/a/full/full/0/default.jpg" },
    { label: "1v", service: undefined, image: "https://iiif.example/2/b.jpg" },
  ] });
  assert.deepEqual(parseManifest(VERSION_3, ["it", "en"]), { title: "A painting", credit: "The museum", canvases: [
    { label: "front", service: "https://iiif.example/3/a", image: "https://iiif.example/3/a.jpg" },
    { label: "", service: undefined, image: "https://iiif.example/3/b.jpg" },
    { label: "", service: undefined, image: undefined },
  ] });
});

test("labels are read in all forms, in the language that is wanted", () => {
  assert.equal(labelOf("plain"), "plain");
  assert.equal(labelOf(["one", "two"]), "one");
  assert.equal(labelOf(VERSION_2.label, ["it"]), "Il libro");
  assert.equal(labelOf({ de: ["eins", "zwei"] }, ["en"]), "eins; zwei");
  assert.equal(labelOf(undefined), "");
});

test("image services are asked for no more pixels than are wanted", () => {
  const most = 1024;
  const address = (info, region) => imageAddress(parseService(info), region, most).href;
  const half = { x: 0.5, y: 0, width: 0.5, height: 0.5 };
  assert.equal(address({ ...INFO_2, profile: INFO_2.profile[0] }), "https://iiif.example/2/a/full/683,/0/default.jpg");
  assert.equal(address(INFO_2), "https://iiif.example/2/a/full/600,/0/default.jpg");
  assert.equal(address(INFO_3), "https://iiif.example/3/a/full/1024,/0/default.jpg");
  assert.equal(address(INFO_3, half), "https://iiif.example/3/a/2500,0,2500,1250/1024,/0/default.jpg");
  assert.equal(address(INFO_3, { ...half, width: 0.1, height: 0.1 }), "https://iiif.example/3/a/2500,0,500,250/max/0/default.jpg");
  // Level 0 has ready-made sizes only, and no regions.
  assert.equal(address(LEVEL_0, half), "https://iiif.example/3/a/full/1000,500/0/default.jpg");
  const small = { ...INFO_2, profile: "http://iiif.io/api/image/2/level0.json", sizes: [{ width: 800, height: 1200 }] };
  assert.equal(address(small), "https://iiif.example/2/a/full/800,/0/default.jpg");
  assert.equal(address({ ...small, sizes: undefined }), "https://iiif.example/2/a/full/full/0/default.jpg");
});

test("a picture is found from a manifest and from an info.json, and faults are sentences", async () => {
  const answers = new Map([
    ["https://iiif.example/3/manifest", VERSION_3], ["https://iiif.example/3/a/info.json", LEVEL_0], ["https://iiif.example/page", "<p>"],
    ["https://iiif.example/collection", { type: "Collection" }],
  ]);
  globalThis.fetch = async (url) => {
    const answer = answers.get(String(url));
    if (answer === undefined) return new Response("", { status: 404 });
    return new Response(typeof answer === "string" ? answer : JSON.stringify(answer));
  };
  const find = (path, options) => findIiifPicture(new URL(path, "https://iiif.example/"), options);
  const region = { x: 0, y: 0, width: 0.5, height: 0.5 };
  const fromManifest = await find("3/manifest", { region, languages: ["en"] });
  assert.deepEqual({ ...fromManifest, url: fromManifest.url.href },
    { url: "https://iiif.example/3/a/full/1000,500/0/default.jpg", title: "A painting", credit: "The museum", region,
      views: fromManifest.views });
  assert.equal(fromManifest.views.length, 3);
  assert.equal((await find("3/manifest", { canvas: 2 })).url.href, "https://iiif.example/3/b.jpg");
  assert.equal((await find("3/a/info.json")).url.href, fromManifest.url.href);
  await assert.rejects(find("3/manifest", { canvas: 9 }), { name: "Format", message: "The IIIF manifest has no canvas 9; there are 3." });
  await assert.rejects(find("3/manifest", { canvas: 3 }), { message: "Canvas 3 of the IIIF manifest shows no picture." });
  await assert.rejects(find("collection"), { message: "This is no IIIF manifest that can be read (Collection)." });
  await assert.rejects(find("page"), { message: "https://iiif.example/page is not JSON." });
  await assert.rejects(find("none"), { name: "Network", message: "https://iiif.example/none could not be fetched (HTTP status 404)." });
});
