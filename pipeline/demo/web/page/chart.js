// The emotions over time: live as lines, of a video as stacked bars.

// Seconds that the live chart shows, and between two of its points
const SPAN = 30, EVERY = 0.1;
const GRID = "#ffffff2e", GROUND = "#14161a", LETTERS = "600 11px system-ui, sans-serif";

// A canvas with one pixel per pixel of the screen, emptied; returns its context in CSS pixels, and its width and height
function cleared(canvas) {
  const ratio = devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = GROUND;
  context.fillRect(0, 0, width, height);
  return { context, width, height };
}

// The main face's probabilities during the last half minute
export class Trace {
  #points = [];

  // seconds: of a clock that only goes on; face: undefined without one, which leaves a gap. True when a point was added
  add(seconds, face) {
    const last = this.#points.at(-1);
    if (last && seconds - last.seconds < EVERY) return false;
    this.#points.push({ seconds, id: face?.id, probabilities: face?.probabilities });
    while (seconds - this.#points[0].seconds > SPAN + 1) this.#points.shift();
    return true;
  }

  draw(canvas, about) {
    const { context, width, height } = cleared(canvas), points = this.#points, now = points.at(-1)?.seconds ?? 0;
    // To the right of the lines the most probable classes are named
    const right = width - 62, x = ({ seconds }) => right * (1 - (now - seconds) / SPAN);
    const y = (share) => 4 + (height - 8) * (1 - share);
    context.strokeStyle = GRID;
    for (const share of [0, 0.5, 1]) line(context, [[0, y(share)], [right, y(share)]]);
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    for (const name of about.classes) {
      context.strokeStyle = about.colours[name];
      for (const part of this.#parts()) {
        line(context, part.map((point) => [x(point), y(point.probabilities[name])]));
      }
    }
    const newest = points.at(-1)?.probabilities ?? {}, rows = [];
    context.font = LETTERS;
    context.textBaseline = "middle";
    for (const name of [...about.classes].sort((a, b) => newest[b] - newest[a]).slice(0, 2)) {
      if (!(newest[name] >= 0.2)) continue;
      let row = Math.min(Math.max(y(newest[name]), 8), height - 8);
      if (rows.length && Math.abs(rows[0] - row) < 13) row = rows[0] + 13 > height - 6 ? rows[0] - 13 : rows[0] + 13;
      rows.push(row);
      context.fillStyle = about.colours[name];
      context.fillText(name, right + 5, row);
    }
  }

  // The runs of points about one face
  #parts() {
    const parts = [];
    let last = null;
    for (const point of this.#points) {
      if (point.probabilities) {
        if (last?.id === point.id && last.probabilities) parts.at(-1).push(point);
        else parts.push([point]);
      }
      last = point;
    }
    return parts;
  }
}

function line(context, corners) {
  context.beginPath();
  for (const [x, y] of corners) context.lineTo(x, y);
  context.stroke();
}

// One column per sample of a video, split by the classes' probabilities. samples: [{index, faces}]; at: 0 to 1
export function drawTimeline(canvas, samples, length, at, about) {
  const { context, width, height } = cleared(canvas), each = width / Math.max(1, length);
  for (const { index, faces: [face] } of samples) {
    let top = height;
    for (const name of face ? about.classes : []) {
      const part = height * face.probabilities[name];
      context.fillStyle = about.colours[name];
      // Half a pixel more, so that no seam shows between two columns
      context.fillRect(index * each, top - part, each + 0.5, part);
      top -= part;
    }
  }
  context.fillStyle = "#000";
  context.fillRect(at * (width - 4), 0, 4, height);
  context.fillStyle = "#fff";
  context.fillRect(at * (width - 4) + 1, 0, 2, height);
}
