/** Small helpers for a page whose elements are all in its HTML file. */

import type { Region } from "../client.js";

/** The element with this id, which must be of this type. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return element;
}

export function show(element: HTMLElement, visible: boolean): void {
  element.hidden = !visible;
}

/** Lays an element over a part of the one that holds it; the part in fractions of its width and height. */
export function layOver(element: HTMLElement, { x, y, width, height }: Region): void {
  const percent = (value: number) => `${value * 100}%`;
  Object.assign(element.style, { left: percent(x), top: percent(y), width: percent(width), height: percent(height) });
}

/** Keeps the element's height in its `--height`, for what a style cannot compute. */
export function keepHeight(element: HTMLElement): void {
  const keep = () => element.style.setProperty("--height", `${element.offsetHeight}px`);
  new ResizeObserver(keep).observe(element);
}
