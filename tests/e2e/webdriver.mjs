// A client of W3C WebDriver (https://www.w3.org/TR/webdriver2/) for the engines that Playwright does not drive as
// Debian ships them: Firefox through geckodriver, WebKitGTK through its own driver, both without a screen of their own.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** WebDriver's name of the reference to an element. */
const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";

/** WebKitGTK's own small browser, which lies beside its library. */
function miniBrowser() {
  const library = "/usr/lib/" + (readdirSync("/usr/lib").find((name) => name.endsWith("-linux-gnu")) ?? "");
  const version = readdirSync(library).find((name) => name.startsWith("webkit2gtk-") || name.startsWith("webkitgtk-"));
  return join(library, version ?? "webkitgtk", "MiniBrowser");
}

/** How each engine is started. */
const ENGINES = {
  firefox: {
    driver: process.env.GECKODRIVER ?? "geckodriver",
    arguments: (port) => ["--port", String(port), "--host", "127.0.0.1"],
    capabilities: () => ({
      browserName: "firefox",
      "moz:firefoxOptions": { binary: "/usr/bin/firefox-esr", args: ["-headless"], prefs: { "media.autoplay.default": 0 } },
    }),
  },
  webkit: {
    driver: "WebKitWebDriver",
    arguments: (port) => [`--port=${port}`, "--host=127.0.0.1"],
    capabilities: () => ({ "webkitgtk:browserOptions": { binary: miniBrowser(), args: ["--automation"] } }),
  },
};

/** Whether the engine's driver is installed. */
export const installed = (name) => spawnSync("which", [ENGINES[name].driver]).status === 0;

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** A screen in memory, for an engine that has no headless mode. */
async function screen() {
  const process = spawn("Xvfb", ["-displayfd", "3", "-screen", "0", "1280x1000x24", "-nolisten", "tcp"], {
    stdio: ["ignore", "ignore", "ignore", "pipe"],
  });
  const [number] = await once(process.stdio[3], "data");
  return { display: `:${String(number).trim()}`, close: () => process.kill() };
}

/** Starts an engine, and gives a page of it. */
export async function start(name) {
  const engine = ENGINES[name];
  const { display, close: closeScreen } = name === "webkit" ? await screen() : { display: undefined, close: () => {} };
  const port = await freePort();
  const driver = spawn(engine.driver, engine.arguments(port), {
    stdio: "ignore",
    // WebKit's sandbox wants user namespaces, which containers do not give.
    env: { ...process.env, ...(display && { DISPLAY: display }), WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: "1" },
  });
  const call = async (method, path, body) => {
    const options = body === undefined ? { method } : { method, body: JSON.stringify(body), headers: { "content-type": "application/json" } };
    const { value } = await (await fetch(`http://127.0.0.1:${port}${path}`, options)).json();
    if (value?.error) throw new Error(`${path}: ${value.error}: ${value.message}`);
    return value;
  };
  const kill = () => {
    driver.kill();
    closeScreen();
  };
  try {
    for (let attempt = 0; ; attempt += 1) {
      const ready = await call("GET", "/status").catch(() => undefined);
      if (ready?.ready) break;
      if (attempt > 100) throw new Error(`${engine.driver} does not answer`);
      await sleep(100);
    }
    const { sessionId } = await call("POST", "/session", { capabilities: { alwaysMatch: engine.capabilities() } });
    return new Page((method, path, body) => call(method, `/session/${sessionId}${path}`, body), kill);
  } catch (error) {
    kill();
    throw error;
  }
}

class Page {
  #call;
  #kill;

  constructor(call, kill) {
    this.#call = call;
    this.#kill = kill;
  }

  async goto(url) {
    await this.#call("POST", "/timeouts", { script: 120_000, pageLoad: 60_000 });
    await this.#call("POST", "/url", { url });
  }

  reload() {
    return this.#call("POST", "/refresh", {});
  }

  back() {
    return this.#call("POST", "/back", {});
  }

  /** Runs a function in the page, with arguments that JSON can hold; waits for its promise. */
  async evaluate(body, ...args) {
    const script = `const [...all] = arguments; const done = all.pop();
      Promise.resolve((${body})(...all)).then((value) => done({ value }), (error) => done({ error: String(error) }));`;
    const { value, error } = await this.#call("POST", "/execute/async", { script, args });
    if (error !== undefined) throw new Error(error);
    return value;
  }

  /** Waits until a function of the page gives something, and returns that. */
  async until(body, ...args) {
    for (const end = Date.now() + 90_000; ; ) {
      const value = await this.evaluate(body, ...args);
      if (value) return value;
      if (Date.now() > end) throw new Error(`never came: ${body}`);
      await sleep(100);
    }
  }

  async #element(selector) {
    return (await this.#call("POST", "/element", { using: "css selector", value: selector }))[ELEMENT];
  }

  async click(selector) {
    await this.#call("POST", `/element/${await this.#element(selector)}/click`, {});
  }

  /** Types into an element; for an input of files, a path. */
  async type(selector, text) {
    await this.#call("POST", `/element/${await this.#element(selector)}/value`, { text });
  }

  /** Presses keys one after the other wherever the focus is; WebDriver's code points for special ones. */
  async press(...keys) {
    const actions = keys.flatMap((value) => [{ type: "keyDown", value }, { type: "keyUp", value }]);
    await this.#call("POST", "/actions", { actions: [{ type: "key", id: "keyboard", actions }] });
  }

  /** What a person reads in an element, or undefined where it is not seen. */
  text(selector) {
    return this.evaluate((selector) => {
      const element = document.querySelector(selector);
      return element?.checkVisibility() ? element.innerText : null;
    }, selector);
  }

  async close() {
    await this.#call("DELETE", "").catch(() => {});
    this.#kill();
  }
}
