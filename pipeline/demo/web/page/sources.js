// The sources: a camera, a picture, a video. Each has name, kind, width, height, faces, draw(), json(), stop().

// Seconds between the frames of a video that are analysed
const STEP = 0.2;

const wait = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

// The faces of an answer, rescaled to a picture of this width
function scaled(answer, width) {
  const factor = width / answer.width;
  return answer.faces.map((face) => ({ ...face, box: Object.fromEntries(
    Object.entries(face.box).map(([side, value]) => [side, Math.round(value * factor)])) }));
}

// The face in the mirror image of a picture of this width
const mirrored = (face, width) => ({ ...face, box: { ...face.box, x: width - face.box.x - face.box.width } });

// Resolves at the event of this name, rejects with the sentence `failure` at an error event
function event(target, name, failure) {
  const over = new AbortController();
  return new Promise((resolve, reject) => {
    target.addEventListener(name, resolve, { signal: over.signal });
    target.addEventListener("error", () => reject(new Error(failure)), { signal: over.signal });
  }).finally(() => over.abort());
}

export class Camera {
  kind = "camera";
  name = "camera";
  faces = [];
  rate = 0;
  mirrored = true;

  // tell: callbacks of the page, {changed(), problem(sentence), ended(sentence)}; device: a camera's id, else the default
  static async open(engine, tell, device) {
    if (!navigator.mediaDevices) throw new Error("This browser gives no camera to a page without https. Choose a picture.");
    const constraints = { width: { ideal: 640 }, height: { ideal: 480 }, ...(device ? { deviceId: { exact: device } } : { facingMode: "user" }) };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: false, video: constraints }).catch((error) => {
      const why = { NotAllowedError: "The camera is not allowed. Allow it beside the address, then start again.",
        NotFoundError: "There is no camera. Plug one in, or choose a picture.",
        NotReadableError: "The camera is in use by another program. Close that, then start again." };
      throw new Error(why[error.name] ?? `The camera cannot be opened (${error.name}).`);
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
    camera.#watch();
    return camera;
  }

  get width() { return this.video.videoWidth; }
  get height() { return this.video.videoHeight; }
  get paused() { return this.video.paused; }
  get moving() { return !this.paused; }

  async #watch() {
    // between: moving average of the milliseconds between two answers
    let last = performance.now(), between = 0, failing = false;
    while (!this.stopped) {
      if (this.paused || document.hidden || !this.width) {
        await wait(100);
        last = performance.now();
        continue;
      }
      const { width, height } = this, taken = performance.now();
      let answer;
      try {
        answer = await this.engine.frame(this.video, width, height, taken / 1000);
      } catch (error) {
        if (this.stopped) return;
        this.tell.problem(error.message);
        failing = true;
        await wait(1000);
        continue;
      }
      if (this.stopped) return;
      if (failing) this.tell.problem("");
      failing = false;
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
    context.drawImage(this.video, 0, 0, width, height);
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

export class Photo {
  kind = "picture";
  moving = false;

  static async open(engine, file) {
    const photo = new Photo();
    photo.name = file.name;
    photo.bitmap = await createImageBitmap(file).catch(() => {
      throw new Error("This is not a picture that can be read. Is the file complete?");
    });
    const answer = await engine.picture(file, photo.bitmap);
    photo.faces = scaled(answer, photo.width);
    photo.address = URL.createObjectURL(file);
    return photo;
  }

  get width() { return this.bitmap.width; }
  get height() { return this.bitmap.height; }
  draw(context, width, height) { context.drawImage(this.bitmap, 0, 0, width, height); }
  json() { return { width: this.width, height: this.height, faces: this.faces }; }

  stop() {
    URL.revokeObjectURL(this.address);
    this.bitmap.close();
  }
}

// The browser decodes the video and sends it frame by frame, so that the server neither receives nor decodes videos
export class Film {
  kind = "video";
  samples = [];
  done = 0;

  static async open(engine, file, tell) {
    const film = new Film();
    film.engine = engine;
    film.name = file.name;
    film.tell = tell;
    film.address = URL.createObjectURL(file);
    film.video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, preload: "auto", loop: true });
    const unreadable = "This browser cannot play this video. WebM, and MP4 with H.264, play nearly everywhere.";
    const loaded = event(film.video, "loadeddata", unreadable);
    film.video.src = film.address;
    await loaded;
    // The duration of a video that a browser recorded is known only after seeking to its end
    if (!Number.isFinite(film.video.duration)) await film.#seek(1e9);
    film.longest = engine.about.bounds.video_seconds;
    film.seconds = Math.min(film.video.duration, film.longest);
    if (!film.width || !Number.isFinite(film.seconds)) throw new Error(unreadable);
    film.#read();
    return film;
  }

  get width() { return this.video.videoWidth; }
  get height() { return this.video.videoHeight; }
  get paused() { return this.video.paused; }
  get moving() { return this.done < 1 || !this.paused; }
  get count() { return Math.max(1, Math.ceil(this.seconds / STEP - 1e-6)); }
  get at() { return Math.min(1, this.video.currentTime / this.seconds); }

  get faces() {
    const index = Math.round(this.video.currentTime / STEP);
    return this.samples[Math.min(index, this.samples.length - 1)]?.faces ?? [];
  }

  #seek(seconds) {
    const seeked = event(this.video, "seeked", "The video is broken in its middle.");
    this.video.currentTime = seconds;
    return seeked;
  }

  async #read() {
    this.engine.close();
    if (this.video.duration > this.longest) this.tell.problem(`It is long: the first ${this.longest} seconds are read.`);
    try {
      for (let index = 0; index < this.count && !this.stopped; index++) {
        await this.#seek(index * STEP);
        const answer = await this.engine.frame(this.video, this.width, this.height, index * STEP);
        this.samples.push({ index, seconds: Number((index * STEP).toFixed(3)), faces: scaled(answer, this.width) });
        this.done = (index + 1) / this.count;
        this.tell.changed();
      }
    } catch (error) {
      if (!this.stopped) this.tell.problem(`${error.message} ${this.samples.length} of ${this.count} frames were read.`);
    }
    this.done = 1;
    if (this.stopped) return;
    // Play only the part that was analysed
    this.video.ontimeupdate = () => { if (this.video.currentTime > this.seconds) this.video.currentTime = 0; };
    await this.#seek(0);
    this.tell.changed();
    this.video.play();
  }

  draw(context, width, height) { context.drawImage(this.video, 0, 0, width, height); }

  pause() {
    if (this.done < 1) return;
    if (this.paused) this.video.play();
    else this.video.pause();
  }

  seek(share) { if (this.done === 1) this.video.currentTime = share * this.seconds; }

  json() {
    return { width: this.width, height: this.height, seconds: this.seconds, every: STEP,
      samples: this.samples.map(({ seconds, faces }) => ({ seconds, faces })) };
  }

  stop() {
    this.stopped = true;
    this.video.pause();
    this.video.removeAttribute("src");
    URL.revokeObjectURL(this.address);
    this.engine.close();
  }
}
