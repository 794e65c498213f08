// A short clip of what is shown, boxes and labels included, recorded by the browser itself.
import { canvasFor, paint } from "./draw.js";

// Seconds of the longest clip; frames a second; pixels of its longer side
export const LONGEST = 15;
const RATE = 30, LARGEST = 1280;
const TYPES = [["video/webm;codecs=vp8", "webm"], ["video/webm", "webm"], ["video/mp4", "mp4"]];

const type = () => TYPES.find(([name]) => globalThis.MediaRecorder?.isTypeSupported(name));

export class Clip {
  static get possible() { return Boolean(type() && HTMLCanvasElement.prototype.captureStream); }

  // tick: called every second with the seconds that are left; ended: called once with the clip's blob and file ending
  constructor(source, options, { tick, ended }) {
    const [mimeType, ending] = type(), chunks = [];
    this.source = source;
    this.context = canvasFor(source, LARGEST, true).getContext("2d");
    this.frame(options);
    this.recorder = new MediaRecorder(this.context.canvas.captureStream(RATE), { mimeType, videoBitsPerSecond: 2_500_000 });
    this.recorder.ondataavailable = ({ data }) => chunks.push(data);
    this.recorder.onstop = () => ended(new Blob(chunks, { type: mimeType }), ending);
    this.recorder.start(1000);
    let left = LONGEST;
    tick(left);
    this.timer = setInterval(() => { if (--left) tick(left); else this.stop(); }, 1000);
  }

  // Add what the source shows now; options as for drawFaces
  frame(options) { paint(this.context, this.source, options); }

  stop() {
    clearInterval(this.timer);
    if (this.recorder.state !== "inactive") this.recorder.stop();
  }
}
