/** Addresses of a bundle's folder and of the files in it. A query, such as a signature, stays behind the path. */

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
