// The network's input from the faces of a gray picture, and calibrated probabilities from its output, as in
// pipeline/demo/see/classifier.py.
import { square } from "./pixels.js";

const SIZE = 48;

// Float32Array of shape (views * N, 48, 48, 1): for each of `views` every face's crop, mirrored where the view is true
export function batch(gray, boxes, share, views = [false, true]) {
  const pixels = SIZE * SIZE, input = new Float32Array(views.length * boxes.length * pixels);
  boxes.forEach((box, index) => {
    const crop = square(gray, box, Math.max(box[2], box[3]) / share, SIZE);
    views.forEach((mirrored, view) => {
      const start = (view * boxes.length + index) * pixels;
      for (let at = 0; at < pixels; at++) {
        input[start + at] = crop[mirrored ? at - at % SIZE + SIZE - 1 - at % SIZE : at];
      }
    });
  });
  return input;
}

// The mean of a face's views with the temperature applied: an array of C probabilities for each of `count` faces
export function calibrated(output, count, temperature, views = 2) {
  const classes = output.length / (views * count);
  return Array.from({ length: count }, (_, index) => {
    const powered = Array.from({ length: classes }, (_unused, k) => {
      let sum = 0;
      for (let view = 0; view < views; view++) sum += output[(view * count + index) * classes + k];
      return Math.max(sum / views, 1e-12) ** (1 / temperature);
    });
    const sum = powered.reduce((a, b) => a + b);
    return powered.map((value) => value / sum);
  });
}
