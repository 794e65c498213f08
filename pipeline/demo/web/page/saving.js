// Saves what is shown: as a picture, as JSON, or a recorded clip.
import { canvasFor, paint } from "./draw.js";

export function save(blob, source, ending) {
  const name = source.name.replace(/\.[^.]*$/, ""), link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${name}-emotions.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// In its original size, at most 4096 pixels wide or high; options as for drawFaces
export async function savePicture(source, options) {
  const canvas = canvasFor(source, 4096);
  paint(canvas.getContext("2d"), source, options);
  save(await new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); }), source, "png");
}

export function saveJson(source, about) {
  const result = { source: source.name, kind: source.kind, model: about.model, ...source.json() };
  save(new Blob([`${JSON.stringify(result, null, 1)}\n`], { type: "application/json" }), source, "json");
}
