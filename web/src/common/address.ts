/** Addresses of folders and files, and names of files. A bundle's query, such as a signature, stays behind the path. */

/** The address of the folder `address`, relative to `base`: its path ends with a slash. */
export function folderAddress(address: string, base: string): string {
  const url = new URL(address, base);
  url.pathname = url.pathname.replace(/\/*$/, "/");
  url.hash = "";
  return url.href;
}

/** The address of the file `name` in the folder at `folder`. */
export function fileAddress(folder: string, name: string): string {
  const url = new URL(folder);
  url.pathname += encodeURIComponent(name);
  return url.href;
}

/** The name of the file at an address; empty where it has none. */
export function fileNameOf({ pathname }: URL): string {
  const name = pathname.split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(name);
  } catch {
    return name; // Not everything with a percent sign is encoded.
  }
}

/** What the file of a piece is called, without its extension: after its picture `name`, and the seed where there is one. */
export function pieceName(name: string, seed: number | undefined): string {
  return seed === undefined ? baseName(name) : `${baseName(name)}-seed-${seed}`;
}

/** A file's name without its extension, with only what every file system takes. */
function baseName(name: string): string {
  return name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}_-]+/gu, "-") || "art2mus";
}
