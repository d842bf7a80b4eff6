/** A picture that was chosen. What is shown of it is what is heard. */

import { Art2MusError } from "../common/errors.js";
import { text } from "../common/texts.js";
import { Sha256 } from "../storage/sha256.js";
import { engineReads } from "./sniff.js";

/** Pixels of the longer side to which a drawing is drawn, which has no size of its own. */
const DRAWN_SIDE = 1024;

/** Who made a picture and where it is, and the page of whoever keeps it. */
export interface Credit {
  text: string;
  source: URL | undefined;
}

/** What is known of a picture beside its pixels. */
export interface About {
  name: string;
  /** Names it for those who do not see it. */
  description: string;
  credit?: Credit | undefined;
  /**
   * Where it is found again, as a permalink names it: a path in the gallery, an address, or the hash of a file, which only
   * whoever has it can give again.
   */
  reference: string;
}

/** An opened picture, which holds its file and an address of it until it is released. */
export class Picture {
  /** Address of what is shown; of nothing, where this browser cannot show the file but the engine reads it. */
  readonly url: string | undefined;

  private constructor(
    readonly about: About,
    readonly file: Blob,
    readonly width: number,
    readonly height: number,
    url: string | undefined,
    /** The file itself can be given to the engine. */
    readonly plain: boolean,
  ) {
    this.url = url;
  }

  /** Opens a file. Throws `Input` when nothing here can show or read it. */
  static async open(file: Blob, about: About): Promise<Picture> {
    if (file.size === 0) throw notAPicture(about.name, "error.pictureEmpty");
    const plain = await engineReads(file);
    const url = URL.createObjectURL(file);
    const image = await decoded(url);
    if (image !== undefined && file.type !== "image/svg+xml") {
      return new Picture(about, file, image.naturalWidth, image.naturalHeight, url, plain);
    }
    URL.revokeObjectURL(url);
    if (image !== undefined) return Picture.open(await drawn(image), about);
    if (plain) return new Picture(about, file, 0, 0, undefined, true);
    throw notAPicture(about.name, "error.pictureUnknown");
  }

  /** What the engine takes; a bitmap is the caller's to close. */
  async artwork(): Promise<Blob | ImageBitmap> {
    const image = this.plain || this.url === undefined ? undefined : await decoded(this.url);
    if (image === undefined) return this.file;
    const canvas = new OffscreenCanvas(this.width, this.height);
    canvas.getContext("2d")?.drawImage(image, 0, 0, this.width, this.height);
    return canvas.transferToImageBitmap();
  }

  /** Gives the file's address back. The picture must not be shown any more. */
  release(): void {
    if (this.url !== undefined) URL.revokeObjectURL(this.url);
  }
}

/** How a permalink names a file that only its owner has. */
export async function fileReference(file: Blob): Promise<string> {
  return `sha256:${new Sha256().update(new Uint8Array(await file.arrayBuffer())).hex()}`;
}

async function decoded(url: string): Promise<HTMLImageElement | undefined> {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    return image;
  } catch {
    return undefined;
  }
}

/** A drawing as a picture of pixels. */
async function drawn(image: HTMLImageElement): Promise<Blob> {
  const [width, height] = [image.naturalWidth || 1, image.naturalHeight || 1];
  const scale = DRAWN_SIDE / Math.max(width, height);
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob();
}

function notAPicture(name: string, key: string): Art2MusError {
  return new Art2MusError({ name: "Input", message: text(key, { name }), hint: text("hint.pictureKinds") });
}
