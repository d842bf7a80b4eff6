/** A listening study: consent, pairs of tracks heard blind, answers that can be exported, and the table of all answers. */

import { create, type Art2Mus } from "../client.js";
import { sayError, toError, type Art2MusError } from "../common/errors.js";
import { orAbort } from "../common/abort.js";
import type { Words } from "../common/fields.js";
import { saveFile } from "../common/save-file.js";
import { text } from "../common/texts.js";
import { loadStudy, type Item, type Study } from "./manifest.js";
import { newParticipant, remaining, toCsv, trials, type Answer, type Participation, type Trial } from "./session.js";
import { meanRating, preference, type Mean, type Share } from "./statistics.js";

const RATINGS = [1, 2, 3, 4, 5];

/** Starts what `?study=` names; with `&results` it shows the answers of exported files instead. */
export async function startStudy(named: string, results: boolean): Promise<void> {
  const room = document.createElement("main");
  room.className = "study";
  room.tabIndex = -1;
  document.body.replaceChildren(room);
  const styles = document.createElement("link");
  styles.rel = "stylesheet";
  styles.href = new URL("../../styles/study.css", import.meta.url).href;
  document.head.append(styles);
  try {
    const address = new URL(named, document.baseURI);
    const study = await loadStudy(address);
    const page = new StudyPage(room, study, `art2mus-study ${address.href}`);
    if (results) page.showResults([]);
    else page.begin();
  } catch (thrown) {
    const error = toError(thrown, "Input");
    console.error(error);
    room.replaceChildren(element("h1", text("study.problem")), problem(error));
  }
}

class StudyPage {
  readonly #room: HTMLElement;
  readonly #study: Study;
  readonly #key: string;
  #participation: Participation;
  readonly #engines = new Map<string, Promise<Art2Mus>>();
  #trial = new AbortController();

  constructor(room: HTMLElement, study: Study, key: string) {
    this.#room = room;
    this.#study = study;
    this.#key = key;
    this.#participation = recall(key, study.id) ?? { study: study.id, participant: newParticipant(), answers: [] };
  }

  /** Consent first; whoever has begun before goes on. */
  begin(): void {
    document.title = this.#say(this.#study.title);
    if (this.#participation.answers.length > 0) {
      this.#next();
      return;
    }
    const start = button("study.begin", () => this.#next());
    const box = document.createElement("input");
    box.type = "checkbox";
    box.addEventListener("change", () => (start.disabled = !box.checked));
    start.disabled = true;
    const agree = document.createElement("label");
    agree.append(box, ` ${text("study.agree")}`);
    const count = this.#study.items.length;
    this.#show(
      element("h1", this.#say(this.#study.title)),
      element("p", text("study.about", { count })),
      element("p", this.#say(this.#study.consent)),
      agree,
      start,
    );
  }

  #next(): void {
    const left = remaining(this.#study, this.#participation);
    const [trial] = left;
    if (trial) void this.#hear(trial, trials(this.#study, this.#participation.participant).length - left.length + 1);
    else this.#finish();
  }

  /** One item: its picture, two tracks, and what is asked of them. */
  async #hear(trial: Trial, number: number): Promise<void> {
    this.#trial.abort();
    const { signal } = (this.#trial = new AbortController());
    const item = this.#study.items.find(({ id }) => id === trial.item) as Item;
    const waiting = element("p", text("study.preparing"));
    waiting.role = "status";
    const heading = element("h1", text("study.pair", { number, count: this.#study.items.length }));
    const picture = new Image();
    picture.src = item.picture.href;
    picture.alt = item.title ? this.#say(item.title) : text("study.picture", { number });
    this.#show(heading, picture, waiting);
    let tracks: string[];
    try {
      tracks = [await this.#track(item, trial.order[0], signal), await this.#track(item, trial.order[1], signal)];
    } catch (thrown) {
      if (signal.aborted) return;
      waiting.replaceWith(problem(toError(thrown)), button("study.again", () => void this.#hear(trial, number)));
      return;
    }
    waiting.replaceWith(this.#form(trial, tracks));
  }

  #form(trial: Trial, tracks: string[]): HTMLElement {
    const form = document.createElement("form");
    const columns = document.createElement("div");
    columns.className = "pair";
    const audios = tracks.map((url, at) => {
      const audio = document.createElement("audio");
      audio.controls = true;
      audio.src = url;
      audio.setAttribute("aria-label", text("study.track", { number: at + 1 }));
      return audio;
    });
    for (const audio of audios) {
      // Two at once could not be told apart.
      audio.addEventListener("play", () => audios.forEach((other) => other !== audio && other.pause()));
    }
    audios.forEach((audio, at) => {
      const track = document.createElement("section");
      track.append(element("h2", text("study.track", { number: at + 1 })), audio);
      for (const { id, words } of this.#study.questions) track.append(scale(`${at}.${id}`, this.#say(words)));
      columns.append(track);
    });
    const names = ["0", "1", "none"];
    const labels = [text("study.track", { number: 1 }), text("study.track", { number: 2 }), text("study.preferNone")];
    const preferred = choice("preferred", text("study.prefer"), names, labels);
    const state = element("p", "");
    state.role = "status";
    form.append(columns, preferred, state, button("study.next", () => {}, "submit"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const unheard = audios.findIndex((audio) => audio.played.length === 0);
      if (unheard !== -1) {
        state.textContent = text("study.unheard", { number: unheard + 1 });
        audios[unheard]?.focus();
        return;
      }
      for (const url of tracks) URL.revokeObjectURL(url);
      this.#keep(this.#answerOf(trial, new FormData(form)));
      this.#next();
    });
    return form;
  }

  #answerOf({ item, order }: Trial, data: FormData): Answer {
    const ratings = Object.fromEntries(
      order.map((system, at) => {
        const answered = this.#study.questions.map(({ id }) => [id, Number(data.get(`${at}.${id}`))] as const);
        return [system, Object.fromEntries(answered)];
      }),
    );
    const chosen = String(data.get("preferred"));
    return { item, order, ratings, preferred: chosen === "none" ? "none" : order[Number(chosen)]!, at: Date.now() };
  }

  /** Makes a track or fetches it; an object URL, so that its name tells nothing. */
  async #track(item: Item, system: string, signal: AbortSignal): Promise<string> {
    const file = item.files[system];
    if (file) {
      const response = await fetch(file, { signal });
      if (!response.ok) throw new Error(text("study.noTrack", { status: response.status }));
      return URL.createObjectURL(await response.blob());
    }
    const bundle = this.#study.systems.find(({ id }) => id === system)?.bundle ?? "";
    let engine = this.#engines.get(bundle);
    if (engine === undefined) {
      engine = create({ bundle, device: this.#study.device });
      this.#engines.set(bundle, engine);
      engine.catch(() => this.#engines.delete(bundle));
    }
    const opened = await orAbort(engine, signal);
    const { seconds } = this.#study;
    const sown = opened.info.hasSeed && { seed: item.seed };
    const settings = { signal, ...sown, ...(seconds !== undefined && { seconds }) };
    return URL.createObjectURL((await opened.generate(item.picture, settings).result).wav());
  }

  #keep(answer: Answer): void {
    this.#participation.answers.push(answer);
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.#participation));
    } catch {
      // Then a page that is closed begins again.
    }
  }

  #finish(): void {
    const { study, participant } = this.#participation;
    const name = `${study}-${participant}`;
    const json = () => save(JSON.stringify(this.#participation, null, 1), `${name}.json`, "application/json");
    const again = button("study.another", () => {
      try {
        localStorage.removeItem(this.#key);
      } catch {
        // Nothing was kept.
      }
      this.#participation = { study, participant: newParticipant(), answers: [] };
      this.begin();
    });
    this.#show(
      element("h1", text("study.thanks")),
      element("p", text("study.export")),
      button("study.json", json),
      button("study.csv", () => save(toCsv([this.#participation]), `${name}.csv`, "text/csv")),
      again,
    );
  }

  /** The table of all answers in files that participants have exported. */
  showResults(records: readonly Participation[], problem = ""): void {
    document.title = this.#say(this.#study.title);
    const input = document.createElement("input");
    input.type = "file";
    input.multiple = true;
    input.accept = ".json";
    input.addEventListener("change", () => void this.#read([...(input.files ?? [])]));
    const label = document.createElement("label");
    label.append(`${text("study.files")} `, input);
    this.#show(element("h1", this.#say(this.#study.title)), label);
    if (problem) this.#room.append(alert(problem));
    if (records.length === 0) return;
    this.#room.append(
      element("p", text("study.summary", { participants: records.length, answers: records.flatMap(({ answers }) => answers).length })),
      this.#table(records),
      element("p", text("study.intervals")),
      button("study.csv", () => save(toCsv(records), `${this.#study.id}.csv`, "text/csv")),
    );
  }

  async #read(files: File[]): Promise<void> {
    const records: Participation[] = [];
    for (const file of files) {
      const record = participation(await file.text(), this.#study.id);
      if (record === undefined) return this.showResults([], text("study.notOurs", { name: file.name }));
      // The same file twice would count twice.
      if (!records.some(({ participant }) => participant === record.participant)) records.push(record);
    }
    this.showResults(records);
  }

  #table(records: readonly Participation[]): HTMLElement {
    const table = document.createElement("table");
    const head = table.createTHead().insertRow();
    const headings = [text("study.asked"), ...this.#study.systems.map(({ id }) => id)];
    head.append(...headings.map((heading) => Object.assign(element("th", heading), { scope: "col" })));
    const body = table.createTBody();
    const row = (label: string, cells: string[]) => {
      const line = body.insertRow();
      line.append(Object.assign(element("th", label), { scope: "row" }), ...cells.map((cell) => element("td", cell)));
    };
    for (const { id, words } of this.#study.questions) {
      row(this.#say(words), this.#study.systems.map((system) => written(meanRating(records, system.id, id))));
    }
    row(text("study.preferred"), this.#study.systems.map(({ id }) => writtenShare(preference(records, id))));
    return table;
  }

  #say(words: Words): string {
    const preferred = navigator.languages.find((language) => words[language] ?? words[language.split("-")[0] ?? ""]);
    return (preferred && (words[preferred] ?? words[preferred.split("-")[0] ?? ""])) || (words[this.#study.languages[0] ?? ""] ?? "");
  }

  #show(...content: HTMLElement[]): void {
    this.#room.replaceChildren(...content);
    this.#room.focus();
  }
}

function written({ mean, low, high, participants, ratings }: Mean): string {
  const n = `n = ${participants} (${ratings})`;
  if (Number.isNaN(mean)) return "–";
  return low === undefined || high === undefined ? `${mean.toFixed(2)}, ${n}` : `${mean.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}], ${n}`;
}

function writtenShare({ share, low, high, count, of }: Share): string {
  const percent = (value: number) => `${(value * 100).toFixed(0)} %`;
  return of === 0 ? "–" : `${percent(share)} [${percent(low)}, ${percent(high)}], ${count} of ${of}`;
}

/** What an earlier visit left. */
function recall(key: string, study: string): Participation | undefined {
  try {
    return participation(localStorage.getItem(key) ?? "", study);
  } catch {
    return undefined;
  }
}

/** Reads an exported file; nothing where it is none of this study. */
function participation(json: string, study: string): Participation | undefined {
  try {
    const { study: of, participant, answers } = JSON.parse(json) as Participation;
    const right = of === study && typeof participant === "string" && Array.isArray(answers) && answers.every(isAnswer);
    return right ? { study, participant, answers } : undefined;
  } catch {
    return undefined;
  }
}

function isAnswer(value: unknown): value is Answer {
  if (typeof value !== "object" || value === null) return false;
  const { item, order, ratings, preferred, at } = value as Partial<Answer>;
  const rated = typeof ratings === "object" && Object.values(ratings).every((own) => Object.values(own).every((rating) => RATINGS.includes(rating)));
  return typeof item === "string" && Array.isArray(order) && rated && typeof preferred === "string" && typeof at === "number";
}

function element<K extends keyof HTMLElementTagNameMap>(tag: K, sentence: string): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.textContent = sentence;
  return made;
}

function problem(error: Art2MusError): HTMLElement {
  const made = alert("");
  sayError(error, made);
  return made;
}

function alert(sentence: string): HTMLElement {
  const made = element("p", sentence);
  made.role = "alert";
  return made;
}

function button(key: string, onClick: () => void, type: "button" | "submit" = "button"): HTMLButtonElement {
  const made = element("button", text(key));
  made.type = type;
  made.addEventListener("click", onClick);
  return made;
}

/** A question that is answered from 1 to 5. */
function scale(name: string, sentence: string): HTMLElement {
  return choice(name, sentence, RATINGS.map(String), RATINGS.map(String), [text("study.low"), text("study.high")]);
}

function choice(name: string, sentence: string, values: string[], labels: string[], ends: [string, string] | [] = []): HTMLElement {
  const group = document.createElement("fieldset");
  group.append(element("legend", sentence));
  const row = document.createElement("div");
  row.className = "choices";
  const options = values.map((value, at) => {
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name, value, required: true });
    const label = document.createElement("label");
    label.append(input, ` ${labels[at]}`);
    return label;
  });
  const [low, high] = ends.map((end) => element("span", end));
  row.append(...(low ? [low] : []), ...options, ...(high ? [high] : []));
  group.append(row);
  return group;
}

function save(content: string, name: string, type: string): void {
  saveFile(new Blob([content], { type }), name);
}
