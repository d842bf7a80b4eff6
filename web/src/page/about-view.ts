/** Facts about the model that is open and the device it runs on. */

import type { Art2Mus } from "../client.js";
import { formatBytes, language, text } from "../common/texts.js";
import { byId, show } from "./dom.js";

/** Shows them; `bundle` is where the model comes from. Nothing is known where none is open. */
export function describeModel(engine: Art2Mus | undefined, bundle: string): void {
  show(byId("untrained", HTMLElement), engine !== undefined && !engine.info.trained);
  const facts = engine === undefined ? [] : factsOf(engine, bundle);
  byId("about", HTMLElement).replaceChildren(...facts.filter(([, value]) => value !== "").flatMap(([key, value]) => {
    const term = document.createElement("dt");
    term.textContent = text(key);
    const description = document.createElement("dd");
    description.textContent = value;
    return [term, description];
  }));
}

function factsOf({ info, device, reasons }: Art2Mus, bundle: string): [string, string][] {
  const adapter = info.adapter ? `: ${info.adapter}` : "";
  const compact = new Intl.NumberFormat(language(), { notation: "compact", maximumFractionDigits: 1 });
  const size = { bytes: formatBytes(info.bytes), parameters: compact.format(info.parameters) };
  return [
    ["engine.device", text(`device.${device}`) + adapter],
    ["engine.reason", reasons.join(" ")],
    ["engine.model", info.model],
    ["engine.size", text("engine.sizeValue", size)],
    ["engine.licence", info.licence],
    ["engine.credits", info.credits.join(" · ")],
    ["engine.bundle", bundle],
  ];
}
