// Viola and Jones's face detector with OpenCV's cascade, step by step as OpenCV 4's CascadeClassifier does it
// (objdetect/src/cascadedetect.cpp, Apache-2.0, read for the order of the steps), so that both find the same faces.

// Pixels between candidates that count as one face, as a share of their size; and how many it takes
const SIMILAR = 0.2, NEIGHBOURS = 4, FACTOR = 1.1;

export class Cascade {
  // facts: {size, stages: [{threshold, trees: [[nodes, leaves]]}], features: [[[x, y, w, h, weight]]]}
  constructor(facts) {
    this.size = facts.size;
    this.features = facts.features;
    const trees = facts.stages.flatMap((stage) => stage.trees);
    // Every node's feature, threshold and ways on; a way of 0 or less is a leaf
    this.ways = Int32Array.from(trees.flatMap(([nodes]) => nodes.flatMap(([left, right]) => [left, right])));
    this.which = Int32Array.from(trees.flatMap(([nodes]) => nodes.map((node) => node[2])));
    this.limits = Float32Array.from(trees.flatMap(([nodes]) => nodes.map((node) => node[3])));
    this.leaves = Float32Array.from(trees.flatMap(([, leaves]) => leaves));
    this.nodes = Int32Array.from(trees.map(([nodes]) => nodes.length));
    this.trees = Int32Array.from(facts.stages.map((stage) => stage.trees.length));
    this.least = Float64Array.from(facts.stages.map((stage) => Math.fround(stage.threshold) - 1e-5));
    // Three weighted rectangles a feature (the third may weigh nothing), four corners each
    this.weights = new Float32Array(3 * this.features.length);
    this.corners = new Int32Array(12 * this.features.length);
    this.features.forEach((rects, place) => rects.forEach((rect, k) => { this.weights[3 * place + k] = rect[4]; }));
    this.stride = 0;
  }

  // The faces of a gray image {data, width, height}, `smallest` to `largest` pixels wide: [[x, y, width, height]]
  find(image, smallest, largest = Infinity) {
    this.#prepare(image.width + 1, image.height + 1);
    const candidates = [];
    for (let factor = 1; ; factor *= FACTOR) {
      const window = Math.round(this.size * factor);
      if (window > Math.min(image.width, image.height, largest)) break;
      if (window >= smallest) this.#scan(image, Math.fround(factor), window, candidates);
    }
    return group(candidates);
  }

  // The rows' distance in memory stays, so that a part of a picture needs no other corners than the whole
  #prepare(columns, rows) {
    if (this.stride < columns) {
      const stride = this.stride = columns;
      this.features.forEach((rects, place) => rects.forEach(([x, y, w, h], k) => {
        const first = y * stride + x, last = (y + h) * stride + x;
        this.corners.set([first, first + w, last, last + w], 12 * place + 4 * k);
      }));
    }
    const size = this.stride * rows;
    if ((this.sum?.length ?? 0) < size) {
      this.sum = new Int32Array(size);
      this.squares = new Float64Array(size);
      this.small = new Uint8Array(size);
    }
  }

  #scan(image, factor, window, candidates) {
    const width = Math.round(image.width / factor), height = Math.round(image.height / factor);
    shrink(image, this.small, width, height);
    this.#integrate(width, height);
    const step = factor >= 2 ? 1 : 2;
    for (let y = 0; y <= height - this.size; y += step) {
      for (let x = 0; x <= width - this.size; x += step) {
        const result = this.#at(y * this.stride + x);
        if (result > 0) candidates.push([Math.round(x * factor), Math.round(y * factor), window, window]);
        if (result === 0) x += step; // not even the first stage: the next place is none either
      }
    }
  }

  #integrate(width, height) {
    const { sum, squares, small, stride } = this;
    sum.fill(0, 0, width + 1);
    squares.fill(0, 0, width + 1);
    for (let y = 0; y < height; y++) {
      let row = 0, squared = 0, at = (y + 1) * stride;
      sum[at] = squares[at] = 0;
      for (let x = 0; x < width; x++) {
        const value = small[y * width + x];
        row += value;
        squared += value * value;
        at++;
        sum[at] = sum[at - stride] + row;
        squares[at] = squares[at - stride] + squared;
      }
    }
  }

  // 1: a face; otherwise minus the number of stages that were passed; -1 too for a place without contrast
  #at(place) {
    const { sum, squares, stride, corners, weights, ways, which, limits, leaves, nodes, trees, least } = this;
    const side = this.size - 2, first = place + stride + 1, last = first + side * stride;
    const total = sum[last + side] - sum[last] - sum[first + side] + sum[first];
    const squared = squares[last + side] - squares[last] - squares[first + side] + squares[first];
    const contrast = side * side * squared - total * total;
    if (contrast <= 0) return -1;
    const norm = 1 / Math.sqrt(contrast);
    if (side * side * norm >= 0.1) return -1;
    let tree = 0, node = 0, leaf = 0;
    for (let stage = 0; stage < trees.length; stage++) {
      let score = 0;
      for (const end = tree + trees[stage]; tree < end; tree++) {
        let way = 0;
        do {
          const at = node + way, feature = which[at], c = 12 * feature, w = 3 * feature;
          let value = weights[w] * (sum[place + corners[c]] - sum[place + corners[c + 1]]
            - sum[place + corners[c + 2]] + sum[place + corners[c + 3]])
            + weights[w + 1] * (sum[place + corners[c + 4]] - sum[place + corners[c + 5]]
            - sum[place + corners[c + 6]] + sum[place + corners[c + 7]]);
          if (weights[w + 2] !== 0) {
            value += weights[w + 2] * (sum[place + corners[c + 8]] - sum[place + corners[c + 9]]
              - sum[place + corners[c + 10]] + sum[place + corners[c + 11]]);
          }
          way = value * norm < limits[at] ? ways[2 * at] : ways[2 * at + 1];
        } while (way > 0);
        score += leaves[leaf - way];
        node += nodes[tree];
        leaf += nodes[tree] + 1;
      }
      if (score < least[stage]) return -stage;
    }
    return 1;
  }
}

// Bilinear, centres on centres, into `out`
function shrink({ data, width, height }, out, newWidth, newHeight) {
  const left = new Int32Array(newWidth), right = new Int32Array(newWidth), share = new Float32Array(newWidth);
  for (let x = 0; x < newWidth; x++) {
    const at = Math.max(0, (x + 0.5) * width / newWidth - 0.5);
    left[x] = Math.min(Math.floor(at), width - 1);
    right[x] = Math.min(left[x] + 1, width - 1);
    share[x] = at - left[x];
  }
  for (let y = 0; y < newHeight; y++) {
    const at = Math.max(0, (y + 0.5) * height / newHeight - 0.5);
    const top = Math.min(Math.floor(at), height - 1), low = at - top;
    const one = top * width, two = Math.min(top + 1, height - 1) * width;
    for (let x = 0; x < newWidth; x++) {
      const upper = data[one + left[x]] + share[x] * (data[one + right[x]] - data[one + left[x]]);
      const lower = data[two + left[x]] + share[x] * (data[two + right[x]] - data[two + left[x]]);
      out[y * newWidth + x] = upper + low * (lower - upper) + 0.5;
    }
  }
}

function similar(a, b) {
  const delta = SIMILAR * (Math.min(a[2], b[2]) + Math.min(a[3], b[3])) / 2;
  return Math.abs(a[0] - b[0]) <= delta && Math.abs(a[1] - b[1]) <= delta
    && Math.abs(a[0] + a[2] - b[0] - b[2]) <= delta && Math.abs(a[1] + a[3] - b[1] - b[3]) <= delta;
}

// Candidates that lie on one another become their mean; a few alone, and small ones inside a surer one, are dropped
export function group(candidates) {
  const parent = candidates.map((_, place) => place);
  const root = (place) => {
    while (parent[place] !== place) place = parent[place] = parent[parent[place]];
    return place;
  };
  for (let i = 0; i < candidates.length; i++) {
    for (let j = 0; j < i; j++) if (similar(candidates[i], candidates[j])) parent[root(i)] = root(j);
  }
  const groups = new Map();
  candidates.forEach((box, place) => {
    const found = groups.get(root(place)) ?? { count: 0, sum: [0, 0, 0, 0] };
    groups.set(root(place), found);
    found.count += 1;
    box.forEach((value, k) => { found.sum[k] += value; });
  });
  const faces = [...groups.values()].filter(({ count }) => count > NEIGHBOURS)
    .map(({ count, sum }) => ({ count, box: sum.map((value) => Math.round(value / count)) }));
  const inside = (a, b) => {
    const edge = Math.round(SIMILAR * b[2]);
    return a[0] >= b[0] - edge && a[1] >= b[1] - edge && a[0] + a[2] <= b[0] + b[2] + edge
      && a[1] + a[3] <= b[1] + b[3] + edge;
  };
  return faces.filter((one) => !faces.some((other) =>
    other !== one && inside(one.box, other.box) && other.count > Math.max(3, one.count))).map(({ box }) => box);
}
