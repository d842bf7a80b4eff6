// Writes ONNX models: the few parts of the format that benches/peer.mjs needs.
//
// An ONNX model is a protocol buffer; field numbers are those of onnx.proto (IR version 9, opset 20).

const VARINT = 0;
const BYTES = 2;
const FIXED32 = 5;
const FLOAT = 1;
const INT64 = 7;

function varint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const low = Number(rest & 127n);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 128 : low);
  } while (rest > 0n);
  return Buffer.from(bytes);
}

const key = (field, kind) => varint((field << 3) | kind);
const int = (field, value) => Buffer.concat([key(field, VARINT), varint(value)]);
const bytes = (field, value) => Buffer.concat([key(field, BYTES), varint(value.length), value]);
const text = (field, value) => bytes(field, Buffer.from(value));
const message = (field, ...parts) => bytes(field, Buffer.concat(parts.flat()));

function float(field, value) {
  const data = Buffer.alloc(4);
  data.writeFloatLE(value);
  return Buffer.concat([key(field, FIXED32), data]);
}

function attribute([name, value]) {
  if (Array.isArray(value)) return message(5, text(1, name), value.map((v) => int(8, v)), int(20, 7));
  if (typeof value === "string") return message(5, text(1, name), text(4, value), int(20, 3));
  if (value instanceof Real) return message(5, text(1, name), float(2, value.value), int(20, 1));
  return message(5, text(1, name), int(3, value), int(20, 2));
}

/** A number that is written as a float. */
export class Real {
  constructor(value) {
    this.value = value;
  }
}

function described(field, name, shape) {
  const dims = shape.map((size) => message(1, int(1, size)));
  return message(field, text(1, name), message(2, message(1, int(1, FLOAT), message(2, ...dims))));
}

/** A graph that is put together node by node. */
export class Graph {
  #nodes = [];
  #constants = [];
  #count = 0;
  #inputs = [];

  /** An input of the model. */
  input(name, shape) {
    this.#inputs.push(described(11, name, shape));
    return name;
  }

  /** A constant: floats, or whole numbers when `data` is an array. */
  constant(shape, data) {
    const name = `c${this.#count++}`;
    const whole = Array.isArray(data);
    const raw = whole ? BigInt64Array.from(data, BigInt) : data;
    const content = Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength);
    const dims = shape.map((size) => int(1, size));
    this.#constants.push(message(5, ...dims, int(2, whole ? INT64 : FLOAT), text(8, name), bytes(9, content)));
    return name;
  }

  /** A node; the names of its outputs, or the name of its only one. */
  node(type, inputs, attributes = {}, outputs = 1) {
    const names = Array.from({ length: outputs }, () => `v${this.#count++}`);
    this.#nodes.push(
      message(
        1,
        inputs.map((name) => text(1, name)),
        names.map((name) => text(2, name)),
        text(4, type),
        Object.entries(attributes).map(attribute),
      ),
    );
    return outputs === 1 ? names[0] : names;
  }

  /** The file, whose output is `name`. */
  finish(name, shape) {
    const graph = message(7, this.#nodes, text(2, "bench"), this.#constants, this.#inputs, described(12, name, shape));
    return Buffer.concat([int(1, 9), message(8, text(1, ""), int(2, 20)), graph]);
  }
}
