/** Pictures by address: of a file, or of a museum's IIIF manifest. */

import { downloadPicture } from "../api/artwork.js";
import { fileNameOf } from "../common/address.js";
import { Art2MusError } from "../common/errors.js";
import { text } from "../common/texts.js";
import { pictureIn } from "./iiif.js";
import { Picture, type About } from "./picture.js";

/** How a reference begins that names a manifest; the number behind `#` is that of the view, from 1. */
const IIIF = "iiif:";
/** Pixels of the longer side that a museum is asked for: to be looked at; the networks see fewer. */
const MUSEUM_SIDE = 1600;

/** A picture, and what else its address has. */
export interface Found {
  picture: Picture;
  /** The views of a museum's object, and which of them this is, from 0. */
  views: readonly string[];
  view: number;
}

/**
 * Opens what an address or a reference names; `about` is what is known beside it. A manifest is known by what it is, so
 * its address needs no mark.
 */
export async function openAddress(named: string, about: Partial<About>, signal?: AbortSignal): Promise<Found> {
  const url = addressOf(named.startsWith(IIIF) ? named.slice(IIIF.length) : named);
  const canvas = Number(/^#(\d+)$/.exec(url.hash)?.[1] ?? 1);
  const file = await downloadPicture(url, signal);
  if (!(await isJson(file))) {
    const name = about.name ?? (fileNameOf(url) || url.host);
    const credit = about.credit ?? { text: url.host, source: url };
    const picture = await Picture.open(file, { name, description: name, credit, reference: url.href, ...about });
    return { picture, views: [], view: 0 };
  }
  const options = { canvas, most: MUSEUM_SIDE, languages: [...navigator.languages], ...(signal && { signal }) };
  const found = await pictureIn(JSON.parse(await file.text()), url, options);
  const label = found.views[canvas - 1];
  const title = found.title || url.host;
  const name = found.views.length > 1 && label ? `${title}, ${label}` : title;
  url.hash = `#${canvas}`;
  const picture = await Picture.open(await downloadPicture(found.url, signal), {
    name,
    description: name,
    credit: { text: found.credit || url.host, source: undefined },
    reference: IIIF + url.href,
  });
  return { picture, views: found.views, view: canvas - 1 };
}

/** Whether a file is JSON, whatever its host calls it. */
async function isJson(file: Blob): Promise<boolean> {
  if (!/^\s*\{/.test(await file.slice(0, 64).text())) return false;
  try {
    JSON.parse(await file.text());
    return true;
  } catch {
    return false;
  }
}

function addressOf(address: string): URL {
  const url = URL.canParse(address, document.baseURI) ? new URL(address, document.baseURI) : undefined;
  if (url && ["http:", "https:", "data:", "blob:"].includes(url.protocol)) return url;
  throw new Art2MusError({ name: "Input", message: text("error.address", { address }), hint: text("hint.address") });
}
