// The worker that reads faces. It gets {id, open: {about, module, port}} from the page, and from finder.js through the port
// {id, began, width, height, seconds, boxes, crops}, a frame, or a picture when it has no seconds; {..., unchanged}, the frame
// before once more; {id, explain: {crop, emotion, still}}, a face whose answer is to be explained; {}, a new stream begins. It
// answers the page.
import { download, kernels, Network } from "./network.js";
import { occlusion } from "./occlusion.js";
import { answerOf, Tracks } from "./tracks.js";

const SIZE = 48;
// Faces that are classified per frame, those first that were not for the longest time; in a quick stream, whose frames follow
// within so many seconds, fewer, as it smooths over many frames
const MOST = 8, QUICK = 2, QUICKLY = 0.1;
const input = new Float32Array(SIZE * SIZE);
const model = download("model.bin");
model.catch(() => {}); // told in open()
let about, network, stream;

async function open({ about: facts, module, port }) {
  about = facts;
  network = new Network(await kernels(module), await model);
  // The first run is slow
  network.run(input);
  begin();
  port.onmessage = ({ data }) => {
    try {
      take(data);
    } catch (error) {
      self.postMessage({ id: data.id, error: String(error.message ?? error) });
    }
  };
}

function begin() {
  stream = { tracks: new Tracks(about), seconds: -Infinity, boxes: [], crops: [], rows: new Map() };
}

function probabilities(crop, mirrored) {
  for (let at = 0; at < input.length; at++) input[at] = crop[mirrored ? at - at % SIZE + SIZE - 1 - at % SIZE : at];
  const [output] = Object.values(network.run(input));
  return Array.from(output);
}

// With the temperature applied
export function calibrated(row, temperature) {
  const powered = row.map((value) => Math.max(value, 1e-12) ** (1 / temperature)), sum = powered.reduce((a, b) => a + b);
  return powered.map((value) => value / sum);
}

// A single picture: each face's mean with its mirror image
function look({ boxes, crops }) {
  return boxes.map((box, index) => {
    const plain = probabilities(crops[index], false), mirrored = probabilities(crops[index], true);
    const mean = plain.map((value, k) => (value + mirrored[k]) / 2);
    return answerOf(box, calibrated(mean, about.temperature), about, { id: index + 1 });
  });
}

// A frame of a stream: a face is mirrored every second time, so that smoothing over time averages both views. In a quick
// stream the answer does not wait: it has this frame's boxes, and emotions smoothed over the frames before
function see({ boxes, crops, seconds, unchanged }, answer) {
  if (!unchanged) Object.assign(stream, { boxes, crops, rows: new Map() });
  const { tracks, rows } = stream, followed = tracks.follow(stream.boxes, seconds);
  const quick = seconds - stream.seconds < QUICKLY, early = quick && followed.every(({ reads }) => reads);
  stream.seconds = seconds;
  if (early) answer(tracks.faces());
  const chosen = followed.map((track, index) => ({ track, index })).sort((a, b) => a.track.lastRead - b.track.lastRead);
  for (const { track, index } of chosen.slice(0, quick ? QUICK : MOST)) {
    const mirrored = track.reads % 2 === 1, key = 2 * index + mirrored;
    if (!rows.has(key)) rows.set(key, calibrated(probabilities(stream.crops[index], mirrored), about.temperature));
    tracks.read(track, rows.get(key), seconds);
  }
  if (!early) answer(tracks.faces());
}

// As in a picture, a crop's probability is the mean with its mirror image's; in a stream that would take too long
function explain({ crop, emotion, still }) {
  const label = about.classes.indexOf(emotion);
  const ask = (image) => {
    const plain = probabilities(image, false), mirrored = still ? probabilities(image, true) : plain;
    return calibrated(plain.map((value, k) => (value + mirrored[k]) / 2), about.temperature)[label];
  };
  return { model: about.model, emotion, ...occlusion(crop, ask) };
}

function take({ id, began, width, height, ...message }) {
  if (!id) return begin();
  if (message.explain) return self.postMessage({ id, answer: explain(message.explain) });
  const answer = (faces) => self.postMessage({ id, answer: { model: about.model, width, height,
    milliseconds: performance.timeOrigin + performance.now() - began, faces } });
  if (message.seconds === undefined) answer(look(message));
  else see(message, answer);
  return undefined;
}

self.onmessage = ({ data: { id, open: opening } }) => {
  open(opening).then(() => self.postMessage({ id }), (error) => self.postMessage({ id, error: String(error.message ?? error) }));
};
