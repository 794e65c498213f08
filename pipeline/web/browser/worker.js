// Detector and model on a thread of their own, so that the page stays smooth.
import { Cascade } from "./haar.js";
import * as ort from "./ort/ort.wasm.min.mjs";
import { toGray } from "./pixels.js";
import { batch, calibrated, findFaces } from "./reader.js";

let about, cascade, session;
const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext("2d", { willReadFrequently: true });

async function open() {
  // Threads would need headers that a plain file server does not send
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL("./ort/", self.location.href).href;
  const [told, trees, made] = await Promise.all([
    fetch("about.json").then((answer) => answer.json()), fetch("cascade.json").then((answer) => answer.json()),
    ort.InferenceSession.create("model.onnx", { executionProviders: ["wasm"] })]);
  about = told;
  cascade = new Cascade(trees);
  session = made;
}

async function read(bitmap, fine) {
  const start = performance.now();
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const gray = toGray(context.getImageData(0, 0, canvas.width, canvas.height));
  const boxes = findFaces(gray, cascade, fine);
  let rows = [];
  if (boxes.length) {
    const image = new ort.Tensor("float32", batch(gray, boxes, about.crop_margin), [2 * boxes.length, 48, 48, 1]);
    const { probabilities } = await session.run({ image });
    rows = calibrated(probabilities.data, boxes.length, about.temperature);
  }
  const faces = boxes.map(([x, y, width, height], place) => ({ box: { x, y, width, height }, scores: rows[place] }));
  return { faces, width: gray.width, height: gray.height, milliseconds: performance.now() - start };
}

const ready = open();
self.onmessage = async ({ data: { id, bitmap, fine } }) => {
  try {
    await ready;
    self.postMessage({ id, answer: bitmap ? await read(bitmap, fine) : {} });
  } catch (error) {
    self.postMessage({ id, error: String(error.message ?? error) });
  }
};
