// The worker that finds faces and cuts them out. Messages: {id, open: {about, module, port}} first; {id, picture,
// seconds}, a frame, without seconds a single picture; without picture a new stream begins. What it finds goes to classifier.js, which answers.
import { BlazeFace } from "./blazeface.js";
import { download, kernels, Network } from "./network.js";
import { square } from "./pixels.js";
import { Finder } from "./search.js";

const canvas = new OffscreenCanvas(1, 1), context = canvas.getContext("2d", { willReadFrequently: true });
const full = download("full.bin");
full.catch(() => {}); // told in open()
let about, finder, classifier, stream;

async function open({ about: facts, module, port }) {
  about = facts;
  classifier = port;
  const wasm = await kernels(module);
  const blazeFace = (file, kind) => new BlazeFace(new Network(wasm, file), kind, about.finder.same);
  // Fetched when the first face needs it; where it cannot be, faces that are tilted far are seen less exactly
  let near;
  const short = () => (near ??= download("short.bin").then((file) => blazeFace(file, about.finder.short)).catch(() => null));
  finder = new Finder(blazeFace(await full, about.finder.full), short, about.finder);
  // The first run is slow
  await finder.follow({ data: new Uint8Array(4 * 4 * 3), width: 4, height: 3 }, []);
  begin();
}

function begin() {
  stream = { boxes: [], turn: 0, searched: -Infinity, image: null, spare: null };
}

// The pixels of a VideoFrame or ImageBitmap; `spare`: memory for them
async function pixels(picture, spare) {
  const width = picture.displayWidth ?? picture.width, height = picture.displayHeight ?? picture.height;
  try {
    if (picture.copyTo && picture.visibleRect.width === width && picture.visibleRect.height === height) {
      const data = spare?.length === 4 * width * height ? spare : new Uint8Array(4 * width * height);
      const layout = await picture.copyTo(data, { format: "RGBA", colorSpace: "srgb" });
      if (layout[0].stride === 4 * width) return { data, width, height };
    }
  } catch {} // not every browser has that format
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

// The boxes of a stream's frame; while there is no face, a turned one is looked for too, each time in another direction
async function follow(image, seconds) {
  const { every, quarters } = about.finder;
  let quarter = null;
  if (!stream.boxes.length && !(stream.searched <= seconds && seconds < stream.searched + every)) {
    quarter = stream.turn++ % quarters.length;
    stream.searched = seconds;
  }
  stream.boxes = await finder.follow(image, stream.boxes, quarter);
  return stream.boxes;
}

async function see({ id, picture, seconds }) {
  const began = performance.timeOrigin + performance.now(), image = await pixels(picture, stream.spare), { width, height } = image;
  picture.close();
  const sent = { id, began, width, height, seconds };
  if (seconds !== undefined) {
    const unchanged = same(stream.image, image);
    Object.assign(stream, { image, spare: stream.image?.data });
    // Not computed again
    if (unchanged && stream.boxes.length) return classifier.postMessage({ ...sent, unchanged });
  }
  const boxes = await (seconds === undefined ? finder.find(image) : follow(image, seconds));
  const crops = boxes.map((box) => square(image, box, Math.max(box.width, box.height) / about.crop_margin, 48));
  classifier.postMessage({ ...sent, boxes, crops }, crops.map(({ buffer }) => buffer));
}

async function take(message) {
  if (message.open) {
    await open(message.open);
    self.postMessage({ id: message.id });
  } else if (message.picture) await see(message);
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
