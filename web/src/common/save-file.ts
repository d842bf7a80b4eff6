/** How long a browser may take to have read a file after the press that saves it. */
const READ_MS = 60_000;

/** Gives a person a file, as if they had pressed a link that saves it. */
export function saveFile(file: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), READ_MS);
}
