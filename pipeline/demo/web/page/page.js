// The page: opens sources and shows them with their faces.
import { Camera } from "./camera.js";
import { drawTimeline, Trace } from "./chart.js";
import { Clip, LONGEST } from "./clip.js";
import { drawFaces, loadEmoji } from "./draw.js";
import { open } from "./engine.js";
import { Explanation } from "./explanation.js";
import { mainFace } from "./faces.js";
import { Film } from "./film.js";
import { keepFocus } from "./focus.js";
import { listen } from "./input.js";
import { meaning, Panel, summary } from "./panel.js";
import { Photo } from "./photo.js";
import { save, saveJson, savePicture } from "./saving.js";

const $ = (id) => document.getElementById(id);
const canvas = $("canvas"), context = canvas.getContext("2d");
let engine, panel, emoji, explanation, source = null, trace = null, clip = null, chosen = null, latest = null, photos = [], drawing = 0;
// Counts the actions begun; the late result of an earlier one is dropped
let action = 0, starting = false;
// Whether each picture is one face already
let whole = false;

// The id of the panel's face
function main() {
  const face = mainFace(source?.faces ?? [], chosen, latest);
  latest = face?.id ?? latest;
  return face?.id;
}

const options = () => ({ main: main(), about: engine.about, emoji, explanation });
const write = (element, text) => { if (element.textContent !== text) element.textContent = text; };
const label = (id, text) => write($(id).querySelector("span"), text);
const focus = () => keepFocus("pause", "again", "start");

function problem(sentence) {
  $("message").firstElementChild.textContent = sentence;
  $("message").hidden = !sentence;
  focus();
}

function show(next) {
  clip?.stop();
  if (source && source !== next && !photos.includes(source)) source.stop();
  source = next;
  chosen = latest = null;
  const kind = source?.kind;
  trace = kind === "camera" ? new Trace() : null;
  document.body.classList.toggle("busy", Boolean(source));
  $("welcome").hidden = Boolean(source);
  canvas.hidden = $("backdrop").hidden = $("tools").hidden = !source;
  $("pause").hidden = kind === "picture";
  $("clip").hidden = kind === "picture" || !Clip.possible;
  $("mirror").hidden = kind !== "camera";
  $("whole").hidden = kind !== "picture";
  $("next").hidden = true;
  $("seek").hidden = kind !== "video";
  $("timeline").hidden = !["camera", "video"].includes(kind);
  const over = kind === "camera" ? "The last 30 seconds" : "The largest face over time";
  $("timeline").firstElementChild.textContent = over;
  $("chart").setAttribute("aria-label", `${over}: the probabilities of all seven emotions`);
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
  if (!source) $("rate").textContent = $("status").textContent = $("because").textContent = "";
  changed();
  focus();
}

// The source's faces, picture or state changed
function changed() {
  panel.show(source?.faces ?? [], main(), source?.kind);
  if (source) {
    write($("rate"), summary(source));
    write($("status"), (source.kind === "camera" || source.done < 1) && engine.slow || "");
    const face = source.faces.find(({ id }) => id === main());
    if (trace && !source.paused && trace.add(performance.now() / 1000, face)) trace.draw($("chart"), engine.about);
  }
  if (!drawing) drawing = requestAnimationFrame(draw);
}

function draw() {
  drawing = 0;
  if (!source?.width) return;
  document.body.style.setProperty("--ratio", source.width / source.height);
  // One canvas pixel per screen pixel, so that lines and letters are sharp
  const ratio = devicePixelRatio || 1, width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(width * source.height / source.width);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  context.unit = ratio;
  source.draw(context, width, height);
  // A few pixels of the picture, drawn large, fill the stage to the left and right of an upright one
  if (canvas.clientWidth < $("stage").clientWidth) source.draw($("backdrop").getContext("2d"), 12, 12);
  explain(width / source.width);
  drawFaces(context, source.faces, { ...options(), scale: width / source.width });
  if (!source.paused) clip?.frame(options());
  label("pause", source.paused ? "Play" : "Pause");
  $("pause").classList.toggle("on", Boolean(source.paused));
  $("pause").setAttribute("aria-disabled", source.done < 1);
  $("mirror").setAttribute("aria-pressed", Boolean(source.mirrored));
  if (source.kind === "video") {
    drawTimeline($("chart"), source.samples, source.count, source.at, engine.about);
    $("seek").querySelector("input").value = source.at;
    panel.show(source.faces, main(), "video");
  }
  if (source.moving) drawing = requestAnimationFrame(draw);
}

// The map over the main face, and what it says
function explain(scale) {
  const face = source.faces.find(({ id }) => id === main());
  explanation.follow(source, face);
  explanation.paint(context, source, scale);
  // A live one changes too often to be read out
  $("because").setAttribute("aria-live", source.kind === "picture" || source.paused ? "polite" : "off");
  write($("because"), explanation.words(source, face));
}

async function start(device) {
  if (starting) return;
  problem("");
  const started = clear(), ended = (sentence) => { close(); problem(sentence); };
  starting = true;
  $("start").setAttribute("aria-busy", true);
  try {
    const camera = await Camera.open(engine, { changed, problem, ended }, device);
    if (started === action) show(camera);
    else camera.stop();
  } catch (error) {
    problem(error.message);
  }
  starting = false;
  $("start").removeAttribute("aria-busy");
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
    $("status").textContent = `Reading ${file.name} …`;
    const film = file.type.startsWith("video/");
    if (film && photos.length) {
      problems.push(`${file.name}: a video is read alone.`);
      continue;
    }
    try {
      const opened = await (film ? Film.open(engine, file, { changed, problem }) : Photo.open(engine, file, whole));
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
  if (started === action && !(source?.done < 1)) $("status").textContent = "";
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

// Reads the pictures again, each as one face or with the faces that are found in it
async function readWhole() {
  $("whole").setAttribute("aria-pressed", whole = !whole);
  for (const photo of photos) await photo.read(engine, whole).catch(({ message }) => problem(message));
  changed();
}

async function example(name) {
  const picture = await fetch(name).then((answer) => answer.blob()).catch(() => null);
  if (picture) await take([new File([picture], name, { type: picture.type })]);
  else problem("The example cannot be loaded. Is the program still running?");
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

function record() {
  if (clip) return clip.stop();
  const of = source, button = $("clip");
  clip = new Clip(of, options(), {
    tick: (seconds) => label("clip", `Stop (${seconds} s)`),
    ended(blob, ending) {
      clip = null;
      label("clip", "Record clip");
      button.classList.remove("on");
      // Nothing was recorded yet when it is stopped at once
      if (blob.size) save(blob, of, ending);
    },
  });
  button.classList.add("on");
  return undefined;
}

const KEYS = {
  c: () => start(), o: () => $("file").click(), s: () => source && savePicture(source, options()),
  j: () => source && saveJson(source, engine.about), r: () => !$("clip").hidden && source && record(),
  m: () => { if (source?.mirror) { source.mirror(); changed(); } }, Escape: () => source && close(),
  f: () => source?.kind === "picture" && readWhole(),
  e: () => {
    if (!source) return;
    explanation.toggle();
    $("explain").setAttribute("aria-pressed", explanation.on);
    changed();
  },
  " ": () => { if (source?.pause) { source.pause(); changed(); } },
};

function wire() {
  for (const [id, key] of Object.entries({ start: "c", choose: "o", again: "o", pause: " ", mirror: "m", whole: "f", explain: "e", picture: "s", clip: "r",
    json: "j", stop: "Escape" })) $(id).onclick = KEYS[key];
  $("next").onclick = nextCamera;
  $("clip").title = `At most ${LONGEST} seconds`;
  for (const button of document.querySelectorAll("[data-file]")) button.onclick = () => example(button.dataset.file);
  $("message").lastElementChild.onclick = () => problem("");
  $("file").onchange = ({ target }) => { take([...target.files]); target.value = ""; };
  $("seek").oninput = ({ target }) => { source.seek(Number(target.value)); changed(); };
  canvas.onclick = ({ offsetX, offsetY }) => {
    const scale = canvas.clientWidth / source.width, x = offsetX / scale, y = offsetY / scale;
    const hit = source.faces.find(({ box }) => x >= box.x && y >= box.y && x <= box.x + box.width && y <= box.y + box.height);
    if (hit) { chosen = hit.id; changed(); }
  };
  addEventListener("resize", changed);
  listen(KEYS, take);
}

try {
  engine = await open();
  const { about } = engine;
  emoji = await loadEmoji(about.emoji);
  explanation = new Explanation(engine, { changed, problem });
  panel = new Panel(about, emoji, {
    choose: (id) => { chosen = id; changed(); },
    lost: (button) => { if (button && !document.activeElement?.closest("#faces")) button.focus(); focus(); },
  });
  $("promise").textContent = engine.promise;
  $("longest").textContent = about.bounds.video_seconds;
  $("about").textContent = about.about.join(" · ");
  $("meaning").lastElementChild.textContent = meaning(about);
  $("parade").append(...about.emoji.map((name) => Object.assign(new Image(48, 48), { src: emoji[name].src, alt: "", title: name })));
  $("api").hidden = !engine.api;
  wire();
  $("start").disabled = $("choose").disabled = false;
  document.documentElement.dataset.ready = "true";
} catch (error) {
  $("promise").textContent = `The page cannot start: ${error.message}. Load it again.`;
}
