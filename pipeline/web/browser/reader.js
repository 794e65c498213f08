// A gray picture in, faces with probabilities out: what pipeline/demo's detector and classifier do, in the browser.
import { evenLight, resize, square } from "./pixels.js";

// As HaarDetector in pipeline/demo/detector.py; tests/test_web_static.py holds the two together
const SEARCH = { scale: 0.5, shortest: 320, longest: 640, fine: 1600, smallest: 24, limit: 1.5, tiles: 4 };
const SIZE = 48;

// The faces' boxes in pixels of the picture, the largest first; `fine`: small ones too, however long it takes
export function findFaces(gray, cascade, fine = false) {
  const longer = Math.max(gray.width, gray.height);
  let scale = Math.min(Math.max(SEARCH.scale, SEARCH.shortest / longer), SEARCH.longest / longer);
  if (fine) scale = Math.max(scale, Math.min(1, SEARCH.fine / longer));
  const small = resize(gray, Math.max(1, Math.round(gray.width * scale)), Math.max(1, Math.round(gray.height * scale)));
  return cascade.find(evenLight(small, SEARCH.limit, SEARCH.tiles), SEARCH.smallest)
    .map((box) => box.map((value) => Math.round(value / scale)))
    .sort((a, b) => b[2] * b[3] - a[2] * a[3] || a[0] - b[0] || a[1] - b[1]);
}

// Float32Array (2 N, 48, 48, 1) for the network: every face, then every face's mirror image
export function batch(gray, boxes, share) {
  const pixels = SIZE * SIZE, input = new Float32Array(2 * boxes.length * pixels);
  boxes.forEach((box, place) => {
    const crop = square(gray, box, Math.max(box[2], box[3]) / share, SIZE);
    const there = place * pixels, mirrored = (boxes.length + place) * pixels;
    for (let at = 0; at < pixels; at++) {
      input[there + at] = crop[at];
      input[mirrored + at] = crop[at - at % SIZE + SIZE - 1 - at % SIZE];
    }
  });
  return input;
}

// The mean of both views with the temperature applied: an array of C probabilities for each of `count` faces
export function calibrated(output, count, temperature) {
  const classes = output.length / (2 * count);
  return Array.from({ length: count }, (_, place) => {
    const powered = Array.from({ length: classes }, (_unused, k) =>
      Math.max((output[place * classes + k] + output[(count + place) * classes + k]) / 2, 1e-12) ** (1 / temperature));
    const sum = powered.reduce((a, b) => a + b);
    return powered.map((value) => value / sum);
  });
}
