// A video as a source. The browser decodes it and sends it frame by frame, so that the server neither receives nor decodes
// videos.
import { event } from "./events.js";
import { between, scaled } from "./faces.js";

// Seconds between the frames that are analysed
const STEP = 0.2;

export class Film {
  kind = "video";
  samples = [];
  done = 0;
  // While the video is read: the canvas with the last answered frame
  #answered = null;

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
  get moving() { return this.done === 1 && !this.paused; }
  get count() { return Math.max(1, Math.ceil(this.seconds / STEP - 1e-6)); }
  get at() { return Math.min(1, this.video.currentTime / this.seconds); }

  // Of the frame that is shown; none where the video could not be read
  get faces() {
    if (this.done < 1) return this.samples.at(-1)?.faces ?? [];
    const position = this.video.currentTime / STEP, index = Math.round(position), sample = this.samples[index];
    // The last sample also holds for the rest of the step that follows it
    if (!sample) return index === this.count ? this.samples[index - 1]?.faces ?? [] : [];
    const other = this.samples[index + Math.sign(position - index)];
    return other ? between(sample.faces, other.faces, Math.abs(position - index)) : sample.faces;
  }

  #seek(seconds) {
    const seeked = event(this.video, "seeked", "The video is broken in its middle.");
    this.video.currentTime = seconds;
    return seeked;
  }

  async #read() {
    this.engine.close();
    if (this.video.duration > this.longest) this.tell.problem(`It is long: the first ${this.longest} seconds are read.`);
    let spare = document.createElement("canvas");
    try {
      for (let index = 0; index < this.count && !this.stopped; index++) {
        await this.#seek(index * STEP);
        const canvas = Object.assign(spare, { width: this.width, height: this.height });
        canvas.getContext("2d").drawImage(this.video, 0, 0);
        const answer = await this.engine.frame(canvas, this.width, this.height, index * STEP);
        spare = this.#answered ?? document.createElement("canvas");
        this.#answered = canvas;
        this.samples.push({ index, seconds: Number((index * STEP).toFixed(3)), faces: scaled(answer, this.width) });
        this.done = (index + 1) / (this.count + 1);
        this.tell.changed();
      }
    } catch (error) {
      if (!this.stopped) this.tell.problem(`${error.message} ${this.samples.length} of ${this.count} frames were read.`);
    }
    if (this.stopped) return;
    // Play only the part that was analysed
    this.video.ontimeupdate = () => { if (this.video.currentTime > this.seconds) this.video.currentTime = 0; };
    await this.#seek(0).catch(() => {});
    this.video.onseeked = () => this.tell.changed();
    this.done = 1;
    this.#answered = null;
    this.tell.changed();
    // A press of Pause, or the end of this source, may come first
    await this.video.play().catch(() => {});
    this.tell.changed();
  }

  draw(context, width, height) { context.drawImage(this.#answered ?? this.video, 0, 0, width, height); }

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
