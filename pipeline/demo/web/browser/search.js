// Where the faces are, in a picture or from frame to frame, as in pipeline/demo/see/detector.py and Search of
// pipeline/demo/see/watcher.py; tests/demo/web/test_static.py compares the two. The constants come from about.json. A box is
// {x, y, width, height, angle} in pixels of the picture, angle the head's roll in degrees.
import { sameFace } from "./blazeface.js";
import { even } from "./pixels.js";

const whole = ({ width, height }, roll = 0) => ({ x: width / 2, y: height / 2, side: Math.max(width, height), roll });

export class Finder {
  // full: BlazeFace's network for whole pictures; short: a function that fetches the one for faces from near
  constructor(full, short, rules) {
    this.full = full;
    this.short = short;
    this.rules = rules;
  }

  // All faces of a single picture, small ones and those of any roll too, the largest first
  async find(image) {
    let best = this.#inPicture(image, 0);
    if (!best.length) {
      const score = (faces) => faces.reduce((sum, face) => sum + face.score, 0);
      for (const roll of this.rules.quarters) {
        const faces = this.#inPicture(image, roll);
        if (!best.length || score(faces) > score(best)) best = faces;
      }
    }
    return this.#boxes(best);
  }

  // The faces of a stream's next frame, the largest first. `known` are the boxes of the frame before; if there is no face, one
  // that is turned by quarters[quarter] is looked for too
  async follow(image, known, quarter = null) {
    const { live, rolled, quarters } = this.rules;
    let faces = this.full.find(image, whole(image), live);
    if (!faces.length && !known.length && quarter !== null) faces = this.full.find(image, whole(image, quarters[quarter]), live);
    const far = [...faces, ...known.map((box) => this.#seen(box)).filter(({ roll }) => Math.abs(roll) >= rolled)];
    const near = [];
    for (const face of far) near.push(Math.abs(face.roll) >= rolled ? await this.#again(image, face) : face);
    return this.#boxes(near.filter(Boolean));
  }

  #inPicture(image, roll) {
    const { candidate, picture, sure, upright, close } = this.rules, { width, height } = image;
    const candidates = this.full.find(image, whole(image, roll), candidate);
    for (const view of this.#squares(width, height)) {
      const faces = this.full.find(image, { ...view, roll }, candidate);
      candidates.push(...faces.filter((face) => !cut(face, view, width, height)));
    }
    const faces = [];
    for (const face of this.#distinct(candidates)) {
      const turned = Math.abs(face.roll) >= upright ? face.roll : 0;
      if (face.score >= sure && !turned) {
        faces.push(face);
        continue;
      }
      const view = { x: face.x, y: face.y, side: close * face.side, roll: turned };
      const again = centred(this.full.find(image, view, candidate / 2), face);
      if (again && (face.score + again.score) / 2 >= picture) faces.push(again);
    }
    return this.#distinct(faces);
  }

  // A face as the short-range network sees it upright; null where it sees none
  async #again(image, face) {
    const short = await this.short();
    if (!short) return face;
    const view = { x: face.x, y: face.y, side: this.rules.closer * face.side, roll: face.roll };
    return centred(short.find(image, view, this.rules.live), face);
  }

  *#squares(width, height) {
    const { squares, least, overlap } = this.rules;
    const centres = (length, side) => {
      if (side >= length) return [length / 2];
      const pieces = Math.ceil((length - side) / (side * (1 - overlap))) + 1;
      return Array.from({ length: pieces }, (_, index) => side / 2 + index * (length - side) / (pieces - 1));
    };
    for (const share of squares) {
      const side = Math.max(even(share * Math.min(width, height)), least);
      if (side >= Math.max(width, height)) continue;
      for (const y of centres(height, side)) for (const x of centres(width, side)) yield { x, y, side };
    }
  }

  // Each face once, as its surest answer
  #distinct(faces) {
    const kept = [];
    for (const face of [...faces].sort((a, b) => b.score - a.score)) {
      if (!kept.some((other) => sameFace(square(face), square(other), this.rules.same))) kept.push(face);
    }
    return kept;
  }

  #boxes(faces) {
    const { share, lift, upright } = this.rules;
    return this.#distinct(faces).map((face) => {
      const side = face.side / share, tilt = face.roll * Math.PI / 180;
      const x = face.x + lift * face.side * Math.sin(tilt), y = face.y - lift * face.side * Math.cos(tilt);
      return { x: even(x - side / 2), y: even(y - side / 2), width: even(side), height: even(side),
        angle: Math.abs(face.roll) >= upright ? even(face.roll * 10) / 10 : 0 };
    }).sort((a, b) => b.width * b.height - a.width * a.height || a.x - b.x || a.y - b.y);
  }

  // The face that #boxes made the box of
  #seen({ x, y, width, height, angle }) {
    const { share, lift } = this.rules, side = width * share, tilt = angle * Math.PI / 180;
    return { score: 1, x: x + width / 2 - lift * side * Math.sin(tilt), y: y + height / 2 + lift * side * Math.cos(tilt), side,
      roll: angle };
  }
}

const square = ({ x, y, side }) => [x, y, side];

// Whether the view's edge cuts the face inside the picture; then the next view shows all of it
function cut({ x, y, side }, view, width, height) {
  const half = view.side / 2, reach = side / 2, outside = (low, edge) => low < edge && edge > 0;
  return outside(x - reach, view.x - half) || outside(y - reach, view.y - half)
    || (x + reach > view.x + half && view.x + half < width) || (y + reach > view.y + half && view.y + half < height);
}

// The face that is nearest to another one, unless it is a different face
function centred(faces, { x, y, side }) {
  const distance = (other) => Math.hypot(other.x - x, other.y - y);
  const nearest = faces.reduce((best, face) => best && distance(best) <= distance(face) ? best : face, null);
  return nearest && distance(nearest) <= side / 2 ? nearest : null;
}
