// Gray pictures as {data: Uint8Array, width, height}: what OpenCV does to them before and after detection.

// From canvas pixels (red, green, blue, opacity), with the weights of ITU-R BT.601
export function toGray({ data, width, height }) {
  const gray = new Uint8Array(width * height);
  for (let place = 0, at = 0; place < gray.length; place++, at += 4) {
    gray[place] = (9798 * data[at] + 19235 * data[at + 1] + 3735 * data[at + 2] + 16384) >> 15;
  }
  return { data: gray, width, height };
}

// Where a row of `from` pixels goes when it becomes `to`: [first pixel, shares] for each new one. Shrinking averages over
// the area that a new pixel covers, enlarging is linear between the pixels' centres
function shares(from, to) {
  return Array.from({ length: to }, (_, place) => {
    if (to >= from) {
      const at = Math.min(Math.max((place + 0.5) * from / to - 0.5, 0), from - 1), first = Math.min(Math.floor(at), from - 1);
      return first === from - 1 ? [first, [1]] : [first, [1 - (at - first), at - first]];
    }
    const start = place * from / to, end = Math.min((place + 1) * from / to, from);
    const first = Math.floor(start + 1e-9), last = Math.ceil(end - 1e-9);
    return [first, Array.from({ length: last - first }, (_unused, k) =>
      (Math.min(end, first + k + 1) - Math.max(start, first + k)) / (end - start))];
  });
}

export function resize({ data, width, height }, newWidth, newHeight) {
  const columns = shares(width, newWidth), rows = shares(height, newHeight);
  const across = new Float32Array(newWidth * height), out = new Uint8Array(newWidth * newHeight);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < newWidth; x++) {
      const [first, weights] = columns[x];
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * data[y * width + first + k];
      across[y * newWidth + x] = sum;
    }
  }
  for (let y = 0; y < newHeight; y++) {
    const [first, weights] = rows[y];
    for (let x = 0; x < newWidth; x++) {
      let sum = 0.5;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * across[(first + k) * newWidth + x];
      out[y * newWidth + x] = sum;
    }
  }
  return { data: out, width: newWidth, height: newHeight };
}

// The square of `side` pixels round a box's centre as `size` x `size`
export function square({ data, width, height }, [x, y, w, h], side, size) {
  side = Math.max(1, Math.round(side));
  const left = even(x + (w - side) / 2), top = even(y + (h - side) / 2);
  return resize(cut({ data, width, height }, left, top, side, side), size, size).data;
}

// A part of a picture; beyond the edge, the edge's pixels go on
export function cut({ data, width, height }, left, top, partWidth, partHeight) {
  const part = new Uint8Array(partWidth * partHeight);
  for (let row = 0; row < partHeight; row++) {
    const line = Math.min(Math.max(top + row, 0), height - 1) * width;
    for (let column = 0; column < partWidth; column++) {
      part[row * partWidth + column] = data[line + Math.min(Math.max(left + column, 0), width - 1)];
    }
  }
  return { data: part, width: partWidth, height: partHeight };
}

// Halves go to the even neighbour, as Python's round does
function even(value) {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low % 2 !== 0 ? 1 : 0) : Math.round(value);
}

// Contrast-limited adaptive histogram equalisation (Zuiderveld 1994) on `tiles` x `tiles` regions, as OpenCV's CLAHE
export function evenLight(image, limit, tiles) {
  const { data, width, height } = image;
  const whole = width % tiles === 0 && height % tiles === 0;
  const tileWidth = (whole ? width : width + tiles - width % tiles) / tiles;
  const tileHeight = (whole ? height : height + tiles - height % tiles) / tiles;
  const tables = [];
  for (let row = 0; row < tiles; row++) {
    for (let column = 0; column < tiles; column++) {
      tables.push(table(image, column * tileWidth, row * tileHeight, tileWidth, tileHeight, limit));
    }
  }
  const out = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const [above, below, low] = between(y / tileHeight - 0.5, tiles);
    for (let x = 0; x < width; x++) {
      const [before, after, right] = between(x / tileWidth - 0.5, tiles), value = data[y * width + x];
      const upper = (1 - right) * tables[above * tiles + before][value] + right * tables[above * tiles + after][value];
      const lower = (1 - right) * tables[below * tiles + before][value] + right * tables[below * tiles + after][value];
      out[y * width + x] = (1 - low) * upper + low * lower + 0.5;
    }
  }
  return { data: out, width, height };
}

const kept = [0, 0, 0];
function between(at, tiles) {
  const first = Math.floor(at);
  kept[0] = Math.max(first, 0);
  kept[1] = Math.min(first + 1, tiles - 1);
  kept[2] = at - first;
  return kept.slice();
}

function table({ data, width, height }, left, top, tileWidth, tileHeight, limit) {
  const counts = new Int32Array(256), mirrored = (at, size) => at < size ? at : Math.max(0, 2 * size - 2 - at);
  for (let y = top; y < top + tileHeight; y++) {
    const line = mirrored(y, height) * width;
    for (let x = left; x < left + tileWidth; x++) counts[data[line + mirrored(x, width)]]++;
  }
  const most = Math.max(1, Math.floor(limit * tileWidth * tileHeight / 256));
  let spare = 0;
  for (let k = 0; k < 256; k++) {
    if (counts[k] > most) { spare += counts[k] - most; counts[k] = most; }
  }
  const each = Math.floor(spare / 256);
  let rest = spare - each * 256;
  for (let k = 0; k < 256; k++) counts[k] += each;
  for (let k = 0, step = Math.max(Math.floor(256 / Math.max(rest, 1)), 1); k < 256 && rest > 0; k += step, rest--) counts[k]++;
  const out = new Uint8Array(256);
  for (let k = 0, sum = 0; k < 256; k++) {
    sum += counts[k];
    out[k] = Math.min(255, Math.round(sum * 255 / (tileWidth * tileHeight)));
  }
  return out;
}
