/** A small real-input spectrum: radix-2 FFT of a fixed size with a Hann window. */

export class Spectrum {
  readonly #window: Float32Array;
  readonly #cos: Float32Array;
  readonly #sin: Float32Array;
  readonly #reversed: Uint32Array;
  readonly #re: Float32Array;
  readonly #im: Float32Array;

  /** `size` is a power of two. */
  constructor(readonly size: number) {
    const bits = Math.log2(size);
    if (!Number.isInteger(bits)) throw new RangeError("the size must be a power of two");
    const turn = (2 * Math.PI) / size;
    this.#window = Float32Array.from({ length: size }, (_, n) => 0.5 - 0.5 * Math.cos(turn * n));
    this.#cos = Float32Array.from({ length: size / 2 }, (_, n) => Math.cos(turn * n));
    this.#sin = Float32Array.from({ length: size / 2 }, (_, n) => -Math.sin(turn * n));
    this.#reversed = new Uint32Array(size);
    for (let n = 1; n < size; n += 1) {
      this.#reversed[n] = (this.#reversed[n >> 1]! >> 1) | ((n & 1) << (bits - 1));
    }
    this.#re = new Float32Array(size);
    this.#im = new Float32Array(size);
  }

  /**
   * Power at each of the `size / 2` frequencies, of the samples around `centre`; beyond both ends
   * is silence. A sine at full scale gives 1.
   */
  power(samples: Float32Array, centre: number, into: Float32Array): void {
    const re = this.#re;
    const im = this.#im;
    const start = centre - this.size / 2;
    for (let n = 0; n < this.size; n += 1) {
      re[this.#reversed[n]!] = (samples[start + n] ?? 0) * this.#window[n]!;
    }
    im.fill(0);
    for (let half = 1; half < this.size; half *= 2) {
      const stride = this.size / (2 * half);
      for (let block = 0; block < this.size; block += 2 * half) {
        for (let k = 0; k < half; k += 1) {
          const c = this.#cos[k * stride]!;
          const s = this.#sin[k * stride]!;
          const a = block + k;
          const b = a + half;
          const x = re[b]! * c - im[b]! * s;
          const y = re[b]! * s + im[b]! * c;
          re[b] = re[a]! - x;
          im[b] = im[a]! - y;
          re[a] = re[a]! + x;
          im[a] = im[a]! + y;
        }
      }
    }
    const scale = (4 / this.size) ** 2;
    for (let k = 0; k < this.size / 2; k += 1) {
      into[k] = (re[k]! * re[k]! + im[k]! * im[k]!) * scale;
    }
  }
}
