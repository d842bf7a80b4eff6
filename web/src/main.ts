/** What `index.html` starts: an exhibit where the address names one, the page otherwise. */

import { fillTexts, loadTexts, text } from "./common/texts.js";

const exhibit = new URLSearchParams(location.search).get("exhibit");
if (exhibit !== null) {
  const [{ startExhibit }] = await Promise.all([import("./exhibit/exhibit.js"), loadTexts()]);
  await startExhibit(exhibit);
} else {
  const [{ Page }] = await Promise.all([import("./page/page.js"), loadTexts()]);
  document.title = text("page.title");
  fillTexts(document);
  await new Page().start();
}
