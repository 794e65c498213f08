// What OpenCV does to pictures before and after detection. A picture is {data, width, height}, its data a Uint8Array with red,
// green, blue and opacity of each pixel (one kind of array for all, as the browser then compiles quicker code).

// Halves go to the even neighbour, as Python's round does
export function even(value) {
  const low = Math.floor(value);
  return value - low === 0.5 ? low + (low % 2 !== 0 ? 1 : 0) : Math.round(value);
}

// How a row of `from` pixels shrinks to `to` with cv2.INTER_AREA, which averages over the area that a new pixel covers: for
// each new pixel its first old one, the number of old ones and their shares, one list after the other
const known = new Map(), ONE = 2 ** 14;
function shares(from, to) {
  const key = from * 65536 + to;
  if (known.has(key)) return known.get(key);
  const first = new Int32Array(to), count = new Int32Array(to), share = [];
  for (let place = 0; place < to; place++) {
    const start = place * from / to, end = Math.min((place + 1) * from / to, from);
    const low = Math.floor(start + 1e-9), high = Math.ceil(end - 1e-9);
    first[place] = low;
    count[place] = high - low;
    for (let at = low; at < high; at++) share.push((Math.min(end, at + 1) - Math.max(start, at)) / (end - start));
  }
  if (known.size > 64) known.clear();
  // Whole numbers, as the sums of a column are quicker with those
  known.set(key, { first, count, share: Int32Array.from(share, (part) => Math.round(part * ONE)) });
  return known.get(key);
}

// Pixels of `step` bytes each in a smaller size, as cv2.INTER_AREA. `start` is where the first one is in `data`, `row` the
// distance of two rows
function shrunk({ data, start = 0, row, step, width, height }, newWidth, newHeight) {
  const rows = shares(height, newHeight), columns = shares(width, newWidth), out = new Uint8Array(newWidth * newHeight * step);
  const sums = new Int32Array(width * step), unit = 1 / (ONE * ONE);
  for (let y = 0, r = 0, to = 0; y < newHeight; y++) {
    sums.fill(0);
    for (let k = 0; k < rows.count[y]; k++, r++) {
      const share = rows.share[r], from = start + (rows.first[y] + k) * row;
      for (let at = 0; at < sums.length; at++) sums[at] += Math.imul(share, data[from + at]);
    }
    for (let x = 0, c = 0; x < newWidth; c += columns.count[x++]) {
      for (let channel = 0; channel < step; channel++) {
        let sum = 0.5;
        for (let k = 0, at = columns.first[x] * step + channel; k < columns.count[x]; k++, at += step) {
          sum += columns.share[c + k] * unit * sums[at];
        }
        out[to++] = sum;
      }
    }
  }
  return out;
}

// The first `channels` of the `step` bytes of pixels in another size, as cv2.INTER_LINEAR: between the pixels' centres, with
// shares of 2048ths, to the last bit
function linear({ data, start = 0, row, step, width, height }, newWidth, newHeight, channels) {
  const out = new Uint8Array(newWidth * newHeight * channels), columns = between(width, newWidth), rows = between(height, newHeight);
  for (let y = 0, to = 0; y < newHeight; y++) {
    const lower = rows.share[y], upper = rows.rest[y], top = start + rows.low[y] * row, bottom = start + rows.high[y] * row;
    for (let x = 0; x < newWidth; x++) {
      const right = columns.share[x], left = columns.rest[x], low = columns.low[x] * step, high = columns.high[x] * step;
      for (let channel = 0; channel < channels; channel++) {
        const above = Math.imul(left, data[top + low + channel]) + Math.imul(right, data[top + high + channel]);
        const below = Math.imul(left, data[bottom + low + channel]) + Math.imul(right, data[bottom + high + channel]);
        out[to++] = ((Math.imul(upper, above >> 4) >> 16) + (Math.imul(lower, below >> 4) >> 16) + 2) >> 2;
      }
    }
  }
  return out;
}

// For each of `to` new pixels the two of `from` old ones that it lies between, the second one's share and the first one's
function between(from, to) {
  const low = new Int32Array(to), high = low.slice(), share = low.slice(), rest = low.slice();
  for (let place = 0; place < to; place++) {
    const at = Math.fround((place + 0.5) * (from / to) - 0.5), floor = Math.floor(at), inside = floor >= 0 && floor < from - 1;
    const part = inside ? Math.fround(at - floor) : 0;
    low[place] = Math.min(Math.max(floor, 0), from - 1);
    high[place] = Math.min(low[place] + 1, from - 1);
    share[place] = even(part * 2048);
    rest[place] = even(Math.fround(1 - part) * 2048);
  }
  return { low, high, share, rest };
}

// In half the size
function halved(from) {
  const width = from.width >> 1, height = from.height >> 1;
  if (from.width % 2 || from.height % 2) return { data: shrunk(from, width, height), row: 4 * width, step: 4, width, height };
  // All four bytes of a pixel at once: red and blue, green and opacity, with room for the sums between them
  const old = new Int32Array(from.data.buffer, from.data.byteOffset), out = new Int32Array(width * height), row = from.row / 4;
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0, at = (from.start ?? 0) / 4 + 2 * y * row; x < width; x++, at += 2) {
      const a = old[at], b = old[at + 1], c = old[at + row], d = old[at + row + 1];
      const even = (a & LANES) + (b & LANES) + (c & LANES) + (d & LANES) + HALVES;
      const odd = (a >>> 8 & LANES) + (b >>> 8 & LANES) + (c >>> 8 & LANES) + (d >>> 8 & LANES) + HALVES;
      out[to++] = even >>> 2 & LANES | (odd >>> 2 & LANES) << 8;
    }
  }
  return { data: new Uint8Array(out.buffer), row: 4 * width, step: 4, width, height };
}
const LANES = 0xff00ff, HALVES = 0x20002;

// The pixels of a square as they are seen when it is turned back by `degrees` (clockwise as one looks at it), cut to `size`
// in its middle, linear between the pixels; beyond the edge they go on, or are black
function turned(data, wide, channels, degrees, size, goOn) {
  const out = new Uint8Array(size * size * channels), middle = (wide - 1) / 2, edge = (wide - size) / 2;
  const cos = Math.cos(degrees * Math.PI / 180), sin = Math.sin(degrees * Math.PI / 180);
  const value = (x, y, channel) => {
    if (goOn) {
      x = Math.min(Math.max(x, 0), wide - 1);
      y = Math.min(Math.max(y, 0), wide - 1);
    } else if (x < 0 || y < 0 || x >= wide || y >= wide) return 0;
    return data[(y * wide + x) * channels + channel];
  };
  for (let row = 0, to = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const dx = column + edge - middle, dy = row + edge - middle;
      // OpenCV samples at 32nds of a pixel
      const x = Math.round((cos * dx - sin * dy + middle) * 32) / 32, y = Math.round((sin * dx + cos * dy + middle) * 32) / 32;
      const left = Math.floor(x), top = Math.floor(y), right = x - left, low = y - top;
      for (let channel = 0; channel < channels; channel++) {
        const upper = (1 - right) * value(left, top, channel) + right * value(left + 1, top, channel);
        const lower = (1 - right) * value(left, top + 1, channel) + right * value(left + 1, top + 1, channel);
        out[to++] = (1 - low) * upper + low * lower + 0.5;
      }
    }
  }
  return out;
}

// A view {x, y, side, roll} of a picture as `size` x `size` pixels of red, green and blue; black beyond the edges. `pixels`
// of pipeline/demo/see/blazeface/view.py
export function viewed(image, view, size) {
  const quarter = even(view.roll / 90);
  if (Math.abs(view.roll - 90 * quarter) > 1e-6) {
    const side = even(view.side * 1.5), wide = even(size * 1.5);
    const pixels = upright(image, even(view.x - side / 2), even(view.y - side / 2), side, wide);
    return turned(pixels, wide, 3, view.roll, size, false);
  }
  const pixels = upright(image, even(view.x - view.side / 2), even(view.y - view.side / 2), even(view.side), size);
  return quarter % 4 ? quarters(pixels, size, (quarter % 4 + 4) % 4) : pixels;
}

function upright(image, left, top, side, size) {
  const x0 = Math.max(left, 0), y0 = Math.max(top, 0), x1 = Math.min(left + side, image.width), y1 = Math.min(top + side, image.height);
  const out = new Uint8Array(size * size * 3);
  if (x1 <= x0 || y1 <= y0) return out;
  const [u0, v0, u1, v1] = [x0 - left, y0 - top, x1 - left, y1 - top].map((value) => even(size / side * value));
  if (u1 <= u0 || v1 <= v0) return out;
  let from = { data: image.data, start: 4 * (y0 * image.width + x0), row: 4 * image.width, step: 4,
    width: x1 - x0, height: y1 - y0 };
  while (from.width >= 2 * (u1 - u0) && from.height >= 2 * (v1 - v0)) from = halved(from);
  const part = linear(from, u1 - u0, v1 - v0, 3);
  if (u1 - u0 === size) out.set(part, 3 * v0 * size);
  else {
    const row = 3 * (u1 - u0);
    for (let y = v0; y < v1; y++) out.set(part.subarray((y - v0) * row, (y - v0 + 1) * row), 3 * (y * size + u0));
  }
  return out;
}

// Turned to the left so many times, as numpy.rot90 does
function quarters(pixels, size, times) {
  const out = new Uint8Array(pixels.length), last = size - 1;
  for (let row = 0, to = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      const [y, x] = times === 1 ? [column, last - row] : times === 2 ? [last - row, last - column] : [last - column, row];
      for (let channel = 0; channel < 3; channel++) out[to++] = pixels[3 * (y * size + x) + channel];
    }
  }
  return out;
}

// The square of `side` pixels round a box's centre as gray `size` x `size`, turned upright by the box's angle. `square` of
// pipeline/demo/see/crop.py
export function square(image, { x, y, width, height, angle = 0 }, side, size) {
  if (angle) {
    const wide = even(size * 1.5);
    return turned(square(image, { x, y, width, height }, side * 1.5, wide), wide, 1, angle, size, true);
  }
  side = Math.max(1, even(side));
  const part = grayPart(image, even(x + (width - side) / 2), even(y + (height - side) / 2), side);
  const from = { data: part, row: side, step: 1, width: side, height: side };
  return side > size ? shrunk(from, size, size) : linear(from, size, size, 1);
}

// A square of a picture in gray, with the weights of ITU-R BT.601; beyond the edge, the edge's pixels go on
function grayPart({ data, width, height }, left, top, side) {
  const part = new Uint8Array(side * side);
  for (let row = 0, to = 0; row < side; row++) {
    const line = Math.min(Math.max(top + row, 0), height - 1) * width;
    for (let column = 0; column < side; column++) {
      const at = 4 * (line + Math.min(Math.max(left + column, 0), width - 1));
      part[to++] = (9798 * data[at] + 19235 * data[at + 1] + 3735 * data[at + 2] + 16384) >> 15;
    }
  }
  return part;
}
