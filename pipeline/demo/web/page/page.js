// The page: opens sources, shows them with their faces, saves pictures and JSON.
import { composed, drawChart, drawFaces, loadEmoji } from "./draw.js";
import { open } from "./engine.js";
import { Panel } from "./panel.js";
import { Camera, Film, Photo } from "./sources.js";

const $ = (id) => document.getElementById(id);
const canvas = $("canvas"), context = canvas.getContext("2d");
// A face stays the main one until another has this many times its area, as in pipeline/demo/show/annotate.py
const NEARLY = 1.5;
let engine, panel, emoji, source = null, chosen = null, latest = null, photos = [], drawing = 0;
// Counts the actions begun; the late result of an earlier one is dropped
let action = 0;

// The id of the panel's face: the chosen one while it is visible, else the largest, which changes only if clearly larger
function main() {
  const faces = source?.faces ?? [], area = ({ box }) => box.width * box.height, [largest] = faces;
  const same = faces.find(({ id }) => id === chosen) ?? faces.find((face) => face.id === latest && area(face) * NEARLY >= area(largest));
  latest = (same ?? largest)?.id ?? latest;
  return (same ?? largest)?.id;
}

function problem(sentence) {
  $("message").firstElementChild.textContent = sentence;
  $("message").hidden = !sentence;
}

function show(next) {
  if (source && source !== next && !photos.includes(source)) source.stop();
  source = next;
  chosen = latest = null;
  const kind = source?.kind;
  $("welcome").hidden = Boolean(source);
  canvas.hidden = $("tools").hidden = !source;
  $("stage").classList.toggle("busy", Boolean(source));
  $("pause").hidden = kind === "picture";
  $("mirror").hidden = kind !== "camera";
  $("next").hidden = true;
  $("seek").hidden = $("timeline").hidden = kind !== "video";
  $("strip").hidden = photos.length < 2;
  for (const [index, { firstChild: button }] of [...$("strip").children].entries()) {
    button.setAttribute("aria-pressed", photos[index] === source);
  }
  if (kind === "camera") {
    navigator.mediaDevices.enumerateDevices().then((devices) => {
      $("next").hidden = devices.filter((device) => device.kind === "videoinput").length < 2;
    });
  }
  canvas.setAttribute("aria-label", source ? `${source.name} with a box round every face` : "");
  if (!source) $("rate").textContent = "";
  changed();
}

function changed() {
  panel.show(source?.faces ?? [], main(), source?.kind);
  if (source?.kind === "camera") {
    $("rate").textContent = source.rate ? `${source.rate.toFixed(0)} frames a second` : "";
  } else if (source) {
    const { length } = source.faces;
    $("rate").textContent = source.done < 1 ? `${Math.round(100 * source.done)} % read`
      : `${length || "no"} face${length === 1 ? "" : "s"}`;
  }
  if (!drawing) drawing = requestAnimationFrame(draw);
}

function draw() {
  drawing = 0;
  if (!source?.width) return;
  $("stage").style.setProperty("--ratio", source.width / source.height);
  // One canvas pixel per screen pixel, so that lines and letters are sharp
  const ratio = devicePixelRatio || 1, width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(width * source.height / source.width);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  context.unit = ratio;
  source.draw(context, width, height);
  drawFaces(context, source.faces, { scale: width / source.width, main: main(), about: engine.about, emoji });
  $("pause").textContent = source.paused ? "Play" : "Pause";
  $("pause").disabled = source.done < 1;
  $("mirror").setAttribute("aria-pressed", Boolean(source.mirrored));
  if (source.kind === "video") {
    drawChart($("chart"), source.samples, source.count, source.at, engine.about);
    $("seek").firstElementChild.nextElementSibling.value = source.at;
    panel.show(source.faces, main(), "video");
  }
  if (source.moving) drawing = requestAnimationFrame(draw);
}

async function start(device) {
  if ($("start").disabled) return;
  problem("");
  const started = clear(), ended = (sentence) => { close(); problem(sentence); };
  $("start").disabled = true;
  try {
    const camera = await Camera.open(engine, { changed, problem, ended }, device);
    if (started === action) show(camera);
    else camera.stop();
  } catch (error) {
    problem(error.message);
  }
  $("start").disabled = false;
}

async function nextCamera() {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
  const index = cameras.findIndex(({ deviceId }) => deviceId === source.device);
  await start(cameras[(index + 1) % cameras.length].deviceId);
}

async function take(files) {
  problem("");
  const started = clear(), most = engine.about.bounds.batch, problems = [];
  if (files.length > most) problems.push(`The first ${most} of ${files.length} are read.`);
  for (const file of files.slice(0, most)) {
    $("rate").textContent = `reading ${file.name}`;
    const film = file.type.startsWith("video/");
    if (film && photos.length) {
      problems.push(`${file.name}: a video is read alone.`);
      continue;
    }
    try {
      const opened = await (film ? Film.open(engine, file, { changed, problem }) : Photo.open(engine, file));
      if (started !== action) return opened.stop();
      if (film) {
        show(opened);
        break;
      }
      add(opened);
    } catch (error) {
      problems.push(`${file.name}: ${error.message}`);
    }
  }
  if (!source) $("rate").textContent = "";
  if (problems.length) problem(problems.join(" "));
}

function add(photo) {
  photos.push(photo);
  const item = document.createElement("li"), button = document.createElement("button");
  const picture = Object.assign(document.createElement("img"), { src: photo.address, alt: photo.name });
  button.append(picture);
  button.onclick = () => show(photo);
  item.append(button);
  $("strip").append(item);
  show(photos.length === 1 ? photo : source);
}

// Back to the welcome screen. Returns the number of the action that begins now
function clear() {
  const old = photos;
  photos = [];
  $("strip").replaceChildren();
  show(null);
  for (const photo of old) photo.stop();
  action += 1;
  return action;
}

function close() {
  clear();
  $("start").focus();
}

function save(blob, ending) {
  const name = source.name.replace(/\.[^.]*$/, ""), link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `${name}-emotions.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function savePicture() {
  save(await composed(source, { main: main(), about: engine.about, emoji }), "png");
}

function saveJson() {
  const result = { source: source.name, kind: source.kind, model: engine.about.model, ...source.json() };
  save(new Blob([`${JSON.stringify(result, null, 1)}\n`], { type: "application/json" }), "json");
}

const KEYS = {
  c: () => start(), o: () => $("file").click(), s: () => source && savePicture(), j: () => source && saveJson(),
  m: () => { if (source?.mirror) { source.mirror(); changed(); } }, Escape: () => source && close(),
  " ": () => { if (source?.pause) { source.pause(); changed(); } },
};

function wire() {
  $("start").onclick = KEYS.c;
  $("choose").onclick = $("again").onclick = KEYS.o;
  $("pause").onclick = KEYS[" "];
  $("mirror").onclick = KEYS.m;
  $("next").onclick = nextCamera;
  $("picture").onclick = savePicture;
  $("json").onclick = saveJson;
  $("stop").onclick = close;
  $("message").lastElementChild.onclick = () => problem("");
  $("file").onchange = ({ target }) => { take([...target.files]); target.value = ""; };
  $("seek").oninput = ({ target }) => { source.seek(Number(target.value)); changed(); };
  canvas.onclick = ({ offsetX, offsetY }) => {
    const scale = canvas.clientWidth / source.width, x = offsetX / scale, y = offsetY / scale;
    const hit = source.faces.find(({ box }) => x >= box.x && y >= box.y && x <= box.x + box.width && y <= box.y + box.height);
    if (hit) { chosen = hit.id; changed(); }
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, a, button") && (event.key === " " || event.target.matches("input"));
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || typing || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  addEventListener("resize", changed);
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      event.preventDefault();
      document.body.classList.toggle("dropping", name !== "drop" && !(name === "dragleave" && !event.relatedTarget));
      if (name === "drop" && event.dataTransfer.files.length) take([...event.dataTransfer.files]);
    });
  }
}

try {
  engine = await open();
  const { about } = engine;
  emoji = await loadEmoji(about.emoji);
  panel = new Panel(about, emoji, (id) => { chosen = id; changed(); });
  $("promise").textContent = engine.promise;
  $("longest").textContent = about.bounds.video_seconds;
  $("about").textContent = about.about.join(" · ");
  $("parade").append(...about.emoji.map((name) => Object.assign(new Image(48, 48), { src: emoji[name].src, alt: "", title: name })));
  $("api").hidden = !engine.api;
  wire();
  $("start").disabled = $("choose").disabled = false;
  document.documentElement.dataset.ready = "true";
} catch (error) {
  $("promise").textContent = `The page cannot start: ${error.message}. Load it again.`;
}
