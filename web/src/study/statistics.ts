/** What a study's answers say: means with intervals, and who is preferred. */

import type { Answer, Participation } from "./session.js";

/** A mean with its 95 % interval; the interval is undefined below two participants. */
export interface Mean {
  mean: number;
  low: number | undefined;
  high: number | undefined;
  /** Participants, and their ratings. */
  participants: number;
  ratings: number;
}

/** A share with its 95 % interval. */
export interface Share {
  share: number;
  low: number;
  high: number;
  count: number;
  of: number;
}

/**
 * The mean of a question's ratings for one system. Ratings of one participant hang together, so the interval is that of the
 * participants' means (Student's t), not of single ratings.
 */
export function meanRating(records: readonly Participation[], system: string, question: string): Mean {
  const ratings = records.map(({ answers }) => answers.flatMap(({ ratings }) => ratings[system]?.[question] ?? []));
  const means = ratings.filter((own) => own.length > 0).map((own) => own.reduce((a, b) => a + b, 0) / own.length);
  const n = means.length;
  const mean = means.reduce((a, b) => a + b, 0) / n;
  const count = ratings.flat().length;
  if (n < 2) return { mean, low: undefined, high: undefined, participants: n, ratings: count };
  const variance = means.reduce((sum, own) => sum + (own - mean) ** 2, 0) / (n - 1);
  const reach = t975(n - 1) * Math.sqrt(variance / n);
  return { mean, low: mean - reach, high: mean + reach, participants: n, ratings: count };
}

/** How often a system is preferred, among the answers that prefer one. */
export function preference(records: readonly Participation[], system: string): Share {
  const decided = records.flatMap(({ answers }) => answers).filter(({ preferred }: Answer) => preferred !== "none");
  return share(decided.filter(({ preferred }) => preferred === system).length, decided.length);
}

/** Wilson's score interval (1927). */
export function share(count: number, of: number): Share {
  if (of === 0) return { share: NaN, low: 0, high: 1, count, of };
  const z = 1.959964;
  const p = count / of;
  const centre = (p + z ** 2 / (2 * of)) / (1 + z ** 2 / of);
  const reach = (z / (1 + z ** 2 / of)) * Math.sqrt((p * (1 - p)) / of + z ** 2 / (4 * of ** 2));
  return { share: p, low: Math.max(0, centre - reach), high: Math.min(1, centre + reach), count, of };
}

/** The 97.5 % quantile of Student's t (tables; beyond them the expansion of Cornish and Fisher, good to 1e-4). */
export function t975(freedom: number): number {
  const table = [12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.306, 2.2622, 2.2281];
  const known = table[freedom - 1];
  if (known !== undefined) return known;
  const z = 1.959964;
  return z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
}
