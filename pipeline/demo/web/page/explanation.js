// What an answer rests on: a map over the main face. Parts that speak for the answer are yellow, those against it blue.
import { percent } from "./faces.js";

// Milliseconds between two maps of a moving face, and at least so many times as long as one took, so that its answers are
// not held up; until then the map moves along with the face
const EVERY = 1500, REST = 3;
// The face's surroundings that are sent, in sides of its crop, so that a turned one has no empty corners; in pixels, no more
// than SIDE, of a picture of no more than LONGEST
const AROUND = 1.6, SIDE = 512, LONGEST = 4096;
// As in pipeline/demo/show/heat.py and pipeline/demo/see/occlusion.py
const FOR = [255, 190, 40], AGAINST = [30, 120, 255], OPAQUE = 0.8, FULL = 1, NOTABLE = 0.05;

export class Explanation {
  on = false;
  #asking = false;
  // {source, key, id, whole, picture, words} of the face that is explained
  #latest = null;
  #due = 0;

  // tell: callbacks of the page, {changed(), problem(sentence)}
  constructor(engine, tell) {
    Object.assign(this, { engine, tell });
  }

  toggle() {
    this.on = !this.on;
    this.#latest = null;
    this.#due = 0;
  }

  // Asks for the map of the source's main face where the latest one is not of it, or of another moment
  async follow(source, face) {
    if (!this.on || this.#asking || !face || source.done < 1) return;
    const still = source.kind === "picture" || source.paused, moment = still ? source.at ?? true : null;
    const key = [face.id, face.emotion, source.whole, moment, Boolean(source.mirrored)].join();
    const same = this.#latest?.source === source && this.#latest.key === key;
    if (same && still || performance.now() < this.#due && (!still || this.#latest?.failed)) return;
    const begun = performance.now();
    this.#asking = true;
    try {
      const { canvas, box } = surroundings(source, face, this.#margin(source));
      const answer = await this.engine.explain(canvas, { ...face, box }, Boolean(source.whole), still);
      this.#latest = { source, key, id: face.id, picture: drawn(answer.log_odds), words: words(answer) };
    } catch (error) {
      this.#latest = { failed: true };
      if (this.on) this.tell.problem(error.message);
    }
    this.#asking = false;
    this.#due = performance.now() + Math.max(EVERY, REST * (performance.now() - begun));
    this.tell.changed();
  }

  // The result in words, while it is of this source and face
  words(source, face) {
    const latest = this.#latest;
    return this.on && latest?.source === source && latest.id === face?.id ? latest.words : "";
  }

  // Paints the map under the boxes; scale: canvas pixels per pixel of the picture
  paint(context, source, scale) {
    const face = source.faces.find(({ id }) => id === this.#latest?.id);
    if (!this.on || this.#latest?.source !== source || !face) return;
    const { x, y, width, height } = face.box, side = scale * Math.max(width, height) / this.#margin(source);
    context.save();
    context.translate(scale * (x + width / 2), scale * (y + height / 2));
    context.rotate(face.roll * Math.PI / 180);
    context.translate(-side / 2, -side / 2);
    // Gray, as the network sees it, and a little darker
    for (const [how, colour] of [["saturation", "#808080"], ["source-over", "#0003"]]) {
      context.globalCompositeOperation = how;
      context.fillStyle = colour;
      context.fillRect(0, 0, side, side);
    }
    context.drawImage(this.#latest.picture, 0, 0, side, side);
    context.restore();
  }

  #margin(source) { return source.whole ? 1 : this.engine.about.crop_margin; }
}

// The face and what surrounds it, on a canvas, and its box there
function surroundings(source, { box }, margin) {
  const side = AROUND * Math.max(box.width, box.height) / margin;
  const scale = Math.min(1, SIDE / side, LONGEST / Math.max(source.width, source.height));
  const canvas = (width, height) => Object.assign(document.createElement("canvas"), { width, height });
  const all = canvas(Math.round(source.width * scale), Math.round(source.height * scale));
  source.draw(all.getContext("2d"), all.width, all.height);
  // Even, so that halves of pixels, which are rounded to even ones, lead to the same crop as in the whole picture
  const even = (value) => 2 * Math.max(0, Math.floor(scale * value / 2));
  const left = even(box.x + (box.width - side) / 2), top = even(box.y + (box.height - side) / 2);
  const right = Math.min(all.width, Math.ceil(scale * (box.x + (box.width + side) / 2)));
  const bottom = Math.min(all.height, Math.ceil(scale * (box.y + (box.height + side) / 2)));
  const part = canvas(Math.max(1, right - left), Math.max(1, bottom - top));
  part.getContext("2d").drawImage(all, -left, -top);
  const there = { x: scale * box.x - left, y: scale * box.y - top, width: scale * box.width, height: scale * box.height };
  return { canvas: part, box: Object.fromEntries(Object.entries(there).map(([name, value]) => [name, Math.round(value)])) };
}

// A map as a small picture, a pixel for each of its cells
function drawn(rows) {
  const values = rows.flat(), strongest = Math.max(FULL, ...values.map(Math.abs)), size = rows.length;
  const picture = Object.assign(document.createElement("canvas"), { width: size, height: size });
  const pixels = new ImageData(size, size);
  values.forEach((value, index) => {
    pixels.data.set([...(value >= 0 ? FOR : AGAINST), Math.round(255 * OPAQUE * Math.abs(value) / strongest)], 4 * index);
  });
  picture.getContext("2d").putImageData(pixels, 0, 0);
  return picture;
}

// Without the probability that nothing is hidden with, which stands beside it
function words({ emotion, probability, hidden, part }) {
  const legend = `Yellow parts speak for ${emotion}, blue parts against it.`;
  if (probability - hidden < NOTABLE) return `${legend} Whichever part is hidden, it stays ${emotion}.`;
  return `${legend} With the ${part} hidden, ${emotion} has ${percent(hidden)} left.`;
}
