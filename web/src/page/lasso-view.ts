/** A free-form part of the picture, drawn with a pointer while the button beside it is pressed. */

import { text } from "../common/texts.js";
import { boundsOf, outlineOf, type Outline, type Point } from "../pictures/lasso.js";
import { byId, show } from "./dom.js";

/** How far the pointer moves before it makes another corner, in fractions of the picture. */
const STEP = 0.004;

/** Where an event is, in fractions of the picture. */
export type PlaceOf = (event: PointerEvent) => Point;

export class LassoView {
  readonly #stage = byId("stage", HTMLElement);
  readonly #box = byId("lasso", HTMLElement);
  readonly #free = byId("free", HTMLButtonElement);
  readonly #help = byId("lasso-help", HTMLElement);
  #outline: Outline | undefined;

  /** `onDrawn` hears of an outline once it is drawn. */
  constructor(
    readonly placeOf: PlaceOf,
    readonly onDrawn: (outline: Outline) => void,
  ) {
    this.#free.addEventListener("click", () => {
      this.active = !this.active;
    });
  }

  /** Whether a drag draws an outline. */
  get active(): boolean {
    return this.#free.ariaPressed === "true";
  }

  set active(active: boolean) {
    this.#free.ariaPressed = String(active);
    this.#stage.classList.toggle("free", active);
    this.#help.classList.toggle("visually-hidden", !active);
  }

  get outline(): Outline | undefined {
    return this.#outline;
  }

  set outline(outline: Outline | undefined) {
    this.#outline = outline;
    this.#show(outline ?? [], true);
    if (outline === undefined) return;
    const percent = Object.entries(boundsOf(outline)).map(([name, value]) => [name, Math.round(value * 100)]);
    this.#box.ariaLabel = text("lasso.label", Object.fromEntries(percent) as Record<string, number>);
  }

  /** A drag begins that draws an outline. */
  press(event: PointerEvent): void {
    event.preventDefault(); // Or the browser drags the image.
    const drawn = [this.placeOf(event)];
    const follow = (move: PointerEvent) => {
      const [to, last] = [this.placeOf(move), drawn.at(-1)!];
      if (Math.max(Math.abs(to.x - last.x), Math.abs(to.y - last.y)) < STEP) return;
      drawn.push(to);
      this.#show(drawn, false);
    };
    const end = ({ type }: PointerEvent) => {
      this.#stage.removeEventListener("pointermove", follow);
      this.#stage.removeEventListener("pointerup", end);
      this.#stage.removeEventListener("pointercancel", end);
      const outline = type === "pointercancel" ? undefined : outlineOf(drawn);
      if (outline) this.onDrawn(outline);
      else this.#show(this.#outline ?? [], true); // What was there before.
    };
    this.#stage.setPointerCapture(event.pointerId);
    this.#stage.addEventListener("pointermove", follow);
    this.#stage.addEventListener("pointerup", end);
    this.#stage.addEventListener("pointercancel", end);
  }

  /** Shows a line; when it is closed, what lies outside is darkened. */
  #show(points: readonly Point[], closed: boolean): void {
    const line = points.length === 0 ? "" : `M${points.map(({ x, y }) => `${x} ${y}`).join("L")}${closed ? "Z" : ""}`;
    for (const path of this.#box.querySelectorAll("path")) {
      const shade = path.classList.contains("shade");
      path.setAttribute("d", shade ? (closed ? `M0 0H1V1H0Z${line}` : "") : line);
    }
    show(this.#box, points.length > 0);
  }
}
