"""What makes a site of docs: links, pages of commands, formulas. The site itself is built by .ci/run."""

import re
import sys
from types import SimpleNamespace

import pytest
from pages import TOP

for needed in ("sphinx", "math_core", "ziamath"):
    pytest.importorskip(needed, reason="the extra docs is not installed")

sys.path.insert(0, str(TOP / "docs" / "_ext"))

import closed  # noqa: E402
import commands  # noqa: E402
import links  # noqa: E402
import mathml  # noqa: E402

from asrkit.cli.main import build_parser, load_command  # noqa: E402


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ('<script src="https://elsewhere.org/a.js"></script>', "loads https://elsewhere.org/a.js"),
        ('<link rel="stylesheet" href="//fonts.org/a.css">', "loads //fonts.org/a.css"),
        ('<img src="no.png">', "loads no.png, which is not there"),
        ('<p style="background: url(http://x.org/y)">', "loads http://x.org/y"),
        ('<a href="no.html">', "links to no.html, which is not there"),
        ('<a href="#no">', "links to #no, a place that index.html has not"),
        ('<a href="b.html#no">', "links to b.html#no, a place that b.html has not"),
        ('<a href="https://elsewhere.org">', None),
        ('<a href="b.html#there">', None),
        ('<a href="#">', None),
        ('<link rel="canonical" href="https://elsewhere.org/">', None),
        ('<img src="data:image/png;base64,AAAA">', None),
    ],
)
def test_what_a_closed_site_may_not_have(tmp_path, body, fault):
    (tmp_path / "index.html").write_text(f"<html><body>{body}")
    (tmp_path / "b.html").write_text('<html><body><p id="there">')
    assert list(closed.faults(tmp_path)) == ([f"index.html: {fault}"] if fault else [])


def test_styles_load_nothing_from_elsewhere(tmp_path):
    (tmp_path / "a.css").write_text("@import 'https://x.org/a.css'; p { background: url(b.png) }")
    assert list(closed.faults(tmp_path)) == ["a.css: loads https://x.org/a.css"]


@pytest.mark.parametrize("name", commands.names())
def test_the_page_of_a_command_has_all_of_its_options(name):
    parser = build_parser(name, load_command(name), [])
    told = [commands.told(action) for actions in commands.options_of(parser).values() for action in actions]
    shown = re.findall(r"--[\w-]+", " ".join(option for option, _, _ in told))
    assert set(parser.known_flags()) - {"--help"} <= set(shown)
    for option, meaning, default in told:
        assert meaning and "(default" not in meaning, (option, meaning)
        assert default.count("(") == default.count(")"), (option, default)


def test_formulas_are_mathml():
    assert "<mfrac><mn>1</mn><mn>2</mn></mfrac>" in mathml.mathml(r"\frac12")
    aligned = mathml.mathml(r"a &= b \\ c &= d", block=True)
    assert aligned.startswith('<math display="block"') and aligned.count("<mtr>") == 2
    with pytest.raises(mathml.LatexError):
        mathml.mathml(r"\nonsense")
    assert mathml.FONT.is_file()


@pytest.mark.parametrize(
    ("page", "text", "then"),
    [
        ("index", "[r](../egs/digits/RESULTS.md#x)", "[r](/results/generated/digits.md#x)"),
        ("guide/x", "[r](../../egs/digits/RESULTS.md)", "[r](/results/generated/digits.md)"),
        ("guide/x", "[home](../../README.md)", "[home](/index.md)"),
        ("index", "[all](lessons/README.rst)", "[all](/gallery/index.rst)"),
        ("index", "[one](lessons/plot_01_kmeans.py)", "[one](/gallery/plot_01_kmeans.rst)"),
        ("index", "[d](design.md), [w](https://x.org/README.md), ![p](a.png)", None),
    ],
)
def test_links_to_files_lead_to_their_pages(page, text, then):
    app = SimpleNamespace(env=SimpleNamespace(doc2path=lambda name: str(TOP / "docs" / f"{name}.md")))
    source = [text]
    links.relink(app, page, source)
    assert source[0] == (then or text)


def test_every_lesson_is_in_the_table_of_topics():
    table = (TOP / "docs" / "topics.md").read_text(encoding="utf-8")
    lessons = [path.name for path in (TOP / "docs" / "lessons").glob("plot_*.py")]
    assert not [name for name in lessons if f"(lessons/{name})" not in table]
