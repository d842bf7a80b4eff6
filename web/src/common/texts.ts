/** Every sentence that a person reads, from `web/texts/<language>.json`. */

type Values = Record<string, string | number>;

/** Sentences by key. */
export type Texts = Readonly<Record<string, string>>;

let texts: Texts = {};
let loading: Promise<void> | undefined;

/** Loads the texts once. A failure leaves the keys in place of the sentences: nothing else breaks. */
export function loadTexts(): Promise<void> {
  loading ??= (async () => {
    try {
      const response = await fetch(new URL("../../texts/en.json", import.meta.url));
      if (response.ok) texts = (await response.json()) as Texts;
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
