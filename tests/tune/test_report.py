"""study.html and its pictures: complete, readable without network, and there for every study, however small."""

import re
from html.parser import HTMLParser

import pytest
from toy_study import by_slot, trial

from pipeline.tune.report import page, pictures
from pipeline.tune.report.facts import facts

ABOUT = {"recipe": "compact", "data set": "sample", "epochs a trial": 2, "PublicTest images": 3589}
FULL = {"study": "compact-1", "recipe_accuracy": 0.64, "taken": None, "stopped": "", "finalists": [
    {"trial": 3, "accuracy": 0.65, "gain": 0.01, "probability": 0.93, "needed": 0.98}]}


def study(count=14, **more):
    trials = [trial(number, 0.5 + (number * 5 % count) / 100, epochs={1: 0.4, 2: 0.5}) for number in range(count)]
    trials.append(trial(count, state="PRUNED", epochs={1: 0.31}, why="epoch 1: 31.00 %, rank 9 of the 9 trials"))
    return facts("compact-1", by_slot(trials), ABOUT, rule="Cut short: below the median.", **more)


class Reader(HTMLParser):
    """The page's texts, and what it would load."""

    def __init__(self, text):
        super().__init__()
        self.texts, self.loads, self.open = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        if tag not in ("meta", "img"):
            self.open.append(tag)
        self.loads += [value for name, value in attributes if name in ("src", "href")]
        if tag == "img":
            assert dict(attributes)["alt"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(" ".join(data.split()))


def read(folder):
    text = (folder / "study.html").read_text(encoding="utf-8")
    reader = Reader(text)
    assert reader.open == [] and all(source.startswith("data:image/png;base64,") for source in reader.loads)
    assert not re.search(r"https?://", text), "it opens without network"
    return reader, " ".join(reader.texts)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The reports of a study with a verdict."""
    folder = tmp_path_factory.mktemp("reports")
    page.write(folder, study(verdict=FULL))
    return folder


def test_the_page_has_the_verdict_the_ten_best_and_what_was_cut_short(written):
    reader, text = read(written)
    assert "Study compact-1" in text and "data set sample" in text
    assert "14 trials complete, 1 cut short" in text
    assert "The recipe's own values are kept" in text and "+1.00 points" in text and "0.9800 is needed" in text
    best = [row.slot for row in study().best()]
    assert len(best) == 10 and all(str(slot) in reader.texts for slot in best)
    assert "63.00 %" in text and "53.00 %" not in text, "no more than the ten best"
    assert "epoch 1: 31.00 %, rank 9 of the 9 trials" in text and "Cut short: below the median." in text
    assert all(name in text for name in ("train.learning_rate", "train.batch_size", "model.pooling"))


def test_a_finalist_that_was_stopped_says_when_instead_of_a_probability(tmp_path):
    ended = {**FULL["finalists"][0], "stopped": None}
    page.write(tmp_path, study(verdict={**FULL, "finalists": [ended, {**ended, "trial": 4, "stopped": 8}]}))
    texts = read(tmp_path)[0].texts
    assert texts.count("stopped after epoch 8") == 1 and texts.count("0.9300") == 1


def test_every_picture_is_a_png_beside_the_page_and_in_it(written):
    found = {path.name: path.read_bytes() for path in (written / "study").iterdir()}
    assert found.keys() == {"history.png", "importances.png", "slices.png", "parallel.png"}
    assert all(content.startswith(b"\x89PNG") for content in found.values())
    assert len(read(written)[0].loads) == len(found)


def test_the_same_study_gives_the_same_bytes(written, tmp_path):
    page.write(tmp_path, study(verdict=FULL))
    for path in (written / "study.html", *(written / "study").iterdir()):
        assert (tmp_path / path.relative_to(written)).read_bytes() == path.read_bytes(), path.name


def test_the_parameter_that_decides_is_the_most_important():
    trials = [trial(number, 0.4 + 0.2 * (number / 30) ** 2, learning_rate=0.001 + number / 1000,
                    batch_size=16 + number * 37 % 100, pooling="average") for number in range(30)]
    shares = pictures.importances(facts("s", by_slot(trials), ABOUT))
    assert next(iter(shares)) == "train.learning_rate" and shares["train.learning_rate"] > 0.7
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("trials", [
    [], [trial(0, 0.5)], [trial(0, state="RUNNING")], [trial(number, 0.5) for number in range(6)],
    [trial(0, 0.5), trial(1, state="PRUNED", why="diverged")],
], ids=["none", "one", "running", "all equal", "one cut short before its first epoch"])
def test_a_study_with_little_to_show_has_its_history_alone(tmp_path, trials):
    page.write(tmp_path, facts("compact-1", by_slot(trials), ABOUT))
    _, text = read(tmp_path)
    assert "The study goes on" in text
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["history.png"]


def test_without_a_study_the_files_say_so(tmp_path):
    page.write_none(tmp_path, "no search: this recipe keeps its values")
    assert "no search: this recipe keeps its values" in read(tmp_path)[1]
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["history.png"]


def test_old_pictures_go_when_a_study_has_fewer(written, tmp_path):
    page.write(tmp_path, study())
    page.write(tmp_path, facts("other", by_slot([trial(0, 0.5)]), ABOUT))
    assert [path.name for path in (tmp_path / "study").iterdir()] == ["history.png"]


def test_what_others_wrote_into_a_study_is_text_on_the_page(tmp_path):
    odd = '<script>alert("x")</script>'
    page.write(tmp_path, facts(odd, by_slot([trial(0, 0.5), trial(1, state="PRUNED", why=odd)]), {"recipe": odd}))
    assert "<script>" not in (tmp_path / "study.html").read_text(encoding="utf-8")


def test_a_study_that_weighs_speed_shows_its_front(tmp_path):
    trials = [trial(0, 0.6, milliseconds=1.0), trial(1, 0.5, milliseconds=0.5), trial(2, 0.55, milliseconds=0.9),
              trial(3, 0.58, milliseconds=1.2), trial(4, 0.7, milliseconds=3.0)]
    found = facts("compact-2", by_slot(trials), ABOUT, {"front": [1, 2, 0, 4]})
    assert [row.slot for row in found.front()] == [1, 2, 0, 4], "trial 3 is beaten in both"
    page.write(tmp_path, found)
    _, text = read(tmp_path)
    assert "The Pareto front" in text and "A front of 4 trials" in text and "0.5" in text
    assert (tmp_path / "study/front.png").exists()


def test_times_of_several_machines_are_told_apart_without_their_names(tmp_path):
    trials = [trial(0, 0.6, milliseconds=1.0), trial(1, 0.5, milliseconds=0.5), trial(2, 0.7, milliseconds=0.9)]
    for made, host in zip(trials, ("ada", "ada", "grace"), strict=True):
        made.set_user_attr("host", host)
    for count, said in ((2, False), (3, True)):
        found = facts("compact-2", by_slot(trials[:count]), ABOUT)
        assert [row.machine for row in found.rows] == [1, 1, 2][:count]
        page.write(tmp_path, found)
        reader, text = read(tmp_path)
        assert ("measured on 2 machines: compare only trials of the same one" in text) == said
        assert ("Machine" in reader.texts) == said and "grace" not in text


def test_a_trial_without_a_conditional_parameter_is_drawn_too(tmp_path):
    trials = [trial(number, 0.5 + number / 100, learning_rate=0.001 + number / 100,
                    **({"pooling": "average"} if number % 2 else {})) for number in range(6)]
    page.write(tmp_path, facts("compact-3", by_slot(trials), ABOUT))
    assert (tmp_path / "study/parallel.png").exists()


def test_a_taken_trial_is_said_with_its_evidence():
    taken = {**FULL, "taken": 3, "finalists": [{**FULL["finalists"][0], "probability": 0.995}]}
    style, headline, why = page.words(taken)
    assert (style, headline) == ("good", "Trial 3 is taken") and "0.9950" in why and "+1.00 points" in why
    stopped = {**FULL["finalists"][0], "gain": -0.0074, "probability": 0.0, "stopped": 8}
    assert "trial 3 was stopped after epoch 8, 0.74 points behind" in page.words({**FULL, "finalists": [stopped]})[2]
    none = {"finalists": [], "taken": None}
    assert "none was trained at full length" in page.words(none)[2]
    better = page.words({**none, "best_trial": 3})[2]
    assert "No trial was more accurate" in page.words({**none, "best_trial": 0})[2]
    assert better.startswith("Trial 3 was the most accurate") and "`tune.finalists` is 0" in better
    perfect = page.words({"recipe_accuracy": 0.995, "finalists": [], "taken": None})[2]
    assert perfect.startswith("At full length they get 99.50 % of PublicTest right")
