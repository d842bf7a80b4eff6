/**
 * One participant's way through a study: what is heard when, and what was answered. Order and sides are drawn from the
 * participant's number, so that a page that was closed goes on as it was.
 */

import type { Study } from "./manifest.js";

/** What was answered for one item. */
export interface Answer {
  item: string;
  /** The systems as they were heard: first and second track. */
  order: readonly [string, string];
  /** From 1 to 5, by system and question. */
  ratings: Record<string, Record<string, number>>;
  /** The preferred system, or `none`. */
  preferred: string;
  /** When it was answered, in milliseconds since 1970. */
  at: number;
}

/** What is kept and exported. */
export interface Participation {
  study: string;
  participant: string;
  answers: Answer[];
}

/** What comes next. */
export interface Trial {
  item: string;
  order: readonly [string, string];
}

/** A new participant's number. */
export function newParticipant(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** All items in the participant's order, each with its sides: both systems come first equally often, give or take one. */
export function trials(study: Study, participant: string): Trial[] {
  const next = generator(participant);
  const [a, b] = [study.systems[0].id, study.systems[1].id];
  const sides = shuffled(study.items.map((_, at) => at % 2 === 0), next);
  return shuffled(study.items, next).map(({ id }, at) => ({ item: id, order: sides[at] ? [a, b] : [b, a] }));
}

/** What is still to be heard. */
export function remaining(study: Study, { participant, answers }: Participation): Trial[] {
  const done = new Set(answers.map(({ item }) => item));
  return trials(study, participant).filter(({ item }) => !done.has(item));
}

/** One line for every rating and preference. */
export function toCsv(records: readonly Participation[]): string {
  const cell = (value: string | number) => (/[",\n]/.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value));
  const lines: (string | number)[][] = [["study", "participant", "item", "system", "heard", "question", "rating", "time"]];
  for (const { study, participant, answers } of records) {
    for (const { item, order, ratings, preferred, at } of answers) {
      const time = new Date(at).toISOString();
      for (const [system, answered] of Object.entries(ratings)) {
        for (const [question, rating] of Object.entries(answered)) {
          lines.push([study, participant, item, system, order.indexOf(system) + 1, question, rating, time]);
        }
      }
      lines.push([study, participant, item, preferred, order.indexOf(preferred) + 1, "preferred", 1, time]);
    }
  }
  return `${lines.map((line) => line.map(cell).join(",")).join("\n")}\n`;
}

/** Fisher and Yates. */
function shuffled<T>(list: readonly T[], next: () => number): T[] {
  const out = [...list];
  for (let at = out.length - 1; at > 0; at -= 1) {
    const other = Math.floor(next() * (at + 1));
    [out[at], out[other]] = [out[other]!, out[at]!];
  }
  return out;
}

/** Numbers from 0 to 1 that a text decides (FNV-1a for the seed, then Mulberry32). */
function generator(seed: string): () => number {
  let state = 0x811c9dc5;
  for (const letter of seed) state = Math.imul(state ^ letter.charCodeAt(0), 0x01000193) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
