// How large the frames are that are sent: as large as the line carries in BUDGET milliseconds.
//
// The model of the line: a round trip takes `fixed` milliseconds (the way there and back, and the work on the server) and
// `each` more per 10 kB that are sent. Both are learnt from the round trips by normalised least mean squares: an error
// goes mostly to `each` when the frame was large, mostly to `fixed` when it was small. Every PROBE-th frame is one kind larger
// than the line is thought to carry, as frames of one size alone would not tell the two apart. So a far but fast server
// still gets the largest frames.

// The longer side in pixels, the JPEG quality, and the bytes as a share of the largest kind's; measured on photographs
const KINDS = [
  { side: 640, quality: 0.85, share: 1 }, { side: 480, quality: 0.75, share: 0.46 }, { side: 360, quality: 0.7, share: 0.27 },
  { side: 280, quality: 0.6, share: 0.16 }, { side: 240, quality: 0.5, share: 0.11 },
];
const BUDGET = 250, LEARN = 0.5, PROBE = 10, UNIT = 10_000;
// A line over which a small request takes less than this, in milliseconds, begins with the largest frames
const NEAR = 150;
// The line counts as slow from this mean round trip on, in milliseconds, until it falls below the other
const SLOW = 350, FAST = 250;

export class Pace {
  slow = false;
  trip = 0;
  #level;
  #fixed;
  #each = 0;
  #count = 0;

  // first: the milliseconds of a small request over the same line
  constructor(first) {
    this.#fixed = first;
    this.#level = first < NEAR ? 0 : 2;
  }

  get kind() { return KINDS[Math.max(0, this.#level - (this.#count % PROBE === PROBE - 1 ? 1 : 0))]; }

  // A frame of `bytes` was answered after so many milliseconds
  record(bytes, milliseconds) {
    const { share } = this.kind, x = bytes / UNIT, error = milliseconds - this.#fixed - this.#each * x;
    const step = LEARN * error / (1 + x * x);
    this.#fixed = Math.max(0, this.#fixed + step);
    this.#each = Math.max(0, this.#each + step * x);
    this.trip = this.trip ? 0.7 * this.trip + 0.3 * milliseconds : milliseconds;
    this.slow = this.trip > (this.slow ? FAST : SLOW);
    // Bytes of a frame of the largest kind, as this one suggests
    const largest = bytes / share, cost = (kind) => this.#each * kind.share * largest / UNIT;
    this.#count += 1;
    const fitting = KINDS.findIndex((kind) => cost(kind) <= BUDGET);
    const level = fitting < 0 ? KINDS.length - 1 : fitting;
    // One step up at a time, and only with something to spare
    if (level > this.#level) this.#level = level;
    else if (level < this.#level && cost(KINDS[this.#level - 1]) <= 0.7 * BUDGET) this.#level -= 1;
  }
}
