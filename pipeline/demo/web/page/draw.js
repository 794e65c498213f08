// Draws boxes, labels and emoji on a picture, on the screen and in saved files.

const FONT = "system-ui, sans-serif", INK = "#161a1e", UNSURE = "#c9cdd3";

export async function loadEmoji(names) {
  const pictures = {};
  await Promise.all(names.map(async (name) => {
    const picture = new Image();
    picture.src = `emoji/${name}.png`;
    await picture.decode();
    pictures[name] = picture;
  }));
  return pictures;
}

// `scale`: canvas pixels per pixel of the picture; `main`: a face's id, drawn last and so on top. `context.unit`, when set,
// is the number of canvas pixels per pixel of the screen
export function drawFaces(context, faces, { scale, main, about, emoji }) {
  const order = [...faces].sort((a, b) => (a.id === main) - (b.id === main) || a.box.width - b.box.width);
  for (const face of order) drawFace(context, face, { scale, main: face.id === main, about, emoji });
}

function drawFace(context, face, { scale, main, about, emoji }) {
  const { canvas } = context, { emotion, probabilities, sure } = face, colour = sure ? about.colours[emotion] : UNSURE;
  const x = face.box.x * scale, y = face.box.y * scale, width = face.box.width * scale, height = face.box.height * scale;
  const unit = context.unit ?? 1, thick = (main ? 3 : 2) * unit;
  context.lineJoin = "round";
  context.setLineDash(sure ? [] : [10 * unit, 7 * unit]);
  // A dark line under the bright one is visible on any background
  for (const [line, style] of [[thick + 3 * unit, "#0009"], [thick, colour]]) {
    context.lineWidth = line;
    context.strokeStyle = style;
    context.beginPath();
    context.roundRect(x, y, width, height, 8 * unit);
    context.stroke();
  }
  context.setLineDash([]);

  const size = Math.min(Math.max(width / 8, 13 * unit), 22 * unit);
  let text = sure ? `${emotion} ${Math.round(100 * probabilities[emotion])}%` : face.says;
  context.font = `600 ${size}px ${FONT}`;
  const picture = sure ? emoji[emotion] : null, side = picture ? size * 2 : 0, plate = size * 1.6;
  // A small face has room for less: the emotion alone, at last the emoji alone
  const room = () => side + context.measureText(text).width <= 1.4 * width;
  if (!room()) text = sure ? emotion : "unsure";
  if (!room() && picture) text = "";
  const long = text ? context.measureText(text).width + size : 0;
  // Above the box, or inside it at the picture's upper edge
  const top = y - plate - 5 * unit < 0 ? y + 5 * unit : y - plate - 5 * unit;
  const left = Math.min(Math.max(x, 0), Math.max(0, canvas.width - long - side));
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(left, top, long, plate, plate / 3.2);
  context.fill();
  context.fillStyle = INK;
  context.textBaseline = "middle";
  context.fillText(text, left + size / 2, top + plate * 0.54);
  if (picture) context.drawImage(picture, left + long + 3 * unit, Math.max(0, top + plate - side), side, side);
}

// What `source` shows, with its faces, in its original size (at most 4096 pixels wide or high) as a PNG blob
export function composed(source, options) {
  const { width, height, faces } = source, scale = Math.min(1, 4096 / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const context = canvas.getContext("2d");
  source.draw(context, canvas.width, canvas.height);
  context.unit = Math.max(1, Math.max(canvas.width, canvas.height) / 900);
  drawFaces(context, faces, { ...options, scale });
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
}

// Stacked bars: one column per sample, split by the classes' probabilities. samples: [{index, faces}]; at: 0 to 1
export function drawChart(canvas, samples, length, at, about) {
  const ratio = devicePixelRatio || 1, width = Math.round(canvas.clientWidth * ratio), height = Math.round(72 * ratio);
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), each = width / Math.max(1, length);
  for (const { index, faces: [face] } of samples) {
    let top = height;
    for (const name of face ? about.classes : []) {
      const part = height * face.probabilities[name];
      context.fillStyle = about.colours[name];
      context.fillRect(Math.floor(index * each), top - part, Math.ceil(each), part);
      top -= part;
    }
  }
  context.fillStyle = getComputedStyle(canvas).color;
  context.fillRect(Math.round(at * (width - 2 * ratio)), 0, 2 * ratio, height);
}
