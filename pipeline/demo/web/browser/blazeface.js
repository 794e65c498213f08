// One pass of BlazeFace (Bazarevsky et al. 2019, arXiv 1907.05047) over a square view of a picture, as in
// pipeline/demo/see/blazeface/network.py. A face is {score, x, y, side, roll}, in pixels of the picture.
import { viewed } from "./pixels.js";

// Every byte as the networks want it
const VALUES = Float32Array.from({ length: 256 }, (_, value) => Math.fround(value / 127.5) - 1);

export class BlazeFace {
  // network: of network.js; kind: of about.json's finder, {size, grids, scale, lift}; rules: {overlap, inside}
  constructor(network, kind, rules) {
    this.network = network;
    this.kind = kind;
    this.rules = rules;
    this.anchors = anchors(kind);
    this.input = new Float32Array(kind.size * kind.size * 3);
  }

  // The faces in a view {x, y, side, roll} of a picture whose score is at least `threshold`, the surest first
  find(image, view, threshold) {
    const { input } = this, pixels = viewed(image, view, this.kind.size);
    for (let at = 0; at < input.length; at++) input[at] = VALUES[pixels[at]];
    const outputs = Object.values(this.network.run(input)).sort((a, b) => a.length - b.length);
    const rows = decoded(outputs[0], outputs[1], this.anchors, threshold);
    return merged(rows, this.rules).map((row) => this.#inPicture(row, view));
  }

  #inPicture([score, x, y, side, across, down], view) {
    const { size, scale, lift } = this.kind, tilt = Math.atan2(down, across), turn = view.roll * Math.PI / 180;
    const grown = view.side / size;
    x = (x + lift * side * Math.sin(tilt) - size / 2) * grown;
    y = (y - lift * side * Math.cos(tilt) - size / 2) * grown;
    const roll = (((tilt * 180 / Math.PI + view.roll + 180) % 360) + 360) % 360 - 180;
    return { score, x: view.x + x * Math.cos(turn) - y * Math.sin(turn), y: view.y + x * Math.sin(turn) + y * Math.cos(turn),
      side: side * scale * grown, roll };
  }
}

// The anchors' centres in pixels of the input, one x and one y after the other
function anchors({ size, grids }) {
  const centres = [];
  for (const [cells, each] of grids) {
    for (let row = 0; row < cells; row++) {
      for (let column = 0; column < cells; column++) {
        for (let k = 0; k < each; k++) centres.push((column + 0.5) * size / cells, (row + 0.5) * size / cells);
      }
    }
  }
  return centres;
}

// Rows of score, centre (x, y), side, and the vector (x, y) from the eye on the left to the one on the right
function decoded(logits, regressors, centres, threshold) {
  const rows = [];
  for (let at = 0; at < logits.length; at++) {
    const score = 1 / (1 + Math.exp(-Math.min(Math.max(logits[at], -100), 100)));
    if (score < threshold) continue;
    const values = regressors.subarray(16 * at, 16 * at + 16);
    rows.push([score, values[0] + centres[2 * at], values[1] + centres[2 * at + 1], (values[2] + values[3]) / 2,
      values[6] - values[4], values[7] - values[5]]);
  }
  return rows;
}

// One row for each face, the surest first: the mean of its answers weighted by their scores, with the best score
function merged(rows, rules) {
  const faces = [];
  rows.sort((a, b) => b[0] - a[0]);
  while (rows.length) {
    const [first] = rows, same = rows.map((row) => row === first || sameFace(first.slice(1), row.slice(1), rules));
    const group = rows.filter((_, index) => same[index]), total = group.reduce((sum, row) => sum + row[0], 0);
    faces.push(first.map((score, k) => k ? group.reduce((sum, row) => sum + row[0] * row[k], 0) / total : score));
    rows = rows.filter((_, index) => !same[index]);
  }
  return faces;
}

// Whether two squares, each a centre (x, y) and a side, are the same face
export function sameFace([x, y, one], [otherX, otherY, other], { overlap, inside }) {
  one = Math.max(one, 0);
  other = Math.max(other, 0);
  const smaller = Math.min(one, other);
  const both = [x - otherX, y - otherY].map((distance) => Math.min(Math.max((one + other) / 2 - Math.abs(distance), 0), smaller))
    .reduce((a, b) => a * b);
  return both > overlap * (one ** 2 + other ** 2 - both) || both > inside * Math.max(smaller ** 2, 1e-9);
}
