"""Markdown as one web page that needs no network: the style is in it, pictures lie beside it."""

import posixpath
import re
from html import escape

STYLE = """\
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60666e; --line: #d9dde2; --back: #ffffff; --panel: #f5f6f8;
  --link: #1a5fa8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #9aa1aa; --line: #343a41; --back: #14171a;
  --panel: #1d2125; --link: #7db8ea; } }
body { margin: 0 auto; padding: 1.2rem; max-width: 62rem; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .4rem 0 1rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .3rem; }
a { color: var(--link); }
code { background: var(--panel); padding: .1em .3em; border-radius: .2em; font-size: .9em; }
pre { background: var(--panel); padding: .8rem; overflow-x: auto; }
pre code { padding: 0; }
table { display: block; overflow-x: auto; border-collapse: collapse; font-size: .92rem; margin: 1rem 0; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top;
  font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th:empty { padding: 0; border: 0; }
img { max-width: 100%; height: auto; background: #ffffff; border-radius: .3rem; }
details { margin: 1rem 0; }
summary { cursor: pointer; font-weight: 600; }
nav a { margin-right: 1rem; white-space: nowrap; }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem; }
.gallery.large { grid-template-columns: repeat(auto-fill, minmax(min(26rem, 100%), 1fr)); }
.gallery figure { margin: 0; }
.gallery img { width: 100%; aspect-ratio: 3 / 2; object-fit: contain; }
@media (min-width: 50rem) { td { min-width: 6.5rem; } }
@media print { body { max-width: none; } table { display: table; } }
"""


def anchor(heading: str) -> str:
    """The id of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def body(markdown: str, demoted: int = 0, prefix: str = "") -> str:
    """Markdown (CommonMark with tables) as HTML; HTML in the Markdown is shown as text.

    Args:
        demoted: by how many levels the headings are lowered, for a part of a larger page.
        prefix: of the headings' ids, which are otherwise those that GitHub makes.
    """
    from itertools import pairwise

    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    for token, following in pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", prefix + anchor(following.content))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + demoted, 6)}"
        for child in token.children or ():
            if child.type == "image":
                child.attrSet("loading", "lazy")
    return str(parser.renderer.render(tokens, parser.options, {}))


def rebased(markdown: str, source: str, target: str) -> str:
    """Markdown of a file in the folder ``source`` for one in ``target``: relative links and pictures lead where they
    led. Both folders are relative to the project."""
    def link(match: re.Match[str]) -> str:
        path, mark, rest = match[1].partition("#")
        if not path or re.match(r"[a-z]+:|/", path):
            return match[0]
        return f"]({posixpath.relpath(posixpath.join(source, path), target or '.')}{mark}{rest})"

    return re.sub(r"\]\(([^)\s]+)\)", link, markdown)


def page(title: str, content: str) -> str:
    """A whole page around ``content``, which is HTML."""
    return (f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
            f"<style>\n{STYLE}</style></head><body>\n{content}</body></html>\n")
