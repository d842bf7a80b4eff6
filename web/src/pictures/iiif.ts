/**
 * IIIF: pictures of museums and libraries by address. Read are Presentation manifests of versions 2 and 3
 * and `info.json` of the Image API, versions 2 and 3 (https://iiif.io/api/).
 */

import { Art2MusError, toError } from "../common/errors.js";
import { text } from "../common/texts.js";

/** An image service: what `info.json` says. */
export interface ImageService {
  id: string;
  version: 2 | 3;
  width: number;
  height: number;
  /** Compliance: 0 gives ready-made sizes only, 1 and 2 any width. */
  level: 0 | 1 | 2;
  sizes: readonly { width: number; height: number }[];
  maxWidth: number;
}

/** One view of an object. */
export interface Canvas {
  label: string;
  /** Where its image service is; undefined where there is only a file. */
  service: string | undefined;
  /** The address of its file. */
  image: string | undefined;
}

export interface IiifManifest {
  title: string;
  /** Whom it is owed to, as the manifest requires it to be said. */
  credit: string;
  canvases: readonly Canvas[];
}

/** A part of a picture, in fractions of its width and height. */
interface Part {
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface IiifOptions {
  /** Which canvas of a manifest, from 1. */
  canvas?: number;
  region?: Part | undefined;
  /** Pixels that the longer side should have at most. */
  most?: number;
  /** Languages of labels, the preferred one first. */
  languages?: readonly string[];
  signal?: AbortSignal;
}

/** A picture that can be fetched, and what is known of it. */
export interface IiifPicture {
  url: URL;
  title: string;
  credit: string;
  /** What the views of the object are called, where it has several to choose from. */
  views: readonly string[];
  /** The part that is still to be cut out, because the host could not do it. */
  region: Part | undefined;
}

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : value === undefined || value === null ? [] : [value]);
const objectsOf = (value: unknown): Json[] => listOf(value).filter(isObject);
const stringOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
/** Version 2 calls identifiers `@id`, version 3 `id`; services of version 2 inside version 3 are called either. */
const idOf = (value: Json): string | undefined => stringOf(value["id"]) ?? stringOf(value["@id"]);

function bad(key: string, values: Record<string, string | number>): Art2MusError {
  return new Art2MusError({ name: "Format", message: text(key, values), hint: text("iiif.hint") });
}

/** Text without markup, which both versions allow in some values. */
function plain(html: string): string {
  return html.replace(/<[^>]*>/g, " ").replace(/&amp;/g, "&").replace(/\s+/g, " ").trim();
}

/**
 * A label as a text. Version 3 has a language map, `{"en": ["…"]}`; version 2 a string, `{"@value", "@language"}`,
 * or a list of these.
 */
export function labelOf(value: unknown, languages: readonly string[] = []): string {
  if (isObject(value) && !("@value" in value)) {
    const keys = [...languages, "none", ...Object.keys(value)];
    const key = keys.find((language) => listOf(value[language]).length > 0);
    return key === undefined ? "" : plain(listOf(value[key]).filter((part) => typeof part === "string").join("; "));
  }
  const parts = listOf(value).map((part) =>
    isObject(part) ? { text: stringOf(part["@value"]) ?? "", language: stringOf(part["@language"]) } : { text: String(part), language: undefined },
  );
  for (const language of languages) {
    const found = parts.filter((part) => part.language === language);
    if (found.length > 0) return plain(found.map((part) => part.text).join("; "));
  }
  return plain(parts[0]?.text ?? "");
}

/** The address of an image service among the services of a resource. */
function serviceOf(resource: Json): string | undefined {
  const services = objectsOf(resource["service"]);
  const isImage = (service: Json) =>
    /ImageService[23]/.test(stringOf(service["type"]) ?? stringOf(service["@type"]) ?? "") ||
    /iiif\.io\/api\/image\/[23]/.test(`${String(service["@context"])} ${String(service["profile"])} ${String(service["protocol"])}`);
  const service = services.find(isImage);
  return service && idOf(service)?.replace(/\/$/, "");
}

/** What a canvas shows. Of a choice the first alternative counts, which the standard calls the default. */
function canvasOf(label: string, resource: Json | undefined): Canvas {
  const items = resource?.["type"] === "Choice" ? objectsOf(resource["items"]) : [];
  const image = items[0] ?? (isObject(resource?.["default"]) ? resource["default"] : resource);
  return { label, service: image && serviceOf(image), image: image && idOf(image) };
}

/** Reads a Presentation manifest of version 2 or 3. */
export function parseManifest(json: unknown, languages: readonly string[] = []): IiifManifest {
  if (!isObject(json)) throw bad("iiif.unknown", { type: typeof json });
  const title = labelOf(json["label"], languages);
  if (json["type"] === "Manifest") {
    const statement = isObject(json["requiredStatement"]) ? json["requiredStatement"]["value"] : undefined;
    const canvases = objectsOf(json["items"]).map((canvas) => {
      const annotations = objectsOf(canvas["items"]).flatMap((page) => objectsOf(page["items"]));
      const painting = annotations.find(({ motivation }) => listOf(motivation).includes("painting"));
      return canvasOf(labelOf(canvas["label"], languages), objectsOf(painting?.["body"])[0]);
    });
    return { title, credit: labelOf(statement, languages), canvases };
  }
  if (json["@type"] === "sc:Manifest") {
    const canvases = objectsOf(objectsOf(json["sequences"])[0]?.["canvases"]).map((canvas) =>
      canvasOf(labelOf(canvas["label"], languages), objectsOf(objectsOf(canvas["images"])[0]?.["resource"])[0]),
    );
    return { title, credit: labelOf(json["attribution"], languages), canvases };
  }
  throw bad("iiif.unknown", { type: String(json["type"] ?? json["@type"] ?? "?") });
}

const isService = (json: unknown): json is Json =>
  isObject(json) && typeof json["width"] === "number" && typeof json["height"] === "number" && idOf(json) !== undefined && !("items" in json);

/** Reads `info.json` of the Image API, version 2 or 3. */
export function parseService(json: unknown): ImageService {
  if (!isService(json)) throw bad("iiif.service", {});
  const version = json["type"] === "ImageService3" || /image\/3\//.test(String(json["@context"])) ? 3 : 2;
  const profiles = listOf(json["profile"]);
  const level = /level([012])/.exec(String(profiles.find((profile) => typeof profile === "string")))?.[1];
  // Version 2 puts limits beside the level into its profile, version 3 into the service itself.
  const limits = version === 3 ? json : (objectsOf(profiles)[0] ?? {});
  const sizes = objectsOf(json["sizes"]).filter(({ width, height }) => typeof width === "number" && typeof height === "number");
  return {
    id: (idOf(json) as string).replace(/\/$/, ""),
    version,
    width: json["width"] as number,
    height: json["height"] as number,
    level: Number(level ?? 0) as 0 | 1 | 2,
    sizes: sizes as unknown as ImageService["sizes"],
    maxWidth: typeof limits["maxWidth"] === "number" ? limits["maxWidth"] : Infinity,
  };
}

/** The address of the picture, or (not at level 0) of a part of it, with `most` pixels on its longer side where the service can do that. */
export function imageAddress(service: ImageService, region: Part | undefined, most: number): URL {
  const { id, version, level } = service;
  const whole = { x: 0, y: 0, width: service.width, height: service.height };
  const part = region === undefined || level === 0 ? whole : {
    x: Math.floor(region.x * service.width),
    y: Math.floor(region.y * service.height),
    width: Math.max(1, Math.floor(region.width * service.width)),
    height: Math.max(1, Math.floor(region.height * service.height)),
  };
  const area = part === whole ? "full" : `${part.x},${part.y},${part.width},${part.height}`;
  const full = version === 3 ? "max" : "full";
  let size = full;
  if (level === 0) {
    const longer = (size: { width: number; height: number }) => Math.max(size.width, size.height);
    const fitting = service.sizes.filter((size) => longer(size) <= most).toSorted((a, b) => longer(b) - longer(a))[0];
    const smallest = service.sizes.toSorted((a, b) => longer(a) - longer(b))[0];
    const chosen = fitting ?? smallest;
    // Only these very addresses exist: version 2 writes sizes as `w,`, version 3 as `w,h`.
    if (chosen) size = version === 3 ? `${chosen.width},${chosen.height}` : `${chosen.width},`;
  } else {
    const scale = Math.min(1, most / Math.max(part.width, part.height));
    const width = Math.max(1, Math.min(Math.round(part.width * scale), service.maxWidth));
    if (width < part.width) size = `${width},`;
  }
  return new URL(`${id}/${area}/${size}/0/default.jpg`);
}

/** Fetches a manifest or an `info.json`, and says where the picture is. */
export async function findIiifPicture(address: URL, options: IiifOptions = {}): Promise<IiifPicture> {
  const { canvas = 1, region, most = 1024, languages = [], signal } = options;
  return pictureIn(await fetchJson(address, signal), address, { canvas, region, most, languages, ...(signal && { signal }) });
}

/** The same of a manifest or an `info.json` that was read already. */
export async function pictureIn(json: unknown, address: URL, options: IiifOptions = {}): Promise<IiifPicture> {
  const { canvas = 1, region, most = 1024, languages = [], signal } = options;
  if (isService(json)) return { ...requestFrom(parseService(json), region, most), title: "", credit: "", views: [] };
  const manifest = parseManifest(json, languages);
  const views = manifest.canvases.map(({ label }) => label);
  const chosen = manifest.canvases[canvas - 1];
  if (chosen === undefined) throw bad("iiif.canvas", { canvas, count: manifest.canvases.length });
  const { title, credit } = manifest;
  if (chosen.service !== undefined) {
    const service = parseService(await fetchJson(new URL(`${chosen.service}/info.json`, address), signal));
    return { ...requestFrom(service, region, most), title, credit, views };
  }
  if (chosen.image === undefined) throw bad("iiif.empty", { canvas });
  return { url: new URL(chosen.image, address), title, credit, views, region };
}

function requestFrom(service: ImageService, region: Part | undefined, most: number): Pick<IiifPicture, "url" | "region"> {
  return { url: imageAddress(service, region, most), region: service.level === 0 ? region : undefined };
}

async function fetchJson(address: URL, signal: AbortSignal | undefined): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(address, { signal: signal ?? null });
  } catch (thrown) {
    throw toError(thrown, "Network");
  }
  if (!response.ok) {
    const message = text("iiif.status", { status: response.status, url: address.href });
    throw new Art2MusError({ name: "Network", message, hint: text("iiif.hint") });
  }
  try {
    return await response.json();
  } catch {
    throw bad("iiif.notJson", { url: address.href });
  }
}
