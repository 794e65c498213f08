// Detector and model on a thread of their own, so that the page stays smooth.
import { Cascade } from "./haar.js";
import { batch, calibrated } from "./model.js";
import * as ort from "./ort/ort.wasm.min.mjs";
import { toGray } from "./pixels.js";
import { findFaces, Search } from "./search.js";
import { answerOf, Tracks } from "./tracks.js";

const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext("2d", { willReadFrequently: true });
let about, cascade, session, stream;

async function open() {
  // Threads would need headers that a plain file server does not send
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = new URL("./ort/", self.location.href).href;
  const [facts, trees, model] = await Promise.all([
    fetch("about.json").then((answer) => answer.json()), fetch("cascade.json").then((answer) => answer.json()),
    ort.InferenceSession.create("model.onnx", { executionProviders: ["wasm"] })]);
  about = facts;
  cascade = new Cascade(trees);
  session = model;
  begin();
}

// Begin a new stream without known faces
function begin() {
  stream = { search: new Search(cascade), tracks: new Tracks(about), frames: 0 };
}

function pixels(bitmap) {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return toGray(context.getImageData(0, 0, canvas.width, canvas.height));
}

async function classify(gray, boxes, views) {
  if (!boxes.length) return [];
  const shape = [views.length * boxes.length, 48, 48, 1];
  const { probabilities } = await session.run({
    image: new ort.Tensor("float32", batch(gray, boxes, about.crop_margin, views), shape) });
  return calibrated(probabilities.data, boxes.length, about.temperature, views.length);
}

const boxed = ([x, y, width, height]) => ({ x, y, width, height });

// A single picture: small faces too, averaging each with its mirror image
async function look(gray) {
  const boxes = findFaces(gray, cascade, true), scores = await classify(gray, boxes, [false, true]);
  return boxes.map((box, index) => answerOf(boxed(box), scores[index], about, { id: index + 1 }));
}

// A frame of a stream: every second one is mirrored, so that smoothing over time averages both views
async function see(gray, seconds) {
  const { search, tracks } = stream, boxes = search.find(gray, seconds);
  const scores = await classify(gray, boxes, [stream.frames++ % 2 === 1]);
  return tracks.update(boxes.map((box, index) => ({ box: boxed(box), scores: scores[index] })), seconds);
}

// {bitmap, seconds}: a frame; without seconds: a picture; without bitmap: a new stream begins
async function answer({ bitmap, seconds }) {
  await ready;
  if (!bitmap) return begin();
  const start = performance.now(), { width, height } = bitmap, gray = pixels(bitmap);
  const faces = await (seconds === undefined ? look(gray) : see(gray, seconds));
  return { model: about.model, width, height, milliseconds: performance.now() - start, faces };
}

const ready = open();
let last = ready.catch(() => {});
self.onmessage = ({ data: { id, ...request } }) => {
  // One request after the other
  last = last.then(() => answer(request)).then(
    (result) => self.postMessage({ id, answer: result }),
    (error) => self.postMessage({ id, error: String(error.message ?? error) }));
};
