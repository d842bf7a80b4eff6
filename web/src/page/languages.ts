/** The choice of a language, each by its own name. */

import { chooseLanguage, LANGUAGES, language, type Language } from "../common/texts.js";

/** Fills a list with all languages; the page is loaded again in the one that is chosen. */
export function offerLanguages(list: HTMLSelectElement): void {
  const current = language();
  const options = Object.entries(LANGUAGES).map(([code, { name }]) => {
    const option = new Option(name, code, code === current, code === current);
    option.lang = code;
    return option;
  });
  list.replaceChildren(...options);
  list.addEventListener("change", () => {
    chooseLanguage(list.value as Language);
    const url = new URL(location.href);
    url.searchParams.delete("lang"); // It would be asked for again.
    if (url.href === location.href) location.reload();
    else location.replace(url);
  });
}
