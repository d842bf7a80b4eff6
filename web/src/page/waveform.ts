/** Draws the loudness of the sound over time. */

/** How large it is drawn, and in which colour. */
export interface Look {
  width: number;
  height: number;
  colour: string;
}

/** Fills the canvas, by default at the resolution it is shown at and in its own text colour. */
export function drawWaveform(canvas: HTMLCanvasElement, samples: Float32Array, look: Look = lookOf(canvas)): void {
  const { width, height } = look;
  const context = canvas.getContext("2d");
  if (context === null) return;
  canvas.width = width;
  canvas.height = height;
  context.fillStyle = look.colour;
  const peak = samples.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-6);
  const middle = height / 2;
  for (let x = 0; x < width; x += 1) {
    const from = Math.floor((x * samples.length) / width);
    const to = Math.max(from + 1, Math.floor(((x + 1) * samples.length) / width));
    let low = 0;
    let high = 0;
    for (let n = from; n < to; n += 1) {
      const sample = (samples[n] ?? 0) / peak;
      low = Math.min(low, sample);
      high = Math.max(high, sample);
    }
    const top = middle - high * middle;
    context.fillRect(x, top, 1, Math.max(devicePixelRatio, (high - low) * middle));
  }
}

function lookOf(canvas: HTMLCanvasElement): Look {
  return {
    width: Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio)),
    height: Math.max(1, Math.round(canvas.clientHeight * devicePixelRatio)),
    colour: getComputedStyle(canvas).color,
  };
}
