/** A piece as a compressed file: its sound alone, or a video of the painting while the music plays. */

import type * as Mediabunny from "mediabunny";
import { Art2MusError } from "../common/errors.js";
import { text } from "../common/texts.js";
import { drawWaveform } from "./waveform.js";

/** What becomes a file. */
export interface Recording {
  samples: Float32Array;
  sampleRate: number;
  title: string;
  /** Where it comes from: model, seed and the address that makes it again. */
  comment: string;
}

export interface Recorded {
  blob: Blob;
  /** The file's ending, without the dot. */
  extension: string;
}

/** Hears what part is done, 0 to 1. */
type OnProgress = (fraction: number) => void;

/** All codecs have this rate. */
const RATE = 48_000;
const AUDIO_BITRATE = 128_000;
const VIDEO_BITRATE = 2_500_000;
const FRAME_RATE = 25;
/** Longest sides of a frame. */
const FRAME = { width: 1280, height: 1080, strip: 96 };

/** The library, of which only whoever saves a file has to wait for the download. */
const library = (): Promise<typeof Mediabunny> => import(new URL("../vendor/mediabunny.js", import.meta.url).href);

/** Whether this browser can compress sound, and moving pictures. */
export function canRecord(): { sound: boolean; video: boolean } {
  const sound = typeof AudioEncoder === "function";
  return { sound, video: sound && typeof VideoEncoder === "function" };
}

/** The sound as AAC in MP4, or as Opus in Ogg. */
export async function recordSound(recording: Recording, signal: AbortSignal): Promise<Recorded> {
  const media = await library();
  const aac = await media.canEncodeAudio("aac", { numberOfChannels: 1, sampleRate: RATE, bitrate: AUDIO_BITRATE });
  const format = aac ? new media.Mp4OutputFormat({ fastStart: "in-memory" }) : new media.OggOutputFormat();
  const { output, target } = begin(media, format, recording);
  const source = new media.AudioBufferSource({ codec: aac ? "aac" : "opus", bitrate: AUDIO_BITRATE });
  output.addAudioTrack(source);
  await write(output, signal, async () => {
    await source.add(await resampled(recording));
    source.close();
  });
  return { blob: fileOf(target, aac ? "audio/mp4" : "audio/ogg"), extension: aac ? "m4a" : "ogg" };
}

/** The painting above the waveform, along which a line moves with the music: MP4 where it can be, else WebM. */
export async function recordVideo(
  recording: Recording,
  painting: HTMLImageElement,
  signal: AbortSignal,
  onProgress: OnProgress,
): Promise<Recorded> {
  const media = await library();
  const canvas = document.createElement("canvas");
  const frame = new Frame(canvas, painting, recording.samples);
  const size = { width: canvas.width, height: canvas.height, bitrate: VIDEO_BITRATE };
  const sound = { numberOfChannels: 1, sampleRate: RATE, bitrate: AUDIO_BITRATE };
  const mp4 = (await media.canEncodeVideo("avc", size)) && (await media.canEncodeAudio("aac", sound));
  const video = mp4 ? "avc" : await media.getFirstEncodableVideoCodec(["vp9", "vp8", "av1"], size);
  if (video === null) throw new Art2MusError({ name: "Unsupported", message: text("save.noVideo") });
  const format = mp4 ? new media.Mp4OutputFormat({ fastStart: "in-memory" }) : new media.WebMOutputFormat();
  const { output, target } = begin(media, format, recording);
  const pictures = new media.CanvasSource(canvas, { codec: video, bitrate: VIDEO_BITRATE, keyFrameInterval: 5 });
  output.addVideoTrack(pictures, { frameRate: FRAME_RATE });
  const audio = new media.AudioBufferSource({ codec: mp4 ? "aac" : "opus", bitrate: AUDIO_BITRATE });
  output.addAudioTrack(audio);
  await write(output, signal, async () => {
    await audio.add(await resampled(recording));
    audio.close();
    const frames = Math.ceil((recording.samples.length / recording.sampleRate) * FRAME_RATE);
    for (let n = 0; n < frames; n += 1) {
      signal.throwIfAborted();
      frame.draw(n / frames);
      await pictures.add(n / FRAME_RATE, 1 / FRAME_RATE);
      onProgress((n + 1) / frames);
      // Encoders answer between tasks, and so do buttons.
      if (n % FRAME_RATE === 0) await new Promise((resolve) => setTimeout(resolve));
    }
    pictures.close();
  });
  return { blob: fileOf(target, mp4 ? "video/mp4" : "video/webm"), extension: mp4 ? "mp4" : "webm" };
}

function begin(media: typeof Mediabunny, format: Mediabunny.OutputFormat, { title, comment }: Recording) {
  const target = new media.BufferTarget();
  const output = new media.Output({ format, target });
  output.setMetadataTags({ title, comment });
  return { output, target };
}

/** Runs `fill` between the start and the end of a file, and leaves nothing behind when it fails. */
async function write(output: Mediabunny.Output, signal: AbortSignal, fill: () => Promise<void>): Promise<void> {
  await output.start();
  try {
    await fill();
    signal.throwIfAborted();
    await output.finalize();
  } catch (error) {
    await output.cancel();
    throw error;
  }
}

function fileOf({ buffer }: Mediabunny.BufferTarget, type: string): Blob {
  if (buffer === null) throw new Error("the file was not written");
  return new Blob([buffer], { type });
}

function resampled({ samples, sampleRate }: Recording): Promise<AudioBuffer> {
  const context = new OfflineAudioContext(1, Math.ceil((samples.length / sampleRate) * RATE), RATE);
  const buffer = context.createBuffer(1, samples.length, sampleRate);
  buffer.copyToChannel(samples as Float32Array<ArrayBuffer>, 0);
  const source = context.createBufferSource();
  source.buffer = buffer;
  source.connect(context.destination);
  source.start();
  return context.startRendering();
}

/** The frames of a video, which differ in where the line stands. */
class Frame {
  readonly #context: CanvasRenderingContext2D;
  readonly #still: HTMLCanvasElement;

  constructor(canvas: HTMLCanvasElement, painting: HTMLImageElement, samples: Float32Array) {
    const { naturalWidth, naturalHeight } = painting;
    const scale = Math.min(FRAME.width / naturalWidth, (FRAME.height - FRAME.strip) / naturalHeight);
    // Encoders want even sides.
    const even = (value: number) => Math.max(2, Math.round(value / 2) * 2);
    canvas.width = even(Math.max(naturalWidth * scale, FRAME.width / 3));
    canvas.height = even(naturalHeight * scale) + FRAME.strip;
    this.#still = document.createElement("canvas");
    this.#still.width = canvas.width;
    this.#still.height = canvas.height;
    const still = contextOf(this.#still);
    still.fillStyle = "#15130f";
    still.fillRect(0, 0, canvas.width, canvas.height);
    const width = naturalWidth * scale;
    still.drawImage(painting, (canvas.width - width) / 2, 0, width, canvas.height - FRAME.strip);
    const wave = document.createElement("canvas");
    drawWaveform(wave, samples, { width: canvas.width, height: FRAME.strip, colour: "#f08a6a" });
    still.drawImage(wave, 0, canvas.height - FRAME.strip);
    this.#context = contextOf(canvas);
  }

  draw(place: number): void {
    const { width, height } = this.#still;
    this.#context.drawImage(this.#still, 0, 0);
    this.#context.fillStyle = "#fff";
    this.#context.fillRect(Math.round(place * width), height - FRAME.strip, 3, FRAME.strip);
  }
}

function contextOf(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("no canvas for the video");
  return context;
}
