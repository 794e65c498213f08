// The engine of the static site: detector and model run in the browser, in worker.js.

// Larger pictures are scaled down, as canvases on phones are limited to about 16 megapixels
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
  const ask = (bitmap, seconds) => new Promise((resolve, reject) => {
    waiting.set(++count, { resolve, reject });
    worker.postMessage({ id: count, bitmap, seconds }, bitmap ? [bitmap] : []);
  });
  async function frame(source, width, height, seconds) {
    const scale = Math.min(1, LONGEST / Math.max(width, height));
    const smaller = { resizeWidth: Math.round(width * scale), resizeHeight: Math.round(height * scale) };
    return ask(await createImageBitmap(source, scale < 1 ? smaller : {}), seconds);
  }
  await ask();
  return {
    about,
    promise: "Every picture stays on this device: faces are detected and classified in this browser. Nothing is sent, nothing is stored.",
    frame,
    picture: (file, bitmap) => frame(bitmap, bitmap.width, bitmap.height),
    close: () => ask(),
  };
}
