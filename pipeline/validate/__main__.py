"""``python -m pipeline.validate``."""

import json

from pipeline.system import failure


def main() -> None:
    """Validate what download wrote; write statistics.csv, copies.json, copies.html,
    validation.json and validation.html."""
    from pipeline.faces import copies
    from pipeline.faces.faces import EMOTIONS, Faces
    from pipeline.params import params as parameters
    from pipeline.system.atomic import atomic_file
    from pipeline.system.failure import Failure
    from pipeline.validate import sheet
    from pipeline.validate.checks import reason, statistics, validate
    from pipeline.validate.near import near_copies
    from pipeline.validate.report import page

    params = parameters.load()
    faces = Faces.load(params.data / "faces")
    if faces.classes != EMOTIONS and not faces.manifest.get("own_classes"):
        raise Failure(f"{params.data / 'faces'}: not the seven classes of FER-2013; run the download stage again")
    if faces.manifest.get("digest") != faces.digest():
        raise Failure(f"{params.data / 'faces'}: not what the download stage wrote (digest); run that stage again")
    table = statistics(faces)
    near = near_copies(faces)
    result = validate(faces, params.validate_, table, near)
    html = params.reports / "validation.html"
    with atomic_file(html) as new:
        new.write_text(page(result), encoding="utf-8")
    if result["verdict"] == "failed":
        raise Failure(reason(result, html))
    with atomic_file(params.data / "statistics.csv") as new:
        table.to_csv(new, index=False, lineterminator="\n")
    near.save(params.data / copies.FILE)
    with atomic_file(params.data / "copies.html") as new:
        new.write_text(sheet.page(faces, near), encoding="utf-8")
    with atomic_file(params.reports / "validation.json") as new:
        new.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    for check in result["expectations"]:
        if not check["success"]:
            print(f"validate: warning: {check['name']}: {check['observed']}")
    print(f"validate: {result['verdict']}, {len(result['expectations'])} expectations on {len(faces):,} images; {html}")


if __name__ == "__main__":
    failure.run_stage(main, "validate")
