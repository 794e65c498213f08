// The engine of the static site: faces are found and classified in the browser, by two workers. While classifier.js reads the
// faces of one frame, finder.js looks for those of the next: two frames can be on their way.

// Larger pictures are scaled down, as canvases on phones are limited to about 16 megapixels
const LONGEST = 4096;

async function get(name) {
  const answer = await fetch(name).catch(() => null);
  if (!answer?.ok) throw new Error(`${name} cannot be loaded`);
  return answer;
}

// Compiled once, for both workers; while it arrives, where the server says what it is
async function compiled(name) {
  const answer = await get(name);
  const streams = answer.headers.get("Content-Type") === "application/wasm";
  return streams ? WebAssembly.compileStreaming(answer) : WebAssembly.compile(await answer.arrayBuffer());
}

export async function open() {
  const waiting = new Map();
  let count = 0;
  const failed = (message) => {
    for (const { reject } of waiting.values()) reject(new Error(message));
    waiting.clear();
  };
  const [finder, classifier] = ["finder.js", "classifier.js"].map((name) => {
    const worker = new Worker(new URL(name, import.meta.url), { type: "module" });
    worker.onmessage = ({ data: { id, answer, error } }) => {
      const { resolve, reject } = waiting.get(id) ?? {};
      waiting.delete(id);
      if (error) reject?.(new Error(error));
      else resolve?.(answer);
    };
    worker.onerror = (event) => failed(event.message || "this browser cannot run the networks");
    return worker;
  });
  const ask = (worker, message, transfer = []) => new Promise((resolve, reject) => {
    waiting.set(++count, { resolve, reject });
    worker.postMessage({ id: count, ...message }, transfer);
  });
  const [about, module] = await Promise.all([get("about.json").then((answer) => answer.json()), compiled("kernels.wasm")]);
  const { port1, port2 } = new MessageChannel();
  await Promise.all([ask(finder, { open: { about, module, port: port1 } }, [port1]),
    ask(classifier, { open: { about, module, port: port2 } }, [port2])]);
  // A VideoFrame goes to the worker without a copy, but not every browser makes one of every source
  async function captured(source, width, height) {
    const scale = Math.min(1, LONGEST / Math.max(width, height));
    try {
      if (scale === 1 && self.VideoFrame) return new VideoFrame(source, { timestamp: 0 });
    } catch {}
    const smaller = { resizeWidth: Math.round(width * scale), resizeHeight: Math.round(height * scale) };
    return createImageBitmap(source, scale < 1 ? smaller : {});
  }
  async function frame(source, width, height, seconds, whole) {
    const picture = await captured(source, width, height);
    return ask(finder, { picture, seconds, whole }, [picture]);
  }
  // From the next visit on, the page needs no network; http without encryption gives no service worker
  navigator.serviceWorker?.register("service-worker.js").catch(() => {});
  return {
    about,
    slow: "",
    promise: "Every picture stays on this device: faces are detected and classified in this browser. Nothing is sent, nothing is stored.",
    frame,
    picture: (file, bitmap, whole) => frame(bitmap, bitmap.width, bitmap.height, undefined, whole),
    async explain(canvas, { box, roll, emotion }, whole, still) {
      const picture = await captured(canvas, canvas.width, canvas.height);
      return ask(finder, { picture, explain: { box, roll, emotion, whole, still } }, [picture]);
    },
    // The next frame begins a new stream
    close: () => finder.postMessage({}),
  };
}
