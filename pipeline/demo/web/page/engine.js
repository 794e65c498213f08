// The engine: gets the faces of pictures and frames from the server. The static site has another engine.js, see browser/.
//
// An engine is what `open()` resolves to: {about, promise, api, slow, frame, picture, explain, close}. `about` is about.json;
// `promise` the sentence that says what is done with pictures; `api` whether there is an API to link to; `slow` a sentence
// while answers take long, else empty; `frame(source, width, height, seconds)` and `picture(file, bitmap, whole)` resolve to
// an answer as of POST /predict, `whole`: the picture is one face already; `explain(canvas, face, whole, still)` to one
// as of POST /explain, `still`: the face does not move, there is time; `close()` ends a stream.
import { Pace } from "./pace.js";

// On a slow line an upload of more than LARGE bytes is made smaller: to this longer side in pixels and this JPEG quality
const LARGE = 300_000, SMALLER = 1600, QUALITY = 0.85;
// Pixels of a face and its surroundings up to which they are sent without loss
const EXACT = 100_000;
// Seconds after which the answer to an unchanging frame has settled, so that it is sent no more
const SETTLED = 1;
const LOST = "The connection is lost. Is the program still running?";

class Lost extends Error {}

const same = (one, other) => one.length === other.length && one.every((byte, index) => byte === other[index]);

export async function open() {
  const begun = performance.now(), about = await (await fetch("about.json")).json();
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  const pace = new Pace(performance.now() - begun);
  let socket = null, waiting = null, refusal = "", last = null;

  // One frame at a time: the next one is sent after this one's answer
  function connect() {
    if (socket && socket.readyState <= WebSocket.OPEN) return socket.opened;
    const made = new WebSocket(new URL("live", location.href.replace(/^http/, "ws")));
    socket = made;
    refusal = "";
    made.onmessage = ({ data }) => {
      const answer = JSON.parse(data);
      if (answer.error && !waiting) refusal = answer.error;
      else if (answer.error) waiting.reject(new Error(answer.error));
      else waiting?.resolve(answer);
      waiting = null;
    };
    made.opened = new Promise((resolve, reject) => {
      made.onopen = () => resolve(made);
      made.onclose = () => {
        const lost = new Lost(refusal || LOST);
        reject(lost);
        waiting?.reject(lost);
        waiting = null;
      };
    });
    return made.opened;
  }

  // A picture of at most this longer side as JPEG
  function encoded(source, width, height, { side, quality }) {
    const scale = Math.min(1, side / Math.max(width, height));
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    context.drawImage(source, 0, 0, canvas.width, canvas.height);
    return new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", quality); });
  }

  // The faces of a frame at its time in seconds; the server tracks them from frame to frame
  async function frame(source, width, height, seconds) {
    const picture = new Uint8Array(await (await encoded(source, width, height, pace.kind)).arrayBuffer());
    const ready = await connect();
    if (last?.socket === ready && seconds - last.since >= SETTLED && same(last.picture, picture)) return last.answer;
    const sent = performance.now();
    const answer = await new Promise((resolve, reject) => {
      waiting = { resolve, reject };
      ready.send(new Blob([new Float64Array([seconds]), picture]));
    });
    pace.record(picture.length, performance.now() - sent);
    const since = last?.socket === ready && same(last.picture, picture) ? last.since : seconds;
    last = { socket: ready, picture, answer, since };
    return answer;
  }

  async function post(body, whole, path = whole ? "predict?face=true" : "predict") {
    const answer = await fetch(path, { method: "POST", body, headers: { "Content-Type": body.type } });
    return { status: answer.status, ...await answer.json().catch(() => ({ error: `It is refused (${answer.status}).` })) };
  }

  async function picture(file, bitmap, whole = false) {
    if (file.size > about.bounds.upload_bytes) {
      throw new Error(`It is larger than ${about.bounds.upload_bytes / 1e6} MB. Choose a smaller picture.`);
    }
    const late = (answer) => !answer || answer.status === 408, large = file.size > LARGE;
    let answer = large && pace.slow ? null : await post(file, whole).catch(() => null);
    // The server waits for `patience` seconds, which a slow line may need for a part of the file; and it reads no more than
    // `pixels` of them
    if (late(answer) && large || answer?.status === 413) {
      const smaller = await encoded(bitmap, bitmap.width, bitmap.height, { side: SMALLER, quality: QUALITY });
      answer = await post(smaller, whole).catch(() => null);
    }
    if (!answer) throw new Lost("The program does not answer. Is it still running?");
    if (answer.error) throw new Error(answer.error);
    return answer;
  }

  async function explain(picture, { box, roll, emotion }, whole) {
    // A small face is sent as it is, as each of its pixels counts
    const kind = picture.width * picture.height > EXACT ? "image/jpeg" : "image/png";
    const body = await new Promise((resolve) => { picture.toBlob(resolve, kind, 0.95); });
    const asked = new URLSearchParams({ ...box, roll, emotion, face: Boolean(whole) });
    const answer = await post(body, whole, `explain?${asked}`).catch(() => null);
    if (!answer) throw new Lost("The program does not answer. Is it still running?");
    if (answer.error) throw new Error(answer.error);
    return answer;
  }

  const local = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);
  const where = local ? "the program on this computer" : `the program on ${location.hostname}`;
  return {
    about,
    api: true,
    get slow() {
      return pace.slow ? `Slow connection: an answer takes ${(pace.trip / 1000).toFixed(1)} s` : "";
    },
    promise: `Each picture goes to ${where}, is analysed there and discarded at once. Nothing is stored, nothing is passed on.`,
    frame,
    picture,
    explain,
    // The next frame begins a new stream
    close() {
      socket?.close();
      socket = last = null;
    },
  };
}
