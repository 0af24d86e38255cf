import base64
import hashlib
import html.parser
import json
import re

import pytest

from asrkit.plots.html import Cell, Column, Html, asset, document, script_json, section, table, tag

HOSTILE = "</script><img src=x onerror=alert(1)>\"'&\u2028<!--"


class Reader(html.parser.HTMLParser):
    """What a browser sees: elements with their attributes, texts, and what stands in scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts, self.scripts, self._inside = [], [], [], []
        self.feed(text)

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        self._inside.append(name)

    def handle_endtag(self, name):
        if name in self._inside:
            del self._inside[len(self._inside) - 1 - self._inside[::-1].index(name) :]

    def handle_data(self, data):
        (self.scripts if self._inside[-1:] in (["script"], ["style"]) else self.texts).append(data)


def page(data=None, body=""):
    return document(
        "a <title>", body, [("errors", "Errors & more")], data or {}, ["draw.js", "report.js"], ["QUJD"]
    )


def test_data_of_a_page_comes_back_and_ends_no_element():
    values = {HOSTILE: [HOSTILE, 1.5, None, "é"]}
    text = script_json(values)
    assert json.loads(text) == values and not set("<>&\u2028") & set(text)
    read = Reader(page(values))
    assert [name for name, _ in read.elements].count("script") == 3
    assert json.loads(read.scripts[1]) == values
    assert not any(name == "img" for name, _ in read.elements)
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json({"p": float("nan")})


def test_texts_of_data_are_escaped_wherever_they_stand():
    made = section(
        "s",
        HOSTILE,
        tag("span", HOSTILE, title=HOSTILE, data_utt=HOSTILE),
        table([Column(HOSTILE), Column("n", True)], [[Cell(HOSTILE, HOSTILE), HOSTILE]], HOSTILE),
    )
    read = Reader(made)
    assert {name for name, _ in read.elements} <= {
        "section", "h2", "span", "div", "table", "caption", "thead", "tr", "th", "button", "tbody", "td",
    }  # fmt: skip
    assert ("span", {"title": HOSTILE, "data-utt": HOSTILE}) in read.elements
    assert ("th", {"scope": "row", "data-value": HOSTILE}) in read.elements
    assert not any(name.startswith("on") for _, given in read.elements for name in given)
    assert tag("b", Html("<i>x</i>")) == "<b><i>x</i></b>"


def test_no_other_script_or_style_may_run_and_nothing_is_asked_of_a_network():
    read = Reader(page())
    (policy,) = [given["content"] for name, given in read.elements if given.get("http-equiv")]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == "'none'" and "unsafe" not in policy and "http" not in policy
    style, _, code = read.scripts[:3]
    for kind, content in (("script-src", code), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert rules[kind] == f"'sha256-{digest}'"
    for name, given in read.elements:
        assert name not in ("iframe", "object", "embed", "form", "base")
        assert not any(key in given for key in ("src", "style", "action"))
        assert given.get("href", "#").startswith(("#", "data:,"))


def test_assets_are_scripts_without_addresses_or_evaluated_texts():
    for name in ("draw.js", "player.js", "report.js", "explain.js", "page.css"):
        text = asset(name)
        assert not re.search(
            r"https?:|//[a-z]|\beval\b|new Function|innerHTML|insertAdjacentHTML|document\.write|@import",
            text,
        )


def test_blobs_stand_behind_the_scripts():
    text = page()
    assert text.index('id="blob-0">QUJD<') > text.index("use strict")
