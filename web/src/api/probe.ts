/** Finds out what this browser can run, and says why. */

import { toError } from "../common/errors.js";
import { loadTexts, text } from "../common/texts.js";

/** Best way to run the networks here; `none` means not at all. */
export type Tier = "webgpu" | "wasm" | "none";

/** Those limits of the GPU that decide whether a model fits. */
export interface Limits {
  maxBufferSize: number;
  maxStorageBufferBindingSize: number;
  maxComputeWorkgroupStorageSize: number;
  maxComputeInvocationsPerWorkgroup: number;
  shaderF16: boolean;
  subgroups: boolean;
}

export interface Probe {
  tier: Tier;
  /** Sentences for people: why this tier and not a better one. */
  reasons: string[];
  /** Of the adapter that answered, also when it is only a software one; null when none did. */
  limits: Limits | null;
  /** Its name; empty when none answered. */
  adapter: string;
}

/** The smallest module with one SIMD instruction in it. */
const SIMD_MODULE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
]);

/** Words in an adapter's name that mean "computed on the CPU". */
const SOFTWARE = /swiftshader|llvmpipe|lavapipe|software|basic render/i;

function hasSimd(): boolean {
  return typeof WebAssembly === "object" && WebAssembly.validate(SIMD_MODULE);
}

function nameOf(info: GPUAdapterInfo): string {
  const words = [info.vendor, info.architecture, info.device, info.description];
  return words.filter((word, at) => word !== "" && words.indexOf(word) === at).join(" ");
}

function limitsOf(adapter: GPUAdapter): Limits {
  return {
    maxBufferSize: adapter.limits.maxBufferSize,
    maxStorageBufferBindingSize: adapter.limits.maxStorageBufferBindingSize,
    maxComputeWorkgroupStorageSize: adapter.limits.maxComputeWorkgroupStorageSize,
    maxComputeInvocationsPerWorkgroup: adapter.limits.maxComputeInvocationsPerWorkgroup,
    shaderF16: adapter.features.has("shader-f16"),
    subgroups: adapter.features.has("subgroups"),
  };
}

async function findAdapter(): Promise<GPUAdapter | null> {
  try {
    // The type says that `gpu` is always there; in older browsers and on plain http it is not.
    const gpu = navigator.gpu as GPU | undefined;
    return (await gpu?.requestAdapter({ powerPreference: "high-performance" })) ?? null;
  } catch {
    return null;
  }
}

/**
 * Asks for a GPU. A software adapter counts as none: the CPU module does the same work faster.
 */
export async function probe(): Promise<Probe> {
  await loadTexts();
  try {
    return await ask();
  } catch (thrown) {
    throw toError(thrown);
  }
}

async function ask(): Promise<Probe> {
  if (!hasSimd()) {
    return { tier: "none", reasons: [text("probe.noSimd")], limits: null, adapter: "" };
  }
  const adapter = await findAdapter();
  if (adapter === null) {
    const key = !isSecureContext ? "probe.insecure" : "gpu" in navigator ? "probe.noAdapter" : "probe.noWebGpu";
    return { tier: "wasm", reasons: [text(key), text("probe.cpu")], limits: null, adapter: "" };
  }
  const name = nameOf(adapter.info) || text("probe.unnamed");
  const limits = limitsOf(adapter);
  if (adapter.info.isFallbackAdapter || SOFTWARE.test(name)) {
    const reasons = [text("probe.software", { adapter: name }), text("probe.cpu")];
    return { tier: "wasm", reasons, limits, adapter: name };
  }
  return { tier: "webgpu", reasons: [text("probe.gpu", { adapter: name })], limits, adapter: name };
}
