/**
 * How long a run will take. The engine reckons from a short trial, which may have run beside a page that was still
 * loading; what runs really took on this device corrects it, and is remembered.
 */

import type { Timing } from "../client.js";

const STORED = "art2mus-forecast";
/** Weight of the newest run among those before it. */
const NEWEST = 0.5;
/** Ratios beyond these come from a computer that slept, and say nothing. */
const CREDIBLE: readonly [number, number] = [0.01, 100];

/** Ratios of measured to estimated time by what computed. */
type Ratios = Record<string, number>;

export class Forecast {
  /** `key` names what computes: a bundle on a device. */
  constructor(readonly key: string) {}

  /** Milliseconds that a run will take whose engine says `estimateMs`. */
  ms(estimateMs: number | null): number | null {
    return estimateMs === null ? null : estimateMs * (load()[this.key] ?? 1);
  }

  /** Learns from a run that took `elapsedMs`. */
  learn(estimateMs: number | null, elapsedMs: number, timings: readonly Timing[]): void {
    if (estimateMs === null || estimateMs <= 0) return;
    // Loading happens once, and takes as long as the network does.
    const ratio = (elapsedMs - timings.reduce((sum, { loadMs }) => sum + loadMs, 0)) / estimateMs;
    if (!(ratio >= CREDIBLE[0] && ratio <= CREDIBLE[1])) return;
    const ratios = load();
    const before = ratios[this.key];
    ratios[this.key] = before === undefined ? ratio : before + (ratio - before) * NEWEST;
    store(ratios);
  }
}

/** What cannot be stored is remembered as long as the page is open. */
let unstored: Ratios | undefined;

function load(): Ratios {
  if (unstored) return unstored;
  try {
    const parsed: unknown = JSON.parse(localStorage.getItem(STORED) ?? "{}");
    const entries = typeof parsed === "object" && parsed !== null ? Object.entries(parsed) : [];
    return Object.fromEntries(entries.filter(([, ratio]) => typeof ratio === "number" && ratio > 0)) as Ratios;
  } catch {
    return {};
  }
}

function store(ratios: Ratios): void {
  try {
    localStorage.setItem(STORED, JSON.stringify(ratios));
  } catch {
    unstored = ratios;
  }
}
