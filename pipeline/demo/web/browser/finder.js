// The worker that finds faces and cuts them out. Messages: {id, open: {about, module, port}} first; {id, picture,
// seconds, whole}, a frame, without seconds a single picture, `whole` one that is one face already; {id, picture, explain:
// {box, roll, emotion, whole, still}}, a picture of one face whose answer is to be explained; without picture a new stream begins.
// What it finds goes to classifier.js, which answers.
import { BlazeFace } from "./blazeface.js";
import { download, kernels, Network } from "./network.js";
import { square } from "./pixels.js";
import { Finder } from "./search.js";

const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext("2d", { willReadFrequently: true });
const full = download("full.bin");
full.catch(() => {}); // told in open()
let about, finder, classifier, stream, direct;

async function open({ about: facts, module, port }) {
  about = facts;
  classifier = port;
  const wasm = await kernels(module);
  const blazeFace = (file, kind) => new BlazeFace(new Network(wasm, file), kind, about.finder.same);
  // Fetched when the first face needs it; where it cannot be, faces that are tilted far are seen less exactly
  let near;
  const short = () => (near ??= download("short.bin").then((file) => blazeFace(file, about.finder.short)).catch(() => null));
  finder = new Finder(blazeFace(await full, about.finder.full), short, about.finder);
  direct = await readsDirectly().catch(() => false);
  // The first run is slow
  await finder.follow({ data: new Uint8Array(4 * 4 * 3), width: 4, height: 3 }, []);
  begin();
}

function begin() {
  stream = { boxes: [], turn: 0, searched: -Infinity, image: null, spare: null };
}

// Whether this browser's VideoFrames can be read as bytes of red, green, blue and opacity: some know no other order than
// their own
async function readsDirectly() {
  const red = new OffscreenCanvas(2, 2), data = new Uint8Array(16);
  Object.assign(red.getContext("2d"), { fillStyle: "#f00" }).fillRect(0, 0, 2, 2);
  const frame = new VideoFrame(red, { timestamp: 0 });
  await frame.copyTo(data, { format: "RGBA" }).finally(() => frame.close());
  return data[0] === 255 && data[2] === 0;
}

// The pixels of a VideoFrame or ImageBitmap; `spare`: memory for them
async function pixels(picture, spare) {
  const width = picture.displayWidth ?? picture.width, height = picture.displayHeight ?? picture.height;
  if (direct && picture.copyTo && picture.visibleRect.width === width && picture.visibleRect.height === height) {
    const data = spare?.length === 4 * width * height ? spare : new Uint8Array(4 * width * height);
    await picture.copyTo(data, { format: "RGBA", colorSpace: "srgb" });
    return { data, width, height };
  }
  Object.assign(canvas, { width, height });
  context.drawImage(picture, 0, 0);
  return { data: new Uint8Array(context.getImageData(0, 0, width, height).data.buffer), width, height };
}

function same(one, other) {
  if (one?.width !== other.width || one.height !== other.height) return false;
  const a = new Int32Array(one.data.buffer), b = new Int32Array(other.data.buffer);
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

// While a stream shows no face, a turned one is looked for too, from time to time and each time in another direction
function due(seconds) {
  return !stream.boxes.length && !(stream.searched <= seconds && seconds < stream.searched + about.finder.every);
}

// The boxes of a stream's frame
async function follow(image, seconds) {
  let quarter = null;
  if (due(seconds)) {
    quarter = stream.turn++ % about.finder.quarters.length;
    stream.searched = seconds;
  }
  stream.boxes = await finder.follow(image, stream.boxes, quarter);
  return stream.boxes;
}

// The largest square in the middle of a picture that is one face already. `middle` of pipeline/demo/see/crop.py
function middle({ width, height }) {
  const side = Math.min(width, height);
  return { x: Math.floor((width - side) / 2), y: Math.floor((height - side) / 2), width: side, height: side };
}

async function see({ id, picture, seconds, whole }) {
  const began = performance.timeOrigin + performance.now();
  const image = await pixels(picture, stream.spare).finally(() => picture.close());
  const { width, height } = image, sent = { id, began, width, height, seconds };
  if (seconds !== undefined) {
    const unchanged = same(stream.image, image);
    Object.assign(stream, { image, spare: stream.image?.data });
    // Not computed again
    if (unchanged && !due(seconds)) return classifier.postMessage({ ...sent, unchanged });
  }
  const boxes = whole ? [middle(image)] : await (seconds === undefined ? finder.find(image) : follow(image, seconds));
  const margin = whole ? 1 : about.crop_margin;
  const crops = boxes.map((box) => square(image, box, Math.max(box.width, box.height) / margin, 48));
  classifier.postMessage({ ...sent, boxes, crops }, crops.map(({ buffer }) => buffer));
}

// Cuts a known face out, without touching the stream
async function cut({ id, picture, explain: { box, roll, emotion, whole, still } }) {
  const image = await pixels(picture).finally(() => picture.close());
  const side = Math.max(box.width, box.height) / (whole ? 1 : about.crop_margin);
  const crop = square(image, { ...box, angle: roll }, side, 48);
  classifier.postMessage({ id, explain: { crop, emotion, still } }, [crop.buffer]);
}

async function take(message) {
  if (message.open) {
    await open(message.open);
    self.postMessage({ id: message.id });
  } else if (message.explain) await cut(message);
  else if (message.picture) await see(message);
  else {
    begin();
    classifier.postMessage({});
  }
}

// One message after the other
let last = Promise.resolve();
self.onmessage = ({ data }) => {
  last = last.then(() => take(data)).catch((error) => self.postMessage({ id: data.id, error: String(error.message ?? error) }));
};
