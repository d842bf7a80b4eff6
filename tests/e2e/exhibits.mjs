// Exhibits for tests: an exhibit.json that a server of the harness answers with, and what its log says.

/** Paths of pictures of the gallery, from the server's root. */
export const PICTURES = ["01.jpg", "02.jpg", "03.jpg"].map((name) => `/web/gallery/${name}`);

/** Short pieces, so that a test sees several of them; `behaviour` is of the stand-in engine. */
export function exhibit(behaviour, rest = {}) {
  const pictures = PICTURES.map((file, at) => ({ file, title: `Picture ${at}`, alt: `What picture ${at} shows` }));
  return { title: "A test", bundle: `/${behaviour}/`, device: "wasm", seconds: 4, piece: 3, crossfade: 0.5, pictures, ...rest };
}

/** Serves `content` as `/exhibits/NAME/exhibit.json`; gives the address of the page that shows it. */
export function offer(server, name, content) {
  const path = `/exhibits/${name}/exhibit.json`;
  const body = typeof content === "string" ? content : JSON.stringify(content);
  server.overrides.set(path, (_, response) => {
    response.writeHead(200, { "content-type": "application/json" }).end(body);
    return true;
  });
  return `${server.url}?exhibit=exhibits/${name}/`;
}

/** Everything in the log of the page's browser. */
export function journal(page) {
  return page.evaluate(async () => {
    const { Journal } = await import("/web/dist/exhibit/journal.js");
    return (await Journal.open()).read();
  });
}

/** Waits until the log says enough, and returns it. */
export async function journalWith(page, enough, timeout = 90_000) {
  for (const end = Date.now() + timeout; ; await new Promise((done) => setTimeout(done, 250))) {
    const entries = await journal(page).catch(() => []); // The page may be loading again.
    if (enough(entries)) return entries;
    if (Date.now() > end) throw new Error(`the log has only:\n${entries.map((entry) => JSON.stringify(entry)).join("\n")}`);
  }
}

export const of = (entries, kind) => entries.filter((entry) => entry.kind === kind);

/** What was scheduled on the audio clock, in order. */
export const scheduled = (entries) => entries.filter(({ kind }) => kind === "piece" || kind === "repeat");
