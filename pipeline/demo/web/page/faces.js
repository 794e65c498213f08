// What the page makes of an answer's faces.

// The faces of an answer, rescaled to a picture of this width
export function scaled(answer, width) {
  const factor = width / answer.width;
  return answer.faces.map((face) => ({ ...face, box: Object.fromEntries(
    Object.entries(face.box).map(([side, value]) => [side, Math.round(value * factor)])) }));
}

// The face in the mirror image of a picture of this width
export const mirrored = (face, width) =>
  ({ ...face, box: { ...face.box, x: width - face.box.x - face.box.width }, roll: 0 - face.roll });

// The faces of one sample with their boxes moved towards where the next one has them; share: 0 to 1
export function between(faces, next, share) {
  return faces.map((face) => {
    const later = next.find(({ id }) => id === face.id);
    if (!later) return face;
    return { ...face, box: Object.fromEntries(Object.entries(face.box).map(
      ([side, value]) => [side, Math.round(value + share * (later.box[side] - value))])) };
  });
}

// A face stays the main one until another has this many times its area, as in pipeline/demo/show/annotate.py
const NEARLY = 1.5;

// The face that the panel is about: the chosen one while it is visible, else the largest, which changes only if clearly larger
export function mainFace(faces, chosen, latest) {
  const area = ({ box }) => box.width * box.height, [largest] = faces;
  return faces.find(({ id }) => id === chosen)
    ?? faces.find((face) => face.id === latest && area(face) * NEARLY >= area(largest)) ?? largest;
}

export const percent = (share) => `${Math.round(100 * share)}%`;

// The one thing that picture, panel and bars say of a face: {word, named, detail, label}; `named` are the classes that the
// bars highlight. In a stream an answer's label follows a little later than its highest probability. That can be seen only
// while the label is below one half, and such a face is called unsure, with its two most probable classes in the bars' order.
export function story({ emotion, sure, probabilities }, classes) {
  if (sure) {
    const detail = percent(probabilities[emotion]);
    return { word: emotion, named: [emotion], detail, label: `${emotion} ${detail}` };
  }
  const most = [...classes].sort((a, b) => probabilities[b] - probabilities[a]).slice(0, 2);
  const named = classes.filter((name) => most.includes(name)), detail = named.join(" or ");
  return { word: "unsure", named, detail, label: `${detail}?` };
}
