// A network that pipeline/demo/web/network/convert.py has written, run by the kernels of tfjs-backend-wasm.wasm
// (XNNPACK's): the list of calls is the whole program, so that neither a graph nor TensorFlow.js is needed.

// The wasm module's memory and kernels. It wants seven functions of its surroundings, most of them for printing
export async function kernels(module) {
  let memory;
  const pages = (size) => Math.ceil(size / 65536);
  const env = {
    abort() { throw new Error("the network's kernels have stopped"); },
    emscripten_memcpy_big(to, from, size) { new Uint8Array(memory.buffer).copyWithin(to, from, from + size); },
    emscripten_get_heap_max: () => 2 ** 31,
    emscripten_resize_heap(size) {
      try {
        memory.grow(pages(size >>> 0) - pages(memory.buffer.byteLength));
        return 1;
      } catch {
        return 0;
      }
    },
  };
  const none = () => 0, wasi_snapshot_preview1 = { fd_close: none, fd_write: none, fd_seek: none };
  const { exports } = await WebAssembly.instantiate(module, { env, wasi_snapshot_preview1 });
  memory = exports.memory;
  exports.__wasm_call_ctors();
  exports.init();
  return exports;
}

// A file of the site with a network; compressed, because few servers do that with files whose kind they do not know
export async function download(name) {
  const answer = await fetch(name).catch(() => null);
  if (!answer?.ok) throw new Error(`${name} cannot be loaded`);
  return new Response(answer.body.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

// Numbers of tensors are counted over all networks of a wasm instance
let tensors = 0;

export class Network {
  // wasm: from kernels(); file: from download()
  constructor(wasm, file) {
    this.wasm = wasm;
    const length = new DataView(file).getUint32(0, true);
    const about = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 4, length)));
    const first = tensors;
    tensors += about.tensors.length;
    // Where every tensor is in memory, in bytes; and how many values it has
    this.places = [0];
    this.sizes = [0];
    about.tensors.forEach(([size, kind, offset, scales], index) => {
      const place = typeof kind === "number" ? this.places[kind] : wasm.malloc(4 * size + 16);
      if (!place) throw new Error("the browser has too little memory for the network");
      this.places.push(place);
      this.sizes.push(size);
      if (typeof kind === "string") this.#load(index + 1, kind, file, 4 + length + offset, scales);
      wasm.register_tensor(first + index + 1, size, place);
    });
    this.calls = about.calls.map(([kernel, ...values]) => kernel === "concatenate" ? () => this.#concatenate(...values)
      : wasm[kernel].bind(null, ...this.#arguments(kernel, values, first)));
    this.input = about.input;
    this.outputs = about.outputs;
  }

  // The values of a tensor, until the memory grows
  values(tensor) {
    return new Float32Array(this.wasm.memory.buffer, this.places[tensor], this.sizes[tensor]);
  }

  // A Float32Array for each output, until the next run
  run(input) {
    this.values(this.input).set(input);
    for (const call of this.calls) call();
    return Object.fromEntries(Object.entries(this.outputs).map(([name, tensor]) => [name, this.values(tensor)]));
  }

  #load(tensor, kind, file, start, scales) {
    const values = this.values(tensor), size = values.length;
    if (kind === "f32") values.set(new Float32Array(file, start, size));
    else if (kind === "f16") {
      const halves = new Uint16Array(file, start, size);
      for (let at = 0; at < size; at++) values[at] = HALF[halves[at]];
    } else {
      const integers = new Int8Array(file, start, size), factors = this.values(scales), channels = factors.length;
      for (let at = 0, channel = 0; at < size; at++) {
        values[at] = integers[at] * factors[channel];
        if (++channel === channels) channel = 0;
      }
    }
  }

  // As the kernel wants them: lists are pointers to 32-bit integers, tensors have the instance's numbers
  #arguments(kernel, values, first) {
    const which = TENSORS[kernel] ?? [0, values.length - 1];
    return values.map((value, index) => {
      if (Array.isArray(value)) {
        const place = this.wasm.malloc(4 * value.length + 4);
        new Int32Array(this.wasm.memory.buffer, place, value.length).set(value);
        return place;
      }
      return value && which.includes(index) ? first + value : value;
    });
  }

  #concatenate(from, runs, to) {
    const out = this.values(to), parts = from.map((tensor) => this.values(tensor));
    for (let at = 0, round = 0; at < out.length; round++) {
      parts.forEach((part, index) => {
        out.set(part.subarray(round * runs[index], (round + 1) * runs[index]), at);
        at += runs[index];
      });
    }
  }
}

// Which of a kernel's arguments are tensors, where those are not the first and the last
const TENSORS = {
  FusedConv2D: [0, 4, 7, 20, 22], FusedDepthwiseConv2D: [0, 4, 7, 20, 22], _FusedMatMul: [0, 3, 9, 10, 12],
  Softmax: [0, 1], Transpose: [0, 4],
  ...Object.fromEntries(["Add", "Sub", "Multiply", "RealDiv", "Maximum", "Minimum"].map((name) => [name, [0, 3, 7]])),
};
// Every 16-bit float as a number
const HALF = Float32Array.from({ length: 65536 }, (_, bits) => {
  const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -14 * fraction / 1024);
});
