// Tracking as in pipeline/demo/see/tracks.py: the same face keeps its number and its label does not flicker. The constants
// come from about.json, so that window and page track faces alike.
import { even } from "./pixels.js";

// A face as in the API's answers, from its box and probabilities
export function answerOf({ x, y, width, height, angle }, scores, about, { id = 0, label = null } = {}) {
  const { classes, unsure_below: least } = about;
  const order = scores.map((_, index) => index).sort((a, b) => scores[b] - scores[a] || a - b);
  const best = label ?? order[0], other = order.find((index) => index !== best);
  const sure = scores[best] >= least;
  return {
    id, box: { x, y, width, height }, roll: angle, emotion: classes[best], sure,
    says: sure ? classes[best] : `unsure: ${classes[best]} or ${classes[other]}`,
    probabilities: Object.fromEntries(classes.map((name, index) => [name, Math.round(1e4 * scores[index]) / 1e4])),
  };
}

export class Tracks {
  constructor(about) {
    this.about = about;
    this.rules = about.follow;
    this.tracks = [];
    this.count = 0;
    this.now = -Infinity;
  }

  // The track of each box {x, y, width, height} of a frame, at its time in seconds
  follow(boxes, seconds) {
    const { hold } = this.rules, oldest = Math.min(seconds - hold, this.now);
    this.tracks = this.tracks.filter((track) => track.seen >= oldest);
    this.now = seconds;
    const pairs = [];
    this.tracks.forEach((track, trackIndex) => boxes.forEach((box, boxIndex) => {
      const distance = this.#distance(rounded(track.rectangle), box);
      if (distance !== null) pairs.push([distance, boxIndex, trackIndex]);
    }));
    pairs.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
    // Greedy matching: the closest pair first
    const matches = new Map(), matched = new Set(), known = [...this.tracks];
    for (const [, boxIndex, trackIndex] of pairs) {
      if (!matches.has(boxIndex) && !matched.has(trackIndex)) {
        matches.set(boxIndex, known[trackIndex]);
        matched.add(trackIndex);
      }
    }
    return boxes.map((box, boxIndex) => {
      if (matches.has(boxIndex)) return this.#move(matches.get(boxIndex), box, seconds);
      this.tracks.push(this.#track(box, seconds));
      return this.tracks.at(-1);
    });
  }

  // Adds a classification of a track's face. Frames may be left out, as the weight depends on time
  read(track, scores, seconds) {
    if (!track.reads) {
      track.scores = scores;
      track.label = strongest(scores);
    } else {
      const late = weight(seconds - track.lastRead, this.rules.half_life);
      track.scores = track.scores.map((old, k) => (1 - late) * old + late * scores[k]);
      const best = strongest(track.scores);
      if (track.scores[best] - track.scores[track.label] >= this.rules.lead) track.label = best;
    }
    track.reads += 1;
    track.lastRead = seconds;
  }

  // The faces of the last frame to show, the largest first
  faces() {
    const { tracks, now, rules } = this;
    return tracks.filter((track) => track.reads && (track.seen >= now || (track.times > 1 && now - track.seen <= rules.hold)))
      .map((track) => answerOf({ ...rounded(track.rectangle), angle: track.angle }, track.scores, this.about, track))
      .sort((a, b) => b.box.width * b.box.height - a.box.width * a.box.height || a.id - b.id);
  }

  #track({ x, y, width, height, angle }, seconds) {
    this.count += 1;
    return { id: this.count, seen: seconds, times: 1, rectangle: [x, y, width, height], angle, reads: 0, lastRead: -Infinity };
  }

  #move(track, { x, y, width, height, angle }, seconds) {
    const near = weight(seconds - track.seen, this.rules.box_half_life);
    track.rectangle = [x, y, width, height].map((value, k) => track.rectangle[k] + near * (value - track.rectangle[k]));
    track.angle = angle;
    track.seen = seconds;
    track.times += 1;
    return track;
  }

  #distance(old, box) {
    const larger = Math.max(old.width, box.width, 1), smaller = Math.max(Math.min(old.width, box.width), 1);
    const distance = Math.hypot(box.x + box.width / 2 - old.x - old.width / 2,
      box.y + box.height / 2 - old.y - old.height / 2) / larger;
    return distance <= this.rules.move && larger / smaller <= this.rules.grow ? distance : null;
  }
}

const strongest = (scores) => scores.indexOf(Math.max(...scores));
const weight = (seconds, halfLife) => seconds > 0 ? 1 - 0.5 ** (seconds / halfLife) : 0.5;

const rounded = ([x, y, width, height]) => ({ x: even(x), y: even(y), width: even(width), height: even(height) });
