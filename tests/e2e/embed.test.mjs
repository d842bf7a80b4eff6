// The client in pages that are not its own: on another origin, under strict policies, in frames without storage.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { ROOT, launch, missing } from "./harness.mjs";
import { serve } from "./server.mjs";

const MODEL = "web/models/untrained";
const skip = missing("web/dist/wasm/art2mus_bg.wasm", `${MODEL}/manifest.json`);

let browser;
/** Serves the pages under test. */
let site;
/** Serves the package, for every site. */
let cdn;
before(async () => {
  site = await serve({ root: ROOT });
  cdn = await serve({ root: ROOT, headers: { "access-control-allow-origin": "*" } });
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await Promise.all([site?.close(), cdn?.close()]);
});

/** A module that makes a piece with the package at `from` and notes in `outcome` what became of it. */
const script = (from) => `
  import { create, storage } from "${from}web/dist/client.js";
  const note = (outcome) => (document.body.dataset.outcome = JSON.stringify(outcome));
  try {
    const art2mus = await create({ bundle: "${from}${MODEL}/", device: "wasm" });
    const { samples } = await art2mus.generate(new URL("${from}tests/fixtures/picture.png"), { seconds: 0.64, steps: 1 }).result;
    note({ samples: samples.length, stored: (await storage()).supported });
    art2mus.dispose();
  } catch ({ name, message, hint }) {
    note({ name, message, hint });
  }`;

function answer(path, content, headers) {
  site.overrides.set(path, (_, response) => {
    response.writeHead(200, headers).end(content);
    return true;
  });
}

/** What becomes of a piece in a page of the site with this policy, or in a frame of it with these attributes. */
async function outcome({ from, policy, frame }) {
  answer("/page.js", script(from), { "content-type": "text/javascript", "access-control-allow-origin": "*" });
  const headers = { "content-type": "text/html", ...(policy && { "content-security-policy": policy }) };
  answer("/page.html", `<!doctype html><title>page</title><body><script type="module" src="/page.js"></script>`, headers);
  answer("/frame.html", `<!doctype html><title>frame</title><body><iframe ${frame} src="/page.html"></iframe>`, { "content-type": "text/html" });
  const page = await browser.newPage();
  await page.goto(`${site.url}${frame ? "frame" : "page"}.html`);
  const body = (frame ? page.frameLocator("iframe") : page).locator("body[data-outcome]");
  const told = JSON.parse(await body.getAttribute("data-outcome", { timeout: 60_000 }));
  await page.close();
  return told;
}

const made = (told, stored = true) => {
  assert.ok(told.samples > 0, JSON.stringify(told));
  assert.equal(told.stored, stored);
};

describe("the client", { skip, timeout: 240_000 }, () => {
  test("runs from another origin", async () => made(await outcome({ from: cdn.url })));

  const strict = (workers, scripts, types = "art2mus") =>
    `default-src 'none'; script-src 'self' ${scripts} 'wasm-unsafe-eval'; worker-src ${workers}; connect-src 'self' ${cdn.url}; ` +
    `require-trusted-types-for 'script'; trusted-types ${types}`;

  test("runs under a strict policy with Trusted Types", async () => {
    made(await outcome({ from: site.url, policy: strict("'self'", "") }));
  });

  test("runs from another origin under a strict policy with Trusted Types", async () => {
    made(await outcome({ from: cdn.url, policy: strict(`blob: ${cdn.url}`, cdn.url) }));
  });

  test("runs in a sandboxed frame, without storage", async () => {
    made(await outcome({ from: cdn.url, frame: 'sandbox="allow-scripts"' }), false);
  });

  test("runs in a sandboxed frame under a strict policy with Trusted Types", async () => {
    const policy = strict(`data: ${cdn.url}`, `${site.url} ${cdn.url}`);
    made(await outcome({ from: cdn.url, policy, frame: 'sandbox="allow-scripts"' }), false);
  });

  test("runs in a credentialless frame", async () => {
    made(await outcome({ from: cdn.url, frame: "credentialless" }));
  });

  test("says what a page has to allow", async () => {
    const refused = async (from, policy) => {
      const { name, message, hint } = await outcome({ from, policy });
      assert.equal(name, "Network");
      assert.match(message, /^The engine's worker could not be started from http\S+worker\.js\.$/);
      return hint;
    };
    assert.match(await refused(site.url, strict("'none'", "")), /worker-src 'self'/);
    assert.match(await refused(site.url, strict("'self'", "", "another")), /trusted-types art2mus/);
    assert.match(await refused(cdn.url, strict(cdn.url, cdn.url)), /blob: .*for workers/);
    assert.match(await refused(cdn.url, strict("blob:", cdn.url)), /this host/);
    const told = await outcome({ from: cdn.url, policy: `script-src 'self' ${cdn.url}; worker-src blob: ${cdn.url}` });
    assert.equal(told.name, "Unsupported", JSON.stringify(told));
    assert.match(told.hint, /wasm-unsafe-eval/);
  });


  test("says that bundlers do not copy the model of the package", async () => {
    const path = "/web/models/default/manifest.json";
    for (const [status, content] of [[404, "not here"], [200, "<!doctype html>"]]) {
      site.overrides.set(path, (_, response) => {
        response.writeHead(status, { "content-type": "text/html" }).end(content);
        return true;
      });
      answer("/page.html", "<!doctype html><title>page</title>", { "content-type": "text/html" });
      const page = await browser.newPage();
      await page.goto(`${site.url}page.html`);
      const hint = await page.evaluate(async () => {
        const { create } = await import("/web/dist/client.js");
        return create({ device: "wasm" }).catch(({ hint }) => hint);
      });
      await page.close();
      assert.match(hint, /copy the folder models\/default/);
    }
    site.overrides.delete(path);
  });
});

describe("<art-to-mus>", { skip, timeout: 120_000 }, () => {
  // What web/README.md says that a policy needs.
  const table = [...readFileSync(join(ROOT, "web/README.md"), "utf8").matchAll(/^\| on .* \| `(script-src .*)` \|$/gm)].map((match) => match[1]);
  const own = "default-src 'none'; img-src 'self'; media-src blob:; require-trusted-types-for 'script'; trusted-types art2mus; ";

  for (const [n, where] of ["the page's origin", "another origin"].entries()) {
    test(`makes and plays music from ${where} under the policy of the README`, async () => {
      assert.equal(table.length, 2);
      const from = n === 0 ? site.url : cdn.url;
      const policy = own + table[n].replaceAll("https://cdn.example", cdn.url);
      // The picture is the page's own: so it needs a source for itself where the package has another.
      const picture = n === 0 ? policy : policy.replace("connect-src", "connect-src 'self'");
      answer("/page.html", `<!doctype html><title>page</title><script type="module" src="${from}web/dist/element.js"></script><body>
        <art-to-mus src="/tests/fixtures/picture.png" bundle="${from}${MODEL}/" device="wasm" seconds="0.64" steps="1" controls></art-to-mus>`,
      { "content-type": "text/html", "content-security-policy": picture });
      const page = await browser.newPage();
      const refused = [];
      page.on("console", (message) => /Content Security Policy|Trusted/i.test(message.text()) && refused.push(message.text()));
      await page.goto(`${site.url}page.html`);
      const made = page.evaluate(() => new Promise((done) => {
        document.addEventListener("art2mus-done", ({ target }) => target.play().then(() => done("played"), ({ message }) => done(message)));
        document.addEventListener("art2mus-error", ({ detail }) => done(detail.message));
      }));
      await page.locator("art-to-mus button").click();
      assert.equal(await made, "played");
      await page.close();
      assert.deepEqual(refused, []);
    });
  }
});
