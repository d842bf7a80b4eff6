/** What visitors see: a picture in full, its label, and the few things they may do. */

import { text } from "../common/texts.js";
import type { Words } from "../common/fields.js";
import type { ExhibitPicture, Manifest } from "./manifest.js";
import type { Shown } from "./source.js";

/** `waiting`: silent, until somebody presses; `attract`: plays by itself; `visitor`: somebody is there. */
export type Mode = "waiting" | "attract" | "visitor" | "problem";

/** What the stage reports. */
export interface StageEvents {
  onBegin(): void;
  onChoose(index: number): void;
  onBring(file: Blob): void;
  onVolume(volume: number): void;
  onLanguage(language: string): void;
}

/** Milliseconds in which pictures change; as in the style sheet. */
const DISSOLVE_MS = 1500;
/** How long a notice stays. */
const NOTICE_MS = 8000;

function element<K extends keyof HTMLElementTagNameMap>(tag: K, className: string, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

function button(className: string, label: string, onClick: () => void): HTMLButtonElement {
  const made = element("button", className, label);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}

export class Stage {
  readonly #root = element("main", "stage");
  readonly #pictures = element("div", "pictures");
  readonly #heading = element("h1", "exhibit-title");
  readonly #title = element("h2", "picture-title");
  readonly #credit = element("p", "picture-credit");
  readonly #invitation = element("p", "invitation");
  readonly #begin: HTMLButtonElement;
  readonly #controls = element("section", "controls");
  readonly #volume = element("input", "volume");
  readonly #notice = element("p", "stage-notice");
  readonly #thumbnails: HTMLButtonElement[] = [];
  readonly #manifest: Manifest;
  readonly #events: StageEvents;
  #language: string;
  #shown: Shown | undefined;
  #notices = 0;

  constructor(manifest: Manifest, events: StageEvents) {
    this.#manifest = manifest;
    this.#events = events;
    this.#language = manifest.languages[0] ?? "en";
    this.#begin = button("begin", text("exhibit.begin"), () => events.onBegin());
    this.#notice.role = "status";
    this.#title.hidden = true;
    this.#controls.ariaLabel = text("exhibit.controls");
    this.#fillControls();
    const label = element("div", "label", this.#heading, this.#title, this.#credit);
    const attract = element("div", "attract", this.#invitation, this.#begin);
    this.#root.append(this.#pictures, label, attract, this.#controls, this.#notice);
    document.body.replaceChildren(this.#root);
    this.#root.dataset["mode"] = "waiting";
    this.language = this.#language;
  }

  set mode(mode: Mode) {
    this.#root.dataset["mode"] = mode;
    this.#controls.inert = mode !== "visitor";
    this.#begin.hidden = mode !== "waiting";
    this.#sayInvitation();
  }

  get mode(): Mode {
    return this.#root.dataset["mode"] as Mode;
  }

  /** Whether visitors may do anything. */
  get hasControls(): boolean {
    return this.#controls.childElementCount > 0;
  }

  set language(language: string) {
    this.#language = language;
    document.documentElement.lang = language;
    document.title = this.#heading.textContent = this.#say(this.#manifest.title);
    for (const [index, thumbnail] of this.#thumbnails.entries()) this.#labelThumbnail(thumbnail, index);
    for (const choice of this.#controls.querySelectorAll<HTMLButtonElement>("[data-language]")) {
      choice.ariaPressed = String(choice.dataset["language"] === language);
    }
    this.#sayInvitation();
    this.#sayLabel();
  }

  set volume(volume: number) {
    this.#volume.value = String(Math.round(volume * 100));
  }

  /** Marks the picture of the list that music is made from. */
  mark(index: number | undefined): void {
    for (const [at, thumbnail] of this.#thumbnails.entries()) thumbnail.ariaCurrent = at === index ? "true" : null;
  }

  /** Shows a picture in place of the one before. */
  async show(shown: Shown): Promise<void> {
    if (shown === this.#shown) return;
    this.#shown = shown;
    const image = element("img", "picture coming");
    image.alt = this.#say(shown.alt);
    image.src = shown.view;
    await image.decode().catch(() => {}); // A picture that this browser cannot draw leaves its place empty.
    if (shown !== this.#shown) return;
    const before = [...this.#pictures.children];
    this.#pictures.append(image);
    image.getBoundingClientRect(); // Lays it out as it comes, so that what follows is a transition.
    image.classList.remove("coming");
    for (const old of before) {
      old.classList.add("going");
      old.setAttribute("aria-hidden", "true");
    }
    setTimeout(() => before.forEach((old) => old.remove()), DISSOLVE_MS);
    this.#sayLabel();
  }

  /** A sentence that goes away by itself. */
  notice(sentence: string): void {
    this.#notice.textContent = sentence;
    const notice = (this.#notices += 1);
    setTimeout(() => {
      if (notice === this.#notices) this.#notice.textContent = "";
    }, NOTICE_MS);
  }

  #say(words: Words): string {
    return words[this.#language] ?? "";
  }

  #sayInvitation(): void {
    const { invitation } = this.#manifest;
    const mine = this.mode === "waiting" || this.hasControls ? (invitation ? this.#say(invitation) : text("exhibit.invitation")) : "";
    this.#invitation.textContent = mine;
  }

  #sayLabel(): void {
    if (this.#shown === undefined) return;
    this.#title.textContent = this.#say(this.#shown.title);
    this.#title.hidden = this.#title.textContent === "";
    this.#credit.textContent = this.#say(this.#shown.credit);
    const image = this.#pictures.querySelector<HTMLImageElement>(".picture:not(.going)");
    if (image) image.alt = this.#say(this.#shown.alt);
  }

  #fillControls(): void {
    const { visitors, pictures, languages } = this.#manifest;
    if (visitors.choose) {
      this.#thumbnails.push(...pictures.map((picture, index) => this.#thumbnail(picture, index)));
      this.#controls.append(element("div", "thumbnails", ...this.#thumbnails));
    }
    const row = element("div", "row");
    if (visitors.bring) row.append(this.#bring());
    if (visitors.volume) row.append(this.#volumeControl());
    if (languages.length > 1) row.append(...languages.map((language) => this.#languageChoice(language)));
    if (row.childElementCount > 0) this.#controls.append(row);
  }

  #thumbnail(picture: ExhibitPicture, index: number): HTMLButtonElement {
    const thumbnail = button("thumbnail", "", () => this.#events.onChoose(index));
    // Pictures of other hosts cannot be shown by address here, and a manifest is no picture: those have a title only.
    if (picture.source.kind === "file" && picture.source.url.origin === location.origin) {
      const image = element("img", "");
      image.alt = "";
      image.loading = "lazy";
      image.src = picture.source.url.href;
      thumbnail.append(image);
    }
    thumbnail.append(element("span", "thumbnail-title"));
    return thumbnail;
  }

  #labelThumbnail(thumbnail: HTMLButtonElement, index: number): void {
    const picture = this.#manifest.pictures[index];
    const unnamed = picture?.source.kind === "camera" ? text("exhibit.camera.title") : text("exhibit.picture.number", { number: index + 1 });
    const title = picture?.title ? this.#say(picture.title) : unnamed;
    const label = thumbnail.querySelector(".thumbnail-title");
    if (label) label.textContent = title;
  }

  #bring(): HTMLElement {
    const input = element("input", "visually-hidden");
    input.type = "file";
    input.accept = "image/*";
    input.addEventListener("change", () => {
      const file = input.files?.[0];
      if (file) this.#events.onBring(file);
      input.value = ""; // Or the same file again would not be a change.
    });
    return element("label", "button", text("exhibit.bring"), input);
  }

  #volumeControl(): HTMLElement {
    Object.assign(this.#volume, { type: "range", min: "0", max: "100", step: "5" });
    this.#volume.addEventListener("input", () => this.#events.onVolume(Number(this.#volume.value) / 100));
    return element("label", "volume-label", text("exhibit.volume"), this.#volume);
  }

  #languageChoice(language: string): HTMLButtonElement {
    // Each language is named in itself.
    const name = new Intl.DisplayNames([language], { type: "language" }).of(language) ?? language;
    const choice = button("language", name, () => this.#events.onLanguage(language));
    choice.lang = language;
    choice.dataset["language"] = language;
    return choice;
  }
}
