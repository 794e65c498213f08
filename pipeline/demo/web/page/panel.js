// The panel: the main face's emotion as emoji, words and bars, and a button for every face.
import { percent, story } from "./faces.js";

export class Panel {
  // choose: called with the id of the face whose button is pressed; lost: called when the focused button is gone
  constructor(about, emoji, { choose, lost }) {
    this.about = about;
    this.emoji = emoji;
    this.choose = choose;
    this.lost = lost;
    this.sentence = "";
    const bars = document.getElementById("bars");
    this.bars = about.classes.map((name) => {
      const bar = make("li", { className: "bar" }), value = make("b", { textContent: "–" }), track = make("i");
      track.setAttribute("aria-hidden", true);
      bar.style.setProperty("--colour", about.colours[name]);
      bar.append(make("span", { textContent: name, title: name }), track, value);
      bars.append(bar);
      return { bar, value };
    });
  }

  // main: the id of the face that the panel is about; kind: the source's, undefined without one
  show(faces, main, kind) {
    const face = faces.find(({ id }) => id === main) ?? null, told = face && story(face, this.about.classes);
    this.#emoji(told?.named ?? []);
    const [word, note] = this.#words(told, faces.length, kind);
    text("word", word);
    text("note", note);
    this.about.classes.forEach((name, index) => {
      const { bar, value } = this.bars[index], score = face?.probabilities[name] ?? 0;
      bar.classList.toggle("named", told?.named.includes(name) ?? false);
      bar.style.setProperty("--score", score.toFixed(3));
      write(value, face ? percent(score) : "–");
    });
    this.#faces(faces, main);
    this.#announce(kind ? `${faces.length} ${faces.length === 1 ? "face" : "faces"}${face ? `: ${face.sure ? "" : "unsure, "}${
      told.named.join(" or ")}` : ""}` : "");
  }

  // One emoji, or two smaller ones while two emotions are probable
  #emoji(named) {
    const row = document.getElementById("face"), shown = named.filter((name) => this.emoji[name]);
    row.hidden = !shown.length;
    row.classList.toggle("faint", shown.length > 1);
    if (row.dataset.shown === shown.join()) return;
    row.dataset.shown = shown.join();
    row.replaceChildren(...shown.map((name) => make("img", { alt: "", src: this.emoji[name].src })));
  }

  #words(told, count, kind) {
    if (!kind) return ["No face yet", "Start the camera or choose a picture."];
    if (!told) return ["No face", "Faces are detected best when they look at the camera, in good light."];
    return [told.word, told.detail + (count > 1 ? `, 1 of ${count} faces` : "")];
  }

  #faces(faces, main) {
    const row = document.getElementById("faces"), shown = [...faces].sort((a, b) => a.id - b.id);
    const focused = row.contains(document.activeElement);
    row.hidden = faces.length < 2;
    while (row.children.length > shown.length) row.lastChild.remove();
    while (row.children.length < shown.length) {
      const button = make("button"), picture = make("img", { alt: "" });
      button.append(picture, make("span"));
      button.onclick = () => this.choose(Number(button.dataset.id));
      row.append(button);
    }
    shown.forEach((face, index) => {
      const button = row.children[index], [picture, label] = button.children, { word } = story(face, this.about.classes);
      button.dataset.id = face.id;
      button.setAttribute("aria-pressed", face.id === main);
      picture.hidden = !face.sure || !this.emoji[face.emotion];
      if (!picture.hidden && picture.src !== this.emoji[face.emotion].src) picture.src = this.emoji[face.emotion].src;
      write(label, word);
    });
    if (focused) this.lost(row.hidden ? null : row.lastChild);
  }

  // For screen readers: the latest state, at most every three seconds
  #announce(sentence) {
    this.sentence = sentence;
    if (this.timer) return;
    const announce = () => text("announcement", this.sentence);
    announce();
    this.timer = setTimeout(() => { this.timer = null; announce(); }, 3000);
  }
}

// A source in a few words: how fast it is, how much of it is read, how many faces it shows
export function summary({ kind, done, rate, faces }) {
  if (done < 1) return `${percent(done)} read`;
  if (kind === "camera") return rate ? `${rate.toFixed(rate < 10 ? 1 : 0)} frames/s` : "";
  return `${faces.length || "no"} face${faces.length === 1 ? "" : "s"}`;
}

// What a percentage means for this model, in words
export function meaning({ accuracy, dataset, unsure_below: least }) {
  const tested = dataset === "fer2013" ? "FER-2013's test photographs" : "the test pictures that it was made with";
  const right = accuracy ? `, where the highest percentage is right for ${(100 * accuracy).toFixed(1)}%` : "";
  return `Of a hundred faces with this answer, about 52 show what it says and 48 something else: the percentages are calibrated on ${
    tested}${right}. In other light, or for people unlike those, they can be further off. Below ${percent(least)} the answer is “unsure”.`;
}

function make(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

function write(element, value) {
  if (element.textContent !== value) element.textContent = value;
}

const text = (id, value) => write(document.getElementById(id), value);
