"""Markdown as web pages: tables, links and headings arrive, foreign HTML does not."""

from pipeline.system import page


def test_tables_headings_and_pictures_become_html_and_html_stays_text():
    html = page.body("# Every class\n\n| a | b |\n|---|---|\n| 1 | <script>x</script> |\n\n![A picture](a.png)\n")
    assert '<h1 id="every-class">Every class</h1>' in html and "<td>1</td>" in html
    assert "<script>" not in html and "&lt;script&gt;" in html
    assert '<img src="a.png" alt="A picture" loading="lazy" />' in html


def test_a_part_of_a_larger_page_has_lower_headings_with_ids_of_its_own():
    assert page.body("## FER+ votes\n", demoted=2, prefix="data-") == '<h4 id="data-fer-votes">FER+ votes</h4>\n'
    assert page.body("###### Deep\n", demoted=3).startswith("<h6")


def test_links_lead_where_they_led_when_a_page_moves_to_another_folder():
    text = "[a](results.md#x) ![b](replications/b.png) [c](../pipeline/c.py) [d](https://e.org/f) [g](#h)"
    assert page.rebased(text, "reports", "") == (
        "[a](reports/results.md#x) ![b](reports/replications/b.png) [c](pipeline/c.py) [d](https://e.org/f) [g](#h)")
    assert page.rebased("[a](card.html)", "reports/champion", "reports") == "[a](champion/card.html)"
    assert page.rebased("[a](data/README.md)", "", "reports") == "[a](../data/README.md)"


def test_a_page_needs_nothing_from_elsewhere_and_escapes_its_title():
    html = page.page("A <b> & c", "<p>text</p>")
    assert html.startswith("<!doctype html>") and "<title>A &lt;b&gt; &amp; c</title>" in html
    assert "http" not in html and "<script" not in html and "<link" not in html and html.endswith("</html>\n")
