// Where the faces are, in a picture or from frame to frame: HaarDetector of pipeline/demo/see/detector.py and Search of
// pipeline/demo/see/watcher.py, for upright faces. tests/demo/web/test_static.py compares the two. A box is [x, y, width,
// height] in pixels of the picture.
import { cut, evenLight, resize } from "./pixels.js";

const SCALE = 0.5, SHORTEST = 320, LONGEST = 640, FINE = 1600, SMALLEST = 24, LIMIT = 1.5, TILES = 4;
const ROOM = 1.7, SIZES = [0.8, 1.25], EVERY = 0.2, SAME = 0.35;

// The faces of a gray picture, the largest first; `fine`: small ones too, however long it takes
export function findFaces(gray, cascade, fine = false) {
  return inPart(prepared(gray, fine), cascade);
}

// One stream: known faces are looked for near their last place, the whole frame every fifth of a second
export class Search {
  constructor(cascade) {
    this.cascade = cascade;
    this.boxes = [];
    this.whole = -Infinity;
  }

  find(gray, seconds) {
    const ready = prepared(gray), near = this.boxes.map((box) => this.#near(ready, box)), found = near.filter(Boolean);
    if (found.length < near.length || !found.length || !(this.whole <= seconds && seconds < this.whole + EVERY)) {
      this.whole = seconds;
      found.push(...inPart(ready, this.cascade));
    }
    this.boxes = distinct(found);
    return this.boxes;
  }

  #near({ small, scale }, box) {
    const [x, y, width, height] = box.map((value) => Math.round(value * scale)), side = Math.max(width, height);
    const across = x + width / 2, down = y + height / 2, room = side * ROOM / 2;
    const left = Math.max(0, Math.round(across - room)), top = Math.max(0, Math.round(down - room));
    const right = Math.min(small.width, Math.round(across + room)), bottom = Math.min(small.height, Math.round(down + room));
    if (right - left < 2 || bottom - top < 2) return null;
    const part = cut(small, left, top, right - left, bottom - top);
    const far = ([fx, fy, w, h]) => Math.hypot(left + fx + w / 2 - across, top + fy + h / 2 - down);
    const [best] = this.cascade.find(part, ...SIZES.map((size) => Math.round(side * size))).sort((a, b) => far(a) - far(b));
    return best ? [best[0] + left, best[1] + top, best[2], best[3]].map((value) => Math.round(value / scale)) : null;
  }
}

// The picture as it is searched, and its size as a share of the picture's
function prepared(gray, fine = false) {
  const longer = Math.max(gray.width, gray.height);
  let scale = Math.min(Math.max(SCALE, SHORTEST / longer), LONGEST / longer);
  if (fine) scale = Math.max(scale, Math.min(1, FINE / longer));
  const small = resize(gray, Math.max(1, Math.round(gray.width * scale)), Math.max(1, Math.round(gray.height * scale)));
  return { small: evenLight(small, LIMIT, TILES), scale };
}

function inPart({ small, scale }, cascade) {
  return cascade.find(small, SMALLEST).map((box) => box.map((value) => Math.round(value / scale))).sort(larger);
}

const larger = (a, b) => b[2] * b[3] - a[2] * a[3] || a[0] - b[0] || a[1] - b[1];

function distinct(boxes) {
  const kept = [];
  for (const box of boxes) if (kept.every((other) => overlap(box, other) <= SAME)) kept.push(box);
  return kept.sort(larger);
}

// Intersection over union, 0 to 1
function overlap(a, b) {
  const width = Math.min(a[0] + a[2], b[0] + b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[1] + a[3], b[1] + b[3]) - Math.max(a[1], b[1]);
  return width <= 0 || height <= 0 ? 0 : width * height / (a[2] * a[3] + b[2] * b[3] - width * height);
}
