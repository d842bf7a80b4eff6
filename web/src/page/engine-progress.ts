/** A bar while the engine's program is downloaded, which a slow connection takes a while for. */

import { formatBytes, text } from "../common/texts.js";
import { byId, show } from "./dom.js";

/** Shows that `loaded` bytes of `total` have arrived; `total` is 0 where it is not known. All of them need no bar. */
export function showEngineBytes(loaded: number, total: number): void {
  const bar = byId("engine-bar", HTMLProgressElement);
  const values = { loaded: formatBytes(loaded), total: formatBytes(total) };
  if (total > 0) bar.value = loaded / total;
  else bar.removeAttribute("value");
  byId("engine-bytes", HTMLElement).textContent = text(total > 0 ? "engine.arriving" : "engine.arriving.some", values);
  show(byId("engine-arriving", HTMLElement), loaded !== total);
}
