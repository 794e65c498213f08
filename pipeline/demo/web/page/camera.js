// A camera as a source, live. What is shown is always the frame that was answered, with its own boxes: on a slow line the
// picture is late, never wrong.
import { wait } from "./events.js";
import { mirrored, scaled } from "./faces.js";

const REASONS = {
  NotAllowedError: "The camera is not allowed. Allow it beside the address, then start again.",
  NotFoundError: "There is no camera. Plug one in, or choose a picture.",
  NotReadableError: "The camera is in use by another program. Close that, then start again.",
};

export class Camera {
  kind = "camera";
  name = "camera";
  faces = [];
  rate = 0;
  mirrored = true;
  // The canvas with the answered frame; before the first answer the live picture is shown, without boxes
  #answered = null;
  // Whether the camera has delivered a frame since the last one was taken
  #fresh = true;
  #wake = () => {};

  // tell: callbacks of the page, {changed(), problem(sentence), ended(sentence)}; device: a camera's id, else the default
  static async open(engine, tell, device) {
    if (!navigator.mediaDevices) throw new Error("This browser gives no camera to a page without https. Choose a picture.");
    const constraints = { width: { ideal: 640 }, height: { ideal: 480 }, ...(device ? { deviceId: { exact: device } } : { facingMode: "user" }) };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: constraints }).catch((error) => {
      throw new Error(REASONS[error.name] ?? `The camera cannot be opened (${error.name}).`);
    });
    const camera = new Camera();
    camera.engine = engine;
    camera.tell = tell;
    engine.close();
    camera.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, srcObject: stream });
    const [track] = stream.getVideoTracks();
    camera.device = track.getSettings().deviceId;
    camera.mirrored = track.getSettings().facingMode !== "environment";
    track.onended = () => tell.ended("The camera is gone. Plug it in and start it again.");
    await camera.video.play();
    camera.#listen();
    camera.#watch();
    return camera;
  }

  get width() { return this.video.videoWidth; }
  get height() { return this.video.videoHeight; }
  get paused() { return this.video.paused; }
  get moving() { return !this.#answered && !this.paused; }

  #listen() {
    // A browser without this callback takes a frame whenever the last one is answered
    if (!this.video.requestVideoFrameCallback) return;
    this.#fresh = false;
    const next = () => {
      this.#fresh = true;
      this.#wake();
      if (!this.stopped) this.video.requestVideoFrameCallback(next);
    };
    this.video.requestVideoFrameCallback(next);
  }

  // A frame of the camera that was not taken yet; after a while without one, the loop looks whether it still goes on
  async #next() {
    if (this.#fresh) return;
    await Promise.race([new Promise((resolve) => { this.#wake = resolve; }), wait(250)]);
  }

  async #watch() {
    // between: moving average of the milliseconds between two answers
    let last = performance.now(), between = 0, failing = false, spare = document.createElement("canvas");
    while (!this.stopped) {
      if (this.paused || document.hidden || !this.width) {
        await wait(100);
        last = performance.now();
        continue;
      }
      await this.#next();
      if (!this.#fresh || this.paused) continue;
      if (this.video.requestVideoFrameCallback) this.#fresh = false;
      const { width, height } = this, taken = performance.now(), canvas = spare;
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      canvas.getContext("2d").drawImage(this.video, 0, 0);
      let answer;
      try {
        answer = await this.engine.frame(canvas, width, height, taken / 1000);
      } catch (error) {
        if (this.stopped) return;
        this.#answered = null;
        this.faces = [];
        this.tell.problem(error.message);
        this.tell.changed();
        failing = true;
        await wait(1000);
        continue;
      }
      if (this.stopped) return;
      if (failing) this.tell.problem("");
      failing = false;
      // A pause keeps what is seen when it begins
      if (this.paused && this.#answered) continue;
      spare = this.#answered ?? document.createElement("canvas");
      this.#answered = canvas;
      const faces = scaled(answer, width);
      this.faces = this.mirrored ? faces.map((face) => mirrored(face, width)) : faces;
      const now = performance.now();
      between = between ? 0.9 * between + 0.1 * (now - last) : now - last;
      last = now;
      this.rate = 1000 / between;
      this.tell.changed();
    }
  }

  draw(context, width, height) {
    context.save();
    if (this.mirrored) context.setTransform(-1, 0, 0, 1, width, 0);
    context.drawImage(this.#answered ?? this.video, 0, 0, width, height);
    context.restore();
  }

  pause() { this.paused ? this.video.play() : this.video.pause(); }

  mirror() {
    this.mirrored = !this.mirrored;
    this.faces = this.faces.map((face) => mirrored(face, this.width));
  }

  json() { return { width: this.width, height: this.height, mirrored: this.mirrored, faces: this.faces }; }

  stop() {
    this.stopped = true;
    for (const track of this.video.srcObject.getTracks()) track.stop();
    this.engine.close();
  }
}
