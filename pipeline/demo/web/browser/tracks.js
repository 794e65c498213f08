// Faces over time, as pipeline/demo/see/tracks.py: the same face keeps its number and its label does not flicker. The
// constants come with about.json, so that window and page follow faces alike.

// A face as the API answers it, from its box and its probabilities
export function answerOf(box, scores, about, { id = 0, label = null } = {}) {
  const { classes, unsure_below: least } = about;
  const order = scores.map((_, place) => place).sort((a, b) => scores[b] - scores[a] || a - b);
  const best = label ?? order[0], other = order.find((place) => place !== best);
  const sure = scores[best] >= least;
  return {
    id, box, emotion: classes[best], sure,
    says: sure ? classes[best] : `unsure: ${classes[best]} or ${classes[other]}`,
    probabilities: Object.fromEntries(classes.map((name, place) => [name, Math.round(1e4 * scores[place]) / 1e4])),
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

  // faces: [{box, scores}]. The ones that count as there at this time (seconds), the largest first
  update(faces, seconds) {
    const { hold } = this.rules, oldest = Math.min(seconds - hold, this.now);
    this.tracks = this.tracks.filter((track) => track.seen >= oldest);
    this.now = seconds;
    const pairs = [];
    this.tracks.forEach((track, place) => faces.forEach(({ box }, which) => {
      const distance = this.#distance(rounded(track.place), box);
      if (distance !== null) pairs.push([distance, which, place]);
    }));
    pairs.sort((a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
    const found = new Map(), taken = new Set(), known = [...this.tracks];
    for (const [, which, place] of pairs) {
      if (!found.has(which) && !taken.has(place)) {
        found.set(which, known[place]);
        taken.add(place);
      }
    }
    faces.forEach(({ box, scores }, which) => {
      if (found.has(which)) this.#move(found.get(which), box, scores, seconds);
      else this.tracks.push(this.#track(box, scores, seconds));
    });
    return this.tracks
      .filter((track) => track.seen >= seconds || (track.times > 1 && seconds - track.seen <= hold))
      .map((track) => answerOf(rounded(track.place), track.scores, this.about, track))
      .sort((a, b) => b.box.width * b.box.height - a.box.width * a.box.height || a.id - b.id);
  }

  #track({ x, y, width, height }, scores, seconds) {
    this.count += 1;
    return { id: this.count, seen: seconds, times: 1, place: [x, y, width, height], scores, label: strongest(scores) };
  }

  #move(track, { x, y, width, height }, scores, seconds) {
    const near = weight(seconds - track.seen, this.rules.box_half_life), late = weight(seconds - track.seen, this.rules.half_life);
    track.place = [x, y, width, height].map((value, k) => track.place[k] + near * (value - track.place[k]));
    track.scores = track.scores.map((old, k) => (1 - late) * old + late * scores[k]);
    const best = strongest(track.scores);
    if (track.scores[best] - track.scores[track.label] >= this.rules.lead) track.label = best;
    track.seen = seconds;
    track.times += 1;
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

function rounded([x, y, width, height]) {
  return { x: Math.round(x), y: Math.round(y), width: Math.round(width), height: Math.round(height) };
}
