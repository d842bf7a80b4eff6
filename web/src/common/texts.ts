/** Every sentence that a person reads, from `web/texts/<language>.json`. */

type Values = Record<string, string | number>;

/** Sentences by key. */
export type Texts = Readonly<Record<string, string>>;

let texts: Texts = {};
let loading: Promise<void> | undefined;

/** Languages that there are texts in: their own names, and their files, whose addresses bundlers look for word by word. */
export const LANGUAGES = {
  en: { name: "English", file: () => new URL("../../texts/en.json", import.meta.url) },
  it: { name: "Italiano", file: () => new URL("../../texts/it.json", import.meta.url) },
  fr: { name: "Français", file: () => new URL("../../texts/fr.json", import.meta.url) },
  es: { name: "Español", file: () => new URL("../../texts/es.json", import.meta.url) },
  ca: { name: "Català", file: () => new URL("../../texts/ca.json", import.meta.url) },
  de: { name: "Deutsch", file: () => new URL("../../texts/de.json", import.meta.url) },
} as const;

export type Language = keyof typeof LANGUAGES;

/** What a person has chosen on a page of this host. */
const CHOSEN = "art2mus-language";

let current: Language = "en";

/** The language of the texts that were loaded. */
export function language(): Language {
  return current;
}

/** Remembers a language for the next page. */
export function chooseLanguage(chosen: Language): void {
  try {
    localStorage.setItem(CHOSEN, chosen);
  } catch {
    // Then the next page asks the browser again.
  }
}

/** The first of these that there are texts in; `pt-BR` counts as `pt`. */
export function firstKnown(wanted: readonly (string | null)[]): Language | undefined {
  const codes = wanted.map((code) => code?.toLowerCase().split("-")[0] ?? "");
  return codes.find((code): code is Language => Object.hasOwn(LANGUAGES, code));
}

function chosenLanguage(): string | null {
  try {
    return localStorage.getItem(CHOSEN);
  } catch {
    return null;
  }
}

/** The address's `lang`, what was chosen before, or what the browser prefers. */
function wantedLanguage(): Language {
  const asked = typeof location === "undefined" ? null : new URLSearchParams(location.search).get("lang");
  return firstKnown([asked, chosenLanguage(), ...(globalThis.navigator?.languages ?? [])]) ?? "en";
}

/** Loads the texts once. A failure leaves the keys in place of the sentences: nothing else breaks. */
export function loadTexts(): Promise<void> {
  loading ??= (async () => {
    try {
      current = wantedLanguage();
      const response = await fetch(LANGUAGES[current].file());
      if (response.ok) texts = (await response.json()) as Texts;
      else throw new Error(`status ${response.status}`);
    } catch (error) {
      console.warn("art2mus: the texts could not be loaded", error);
    }
  })();
  return loading;
}

/** The texts as they were loaded, for a worker. */
export function loadedTexts(): Texts {
  return texts;
}

/** Takes the texts that the page has loaded. */
export function useTexts(loaded: Texts): void {
  texts = loaded;
}

/** The sentence `key` with each `{name}` replaced by its value. */
export function text(key: string, values: Values = {}): string {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name: string) =>
    name in values ? String(values[name]) : whole,
  );
}

/** Whether these texts have the sentence `key`. */
export function hasText(key: string): boolean {
  return Object.hasOwn(texts, key);
}

/** The sentence `key`, or `fallback` where these texts have none. */
export function textOr(key: string, fallback: string): string {
  return texts[key] ?? fallback;
}

/** Fills every element below `root` that names its sentence in `data-text`. */
export function fillTexts(root: ParentNode): void {
  for (const element of root.querySelectorAll<HTMLElement>("[data-text]")) {
    element.textContent = text(element.dataset["text"] ?? "");
  }
  for (const element of root.querySelectorAll<HTMLElement>("[data-label]")) {
    element.setAttribute("aria-label", text(element.dataset["label"] ?? ""));
  }
}

/** `1234567` as "1.2 MB". */
export function formatBytes(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value >= 99.5 || unit === 0 ? Math.round(value) : value.toPrecision(2)} ${units[unit]}`;
}

/** `95000` as "1 min 35 s". */
export function formatDuration(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 60) return text("time.seconds", { seconds });
  if (seconds < 3600) {
    return text("time.minutes", { minutes: Math.floor(seconds / 60), seconds: seconds % 60 });
  }
  return text("time.hours", {
    hours: Math.floor(seconds / 3600),
    minutes: Math.round((seconds % 3600) / 60),
  });
}
