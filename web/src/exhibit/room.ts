/** The page as a room without doors: nothing of it opens a menu, sleeps, or shows a pointer that nobody moves. */

/** How long the pointer is seen after it was moved. */
const POINTER_MS = 3000;

/** The page's own markup and styles go, the exhibit's styles come. */
export function prepareDocument(): void {
  document.body.replaceChildren();
  for (const link of document.querySelectorAll('link[rel="stylesheet"]')) link.remove();
  const styles = document.createElement("link");
  styles.rel = "stylesheet";
  styles.href = new URL("../../styles/exhibit.css", import.meta.url).href;
  document.head.append(styles);
  for (const type of ["contextmenu", "dragstart", "drop", "dragover"]) {
    document.addEventListener(type, (event) => event.preventDefault());
  }
  hidePointer();
}

function hidePointer(): void {
  const root = document.documentElement;
  root.classList.add("no-pointer");
  let timer: ReturnType<typeof setTimeout> | undefined;
  document.addEventListener("pointermove", ({ pointerType }) => {
    if (pointerType === "touch") return;
    root.classList.remove("no-pointer");
    clearTimeout(timer);
    timer = setTimeout(() => root.classList.add("no-pointer"), POINTER_MS);
  });
}

/** Keeps the screen on. The browser ends that when the page is hidden, and some do not have it. */
export function keepAwake(): void {
  const request = () => {
    const wakeLock = navigator.wakeLock as WakeLock | undefined;
    if (document.visibilityState === "visible") wakeLock?.request("screen").catch(() => {});
  };
  document.addEventListener("visibilitychange", request);
  request();
}

/** Tells when somebody touches something (a key of staff is none), and when nobody has for so long. */
export function watchPresence(idleMs: number, { onTouch, onIdle }: { onTouch(): void; onIdle(): void }): void {
  let timer = setTimeout(onIdle, idleMs);
  const touched = (event: Event) => {
    if (event.defaultPrevented) return;
    clearTimeout(timer);
    timer = setTimeout(onIdle, idleMs);
    onTouch();
  };
  for (const type of ["pointerdown", "pointermove", "keydown", "wheel"]) document.addEventListener(type, touched, { passive: true });
}
