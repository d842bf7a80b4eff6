// What the page does before its modules are there, and where they never will be: a page that was opened as a file gets
// none. Not compiled, so that it is there in a copy that was never built, and no module, as files load none. Its sentences
// are in index.html.

{
  const root = document.documentElement;
  const query = new URLSearchParams(location.search);
  // An exhibit or a study takes the page's place; the page should not be seen before it.
  if (query.has("exhibit") || query.has("study")) root.dataset.start = "elsewhere";

  const fail = () => {
    root.dataset.start = "failed";
    document.getElementById(location.protocol === "file:" ? "opened-as-file" : "not-loaded").hidden = false;
  };
  // A script that cannot be loaded tells its own element only, and whoever looks on the way there.
  addEventListener("error", ({ target }) => {
    if (!(target instanceof HTMLScriptElement)) return;
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", fail);
    else fail();
  }, true);
}
