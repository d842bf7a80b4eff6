// What benches have in common: the statistics that they tell, and RESULTS.md, where `--record` puts their tables.

import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { ROOT } from "../tests/e2e/harness.mjs";

const FILE = join(ROOT, "benches/RESULTS.md");
const HEAD = `# Results

Written by the scripts of this folder with \`--record\`. Ratios within one table were measured in turn, in one run on one machine;
times of different tables, and of other machines, cannot be compared.
`;

/** The value below which the share `q` of `values` lies, between neighbours in proportion. */
export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = q * (sorted.length - 1);
  const [low, high] = [Math.floor(at), Math.ceil(at)];
  return sorted[low] + (sorted[high] - sorted[low]) * (at - low);
}

/** The median and the middle half of `values`, as `1.20 (1.10 to 1.31)`. */
export function spread(values, digits = 2) {
  const [low, middle, high] = [0.25, 0.5, 0.75].map((q) => quantile(values, q).toFixed(digits));
  return `${middle} (${low} to ${high})`;
}

/** The command line without `--record`, and the numbers behind `--NAME`. */
export function options(defaults) {
  const words = process.argv.slice(2);
  const found = { ...defaults, record: words.includes("--record") };
  const rest = [];
  for (let at = 0; at < words.length; at += 1) {
    const name = words[at].replace(/^--/, "");
    if (words[at] === "--record") continue;
    if (words[at].startsWith("--")) found[name] = Number(words[(at += 1)]);
    else rest.push(words[at]);
    if (words[at - 1]?.startsWith("--") && !(name in defaults)) throw new Error(`there is no option --${name}`);
    if (!Number.isFinite(found[name] ?? 0)) throw new Error(`--${name} takes a number`);
  }
  return { ...found, rest };
}

/** Puts `rows`, the first of them the head, into RESULTS.md in the place of the section `title`. */
export function record(title, command, rows) {
  const git = (...words) => execFileSync("git", words, { cwd: ROOT, encoding: "utf8" }).trim();
  const changed = git("status", "--porcelain", "--", "src", "web/src", "kernels") === "" ? "" : ", with changes";
  const [{ model }] = cpus();
  const where = `${model.trim()}, ${cpus().length} processors; ${new Date().toISOString().slice(0, 10)}; ${git("rev-parse", "--short", "HEAD")}${changed}`;
  const [head, ...body] = rows.map((cells) => `| ${cells.join(" | ")} |`);
  const rule = `|${rows[0].map(() => "---|").join("")}`;
  const section = `## ${title}\n\n\`${command}\`: ${where}.\n\n${[head, rule, ...body].join("\n")}\n`;
  const before = existsSync(FILE) ? readFileSync(FILE, "utf8") : HEAD;
  const [start, ...sections] = before.split(/^(?=## )/m);
  const others = sections.map((text) => text.trimEnd() + "\n");
  const at = others.findIndex((text) => text.startsWith(`## ${title}\n`));
  if (at < 0) others.push(section);
  else others[at] = section;
  writeFileSync(FILE, [start.trimEnd() + "\n", ...others].join("\n"));
}
