/** What `index.html` starts. */

import { fillTexts, loadTexts, text } from "./common/texts.js";
import { Page } from "./page/page.js";

await loadTexts();
document.title = text("page.title");
fillTexts(document);
await new Page().start();
