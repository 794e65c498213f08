// Where the page gets its answers from when it stands alone: detector and model run here, in the browser.
import { answerOf, Tracks } from "./tracks.js";

// A larger picture is made smaller first: canvases of phones end at about sixteen megapixels
const LONGEST = 4096;

export async function open() {
  const about = await (await fetch("about.json")).json();
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  const waiting = new Map();
  let count = 0;
  worker.onmessage = ({ data: { id, answer, error } }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error) reject(new Error(error));
    else resolve(answer);
  };
  worker.onerror = (event) => {
    for (const { reject } of waiting.values()) reject(new Error(event.message || "this browser cannot run the model"));
    waiting.clear();
  };
  const ask = (bitmap, fine) => new Promise((resolve, reject) => {
    waiting.set(++count, { resolve, reject });
    worker.postMessage({ id: count, bitmap, fine }, bitmap ? [bitmap] : []);
  });
  const read = async (source, width, height, fine = false) => {
    const scale = Math.min(1, LONGEST / Math.max(width, height));
    const options = scale < 1 ? { resizeWidth: Math.round(width * scale), resizeHeight: Math.round(height * scale) } : {};
    const { faces, ...answer } = await ask(await createImageBitmap(source, options), fine);
    return { ...answer, faces: faces.map((face, place) => answerOf(face.box, face.scores, about, { id: place + 1 })) };
  };
  let tracks = new Tracks(about);
  await ask(null);
  return {
    about,
    promise: "Every picture stays on this device: faces are found and read in this browser, nothing is sent, nothing is stored.",
    async frame(source, width, height, seconds) {
      const followed = tracks, { faces, ...answer } = await read(source, width, height);
      return { ...answer, faces: followed.update(faces, seconds) };
    },
    close() { tracks = new Tracks(about); },
    picture: (file, bitmap) => read(bitmap, bitmap.width, bitmap.height, true),
  };
}
