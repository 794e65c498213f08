"""The page that a supervisor reads, and the data card: what the other pages say, on one page without a network."""

import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
import toy_models
from PIL import Image

from pipeline.bundle.bundle import Bundle
from pipeline.faces import datasets
from pipeline.reporting.cards import data_card, index
from pipeline.system.failure import Failure
from pipeline.tracking import promotions

ROOT = Path(__file__).parents[3]
VALIDATION = {
    "edition": "drawn", "source": "here", "splits_from": "file names", "notes": None, "digest": "d" * 64,
    "verdict": "passed", "images": 1500, "blank": 1,
    "counts": {"Training": {"happy": 1000, "disgust": 100}, "PublicTest": {"happy": 300, "disgust": 100}},
    "duplicates": {"groups": 2, "images": 5, "superfluous": 3, "inside": {"Training": 4}},
    "leaks": {"Training in either": 7, "PublicTest in Training": 6}, "conflicts": {"groups": 1, "images": 2},
    "expectations": [{"name": "blank images", "severity": "warning", "success": False, "expected": "none",
                      "observed": "1"}],
}


class Links(HTMLParser):
    """The addresses that a page needs or leads to, and its ids."""

    def __init__(self, html: str):
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src"):
                self.links.append(value)
            elif name == "id":
                self.ids.append(value)


@pytest.fixture
def committed(monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(ROOT))
    return (ROOT / "reports/index.html").read_text(encoding="utf-8")


def test_the_committed_index_and_data_card_are_up_to_date(committed):
    card = (ROOT / "reports/fer2013/data-card.md").read_text(encoding="utf-8")
    assert data_card.card(data_card.statistics()) == card, "run `ferpipe index`"
    assert index.html() == committed, "run `ferpipe index`"


def test_everything_that_the_index_links_to_exists_and_nothing_is_loaded_from_elsewhere(committed):
    page = Links(committed)
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        name, _, anchor = link.partition("#")
        if name.startswith("http"):
            assert f'src="{link}"' not in committed
        elif name:
            assert (ROOT / "reports" / name).exists(), link
        else:
            assert anchor in page.ids, link


def test_every_picture_among_the_reports_in_git_is_on_the_index(committed):
    done = subprocess.run(["git", "ls-files", "reports"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git repository")
    pictures = {name.removeprefix("reports/") for name in done.stdout.splitlines() if name.endswith(".png")}
    assert pictures <= set(Links(committed).links), "run `ferpipe index`, with a caption in index.CAPTIONS"


def test_no_data_set_can_be_called_as_a_folder_of_the_reports_is():
    done = subprocess.run(["git", "ls-files", "reports"], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a git repository")
    folders = {name.split("/")[1] for name in done.stdout.splitlines() if name.count("/") > 1}
    assert folders - {"fer2013"} <= datasets.RESERVED


def test_what_was_measured_or_drawn_of_a_model_that_is_not_the_champion_says_so(committed):
    champion = Bundle.load(ROOT / "data/champion").id
    named = {name: re.search(r"(?:[Bb]undle|model) ([0-9a-f]{12})", (ROOT / "reports" / name).read_text("utf-8"))[1]
             for name in ("bench.md", "bench-demo.md", "bench-static.md", "load.md")}
    with Image.open(ROOT / "reports/explanation.png") as picture:
        named["explanation.png"] = picture.info["Bundle"]
    named["fer2013/metrics.json"] = json.loads((ROOT / "reports/fer2013/metrics.json").read_text("utf-8"))["bundle"]
    for name, bundle in named.items():
        if bundle != champion:
            assert f"{bundle} (an earlier champion)" in committed or f"{bundle} (not the champion)" in committed, name
    last = named["fer2013/metrics.json"]
    assert (f"last run, bundle {last} (" in committed) == (last != champion)
    assert f"rest on, on average, bundle {named['explanation.png']}" in committed


def test_a_bundle_is_the_champion_an_earlier_one_or_neither(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    champion = toy_models.bundle(tmp_path / "data/champion", "fer2013")
    promotions.append("fer2013", toy_models.promotion("fer2013-7", "before"))
    promotions.append("fer2013", toy_models.promotion("fer2013-7", "never", decision="refused"))
    assert [index._role(bundle) for bundle in (champion.id, "before", "never")] == [
        "", " (an earlier champion)", " (not the champion)"]


def test_a_supervisor_finds_pipeline_data_training_results_and_comparison(committed):
    headings = re.findall(r'<h2 id="[^"]+">([^<]+)</h2>', committed)
    assert headings == ["Pipeline", "Data", "Training", "Results", "Champion", "Comparison", "Speed in use",
                        "Faults", "Every picture"]
    assert "champion/card.html" in committed and "not feelings" in committed


def test_the_data_card_says_what_validate_found():
    text = data_card.card(VALIDATION)
    assert "| happy | 1,000 | 300 | 1,300 | 86.7 |" in text and "happy, has 6 times the images of the smallest" in text
    assert "| of Training with an exact duplicate in either test split | 7 |" in text
    assert "| of PublicTest with an exact duplicate in Training | 6 |" in text
    assert "| blank images | warning | none | **not met**: 1 |" in text and "near cop" not in text.lower()
    near = {"pairs": 9, "mirrored": 1, "images": 12, "inside": {"Training": 8}, "leaks": {"Training in either": 11},
            "any": {}, "free": {"PublicTest": 290}, "precision": None}
    text = data_card.card({**VALIDATION, "near": near})
    assert "| of Training with a near copy in either test split | 11 |" in text
    assert "| of PublicTest without any copy, exact or near, in Training | 290 |" in text
    assert "looked at" not in text
    precision = {"looked_at": 30, "copies": 28, "share": 0.9512, "error": 0.0201}
    text = data_card.card({**VALIDATION, "near": {**near, "precision": precision}})
    assert "Of 30 pairs across splits" in text
    assert "28 show one\n  picture: 95.1 %, standard error 2.0, weighted" in text


def test_what_is_missing_is_said_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    with pytest.raises(Failure, match=r"validation\.json: not what validate leaves.*run `dvc repro validate`"):
        data_card.statistics()
    folder = tmp_path / "reports/fer2013"
    folder.mkdir(parents=True)
    (folder / "validation.json").write_text(json.dumps(VALIDATION))
    with pytest.raises(Failure, match=r"README\.md: the index shows this page"):
        index.main([])
    assert (folder / "data-card.md").exists() and not (tmp_path / "reports/index.html").exists()
    (tmp_path / "README.md").write_text("# A page\n\nwithout its headings\n")
    with pytest.raises(Failure, match="the heading 'The stages' is missing"):
        index.main([])
