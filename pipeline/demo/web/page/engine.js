// Where the page gets its answers from: the program that serves it. `make web-static` puts another file in this place.

// A frame is sent no larger than this: the detector looks at half of it
const LONGEST = 640;

class Lost extends Error {}

export async function open() {
  const about = await (await fetch("about.json")).json();
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  let socket = null, waiting = null, refusal = "";

  // One frame in flight: the next one is sent when this one's answer is here
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
        const lost = new Lost(refusal || "The connection is lost. Is the program still running?");
        reject(lost);
        waiting?.reject(lost);
        waiting = null;
      };
    });
    return made.opened;
  }

  // The faces of a frame that was taken at this time in seconds; the server follows them from frame to frame
  async function frame(source, width, height, seconds) {
    const scale = Math.min(1, LONGEST / Math.max(width, height));
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    context.drawImage(source, 0, 0, canvas.width, canvas.height);
    const picture = await new Promise((resolve) => { canvas.toBlob(resolve, "image/jpeg", 0.85); });
    const ready = await connect();
    return new Promise((resolve, reject) => {
      waiting = { resolve, reject };
      ready.send(new Blob([new Float64Array([seconds]), picture]));
    });
  }

  async function picture(file) {
    if (file.size > about.bounds.upload_bytes) {
      throw new Error(`It is larger than ${about.bounds.upload_bytes / 1e6} MB. Choose a smaller picture.`);
    }
    const answer = await fetch("predict", { method: "POST", body: file, headers: { "Content-Type": file.type } })
      .catch(() => { throw new Lost("The program does not answer. Is it still running?"); });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.error);
    return told;
  }

  const here = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);
  const where = here ? "the program on this computer" : `the program on ${location.hostname}`;
  return {
    about,
    api: true,
    promise: `Each picture goes to ${where}, is read there and forgotten at once. Nothing is stored, nothing is passed on.`,
    frame,
    picture,
    // The next frame begins a new stream
    close() {
      socket?.close();
      socket = null;
    },
  };
}
