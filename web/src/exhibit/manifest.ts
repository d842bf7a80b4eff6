/** `exhibit.json`: what an exhibit shows and plays, and what its visitors may do. */

import { text } from "../common/texts.js";
import type { Device, Region } from "../engine/protocol.js";
import { bad, fetchText, Fields, parseJson, type Words } from "../common/fields.js";

/** A worker that is told to stop has some seconds to do so, in which it gives no other sign of life. */
const LEAST_STUCK = 5;

/** Where a picture comes from. */
export type Source =
  | { kind: "file"; url: URL }
  /** A Presentation manifest or an `info.json`; canvases count from 1. */
  | { kind: "iiif"; url: URL; canvas: number }
  /** A photograph every so many seconds. */
  | { kind: "camera"; every: number };

export interface ExhibitPicture {
  source: Source;
  /** Without one, what the source says of itself, if it does. */
  title: Words | undefined;
  credit: Words | undefined;
  /** What a person sees there, for those who do not. */
  alt: Words | undefined;
  /** How long it plays. */
  seconds: number;
  region: Region | undefined;
}

export interface Manifest {
  title: Words;
  /** The sentence of the attract loop. */
  invitation: Words | undefined;
  /** The first is spoken until a visitor chooses another. */
  languages: readonly string[];
  /** Full address of the model's bundle. */
  bundle: string;
  device: "auto" | Device;
  order: "listed" | "shuffled";
  /** Seconds of one piece of music; what the model suggests where it is left out. */
  piece: number | undefined;
  /** Different pieces for each picture; as many as its time has room for where it is left out. */
  variations: number | undefined;
  /** Steps that are wanted where time allows; what the model suggests where it is left out. */
  steps: number | undefined;
  /** Seconds of a crossfade. */
  crossfade: number;
  /** LUFS of the loudest three seconds of every piece. */
  loudness: number;
  /** From 0 to 1. */
  volume: number;
  /** Whether there is music while nobody has pressed anything. */
  attract: "music" | "silent";
  /** Seconds without a visitor's hand until the attract loop comes back. */
  idle: number;
  /** Seconds without a sign of life until the engine counts as stuck. */
  stuck: number;
  /** Whether staff's keys do something. */
  keys: boolean;
  visitors: { choose: boolean; bring: boolean; volume: boolean };
  pictures: readonly ExhibitPicture[];
}

/** Reads `exhibit.json`; addresses in it are relative to its own. Without a bundle it takes `defaultBundle`. */
export function parseExhibit(json: string, address: URL, defaultBundle: URL): Manifest {
  const fields = new Fields(parseJson(json, "exhibit.json"), "", "exhibit.json");
  const languages = fields.languages("languages");
  const seconds = fields.number("seconds", { min: 1, max: 86_400 }) ?? 60;
  const visitors = fields.object("visitors");
  const manifest: Manifest = {
    title: fields.required("title", fields.words("title", languages)),
    invitation: fields.words("invitation", languages),
    languages,
    bundle: (fields.address("bundle", address) ?? defaultBundle).href,
    device: fields.choice("device", ["auto", "webgpu", "wasm"], "auto"),
    order: fields.choice("order", ["listed", "shuffled"], "listed"),
    piece: fields.number("piece", { min: 1, max: 600 }),
    variations: fields.number("variations", { min: 1, max: 1000, whole: true }),
    steps: fields.number("steps", { min: 1, max: 1000, whole: true }),
    crossfade: fields.number("crossfade", { min: 0.1, max: 20 }) ?? 2,
    loudness: fields.number("loudness", { min: -50, max: -5 }) ?? -23,
    volume: fields.number("volume", { min: 0, max: 1 }) ?? 0.8,
    attract: fields.choice("attract", ["music", "silent"], "music"),
    idle: fields.number("idle", { min: 1, max: 3600 }) ?? 90,
    stuck: fields.number("stuck", { min: LEAST_STUCK, max: 3600 }) ?? 60,
    keys: fields.flag("keys", true),
    visitors: {
      choose: visitors?.flag("choose", false) ?? false,
      bring: visitors?.flag("bring", false) ?? false,
      volume: visitors?.flag("volume", false) ?? false,
    },
    pictures: fields.required("pictures", fields.list("pictures")).map((entry, at) =>
      parsePicture(new Fields(entry, `pictures[${at}]`), address, languages, seconds),
    ),
  };
  visitors?.end();
  fields.end();
  return manifest;
}

function parsePicture(fields: Fields, base: URL, languages: readonly string[], seconds: number): ExhibitPicture {
  const source = parseSource(fields, base);
  const picture = {
    source,
    title: fields.words("title", languages),
    credit: fields.words("credit", languages),
    alt: fields.words("alt", languages),
    seconds: fields.number("seconds", { min: 1, max: 86_400 }) ?? seconds,
    region: parseRegion(fields),
  };
  fields.end();
  return picture;
}

function parseSource(fields: Fields, base: URL): Source {
  const file = fields.address("file", base);
  const iiif = fields.address("iiif", base);
  const camera = fields.object("camera");
  const canvas = fields.number("canvas", { min: 1, max: 100_000, whole: true });
  const named = ["file", "iiif", "camera"].filter((key) => fields.has(key));
  if (named.length !== 1) throw bad("bad.source", { field: fields.path("file").replace(/\.file$/, "") });
  if (canvas !== undefined && iiif === undefined) throw bad("bad.canvas", { field: fields.path("canvas") });
  if (iiif) return { kind: "iiif", url: iiif, canvas: canvas ?? 1 };
  if (file) return { kind: "file", url: file };
  const every = camera?.number("every", { min: 1, max: 86_400 }) ?? 60;
  camera?.end();
  return { kind: "camera", every };
}

function parseRegion(fields: Fields): Region | undefined {
  const region = fields.object("region");
  if (region === undefined) return undefined;
  const fraction = (key: string, min: number) => region.required(key, region.number(key, { min, max: 1 }));
  const read = { x: fraction("x", 0), y: fraction("y", 0), width: fraction("width", 0.01), height: fraction("height", 0.01) };
  region.end();
  if (read.x + read.width > 1 || read.y + read.height > 1) throw bad("bad.region", { field: fields.path("region") });
  return read;
}

/** The address of `exhibit.json` that an address of the page names; a folder stands for the file in it. */
export function exhibitAddress(named: string, page: string): URL {
  try {
    const address = new URL(named, page);
    return address.pathname.endsWith("/") ? new URL("exhibit.json", address) : address;
  } catch {
    throw bad("bad.address", { field: "?exhibit", value: named });
  }
}

/** Fetches and reads `exhibit.json`. */
export async function loadExhibit(address: URL, defaultBundle: URL): Promise<Manifest> {
  return parseExhibit(await fetchText(address, text("exhibit.notFetched.hint")), address, defaultBundle);
}
