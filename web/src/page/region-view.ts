/** The part of the picture that is heard: a rectangle, drawn with a pointer, moved and sized with keys; or a free form. */

import type { Region } from "../client.js";
import { text } from "../common/texts.js";
import { boundsOf, type Outline, type Point } from "../pictures/lasso.js";
import { byId, layOver, show } from "./dom.js";
import { LassoView } from "./lasso-view.js";
import type { PageSettings } from "./settings.js";

/** The least width and height, in fractions of the picture. */
const LEAST = 0.05;
/** How far a key moves an edge. */
const STEP = 0.02;
/** Keys count as one change when none follows within this time. */
const KEYS_MS = 600;

const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** A part of a picture. */
export interface Part {
  /** Its rectangle; of a free form, the one around it. */
  region: Region;
  lasso?: Outline | undefined;
}

/** The part that settings name. */
export function partOf({ lasso, generation: { region } }: PageSettings): Part | undefined {
  return region && { region, lasso };
}

const clamp = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);

export class RegionView {
  readonly #stage = byId("stage", HTMLElement);
  readonly #box = byId("region", HTMLElement);
  readonly #handle = byId("region-handle", HTMLElement);
  readonly #part = byId("part", HTMLButtonElement);
  readonly #whole = byId("whole", HTMLButtonElement);
  readonly #lasso = new LassoView((event) => this.#place(event), (lasso) => {
    this.part = { region: boundsOf(lasso), lasso };
    this.onChange(this.part);
  });
  #region: Region | undefined;
  #disturbed: ReturnType<typeof setTimeout> | undefined;

  /** `onChange` hears of a part once it stays as it is. */
  constructor(readonly onChange: (part: Part | undefined) => void) {
    this.#part.addEventListener("click", () => {
      this.#lasso.active = false;
      this.#draw({ x: 0.25, y: 0.25, width: 0.5, height: 0.5 });
      this.#box.focus();
      this.onChange(this.part);
    });
    this.#whole.addEventListener("click", () => {
      this.#clear();
      this.#part.focus();
    });
    this.#box.addEventListener("keydown", (event) => this.#key(event));
    this.#stage.addEventListener("pointerdown", (event) => this.#press(event));
  }

  get part(): Part | undefined {
    return this.#region && { region: this.#region, lasso: this.#lasso.outline };
  }

  /** Shows a part, or the whole picture, without telling of it. */
  set part(part: Part | undefined) {
    clearTimeout(this.#disturbed);
    if (part && !part.lasso) {
      this.#draw(part.region);
      return;
    }
    this.#region = part?.region;
    this.#lasso.outline = part?.lasso;
    this.#show();
  }

  #clear(): void {
    this.part = undefined;
    this.onChange(undefined);
  }

  #draw({ x, y, width, height }: Region): void {
    width = clamp(width, LEAST, 1);
    height = clamp(height, LEAST, 1);
    this.#region = { x: clamp(x, 0, 1 - width), y: clamp(y, 0, 1 - height), width, height };
    this.#lasso.outline = undefined;
    this.#show();
  }

  #show(): void {
    const region = this.#region;
    show(this.#box, region !== undefined && this.#lasso.outline === undefined);
    show(this.#whole, region !== undefined);
    show(this.#part, region === undefined);
    if (region === undefined) return;
    layOver(this.#box, region);
    const whole = (value: number) => Math.round(value * 100);
    this.#box.ariaLabel = text("region.label", {
      x: whole(region.x), y: whole(region.y), width: whole(region.width), height: whole(region.height),
    });
  }

  #key(event: KeyboardEvent): void {
    const region = this.#region;
    if (region === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Delete" || event.key === "Backspace") {
      event.preventDefault();
      this.#clear();
      this.#part.focus();
      return;
    }
    const arrow = ARROWS[event.key];
    if (arrow === undefined) return;
    event.preventDefault();
    const [dx, dy] = [arrow[0] * STEP, arrow[1] * STEP];
    this.#draw(
      event.shiftKey
        ? {
            ...region,
            width: Math.min(region.width + dx, 1 - region.x),
            height: Math.min(region.height + dy, 1 - region.y),
          }
        : { ...region, x: region.x + dx, y: region.y + dy },
    );
    clearTimeout(this.#disturbed);
    this.#disturbed = setTimeout(() => this.onChange(this.part), KEYS_MS);
  }

  /** A drag draws a new rectangle; inside the old one it moves it, and at its corner it sizes it. */
  #press(event: PointerEvent): void {
    if (event.button !== 0 || !event.isPrimary) return;
    if (this.#lasso.active) return this.#lasso.press(event);
    const { target } = event;
    const before = this.#lasso.outline ? undefined : this.#region;
    const part = this.part;
    const onBox = target === this.#box || target === this.#handle;
    // A finger on the picture scrolls the page, so it begins with a rectangle that is already there.
    if (event.pointerType === "touch" && !onBox) return;
    event.preventDefault(); // Or the browser drags the image.
    const start = this.#place(event);
    const drawn = (to: Point): Region => {
      if (before && target === this.#box) {
        return { ...before, x: before.x + to.x - start.x, y: before.y + to.y - start.y };
      }
      const from = before && target === this.#handle ? before : start;
      return {
        x: Math.min(from.x, to.x),
        y: Math.min(from.y, to.y),
        width: Math.abs(to.x - from.x),
        height: Math.abs(to.y - from.y),
      };
    };
    let moved = false;
    const follow = (move: PointerEvent) => {
      const to = this.#place(move);
      moved ||= Math.max(Math.abs(to.x - start.x), Math.abs(to.y - start.y)) >= STEP / 2;
      if (moved) this.#draw(drawn(to));
    };
    const end = (last: PointerEvent) => {
      this.#stage.removeEventListener("pointermove", follow);
      this.#stage.removeEventListener("pointerup", end);
      this.#stage.removeEventListener("pointercancel", end);
      if (last.type === "pointercancel") this.part = part;
      else if (moved) this.onChange(this.part);
    };
    this.#stage.setPointerCapture(event.pointerId);
    this.#stage.addEventListener("pointermove", follow);
    this.#stage.addEventListener("pointerup", end);
    this.#stage.addEventListener("pointercancel", end);
    if (onBox) this.#box.focus();
  }

  /** Where the pointer is, in fractions of the picture. */
  #place({ clientX, clientY }: PointerEvent): Point {
    const { left, top, width, height } = this.#stage.getBoundingClientRect();
    return { x: clamp((clientX - left) / width, 0, 1), y: clamp((clientY - top) / height, 0, 1) };
  }
}
