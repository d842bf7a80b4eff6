/** What TypeScript knows of `<art-to-mus>`: its events, and its attributes in markup. */

import type { Art2MusError, GenerationEvent, LoadEvent, Result } from "../client.js";
import type { ElementProperties } from "./properties.js";

/** The events of `<art-to-mus>`. All bubble, and leave shadow trees. */
export interface ArtToMusEventMap {
  /** Weights have arrived. */
  "art2mus-load": CustomEvent<LoadEvent>;
  /** Anything has happened in a run: weights, a stage, a step, the end. */
  "art2mus-progress": CustomEvent<GenerationEvent>;
  /** The music is ready. */
  "art2mus-done": CustomEvent<Result>;
  /** A run was cancelled, or waits for an answer before a large download. */
  "art2mus-cancel": CustomEvent<Art2MusError>;
  /** A run has failed. */
  "art2mus-error": CustomEvent<Art2MusError>;
  /** The music is heard. */
  "art2mus-play": CustomEvent<null>;
  /** The music was paused, or has ended. */
  "art2mus-pause": CustomEvent<null>;
}

/** A number, or as markup has it, its text. */
type InMarkup<T> = T extends number ? number | string : T;

type Properties = Omit<ElementProperties, keyof HTMLElement>;

/** The attributes of `<art-to-mus>`, for JSX and templates. */
export type ArtToMusAttributes = {
  [Name in keyof Properties]?: InMarkup<Exclude<Properties[Name], null>> | null | undefined;
} & {
  [Name in keyof ArtToMusEventMap as `on${Name}`]?: (event: ArtToMusEventMap[Name]) => void;
};

declare global {
  interface GlobalEventHandlersEventMap extends ArtToMusEventMap {}
}
