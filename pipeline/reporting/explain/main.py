"""``ferpipe explain``: which parts of a face a model's answer rests on, in a picture or on average for an emotion."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pipeline.demo.options import add_model_option
from pipeline.system import project
from pipeline.system.failure import Failure, did_you_mean

if TYPE_CHECKING:
    from pipeline.bundle.bundle import Bundle
    from pipeline.reporting.explain.averages import MapOf

METHODS = ("occlusion", "hirescam", "gradcam", "attention")
# Of a picture with many faces, the largest are explained
MOST_FACES = 16
OUT = Path("reports/explanation.png")
ENDINGS = (".png", ".jpg", ".jpeg")


def main(argv: list[str] | None = None) -> None:
    """Write the picture or the figure. Raises Failure when model, picture, faces or class are missing."""
    args = _arguments(argv)
    from pipeline.bundle.bundle import Bundle
    from pipeline.demo.sources.source import quiet

    if args.out is not None and args.out.suffix.lower() not in ENDINGS[: 3 if args.picture else 1]:
        raise Failure(f"{args.out}: the name must end in {' or '.join(ENDINGS[: 3 if args.picture else 1])}")
    quiet()
    bundle = Bundle.load(args.model)
    label = None if args.class_name is None else _label(args.class_name, bundle.classes)
    if args.picture is None:
        path = args.out or (OUT if label is None else Path(f"explanation-{bundle.classes[label]}.png"))
        _averages(bundle, label, args.method, args.faces, path)
    else:
        path = args.out or Path(f"{args.picture.stem}-explained.png")
        _picture(bundle, args.picture, label, args.method, args.face, path)
    print(f"written: {path}")


def _label(name: str, classes: tuple[str, ...]) -> int:
    if name not in classes:
        raise Failure(f"there is no class {name!r}{did_you_mean(name, classes)}; the model's are {', '.join(classes)}")
    return classes.index(name)


def _map_of(bundle: "Bundle", method: str) -> "MapOf":
    """The method as a function from a crop and a class to its map, -1 to 1."""
    from pipeline.demo.see.occlusion import occlusion

    if method == "occlusion":
        # One view: a mean over many faces needs no second one of each
        return lambda crop, label: occlusion(bundle, crop, label, flip=False).shares
    import numpy as np

    from pipeline.reporting.explain import cam

    net = cam.network(bundle)
    which = cast(cam.Method, method)
    return lambda crop, label: cam.over_crop(net, cam.maps(net, crop[None], np.array([label]), which)[0])


def _picture(bundle: "Bundle", path: Path, label: int | None, method: str, whole: bool, out: Path) -> None:
    """Explain the faces of a picture, and print a line for each."""
    from pipeline.demo.predict.marking import encoded
    from pipeline.demo.see.crop import crops
    from pipeline.demo.see.detector import BlazeFace
    from pipeline.demo.see.occlusion import occlusion
    from pipeline.demo.see.watcher import look, look_at_face
    from pipeline.demo.show import heat
    from pipeline.demo.show.view import draw
    from pipeline.demo.sources.pictures import read_picture
    from pipeline.system.atomic import atomic_file

    frame = read_picture(path)
    if out.exists() and out.samefile(path):
        raise Failure(f"{out}: is the picture itself; give another file with --out")
    faces = look_at_face(frame, bundle) if whole else look(frame, BlazeFace(), bundle)
    if not faces:
        raise Failure(f"{path}: no face found; if it is one face already, as FER-2013's are, add --face")
    margin = 1.0 if whole else bundle.crop_margin
    map_of = _map_of(bundle, method)
    painted = frame
    for face, crop in zip(faces[:MOST_FACES], crops(frame, [face.box for face in faces], margin), strict=False):
        chosen = face.best if label is None else label
        line = f"face {face.id}: {bundle.classes[chosen]} {face.scores[chosen]:.0%}"
        if method == "occlusion":
            result = occlusion(bundle, crop, chosen)
            shares, line = result.shares, f"{line}; {result.says(bundle.classes)}"
        else:
            shares = map_of(crop, chosen)
        painted = heat.paint(painted, face.box, margin, shares)
        print(line)
    if len(faces) > MOST_FACES:
        print(f"the {MOST_FACES} largest of {len(faces)} faces are explained", file=sys.stderr)
    about = "its answer" if label is None else bundle.classes[label]
    meaning = "yellow weighs more, blue less" if method == "attention" else f"yellow speaks for {about}, blue against"
    picture = draw(painted, faces, bundle.classes, note=f"{method}: {meaning}")
    with atomic_file(out) as new:
        new.write_bytes(encoded(picture, out.suffix.lower()))


def _averages(bundle: "Bundle", label: int | None, method: str, most: int, out: Path) -> None:
    """Draw the mean maps over PublicTest of the data set that the model was trained on."""
    from pipeline.bundle.bundle import check_faces
    from pipeline.faces.faces import Faces
    from pipeline.reporting.explain.averages import averages
    from pipeline.reporting.explain.figure import draw

    provenance = bundle.provenance
    faces = Faces.load(project.root() / "data" / provenance.dataset / "faces")
    check_faces(provenance, faces.manifest, bundle.folder)
    public = faces.with_classes(bundle.class_set).split("PublicTest")
    labels = [*range(len(bundle.classes))] if label is None else [label]
    results = averages(bundle, public, labels, most, _map_of(bundle, method))
    title = ("What the attention weighs more (yellow) and less (blue)" if method == "attention" else
             "Where a face speaks for its emotion (yellow) and against it (blue)")
    draw(out, results, title,
         f"{provenance.recipe}, seed {provenance.seed}, bundle {bundle.id} · {method}, the mean over at most {most} "
         f"recognised faces of a class\nin PublicTest of {provenance.dataset} ({provenance.edition}), over the mean "
         "face of the class", bundle.id)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "ferpipe explain",
        description="Show which parts of a face a model's answer rests on: yellow speaks for it, blue against it. With "
                    "PICTURE for each of its faces, without one on average over PublicTest's faces, for each class.")
    parser.add_argument("picture", metavar="PICTURE", nargs="?", type=Path, help="a picture with faces")
    parser.add_argument("--class", metavar="NAME", dest="class_name",
                        help="what speaks for this class, for instance happy (default: with PICTURE each face's "
                             "answer, without one every class)")
    parser.add_argument("--face", action="store_true", help="the picture is one face already, as FER-2013's are; no "
                                                            "face is looked for")
    parser.add_argument("--method", choices=METHODS, default=METHODS[0],
                        help="occlusion hides each part in turn and works for every model; hirescam and gradcam take "
                             "the network's gradients, attention the weights of an attention block's positions, of "
                             "a bundle with model.keras (default: occlusion)")
    parser.add_argument("--faces", metavar="N", type=_positive, default=100,
                        help="without PICTURE: at most so many faces of a class (default: 100)")
    parser.add_argument("--out", metavar="FILE", type=Path,
                        help=f"default: NAME-explained.png here; without PICTURE {OUT.as_posix()}, and "
                             "explanation-NAME.png here with --class")
    add_model_option(parser)
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of faces")
    return int(text)
