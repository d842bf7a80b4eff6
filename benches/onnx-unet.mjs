// The reduced UNet of `art2mus bench` as an ONNX model, with random weights: the same layers on the same
// sizes as src/model/unet builds (that file says where the architecture is from).

import { Graph, Real } from "./onnx-model.mjs";

const CHANNELS = [64, 128, 192, 320];
const GROUPS = 32;
const HEADS = 8;
const WIDTHS = { audio: 768, text: 1024 };
/** How a resnet's two normalisations and a transformer's differ. */
const RESNET_EPS = 1e-5;
const TRANSFORMER_EPS = 1e-6;

/** The model's bytes, for inputs `x [batch, 8, rows, columns]`, `audio` and `text`. */
export function unet({ x: latents, audio, text }, numbers) {
  const graph = new Graph();
  const [batch, inputs] = latents.shape;
  let seed = 0;
  const node = (type, list, attributes, outputs) => graph.node(type, list, attributes, outputs);
  const whole = (values) => graph.constant([values.length], values);
  const random = (...shape) => {
    const { data } = numbers(shape, (seed += 1));
    const bound = shape.slice(1).reduce((product, size) => product * size, 1) ** -0.5;
    return graph.constant(shape, data.map((value) => value * bound));
  };
  const filled = (shape, value) => graph.constant(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value));

  const silu = (h) => node("Mul", [h, node("Sigmoid", [h])]);
  const add = (a, b) => node("Add", [a, b]);
  const conv = (h, from, to, kernel = 3, stride = 1) => {
    const padding = (kernel - 1) / 2;
    const attributes = { kernel_shape: [kernel, kernel], dilations: [1, 1], pads: [padding, padding, padding, padding], strides: [stride, stride] };
    return node("Conv", [h, random(to, from, kernel, kernel), random(to)], attributes);
  };
  // MatMul takes its weight as [in, out].
  const linear = (h, from, to, bias = true) => {
    const product = node("MatMul", [h, random(from, to)]);
    return bias ? add(product, random(to)) : product;
  };
  const groupNorm = (h, { channels, rows, columns }, epsilon) => {
    const grouped = node("Reshape", [h, whole([batch, GROUPS, -1])]);
    const normal = node("InstanceNormalization", [grouped, filled([GROUPS], 1), filled([GROUPS], 0)], { epsilon: new Real(epsilon) });
    const back = node("Reshape", [normal, whole([batch, channels, rows, columns])]);
    return add(node("Mul", [back, filled([1, channels, 1, 1], 1)]), filled([1, channels, 1, 1], 0));
  };
  const layerNorm = (h, width) => node("LayerNormalization", [h, filled([width], 1), filled([width], 0)], { axis: -1, epsilon: new Real(1e-5) });

  const attention = (h, context, width, channels) => {
    const dim = channels / HEADS;
    const split = (tokens) => node("Transpose", [node("Reshape", [tokens, whole([batch, -1, HEADS, dim])])], { perm: [0, 2, 1, 3] });
    const q = split(linear(h, channels, channels, false));
    const k = split(linear(context, width, channels, false));
    const v = split(linear(context, width, channels, false));
    const scores = node("MatMul", [node("Mul", [q, filled([1], dim ** -0.5)]), node("Transpose", [k], { perm: [0, 1, 3, 2] })]);
    const heard = node("MatMul", [node("Softmax", [scores], { axis: -1 }), v]);
    const merged = node("Reshape", [node("Transpose", [heard], { perm: [0, 2, 1, 3] }), whole([batch, -1, channels])]);
    return linear(merged, channels, channels);
  };
  const transformer = (h, size, stream) => {
    const { channels, rows, columns } = size;
    const normal = groupNorm(h, size, TRANSFORMER_EPS);
    let tokens = node("Transpose", [node("Reshape", [normal, whole([batch, channels, -1])])], { perm: [0, 2, 1] });
    tokens = linear(tokens, channels, channels);
    let inner = layerNorm(tokens, channels);
    tokens = add(tokens, attention(inner, inner, channels, channels));
    inner = layerNorm(tokens, channels);
    const context = stream ?? inner;
    tokens = add(tokens, attention(inner, context, stream ? WIDTHS[stream] : channels, channels));
    inner = layerNorm(tokens, channels);
    const value = linear(inner, channels, 4 * channels);
    const gate = node("Gelu", [linear(inner, channels, 4 * channels)]);
    tokens = add(tokens, linear(node("Mul", [value, gate]), 4 * channels, channels));
    const out = linear(tokens, channels, channels);
    const back = node("Reshape", [node("Transpose", [out], { perm: [0, 2, 1] }), whole([batch, channels, rows, columns])]);
    return add(h, back);
  };
  const transformers = (h, size) => [undefined, "audio", "text"].reduce((sum, stream) => transformer(sum, size, stream), h);

  const x = graph.input("x", latents.shape);
  graph.input("audio", audio.shape);
  graph.input("text", text.shape);
  const timeWidth = 4 * CHANNELS[0];
  const embedded = filled([batch, CHANNELS[0]], 0.5);
  const time = silu(linear(silu(linear(embedded, CHANNELS[0], timeWidth)), timeWidth, timeWidth));
  const resnet = (h, from, size) => {
    const { channels } = size;
    let inner = conv(silu(groupNorm(h, { ...size, channels: from }, RESNET_EPS)), from, channels);
    const shift = node("Reshape", [linear(time, timeWidth, channels), whole([batch, channels, 1, 1])]);
    inner = conv(silu(groupNorm(add(inner, shift), size, RESNET_EPS)), channels, channels);
    return add(from === channels ? h : conv(h, from, channels, 1), inner);
  };

  let size = { channels: CHANNELS[0], rows: latents.shape[2], columns: latents.shape[3] };
  let h = conv(x, inputs, CHANNELS[0]);
  const skips = [[h, CHANNELS[0]]];
  let before = CHANNELS[0];
  for (const [level, channels] of CHANNELS.entries()) {
    size = { ...size, channels };
    for (let layer = 0; layer < 2; layer += 1) {
      h = resnet(h, before, size);
      if (level > 0) h = transformers(h, size);
      before = channels;
      skips.push([h, channels]);
    }
    if (level + 1 < CHANNELS.length) {
      h = conv(h, channels, channels, 3, 2);
      size = { ...size, rows: size.rows / 2, columns: size.columns / 2 };
      skips.push([h, channels]);
    }
  }
  h = resnet(h, before, size);
  h = transformers(h, size);
  h = resnet(h, before, size);
  for (const [index, channels] of [...CHANNELS].reverse().entries()) {
    size = { ...size, channels };
    for (let layer = 0; layer < 3; layer += 1) {
      const [skip, skipped] = skips.pop();
      h = resnet(node("Concat", [h, skip], { axis: 1 }), before + skipped, size);
      if (index + 1 < CHANNELS.length) h = transformers(h, size);
      before = channels;
    }
    if (index + 1 < CHANNELS.length) {
      const scales = graph.constant([4], Float32Array.of(1, 1, 2, 2));
      h = node("Resize", [h, "", scales], { mode: "nearest", coordinate_transformation_mode: "asymmetric", nearest_mode: "floor" });
      size = { ...size, rows: 2 * size.rows, columns: 2 * size.columns };
      h = conv(h, channels, channels);
    }
  }
  const out = conv(silu(groupNorm(h, size, RESNET_EPS)), CHANNELS[0], inputs);
  return graph.finish(out, latents.shape);
}
