/**
 * Defines `<art-to-mus>`, where there are elements: on a server nothing happens.
 *
 * ```html
 * <art-to-mus src="painting.jpg" alt="A harbour at dawn" seconds="5" controls></art-to-mus>
 * ```
 *
 * Parts: `picture`, `controls`, `button`, `progress`, `status`, `audio`, `download`. Slots: `button`, whose content is
 * pressed in place of the button, and `player`, whose content drives `play()`, `pause()` and `audio`. States:
 * `running`, `asking`, `ready`, `playing`, `failed`. Variables: `--art2mus-accent`, `--art2mus-gap`.
 */

import { ArtToMus } from "./element/art-to-mus.js";

export { ArtToMus };
export type { ElementProperties } from "./element/properties.js";
export type { ArtToMusAttributes, ArtToMusEventMap } from "./element/types.js";

if (typeof customElements !== "undefined" && !customElements.get("art-to-mus")) {
  customElements.define("art-to-mus", ArtToMus);
}
