// Which parts of a face an answer rests on: each is hidden in turn behind a blur of the face, and the model is asked again.
// As in pipeline/demo/see/occlusion.py.
const SIZE = 48, PATCH = 12, STRIDE = 4, CELLS = SIZE / STRIDE, PLACES = (SIZE - PATCH) / STRIDE + 1, BLUR = 6;

// A crop's Gaussian blur, its edge repeated, with OpenCV's kernel: eight deviations wide
function blurred(crop) {
  const reach = Math.round(BLUR * 4), weights = Array.from({ length: 2 * reach + 1 },
    (_, index) => Math.exp(-((index - reach) ** 2) / (2 * BLUR ** 2)));
  const sum = weights.reduce((a, b) => a + b);
  const along = (values, step) => Float64Array.from(values, (_, at) => {
    const place = Math.floor(at / step) % SIZE, rest = at - place * step;
    let total = 0;
    weights.forEach((weight, index) => {
      total += weight * values[rest + step * Math.min(Math.max(place + index - reach, 0), SIZE - 1)];
    });
    return total / sum;
  });
  return along(along(crop, 1), SIZE);
}

const logOdds = (probability) => {
  const bounded = Math.min(Math.max(probability, 1e-6), 1 - 1e-6);
  return Math.log(bounded / (1 - bounded));
};

function partAt(row, column) {
  if (row < 2) return "forehead";
  if (row < 5) return column === 0 || column === 9 ? "side of the head" : "eyes";
  if (row < 7) return column >= 3 && column <= 6 ? "nose" : "cheek";
  if (row < 9) return column >= 2 && column <= 7 ? "mouth" : "cheek";
  return "chin";
}

// crop: 48x48 bytes; ask: a function from a crop to the probability of the class in question. Returns what POST /explain
// answers about it
export function occlusion(crop, ask) {
  const blur = blurred(crop), probability = ask(crop), before = logOdds(probability);
  const totals = new Float64Array(CELLS * CELLS), counts = new Float64Array(CELLS * CELLS);
  let hidden = Infinity, part = "";
  for (let row = 0; row < PLACES; row++) {
    for (let column = 0; column < PLACES; column++) {
      const image = Uint8Array.from(crop);
      for (let y = STRIDE * row; y < STRIDE * row + PATCH; y++) {
        for (let x = STRIDE * column; x < STRIDE * column + PATCH; x++) image[y * SIZE + x] = Math.round(blur[y * SIZE + x]);
      }
      const left = ask(image), drop = before - logOdds(left);
      if (left < hidden) {
        hidden = left;
        part = partAt(row, column);
      }
      for (let y = row; y < row + PATCH / STRIDE; y++) {
        for (let x = column; x < column + PATCH / STRIDE; x++) {
          totals[y * CELLS + x] += drop;
          counts[y * CELLS + x] += 1;
        }
      }
    }
  }
  const rows = Array.from({ length: CELLS }, (_, y) => Array.from({ length: CELLS },
    (_, x) => totals[y * CELLS + x] / counts[y * CELLS + x]));
  return { probability, hidden, part, log_odds: rows };
}
