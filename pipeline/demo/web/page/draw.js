// Draws boxes, labels and emoji on a picture, on the screen and in saved files.
import { story } from "./faces.js";

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
  const { canvas } = context, { emotion, sure } = face, { word, label } = story(face, about.classes);
  const colour = sure ? about.colours[emotion] : UNSURE;
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
  let text = label;
  context.font = `600 ${size}px ${FONT}`;
  const picture = sure ? emoji[emotion] : null, side = picture ? size * 2 : 0, gap = picture ? 3 * unit : 0, plate = size * 1.6;
  // A small face has room for less: the emotion alone, at last the emoji alone
  const room = () => side + gap + context.measureText(text).width <= 1.4 * width;
  if (!room()) text = word;
  if (!room() && picture) text = "";
  const long = text ? context.measureText(text).width + size : 0;
  // Above the box, or inside it at the picture's upper edge
  const top = y - plate - 5 * unit < 0 ? y + 5 * unit : y - plate - 5 * unit;
  const left = Math.min(Math.max(x, 0), Math.max(0, canvas.width - long - gap - side));
  context.fillStyle = colour;
  context.beginPath();
  context.roundRect(left, top, long, plate, plate / 3.2);
  context.fill();
  context.fillStyle = INK;
  context.textBaseline = "middle";
  context.fillText(text, left + size / 2, top + plate * 0.54);
  if (picture) context.drawImage(picture, left + long + gap, Math.max(0, top + plate - side), side, side);
}

// What `source` shows, with its faces, over the whole canvas of `context`
export function paint(context, source, options) {
  const { width, height } = context.canvas;
  source.draw(context, width, height);
  options.explanation.paint(context, source, width / source.width);
  context.unit = Math.max(1, Math.max(width, height) / 900);
  drawFaces(context, source.faces, { ...options, scale: width / source.width });
}

// A canvas of the source's size, at most `longest` pixels wide or high; with even sides, as video needs them, when `even`
export function canvasFor({ width, height }, longest, even = false) {
  const scale = Math.min(1, longest / Math.max(width, height)), step = even ? 2 : 1;
  const side = (length) => Math.max(step, Math.round(length * scale / step) * step);
  return Object.assign(document.createElement("canvas"), { width: side(width), height: side(height) });
}
