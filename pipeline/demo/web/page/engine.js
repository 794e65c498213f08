// The engine: gets the faces of pictures and frames from the server. The static site has another engine.js, see browser/.

// The longer side of a frame that is sent, in pixels; the detector halves it anyway
const LONGEST = 640;

class Lost extends Error {}

export async function open() {
  const about = await (await fetch("about.json")).json();
  const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
  let socket = null, waiting = null, refusal = "";

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
        const lost = new Lost(refusal || "The connection is lost. Is the program still running?");
        reject(lost);
        waiting?.reject(lost);
        waiting = null;
      };
    });
    return made.opened;
  }

  // The faces of a frame at its time in seconds; the server tracks them from frame to frame
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
    const body = await answer.json();
    if (!answer.ok) throw new Error(body.error);
    return body;
  }

  const local = ["127.0.0.1", "localhost", "[::1]"].includes(location.hostname);
  const where = local ? "the program on this computer" : `the program on ${location.hostname}`;
  return {
    about,
    api: true,
    promise: `Each picture goes to ${where}, is analysed there and discarded at once. Nothing is stored, nothing is passed on.`,
    frame,
    picture,
    // The next frame begins a new stream
    close() {
      socket?.close();
      socket = null;
    },
  };
}
