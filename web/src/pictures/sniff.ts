/** What a file is, by its first bytes: a name and a type can say anything. */

/** What the engine decodes by itself. */
const SIGNATURES: readonly (readonly [at: number, bytes: string])[] = [
  [0, "\x89PNG\r\n\x1a\n"],
  [0, "\xff\xd8\xff"],
  [0, "GIF8"],
  [8, "WEBP"],
  [0, "BM"],
  [0, "II*\0"],
  [0, "MM\0*"],
];

/**
 * Marks of files that browsers and the engine decode differently: what colours mean, which only browsers apply, and
 * animations, of which a browser shows the first frame on nothing.
 */
const BROWSER_ONLY = ["ICC_PROFILE", "iCCP", "ICCP", "cICP", "cHRM", "acTL", "ANIM"];

/** How much of a file is searched for them; they stand before the pixels. */
const SEARCHED = 65_536;

/** Whether the engine decodes this file to the pixels that a browser shows. */
export async function engineReads(file: Blob): Promise<boolean> {
  const head = latin1(await file.slice(0, SEARCHED).arrayBuffer());
  if (!SIGNATURES.some(([at, bytes]) => head.startsWith(bytes, at))) return false;
  if (BROWSER_ONLY.some((mark) => head.includes(mark))) return false;
  if (!head.startsWith("\xff\xd8")) return true;
  // Browsers show a JPEG file that was cut or has something behind it.
  return latin1(await file.slice(-2).arrayBuffer()) === "\xff\xd9";
}

function latin1(bytes: ArrayBuffer): string {
  return new TextDecoder("latin1").decode(bytes);
}
