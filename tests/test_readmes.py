"""The pages for readers: short enough to be read, and what they name exists."""

import re
from functools import cache
from pathlib import Path

import pytest

from pipeline.cli import COMMANDS

ROOT = Path(__file__).parents[1]
# data/ may hold tens of thousands of images, so it is not searched
PATTERNS = ("*.md", "deploy/*.md", "data/*.md", "data/*/README.md", "pipeline/**/*.md", "reports/*.md", "tests/**/*.md")
PAGES = sorted({path.relative_to(ROOT).as_posix() for pattern in PATTERNS for path in ROOT.glob(pattern)
                if "node_modules" not in path.parts})
READMES = [page for page in PAGES if page.endswith("README.md") and page != "README.md"]


@cache
def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def prose(page: str) -> str:
    """A page without its blocks of code, whose lines that begin with # are no headings."""
    return re.sub(r"^```.*?^```", "", text(page), flags=re.DOTALL | re.MULTILINE)


def anchors(page: str) -> set[str]:
    """The headings of a page as GitHub makes links of them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_front_page_can_be_read_at_one_sitting():
    assert len(text("README.md").splitlines()) <= 150
    first_screen = "\n".join(text("README.md").splitlines()[:20])
    assert all(f"make {target} " in first_screen for target in ("demo", "run", "test"))


@pytest.mark.parametrize("page", READMES)
def test_the_page_of_a_folder_fits_two_screens(page):
    assert len(text(page).splitlines()) <= 100


@pytest.mark.parametrize("page", READMES)
def test_the_lines_of_a_page_can_be_read_in_a_diff(page):
    text_alone = re.sub(r"^```.*?^```", "", text(page), flags=re.MULTILINE | re.DOTALL).splitlines()
    assert not [line for line in text_alone if len(line) > 140 and not line.startswith(("|", "!["))]


@pytest.mark.parametrize("folder", ["data", "reports", "tests", "pipeline", "pipeline/recipes", "pipeline/training",
                                    "pipeline/experiments", "pipeline/reporting", "pipeline/tracking", "pipeline/demo"])
def test_the_folders_that_a_person_opens_have_a_page(folder):
    assert f"{folder}/README.md" in READMES


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_exists(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if link.startswith(("http:", "https:")):
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        assert target.exists(), f"{page}: {link}"
        if anchor:
            assert anchor in anchors(target.resolve().relative_to(ROOT.resolve()).as_posix()), f"{page}: {link}"


# The changelog also names what is gone
@pytest.mark.parametrize("page", [page for page in PAGES if page != "CHANGELOG.md"])
def test_the_commands_that_a_page_names_exist(page):
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", text(page), re.MULTILINE)) <= targets
    assert set(re.findall(r"(?:`|^)ferpipe ([a-z][a-z-]*)", text(page), re.MULTILINE)) <= COMMANDS.keys()
