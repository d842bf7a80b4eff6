// The parts that need no browser. Run after the TypeScript was compiled.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { ATTRIBUTES } from "../dist/element/properties.js";
import { fileAddress, folderAddress, pieceName } from "../dist/common/address.js";
import { ERROR_NAMES, toError, toPlain } from "../dist/common/errors.js";
import { FAULTS, fault, oursOr } from "../dist/common/faults.js";
import { Spectrum } from "../dist/audio/fft.js";
import { Generation } from "../dist/api/generation.js";
import { mix } from "../dist/api/walk.js";
import { join } from "../dist/audio/join.js";
import { to16Bit } from "../dist/audio/wav.js";
import { fitting, fromQuery, toQuery } from "../dist/page/settings.js";
import { engineReads } from "../dist/pictures/sniff.js";
import { firstKnown, formatBytes, LANGUAGES, useTexts } from "../dist/common/texts.js";

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");

/** Width and height from the frame header of a JPEG file. */
function jpegSize(bytes) {
  assert.equal(bytes.readUInt16BE(0), 0xffd8);
  let at = 2;
  while (bytes[at + 1] < 0xc0 || bytes[at + 1] > 0xc2) at += 2 + bytes.readUInt16BE(at + 2);
  return [bytes.readUInt16BE(at + 7), bytes.readUInt16BE(at + 5)];
}

test("every text that is used exists, and every text is used", () => {
  const texts = JSON.parse(read("../texts/en.json"));
  const files = readdirSync(new URL("../src/", import.meta.url), { recursive: true });
  const sources = files.filter((name) => name.endsWith(".ts")).map((name) => read(`../src/${name}`));
  const source = [...sources, read("../../index.html")].join("\n");
  const literal = /(?:text\(\s*|data-(?:text|label)=|\["|[?:] )"([a-z]+\.[A-Za-z.]+)"/g;
  const used = new Set([...source.matchAll(literal)].map((match) => match[1]).filter((key) => !(key in FAULTS)));
  const built = [...source.matchAll(/text(?:Or)?\(`([\w.]+)\$\{/g)].map((match) => match[1]);
  for (const key of used) assert.ok(key in texts, `no text for ${key}`);
  for (const key of Object.keys(texts)) {
    assert.ok(source.includes(`"${key}"`) || built.some((start) => key.startsWith(start)), `${key} is not used`);
  }
});

test("the page's own file has the English sentences, so that it can be read before its program is there", () => {
  const texts = JSON.parse(read("../texts/en.json"));
  const html = read("../../index.html").replaceAll("&lt;", "<").replaceAll("&#x27;", "'").replaceAll("&quot;", "\"").replaceAll("&amp;", "&");
  let count = 0;
  for (const [, key, written] of html.matchAll(/data-text="([\w.]+)"[^>]*>([^<]*)</g)) {
    assert.equal(written, texts[key], key);
    count += 1;
  }
  for (const [, key, written] of html.matchAll(/data-label="([\w.]+)" aria-label="([^>]*?)"[ >]/g)) {
    assert.equal(written, texts[key], key);
    count += 1;
  }
  assert.equal(count, [...html.matchAll(/data-(text|label)=/g)].length);
});

test("every language has every sentence, with the same values in it", () => {
  const values = (sentence) => (sentence.match(/\{\w+\}/g) ?? []).toSorted();
  const english = JSON.parse(read("../texts/en.json"));
  const files = readdirSync(new URL("../texts/", import.meta.url));
  assert.deepEqual(files.toSorted(), Object.keys(LANGUAGES).map((code) => `${code}.json`).toSorted());
  for (const file of files) {
    const texts = JSON.parse(read(`../texts/${file}`));
    assert.deepEqual(Object.keys(texts), Object.keys(english), file);
    for (const [key, sentence] of Object.entries(texts)) assert.deepEqual(values(sentence), values(english[key]), `${file}: ${key}`);
    const same = Object.keys(english).filter((key) => texts[key] === english[key]).length;
    assert.ok(file === "en.json" || same < Object.keys(english).length / 8, `${file} has ${same} English sentences`);
  }
});

test("the first language that is known is taken, whatever its region", () => {
  assert.equal(firstKnown([null, "pt-BR", "FR-ca", "it"]), "fr");
  assert.equal(firstKnown(["toString", "xx"]), undefined);
});

test("each room of the source knows only the rooms before it, and the doors know all", () => {
  const rooms = [
    "common", "audio", "storage", "engine", "api", "client.ts", "pictures", "offline", "exhibit",
    "study", "page", "element", "element.ts", "main.ts",
  ];
  const files = readdirSync(new URL("../src/", import.meta.url), { recursive: true }).filter((name) => name.endsWith(".ts"));
  assert.deepEqual([...new Set(files.map((name) => name.split("/")[0]))].sort(), rooms.toSorted());
  for (const file of files) {
    for (const [, target] of read(`../src/${file}`).matchAll(/ from "(\.[^"]+)\.js"/g)) {
      const imported = new URL(`${target}.ts`, `file:///${file}`).pathname.slice(1);
      const [from, to] = [file, imported].map((name) => rooms.indexOf(name.split("/")[0]));
      assert.ok(to !== -1 && to <= from, `${file} imports ${imported}`);
    }
  }
});

test("the package's README names every attribute, event, part, slot and state", () => {
  const readme = read("../README.md");
  const cells = (start) => {
    const row = readme.split("\n").filter((line) => line.startsWith(`| ${start}`));
    assert.equal(row.length, 1, start);
    return [...row[0].split("|")[2].matchAll(/`([\w-]+)`/g)].map((match) => match[1]).sort();
  };
  const table = (head) => {
    const rows = readme.slice(readme.indexOf(`| ${head}`)).split("\n\n")[0].split("\n").slice(2);
    return rows.flatMap((row) => [...row.split("|")[1].matchAll(/`([\w-]+)(?:\(\))?`/g)].map((match) => match[1])).sort();
  };
  const [element, types, view] = ["art-to-mus", "types", "view"].map((file) => read(`../src/element/${file}.ts`));
  const all = (source, pattern) => [...source.matchAll(pattern)].map((match) => match[1]).sort();
  assert.deepEqual(table("attribute"), ATTRIBUTES.toSorted());
  assert.deepEqual(table("event"), all(types, /^  "(art2mus-\w+)":/gm));
  const methods = all(element, /^  (?:get |async )?(\w+)\(.*\): /gm);
  const callbacks = ["connectedCallback", "disconnectedCallback", "attributeChangedCallback"];
  assert.deepEqual(table("method"), methods.filter((name) => !callbacks.includes(name)));
  assert.deepEqual(cells("`::part()`"), all(view, /part\("\w+", "(\w+)"\)/g));
  assert.deepEqual(cells("`:state()`"), all(/type State = (.*);/.exec(view)[1], /"(\w+)"/g));
  assert.deepEqual(cells("slots").filter((name) => name !== "the"), all(view, /Slot\.name = "(\w+)"/g));
  assert.deepEqual(cells("variables"), [...new Set(all(view, /var\((--[\w-]+)/g))].sort());
});

test("the gallery has twelve paintings of a museum, and some of our own, each with its credit", () => {
  const { pictures } = JSON.parse(read("../gallery/gallery.json"));
  for (const { file, title, alt, credit } of pictures) {
    const bytes = readFileSync(new URL(`../gallery/${file}`, import.meta.url));
    const [width, height] = jpegSize(bytes);
    assert.ok(Math.max(width, height) <= 512, `${file} has ${width} x ${height} pixels`);
    assert.ok(bytes.length < 110_000, `${file} has ${bytes.length} bytes`);
    assert.ok(title.length > 0 && alt.length > title.length && credit.length > 0, file);
  }
  for (const key of ["file", "title", "alt"]) {
    assert.equal(new Set(pictures.map((picture) => picture[key])).size, pictures.length, `two have the same ${key}`);
  }
  const kept = pictures.filter(({ source }) => source !== undefined);
  assert.equal(kept.length, 12);
  for (const { source, credit, title } of kept) {
    assert.ok(new URL(source).protocol === "https:" && credit.includes("Metropolitan Museum"), title);
  }
});

test("a sine gives its own frequency at full scale", () => {
  const spectrum = new Spectrum(256);
  const samples = Float32Array.from({ length: 512 }, (_, n) => Math.sin((2 * Math.PI * 20 * n) / 256));
  const power = new Float32Array(128);
  spectrum.power(samples, 256, power);
  assert.ok(Math.abs(power[20] - 1) < 1e-4, `${power[20]}`);
  assert.ok(power[40] < 1e-8);
  spectrum.power(samples, 100_000, power);
  assert.ok(power.every((value) => value === 0), "silence beyond the end");
  assert.throws(() => new Spectrum(100), RangeError);
});

test("a WAV file of floats becomes one of 16 bits, with what it says of itself", () => {
  const words = new TextEncoder().encode("LIST\x0e\0\0\0INFOINAM\x02\0\0\0Hi");
  const file = new Uint8Array(58 + words.length + 16);
  const view = new DataView(file.buffer);
  file.set(new TextEncoder().encode("RIFF    WAVEfmt \x12\0\0\0"), 0);
  view.setUint32(4, file.length - 8, true);
  view.setUint16(20, 3, true);
  view.setUint16(22, 2, true);
  view.setUint32(24, 32_000, true);
  view.setUint16(34, 32, true);
  file.set(new TextEncoder().encode("fact\x04\0\0\0"), 38);
  file.set(words, 50);
  file.set(new TextEncoder().encode("data\x10\0\0\0"), 50 + words.length);
  [0.5, -1, 2, -0.25].forEach((sample, n) => view.setFloat32(58 + words.length + 4 * n, sample, true));
  const out = to16Bit(file);
  const seen = new DataView(out.buffer);
  assert.equal(seen.getUint32(4, true), out.length - 8);
  assert.deepEqual([20, 22, 32, 34].map((at) => seen.getUint16(at, true)), [1, 2, 4, 16]);
  assert.deepEqual([seen.getUint32(24, true), seen.getUint32(28, true)], [32_000, 128_000]);
  assert.equal(String.fromCharCode(...out.slice(36, 40)), "data");
  const samples = Array.from({ length: 4 }, (_, n) => seen.getInt16(44 + 2 * n, true));
  assert.deepEqual(samples, [16384, -32767, 32767, -8192]);
  assert.deepEqual(out.slice(52), words);
  assert.throws(() => to16Bit(out), RangeError);
});

test("pieces are joined at equal power, and begin where it is said", () => {
  const rate = 1000;
  const noise = (seed) => Float32Array.from({ length: 4000 }, (_, n) => Math.sin(seed * 1e4 * Math.sin(n + seed)) * 0.5);
  const pieces = [noise(1), noise(2), noise(3)];
  const { samples, starts } = join(pieces, rate, 0.5);
  assert.equal(starts.length, 3);
  assert.equal(starts[0], 0);
  assert.ok(samples.length < 12_000 && samples.length > 8000, `${samples.length}`);
  const power = (from, to) => samples.subarray(from, to).reduce((sum, x) => sum + x * x, 0) / (to - from);
  const whole = power(0, samples.length);
  for (const start of starts.slice(1)) {
    const within = power(start * rate, (start + 0.5) * rate);
    assert.ok(Math.abs(within / whole - 1) < 0.2, `${within} in a crossfade, ${whole} in all`);
  }
  assert.deepEqual(samples.subarray(0, 500), pieces[0].subarray(0, 500));
  assert.deepEqual(samples.subarray(-500), pieces[2].subarray(-500));
  assert.deepEqual(join([pieces[0]], rate, 1).samples, pieces[0]);
});

test("a mixture of embeddings lies on the arc between them", () => {
  const [a, b] = [Float32Array.of(2, 0, 0), Float32Array.of(0, 4, 0)];
  const near = (got, want) => want.forEach((value, at) => assert.ok(Math.abs(got[at] - value) < 1e-5, `${got} for ${want}`));
  near(mix(a, b, 0), [2, 0, 0]);
  near(mix(a, b, 1), [0, 4, 0]);
  near(mix(a, b, 0.5), [3 * Math.SQRT1_2, 3 * Math.SQRT1_2, 0]);
  near(mix(a, a, 0.3), [2, 0, 0]);
  assert.ok(mix(a, Float32Array.of(-2, 0, 0), 0.5).every(Number.isFinite));
  assert.throws(() => mix(a, Float32Array.of(1), 0.5), RangeError);
});

test("a bundle's query stays behind the names of its files", () => {
  const folder = (address) => folderAddress(address, "https://site.example/page/index.html?own=1");
  assert.equal(folder("models/a"), "https://site.example/page/models/a/");
  assert.equal(folder("https://host.example/b//"), "https://host.example/b/");
  assert.equal(folder("/b?sig=x/y"), "https://site.example/b/?sig=x/y");
  assert.equal(folder("/b/#part"), "https://site.example/b/");
  assert.throws(() => folder("https://"), TypeError);
  assert.equal(fileAddress(folder("/b/?sig=x/y"), "000.bin"), "https://site.example/b/000.bin?sig=x/y");
  assert.equal(fileAddress(folder("/b"), "a b?.bin"), "https://site.example/b/a%20b%3F.bin");
});

test("settings survive the way through an address", () => {
  const query = "?seed=7&seconds=2.5&steps=20&guidance=4&candidates=3&scheduler=dpmpp\
&region=0.1,0.2,0.3,0.4&bundle=x/&larger=y/&device=wasm&picture=gallery:a.jpg&kernels=none\
&walk=0,0,0.5,0.5;0.5,0.5,0.5,0.5&mix=b.jpg&amount=0.25";
  assert.equal(toQuery(fromQuery(query)), query);
  const words = { comment: "calm, & a little sad", prompt: "a slow waltz, 1880", negative: "drums & noise" };
  assert.deepEqual(fromQuery(toQuery(fromQuery(`?${new URLSearchParams(words)}`))).generation, words);
  assert.equal(toQuery(fromQuery("")), "");
  // A free form says where its rectangle lies, and needs none beside it.
  const triangle = "?lasso=AAAAf_AAAA__";
  assert.equal(toQuery(fromQuery(`${triangle}&region=0,0,1,1`)), triangle);
  const refused = [];
  const odd = fromQuery("?seed=&seconds=abc&steps=2.5&scheduler=euler&device=abacus&region=0,0,1,2&lasso=AAAA&negative=%20", (name) => refused.push(name));
  assert.deepEqual(odd, fromQuery(""));
  assert.deepEqual(refused, ["lasso", "seconds", "steps", "scheduler", "region", "device"]);
});

test("a model gets only the settings that it has", () => {
  const range = { min: 1, max: 9, default: 3 };
  const sampled = { steps: range, guidance: range, scheduler: "ddim", hasSeed: true, takesComment: false };
  const all = "?seed=4&seconds=2&steps=3&guidance=2&scheduler=ddim&comment=calm&prompt=a&negative=b";
  const left = (info) => {
    const refused = [];
    const settings = fitting(fromQuery(all), info, (name, value) => refused.push(`${name}=${value}`));
    return [toQuery(settings), refused.sort().join("&")];
  };
  assert.deepEqual(left(sampled), ["?seed=4&seconds=2&steps=3&guidance=2&scheduler=ddim", "comment=calm&negative=b&prompt=a"]);
  const atOnce = { hasSeed: false, takesComment: true };
  assert.deepEqual(left(atOnce), ["?seconds=2&comment=calm", "guidance=2&negative=b&prompt=a&scheduler=ddim&seed=4&steps=3"]);
});

test("files are called after their picture, and the seed where there is one", () => {
  assert.equal(pieceName("The lake.jpg", 7), "The-lake-seed-7");
  assert.equal(pieceName("The lake.jpg", undefined), "The-lake");
});

test("errors keep their name, and strangers become the fallback", () => {
  const ours = toPlain({ name: "Limits", message: "too large", hint: "smaller", cause: null });
  assert.deepEqual(ours, { name: "Limits", message: "too large", hint: "smaller" });
  assert.deepEqual(toPlain(new TypeError("x"), "Network"), { name: "Network", message: "x", cause: "TypeError" });
  assert.equal(toPlain("boom").message, "boom");
  const error = toError({ name: "Input", message: "no" });
  assert.ok(error instanceof Error && toError(error) === error);
  assert.equal(error.hint, "");
});

/** Codes of errors: those of the engine, as `bindings.ts` lists them, and those that are made in TypeScript. */
function errorCodes() {
  const [, union] = /type EngineFault =([^;]+);/.exec(read("../src/engine/bindings.ts"));
  return new Set([...Object.keys(FAULTS), ...[...union.matchAll(/"([^"]+)"/g)].map((match) => match[1])]);
}

test("every code of an error has a sentence in all languages, and no sentence is without one", () => {
  const codes = errorCodes();
  assert.ok(codes.size > 50);
  for (const file of readdirSync(new URL("../texts/", import.meta.url))) {
    const keys = Object.keys(JSON.parse(read(`../texts/${file}`)));
    for (const code of codes) assert.ok(keys.includes(`error.${code}.message`), `${file} has no error.${code}.message`);
    for (const key of keys) {
      const [, code] = /^error\.(.+)\.(?:message|hint)$/.exec(key) ?? [];
      assert.ok(code === undefined || codes.has(code), `${file}: no error has the code ${code}`);
    }
  }
});

test("an error with a code is said in the page's language, with its values as people write them", () => {
  useTexts(JSON.parse(read("../texts/de.json")));
  try {
    const told = { name: "Limits", message: "too slow", hint: "be quick", code: "model.slow", values: { time: "754000" }, language: "en" };
    const error = toError(told);
    assert.equal(error.message, "Dieses Modell würde auf dieser CPU etwa 12 min 34 s brauchen.");
    assert.match(error.hint, /^Verwenden Sie einen Browser/);
    assert.deepEqual([error.code, error.values, error.language], ["model.slow", { time: "754000" }, undefined]);
    // What there is no text for stays as it was told, and is marked.
    const strange = toError({ ...told, code: "model.ugly" });
    assert.deepEqual([strange.message, strange.hint, strange.language], ["too slow", "be quick", "en"]);
    const large = fault("picture.fileLarge", { size: 3e8, limit: 256e6 });
    assert.equal(large.message, "Die Bilddatei hat 300 MB; erlaubt sind höchstens 256 MB.");
    assert.equal(large.name, "Limits");
    // Through `postMessage` and back.
    const again = toError(structuredClone(toPlain(large)));
    assert.deepEqual([again.message, again.code, again.values], [large.message, large.code, large.values]);
    assert.equal(oursOr(large, "internal"), large);
    assert.equal(oursOr(new TypeError("boom"), "internal").message, "In der Engine ist etwas schiefgegangen (boom).");
  } finally {
    useTexts({});
  }
});

test("errors have the names that the engine gives them", () => {
  const names = [...read("../../src/error.rs").matchAll(/Self::\w+ => "(\w+)"/g)].map((match) => match[1]);
  assert.deepEqual(names, [...ERROR_NAMES]);
});

test("bytes are written for people", () => {
  assert.deepEqual([0, 999, 1500, 99_400, 640_000_000, 1.2e9].map(formatBytes), [
    "0 B", "999 B", "1.5 kB", "99 kB", "640 MB", "1.2 GB",
  ]);
});

test("each iteration over a generation sees every event, and its failure", async () => {
  const piece = { samples: new Float32Array(1), latents: new Float32Array(2), latentsShape: [1, 2], wav: new Uint8Array(3) };
  const raw = { pieces: [piece, { ...piece, wav: new Uint8Array(4) }] };
  const good = new Generation(async (emit) => {
    emit({ type: "done", n: 1 });
    await new Promise((done) => setTimeout(done, 5));
    emit({ type: "done", n: 2 });
    return raw;
  });
  const collect = async (generation) => {
    const events = [];
    for await (const event of generation) events.push(event.n);
    return events;
  };
  assert.deepEqual(await Promise.all([collect(good), collect(good)]), [[1, 2], [1, 2]]);
  assert.deepEqual(await collect(good), [1, 2]);
  const result = await good.result;
  assert.deepEqual([result.wav().size, ...result.pieces.map(({ wav }) => wav().size)], [3, 3, 4]);
  assert.deepEqual(result.pieces[0].latents.shape, [1, 2]);

  const empty = new Generation(async () => ({ pieces: [] }));
  await assert.rejects(collect(empty), { name: "Internal" });

  const bad = new Generation(async () => {
    throw { name: "Limits", message: "no" };
  });
  await assert.rejects(collect(bad), { name: "Limits" });
  await assert.rejects(bad.result, { name: "Limits" });
});

test("the engine gets only files that it decodes as the browser does", async () => {
  const reads = (...parts) => engineReads(new Blob(parts));
  const png = "\x89PNG\r\n\x1a\n";
  const bytes = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
  assert.ok(await reads(bytes(`${png}....IHDR....gAMA....IDAT`)));
  // Profiles and what stands for one, animations.
  for (const mark of ["iCCP", "cICP", "cHRM", "acTL"]) {
    assert.ok(!await reads(bytes(`${png}....IHDR....gAMA....${mark}....IDAT`)), mark);
  }
  assert.ok(!await reads(bytes("RIFF....WEBPVP8X....ICCP")));
  assert.ok(!await reads(bytes("<svg/>")));
  assert.ok(await reads(bytes("\xff\xd8\xff\xe0...\xff\xd9")));
  for (const jpeg of ["\xff\xd8\xff\xe0...", "\xff\xd8\xff\xe2..ICC_PROFILE\0...\xff\xd9"]) {
    assert.ok(!await reads(bytes(jpeg)), jpeg);
  }
});
