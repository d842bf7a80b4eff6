/** WAV files (RIFF) that every player takes. */

const FLOAT = 3;

/**
 * The same file with samples of 16 bits instead of 32-bit floats, and with all its other chunks, such as what they say
 * of the music. A file that is not of mono or stereo floats, as the engine writes them, is a `RangeError`.
 */
export function to16Bit(file: Uint8Array): Uint8Array<ArrayBuffer> {
  const from = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const kept: Uint8Array[] = [];
  let samples: DataView | undefined;
  let format: DataView | undefined;
  for (let at = 12; at + 8 <= file.length; ) {
    const id = String.fromCharCode(...file.subarray(at, at + 4));
    const length = from.getUint32(at + 4, true);
    const end = at + 8 + length + (length % 2);
    const body = new DataView(file.buffer, file.byteOffset + at + 8, Math.min(length, file.length - at - 8));
    if (id === "fmt ") format = body;
    else if (id === "data") samples = body;
    else if (id !== "fact") kept.push(file.subarray(at, end));
    at = end;
  }
  if (samples === undefined || format?.getUint16(0, true) !== FLOAT || format.getUint16(14, true) !== 32) {
    throw new RangeError("not a WAV file of 32-bit floats");
  }
  const floats = new Float32Array(Math.floor(samples.byteLength / 4));
  for (let n = 0; n < floats.length; n += 1) floats[n] = samples.getFloat32(n * 4, true);
  return write(floats, format.getUint16(2, true), format.getUint32(4, true), kept);
}

/** A WAV file of one channel, with samples of 16 bits. */
export function wavOf(samples: Float32Array, sampleRate: number): Blob {
  return new Blob([write(samples, 1, sampleRate, [])], { type: "audio/wav" });
}

/** `samples` are those of all channels in turn; `others` are whole chunks that come behind them. */
function write(samples: Float32Array, channels: number, rate: number, others: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const total = 12 + 24 + others.reduce((sum, chunk) => sum + chunk.length, 0) + 8 + samples.length * 2;
  const out = new Uint8Array(total);
  const to = new DataView(out.buffer);
  const tag = (at: number, letters: string) => out.set([...letters].map((letter) => letter.charCodeAt(0)), at);
  tag(0, "RIFF");
  to.setUint32(4, total - 8, true);
  tag(8, "WAVEfmt ");
  to.setUint32(16, 16, true);
  to.setUint16(20, 1, true); // Integers.
  to.setUint16(22, channels, true);
  to.setUint32(24, rate, true);
  to.setUint32(28, rate * channels * 2, true);
  to.setUint16(32, channels * 2, true);
  to.setUint16(34, 16, true);
  tag(36, "data");
  to.setUint32(40, samples.length * 2, true);
  samples.forEach((sample, n) => {
    to.setInt16(44 + n * 2, Math.round(Math.min(Math.max(sample, -1), 1) * 32767), true);
  });
  let at = 44 + samples.length * 2;
  for (const chunk of others) {
    out.set(chunk, at);
    at += chunk.length;
  }
  return out;
}
