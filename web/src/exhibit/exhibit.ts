/** Exhibit mode: a playlist that plays for hours without anybody near, and visitors who may touch it. */

import { persist } from "../client.js";
import { sayError, toError, type Art2MusError } from "../common/errors.js";
import { text } from "../common/texts.js";
import { Conductor } from "./conductor.js";
import { Journal } from "./journal.js";
import { Keys, type Action } from "./keys.js";
import { LogView } from "./log-view.js";
import { exhibitAddress, loadExhibit, type Manifest } from "./manifest.js";
import { Memory } from "./memory.js";
import { Playlist, type Place } from "./playlist.js";
import { keepAwake, prepareDocument, watchPresence } from "./room.js";
import { Slides } from "./slides.js";
import { broughtPicture, type Shown } from "./source.js";
import { Stage } from "./stage.js";
import { Watchdog } from "./watchdog.js";

/** How often `exhibit.json` is asked for again while it cannot be fetched: the network may come later than the page. */
const RETRY_MS = 10_000;
/** How often it is looked whether the sound clock still goes, and after how many looks without it does not. */
const SOUND_LOOK_MS = 5000;
const SOUND_LOOKS = 3;
const VOLUME_STEP = 0.05;

/** Starts the exhibit that `?exhibit=` names. */
export async function startExhibit(named: string): Promise<void> {
  prepareDocument();
  for (;;) {
    try {
      const address = exhibitAddress(named, document.baseURI);
      const manifest = await loadExhibit(address, new URL("../../models/default/", import.meta.url));
      await new Exhibit(manifest, new Memory(address), await Journal.open()).start();
      return;
    } catch (thrown) {
      const error = toError(thrown);
      console.error(error);
      showProblem(error);
      if (error.name !== "Network") return;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** What stands in the way of the exhibit, for the technician. */
function showProblem(error: Art2MusError): void {
  const stage = document.createElement("main");
  stage.className = "stage";
  stage.dataset["mode"] = "problem";
  const problem = document.createElement("section");
  problem.className = "stage-problem";
  problem.role = "alert";
  const title = document.createElement("h1");
  title.textContent = text("exhibit.problem");
  const [sentence, advice] = [document.createElement("p"), document.createElement("p")];
  sayError(error, sentence, advice);
  problem.append(title, sentence, advice);
  stage.append(problem);
  document.body.replaceChildren(stage);
}

class Exhibit {
  readonly #manifest: Manifest;
  readonly #memory: Memory;
  readonly #playlist: Playlist;
  readonly #watchdog: Watchdog;
  readonly #stage: Stage;
  readonly #journal: Journal;
  readonly #conductor: Conductor;
  readonly #log: LogView;
  /** Where it is heard to be; pieces are made further on already. */
  #place: Place;
  #visited = false;
  readonly #slides: Slides;

  constructor(manifest: Manifest, memory: Memory, journal: Journal) {
    this.#manifest = manifest;
    this.#memory = memory;
    this.#journal = journal;
    this.#log = new LogView(journal);
    const { place, reloads } = memory.read();
    this.#watchdog = new Watchdog(reloads);
    this.#playlist = new Playlist(manifest.pictures.length, manifest.order, Math.floor(Math.random() * 2 ** 32), place);
    this.#place = this.#playlist.place;
    this.#stage = new Stage(manifest, {
      onBegin: () => void this.#begin(),
      onChoose: (index) => this.#choose(index),
      onBring: (file) => void this.#bring(file),
      onVolume: (volume) => this.#setVolume(volume),
      onLanguage: (language) => (this.#stage.language = language),
    });
    this.#slides = new Slides(manifest, this.#stage);
    this.#conductor = new Conductor({
      manifest,
      playlist: this.#playlist,
      journal,
      watchdog: this.#watchdog,
      onPicture: (shown, place) => this.#onPicture(shown, place),
      onMissing: (sentence) => this.#stage.notice(sentence),
      reload: () => this.#reload(),
    });
  }

  /** Begins, as soon as the browser allows sound. */
  async start(): Promise<void> {
    const manifest = this.#manifest;
    this.#journal.note("start", { pictures: manifest.pictures.length, picture: this.#playlist.current });
    this.#stage.volume = manifest.volume;
    void persist(); // The weights have to be there tomorrow, too.
    keepAwake();
    if (manifest.keys) new Keys((action) => this.#act(action));
    watchPresence(manifest.idle * 1000, { onTouch: () => this.#onTouch(), onIdle: () => this.#onIdle() });
    this.#watchSound();
    // Where sound is allowed without a press, a machine that was just switched on begins by itself.
    const allowed = await this.#conductor.jukebox.start();
    if (allowed && manifest.attract === "music") this.#stage.mode = "attract";
    else this.#wait();
    void this.#conductor.run();
  }

  /** Silent until somebody presses; the pictures go by meanwhile. */
  #wait(): void {
    const { jukebox } = this.#conductor;
    jukebox.silence();
    void jukebox.stop();
    this.#stage.mode = "waiting";
    this.#slides.start(this.#playlist.current);
  }

  /** The press that browsers ask for before they let sound through. */
  async #begin(): Promise<void> {
    this.#slides.stop();
    if (!document.fullscreenElement) await document.documentElement.requestFullscreen().catch(() => {});
    await this.#conductor.jukebox.start();
    this.#journal.note("visitor", { did: "begin" });
    this.#stage.mode = this.#stage.hasControls ? "visitor" : "attract";
    this.#visited = true;
  }

  #onTouch(): void {
    if (this.#stage.mode !== "attract" || !this.#stage.hasControls) return;
    this.#visited = true;
    this.#stage.mode = "visitor";
  }

  /** Nobody was there for a while: everything is as it was before. */
  #onIdle(): void {
    if (!this.#visited) return;
    this.#visited = false;
    this.#journal.note("idle");
    this.#log.close();
    this.#stage.language = this.#manifest.languages[0] ?? "en";
    if (this.#manifest.visitors.volume) this.#setVolume(this.#manifest.volume);
    this.#conductor.forgetVisitor();
    if (this.#manifest.attract === "silent") this.#wait();
    else this.#stage.mode = "attract";
  }

  #onPicture(shown: Shown, place: Place): void {
    if (this.#stage.mode === "waiting") return;
    this.#place = place;
    void this.#stage.show(shown);
    this.#stage.mark(this.#conductor.index);
    this.#remember();
  }

  #choose(index: number): void {
    this.#journal.note("visitor", { did: "choose", picture: index });
    this.#conductor.choose(index);
    this.#stage.mark(index);
    this.#stage.notice(text("exhibit.making"));
  }

  async #bring(file: Blob): Promise<void> {
    this.#journal.note("visitor", { did: "bring" });
    try {
      this.#conductor.choose(await broughtPicture(file, this.#manifest.languages));
      this.#stage.mark(undefined);
      this.#stage.notice(text("exhibit.making"));
    } catch (thrown) {
      this.#stage.notice(toError(thrown).message);
    }
  }

  #setVolume(volume: number): void {
    this.#conductor.jukebox.volume = volume;
    this.#stage.volume = this.#conductor.jukebox.volume;
  }

  /** What a key of staff does. */
  #act(action: Action): void {
    const { jukebox } = this.#conductor;
    const volume = (by: number) => {
      this.#setVolume(jukebox.volume + by);
      this.#stage.notice(text("exhibit.volume.now", { percent: Math.round(jukebox.volume * 100) }));
    };
    const actions: Record<Action, () => void> = {
      stop: () => void this.#toggle(),
      louder: () => volume(VOLUME_STEP),
      quieter: () => volume(-VOLUME_STEP),
      next: () => this.#conductor.skip(),
      log: () => void this.#log.toggle(),
      fullScreen: () => void toggleFullScreen(),
      close: () => this.#log.close(),
    };
    this.#visited = true;
    if (action !== "close") this.#journal.note("staff", { did: action });
    actions[action]();
  }

  async #toggle(): Promise<void> {
    const { jukebox } = this.#conductor;
    if (this.#stage.mode === "waiting") return this.#begin();
    this.#stage.notice(text(jukebox.stopped ? "exhibit.started" : "exhibit.stopped"));
    await (jukebox.stopped ? jukebox.start() : jukebox.stop());
  }

  /** The sound goes on after the system took it away, and a clock that stands still is a fault. */
  #watchSound(): void {
    const { jukebox } = this.#conductor;
    let [last, still] = [-1, 0];
    setInterval(() => {
      if (jukebox.stopped || this.#stage.mode === "waiting") return;
      const { currentTime } = jukebox.context;
      still = currentTime === last ? still + 1 : 0;
      last = currentTime;
      if (still === 0) return;
      void jukebox.start();
      if (still < SOUND_LOOKS) return;
      still = 0;
      this.#journal.note("fault", { name: "Internal", message: text("exhibit.soundStuck") });
      if (this.#watchdog.mayReload()) {
        this.#journal.note("restart", { of: "page" });
        void this.#reload();
      }
    }, SOUND_LOOK_MS);
  }

  #remember(): void {
    this.#memory.write({ place: this.#place, reloads: this.#watchdog.reloads });
  }

  async #reload(): Promise<void> {
    this.#remember();
    await this.#journal.flush();
    location.reload();
    await new Promise(() => {}); // Nothing else happens on this page.
  }
}

async function toggleFullScreen(): Promise<void> {
  const change = document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen();
  await change.catch(() => {}); // Some browsers have none.
}
