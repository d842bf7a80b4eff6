/**
 * The service worker: the page's own files are kept as one consistent set, checked by hash, and answer when the network
 * does not. `sw.js` at the root runs it after `shell.js`, which names the set. Weights have a storage of their own.
 *
 * A script and not a module, as not every browser runs modules here: nothing is imported or exported.
 */

{
  /** A file of the page: its path below the root, and what it must be. */
  interface ShellFile {
    path: string;
    sha256: string;
    /** Kept once it was needed, not at once: large, and not for every device. */
    lazy: boolean;
  }

  interface ExtendableEvent extends Event {
    waitUntil(promise: Promise<unknown>): void;
  }

  interface FetchEvent extends ExtendableEvent {
    readonly request: Request;
    respondWith(response: Promise<Response>): void;
  }

  interface Scope {
    readonly SHELL: { version: string; files: ShellFile[] };
    readonly registration: { scope: string };
    readonly clients: { claim(): Promise<void> };
    skipWaiting(): Promise<void>;
    addEventListener(type: "install" | "activate", listener: (event: ExtendableEvent) => void): void;
    addEventListener(type: "fetch", listener: (event: FetchEvent) => void): void;
  }

  const scope = self as unknown as Scope;
  const PREFIX = "art2mus-shell-";
  const NAME = PREFIX + scope.SHELL.version;
  const INDEX = "index.html";
  /** Manifests of bundles, imported ones too (`storage/manifest.ts`), and what else of this host was used; not by version. */
  const USED = "art2mus-used";
  /** Files of this size and less are kept when they are used. */
  const MOST_USED_BYTES = 2_000_000;
  /** A network that says nothing for so long counts as none, where there is a copy. */
  const PATIENCE_MS = 4000;

  const root = scope.registration.scope;
  const files = new Map(scope.SHELL.files.map((file) => [new URL(file.path, root).href, file]));

  scope.addEventListener("install", (event) => event.waitUntil(install()));
  scope.addEventListener("activate", (event) => event.waitUntil(activate()));
  scope.addEventListener("fetch", (event) => {
    const { request } = event;
    if (request.method !== "GET" || !request.url.startsWith(root) || request.headers.has("range")) return;
    // Weights are kept elsewhere, under their hashes.
    if (request.url.endsWith(".bin")) return;
    event.respondWith(answer(request, (promise) => event.waitUntil(promise)));
  });

  /** All or nothing: a set with files of two versions would not run. */
  async function install(): Promise<void> {
    const cache = await caches.open(NAME);
    const wanted = [...files].filter(([, { lazy }]) => !lazy);
    await Promise.all(
      wanted.map(async ([url, file]) => {
        const response = await fetch(url, { cache: "no-cache" });
        if (!(await isRight(response, file))) throw new Error(`${file.path} is not of version ${scope.SHELL.version}`);
        await cache.put(url, response);
      }),
    );
    await scope.skipWaiting();
  }

  async function activate(): Promise<void> {
    const names = await caches.keys();
    await Promise.all(names.filter((name) => name.startsWith(PREFIX) && name !== NAME).map((name) => caches.delete(name)));
    await scope.clients.claim();
  }

  /** From the network, so that a new version is seen at once; else the copy. */
  async function answer(request: Request, later: (promise: Promise<unknown>) => void): Promise<Response> {
    const url = new URL(request.url);
    // What an address asks the page to do is not part of the page.
    const key = new URL(url.pathname.endsWith("/") ? INDEX : url.pathname, url).href;
    const ignoreQuery = request.mode === "navigate" && files.has(key);
    const copy = () => caches.match(ignoreQuery ? key : request.url);
    const fetched = fetch(request);
    const kept = await Promise.race([
      fetched.then((response) => (response.status < 500 ? undefined : copy()), copy),
      new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE_MS)).then(copy),
    ]);
    if (kept) {
      fetched.catch(() => {});
      return kept;
    }
    const response = await fetched;
    if (response.ok) later(keep(files.get(key), ignoreQuery ? key : request.url, response.clone()));
    return response;
  }

  async function keep(file: ShellFile | undefined, key: string, response: Response): Promise<void> {
    if (file !== undefined) {
      // What is not of this version is for the worker that comes with it.
      if (file.lazy && (await isRight(response, file))) await (await caches.open(NAME)).put(key, response);
      return;
    }
    const length = Number(response.headers.get("content-length"));
    if (response.type === "basic" && length > 0 && length <= MOST_USED_BYTES) await (await caches.open(USED)).put(key, response);
    else await response.body?.cancel();
  }

  async function isRight(response: Response, { sha256 }: ShellFile): Promise<boolean> {
    if (!response.ok) return false;
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await response.clone().arrayBuffer()));
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") === sha256;
  }
}
