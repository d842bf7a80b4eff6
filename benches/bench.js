// The bench page. Measuring is all that it does, so the engine runs on the page's own thread, where the
// GPU's calls can be counted; the page does not answer while a WebAssembly case runs.

const byId = (id) => document.getElementById(id);
const parameters = new URLSearchParams(location.search);
const modules = new Map();

/** Counts what is given to the GPU. */
let launches = 0;
if ("GPUComputePassEncoder" in globalThis) {
  const { prototype } = GPUComputePassEncoder;
  for (const name of ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"]) {
    const original = prototype[name];
    prototype[name] = function (...rest) {
      launches += 1;
      return original.apply(this, rest);
    };
  }
}

/** The module of a device that can measure, started. */
async function engine(device) {
  if (!modules.has(device)) {
    const module = await import(`../web/dist/bench-${device}/art2mus.js`);
    await module.default();
    modules.set(device, module);
  }
  return modules.get(device);
}

/**
 * Measures one case by its name, or an operation on given tensors:
 * `bench(name, { device, tensors?, encoding?, plain?, repeats?, stride?, padding?, dilation?, groups? })`.
 * Other harnesses may call it too: it is `globalThis.bench`.
 */
export async function bench(name, inputs) {
  const module = await engine(inputs.device ?? "webgpu");
  launches = 0;
  const measured = await module.bench(name, inputs);
  // The first run compiles; each run reads one number, which is a launch of its own.
  const runs = measured.ms.length + 1;
  return { ...measured, best: Math.min(...measured.ms), launches: Math.round(launches / runs) };
}
globalThis.bench = bench;

async function measureAll() {
  const device = byId("device").value;
  const module = await engine(device);
  const results = [];
  byId("rows").replaceChildren();
  for (const name of module.benchCases().filter((name) => name.includes(byId("only").value))) {
    byId("status").textContent = `Measuring ${name}…`;
    await new Promise((resolve) => setTimeout(resolve, 50));
    const repeats = name.startsWith("UNet") ? 1 : 3;
    const ours = await bench(name, { device, repeats });
    // A network decides by itself which operations it runs.
    const compare = byId("burn").checked && !name.startsWith("UNet");
    const theirs = compare ? await bench(name, { device, repeats, plain: true }) : undefined;
    const row = byId("rows").insertRow();
    const cells = [
      name,
      ours.best.toFixed(1),
      (ours.flops / ours.best / 1e6).toFixed(2),
      (ours.bytes / ours.best / 1e6).toFixed(2),
      theirs?.best.toFixed(1) ?? "",
      theirs ? (theirs.best / ours.best).toFixed(2) : "",
      device === "webgpu" ? ours.launches : "",
    ];
    for (const text of cells) row.insertCell().textContent = String(text);
    const { ms, flops, bytes } = ours;
    results.push({ name, device, ms, flops, bytes, launches: ours.launches, burn: theirs?.ms ?? null });
    byId("json").textContent = JSON.stringify(results, null, 1);
  }
  byId("status").textContent = "Done.";
  return results;
}

byId("device").value = parameters.get("device") ?? (navigator.gpu ? "webgpu" : "wasm");
byId("only").value = parameters.get("only") ?? "";
byId("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  byId("run").disabled = true;
  try {
    globalThis.results = await measureAll();
  } catch (error) {
    byId("status").textContent = error.hint ? `${error.message}: ${error.hint}` : String(error.message ?? error);
  } finally {
    byId("run").disabled = false;
  }
});
