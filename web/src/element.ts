/** Defines `<art-to-mus>`; see `page/element.ts`. */

export { ArtToMus } from "./page/element.js";
