/** Small helpers for a page whose elements are all in its HTML file. */

/** The element with this id, which must be of this type. */
export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return element;
}

export function show(element: HTMLElement, visible: boolean): void {
  element.hidden = !visible;
}

/** Keeps the element's height in its `--height`, for what a style cannot compute. */
export function keepHeight(element: HTMLElement): void {
  const keep = () => element.style.setProperty("--height", `${element.offsetHeight}px`);
  new ResizeObserver(keep).observe(element);
}
