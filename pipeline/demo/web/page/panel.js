// The panel: the main face's emotion as emoji, words and bars, and a button for every face.

export class Panel {
  constructor(about, emoji, choose) {
    this.about = about;
    this.emoji = emoji;
    this.choose = choose;
    this.sentence = "";
    const bars = document.getElementById("bars");
    this.bars = about.classes.map((name) => {
      const bar = make("div", { className: "bar" }), track = make("i"), value = make("b", { textContent: "–" });
      track.setAttribute("role", "meter");
      track.setAttribute("aria-label", name);
      track.setAttribute("aria-valuemin", 0);
      track.setAttribute("aria-valuemax", 100);
      bar.style.setProperty("--colour", about.colours[name]);
      bar.append(make("span", { textContent: name }), track, value);
      bars.append(bar);
      return { bar, track, value };
    });
  }

  // main: the id of the face that the panel is about; kind: the source's, undefined without one
  show(faces, main, kind) {
    const face = faces.find(({ id }) => id === main) ?? null;
    const picture = document.getElementById("face"), [word, note] = this.#words(face, faces.length, kind);
    picture.hidden = !face || !this.emoji[face.emotion];
    if (!picture.hidden) picture.src = this.emoji[face.emotion].src;
    picture.classList.toggle("faint", Boolean(face) && !face.sure);
    text("word", word);
    text("note", note);
    this.about.classes.forEach((name, index) => {
      const { bar, track, value } = this.bars[index], score = face?.probabilities[name] ?? 0;
      bar.classList.toggle("best", face?.emotion === name);
      bar.style.setProperty("--score", score.toFixed(3));
      track.setAttribute("aria-valuenow", Math.round(100 * score));
      value.textContent = face ? `${Math.round(100 * score)}%` : "–";
    });
    this.#faces(faces, main);
    this.#announce(kind ? `${faces.length} ${faces.length === 1 ? "face" : "faces"}${face ? `: ${face.says}` : ""}` : "");
  }

  #words(face, count, kind) {
    if (!kind) return ["No face yet", "Start the camera or choose a picture."];
    if (!face) return ["No face", "Faces are detected best when they look at the camera, in good light."];
    const others = count > 1 ? `, 1 of ${count} faces` : "";
    if (!face.sure) return ["unsure", face.says.replace(/^unsure: /, "") + others];
    return [face.emotion, `${Math.round(100 * face.probabilities[face.emotion])}%${others}`];
  }

  #faces(faces, main) {
    const row = document.getElementById("faces"), shown = [...faces].sort((a, b) => a.id - b.id);
    row.hidden = faces.length < 2;
    while (row.children.length > shown.length) row.lastChild.remove();
    while (row.children.length < shown.length) {
      const button = make("button"), picture = make("img", { alt: "" });
      button.append(picture, make("span"));
      button.onclick = () => this.choose(Number(button.dataset.id));
      row.append(button);
    }
    shown.forEach((face, index) => {
      const button = row.children[index], [picture, label] = button.children, word = face.sure ? face.emotion : "unsure";
      button.dataset.id = face.id;
      button.setAttribute("aria-pressed", face.id === main);
      picture.hidden = !face.sure || !this.emoji[face.emotion];
      if (!picture.hidden && picture.src !== this.emoji[face.emotion].src) picture.src = this.emoji[face.emotion].src;
      if (label.textContent !== word) label.textContent = word;
    });
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

function make(tag, properties = {}) {
  return Object.assign(document.createElement(tag), properties);
}

function text(id, value) {
  const element = document.getElementById(id);
  if (element.textContent !== value) element.textContent = value;
}
