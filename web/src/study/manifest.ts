/** `study.json`: what is compared in a listening study, and what is asked. */

import { bad, fetchText, Fields, parseJson, type Words } from "../common/fields.js";
import { text } from "../common/texts.js";
import type { Device } from "../engine/protocol.js";

/** One thing that is asked of each track, answered from 1 to 5. */
export interface Question {
  id: string;
  words: Words;
}

/** What makes music: a bundle here and now, or files that were made before. */
export interface System {
  id: string;
  /** Full address of a bundle; undefined where every item names a file. */
  bundle: string | undefined;
}

/** A picture with the music that each system makes of it. */
export interface Item {
  id: string;
  picture: URL;
  title: Words | undefined;
  /** Files by system; a system without one makes its track itself. */
  files: Readonly<Record<string, URL>>;
  seed: number;
}

export interface Study {
  /** Names the study in exported files. */
  id: string;
  title: Words;
  languages: readonly string[];
  /** What participants agree to before they begin. */
  consent: Words;
  systems: readonly [System, System];
  questions: readonly Question[];
  items: readonly Item[];
  /** Seconds of tracks that are made here. */
  seconds: number | undefined;
  device: "auto" | Device;
}

/** What is asked where `study.json` names no questions of its own. */
const QUESTIONS = ["fit", "mood", "quality", "pleasure"] as const;

/** An id in files and tables. */
const ID = /^[A-Za-z0-9_.-]{1,60}$/;

/** Reads `study.json`; addresses in it are relative to its own. */
export function parseStudy(json: string, address: URL): Study {
  const fields = new Fields(parseJson(json, "study.json"), "", "study.json");
  const languages = fields.languages("languages");
  const systems = fields.required("systems", fields.list("systems")).map((entry, at) => parseSystem(new Fields(entry, `systems[${at}]`), address));
  if (systems.length !== 2 || systems[0]?.id === systems[1]?.id) throw bad("study.bad.systems", {});
  const study: Study = {
    id: idOf(fields, "id"),
    title: fields.required("title", fields.words("title", languages)),
    languages,
    consent: fields.required("consent", fields.words("consent", languages)),
    systems: systems as [System, System],
    questions: parseQuestions(fields, languages),
    items: fields.required("items", fields.list("items")).map((entry, at) => parseItem(new Fields(entry, `items[${at}]`), address, languages, systems)),
    seconds: fields.number("seconds", { min: 1, max: 600 }),
    device: fields.choice("device", ["auto", "webgpu", "wasm"], "auto"),
  };
  fields.end();
  for (const list of [study.items, study.questions] as const) {
    const ids = list.map(({ id }) => id);
    const twice = ids.find((id, at) => ids.indexOf(id) !== at);
    if (twice !== undefined) throw bad("study.bad.twice", { id: twice });
  }
  return study;
}

function parseSystem(fields: Fields, base: URL): System {
  const system = { id: idOf(fields, "id"), bundle: fields.address("bundle", base)?.href };
  fields.end();
  return system;
}

function parseQuestions(fields: Fields, languages: readonly string[]): Question[] {
  const own = fields.list("questions");
  if (own === undefined) {
    return QUESTIONS.map((id) => {
      const sentence = text(`study.question.${id}`);
      return { id, words: Object.fromEntries(languages.map((language) => [language, sentence])) };
    });
  }
  return own.map((entry, at) => {
    const question = new Fields(entry, `questions[${at}]`);
    const read = { id: idOf(question, "id"), words: question.required("text", question.words("text", languages)) };
    question.end();
    return read;
  });
}

function parseItem(fields: Fields, base: URL, languages: readonly string[], systems: readonly System[]): Item {
  const picture = fields.required("picture", fields.address("picture", base));
  const tracks = fields.object("tracks");
  const files: Record<string, URL> = {};
  for (const { id, bundle } of systems) {
    const file = tracks?.address(id, base);
    if (file) files[id] = file;
    else if (bundle === undefined) throw bad("study.bad.track", { field: fields.path(`tracks.${id}`), system: id });
  }
  tracks?.end();
  const item = {
    id: fields.has("id") ? idOf(fields, "id") : (picture.pathname.split("/").at(-1) ?? ""),
    picture,
    title: fields.words("title", languages),
    files,
    seed: fields.number("seed", { min: 0, max: 2 ** 32 - 1, whole: true }) ?? 1,
  };
  fields.end();
  return item;
}

function idOf(fields: Fields, key: string): string {
  const id = fields.required(key, fields.text(key));
  if (!ID.test(id)) throw bad("study.bad.id", { field: fields.path(key), value: id });
  return id;
}

/** Fetches and reads what `?study=` names. */
export async function loadStudy(address: URL): Promise<Study> {
  return parseStudy(await fetchText(address, text("study.notFetched.hint")), address);
}
