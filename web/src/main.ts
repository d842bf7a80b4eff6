/** What `index.html` starts: an exhibit or a listening study where the address names one, the page otherwise. */

import { fillTexts, language, loadTexts, text } from "./common/texts.js";

const query = new URLSearchParams(location.search);
const [exhibit, study] = [query.get("exhibit"), query.get("study")];
if (study !== null) {
  const [{ startStudy }] = await Promise.all([import("./study/study.js"), loadTexts()]);
  document.documentElement.lang = language();
  await startStudy(study, query.has("results"));
} else if (exhibit !== null) {
  const [{ startExhibit }] = await Promise.all([import("./exhibit/exhibit.js"), loadTexts()]);
  await startExhibit(exhibit);
} else {
  const [{ Page }] = await Promise.all([import("./page/page.js"), loadTexts()]);
  document.title = text("page.title");
  document.documentElement.lang = language();
  fillTexts(document);
  await new Page().start();
}
