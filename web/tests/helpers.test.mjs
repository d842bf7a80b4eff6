// Workers that compute parts of the engine's work: how many there are, and what happens when one is lost.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

/** A worker that answers each call with what `answers` says, or not at all. */
class FakeWorker {
  static all = [];
  static answers = {};

  constructor(address, { name }) {
    Object.assign(this, { address, name, calls: [] });
    FakeWorker.all.push(this);
  }

  addEventListener() {}

  postMessage({ id, call }) {
    this.calls.push(call);
    const answer = FakeWorker.answers[call.kind]?.(call);
    if (answer !== undefined) queueMicrotask(() => this.onmessage({ data: { kind: "reply", id, value: answer } }));
  }

  terminate() {
    this.ended = true;
  }
}

globalThis.self = globalThis;
globalThis.origin = "http://localhost";
globalThis.Worker = FakeWorker;
const machine = { hardwareConcurrency: 8, deviceMemory: 8 };
Object.defineProperty(globalThis, "navigator", { value: machine, configurable: true });

const { Helpers, LentShards } = await import("../dist/engine/helpers.js");

const PROGRAM = "http://localhost/worker.js";
const load = { kind: "load", bundle: "http://localhost/bundle/", device: "wasm", workers: undefined, countsEngine: true };
const lent = { module: "compiled", files: new Map([["manifest.json", Uint8Array.of(1)]]), shards: new Map() };
const lend = () => Promise.resolve(lent);
const part = () => ({ stage: "denoise", place: 1, tensors: [{ shape: [1], data: Float32Array.of(2) }] });

beforeEach(() => {
  FakeWorker.all = [];
  FakeWorker.answers = { load: () => ({}), compute: ({ part }) => part.tensors[0] };
  Object.assign(machine, { hardwareConcurrency: 8, deviceMemory: 8 });
});

test("there are as many as parts, processors, memory and the caller allow", () => {
  const expected = (parts, workers) => new Helpers(PROGRAM, { ...load, workers }).expected(parts);
  assert.deepEqual([1, 2, 3, 9].map((parts) => expected(parts)), [0, 1, 2, 3]);
  assert.deepEqual([1, 2, 3].map((workers) => expected(9, workers)), [0, 1, 2]);
  machine.hardwareConcurrency = 2;
  assert.equal(expected(9), 1);
  machine.hardwareConcurrency = 1;
  assert.equal(expected(9), 0);
  Object.assign(machine, { hardwareConcurrency: 8, deviceMemory: 2 });
  assert.equal(expected(9), 0);
});

test("they are started once, get what they need, and compute parts", async () => {
  const helpers = new Helpers(PROGRAM, load);
  assert.equal(helpers.count(), 0);
  await Promise.all([helpers.prepare(3, lend), helpers.prepare(3, lend)]);
  await helpers.prepare(3, lend);
  assert.equal(helpers.count(), 2);
  assert.deepEqual(FakeWorker.all.map(({ address }) => address), [PROGRAM, PROGRAM]);
  const [{ calls }] = FakeWorker.all;
  assert.equal(calls[0].lent, lent);
  assert.equal(calls[0].countsEngine, false);
  assert.deepEqual([...(await helpers.start(1, part())).data], [2]);
  await assert.rejects(helpers.start(2, part()), { code: "engine.lost" });
});

test("one that is lost rejects its part, and is replaced", async () => {
  const helpers = new Helpers(PROGRAM, load);
  await helpers.prepare(2, lend);
  FakeWorker.answers.compute = () => undefined;
  const answer = helpers.start(0, part());
  FakeWorker.all[0].onerror({ preventDefault() {}, message: "out of memory" });
  await assert.rejects(answer, { code: "engine.lost" });
  assert.equal(helpers.count(), 0);
  await helpers.prepare(2, lend);
  assert.equal(helpers.count(), 1);
  assert.equal(FakeWorker.all.length, 2);
});

test("what cannot be lent or started does not help, and does no harm", async () => {
  const helpers = new Helpers(PROGRAM, load);
  await helpers.prepare(2, () => Promise.reject(new Error("no network")));
  assert.equal(helpers.count(), 0);
  globalThis.Worker = class {
    constructor() {
      throw new Error("workers are not allowed here");
    }
  };
  await helpers.prepare(2, lend);
  assert.equal(helpers.count(), 0);
  globalThis.Worker = FakeWorker;
  await helpers.prepare(2, lend);
  assert.equal(helpers.count(), 1);
});

test("a helper reads what it was lent and nothing else", async () => {
  globalThis.FileReaderSync = class {
    readAsArrayBuffer(blob) {
      return blob.bytes.slice().buffer;
    }
  };
  const blob = { slice: (start, end) => ({ bytes: Uint8Array.of(1, 2, 3, 4).slice(start, end) }) };
  const store = new LentShards(load.bundle, { ...lent, shards: new Map([["000.bin", blob]]) });
  assert.deepEqual([...(await store.file("manifest.json"))], [1]);
  await assert.rejects(store.file("other.json"));
  assert.equal(await store.arrived([{ bytes: 3 }, { bytes: 4 }]), 7);
  assert.deepEqual([...store.read("000.bin", 1, 2)], [2, 3]);
  assert.throws(() => store.read("001.bin", 0, 1), { code: "engine.lost" });
});
