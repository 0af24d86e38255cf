"""The site is closed: no page loads anything from elsewhere, and every link inside of it leads somewhere. A fault ends the build."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sphinx.util import logging

logger = logging.getLogger(__name__)
LOADS = {
    "script": "src",
    "img": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "iframe": "src",
    "embed": "src",
}
# Of <link> these say something about the page and load nothing.
QUIET = {"canonical", "next", "prev", "author", "index", "search", "license", "alternate"}
IN_STYLE = re.compile(r"(?:@import\s+|url\(\s*)['\"]?((?:https?:)?//[^'\")\s]+)")


class Page(HTMLParser):
    """What a page loads, where it links to, and which places it has."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.links, self.ids, self.base = [], [], {""}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        given = {name: value or "" for name, value in attrs}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag in LOADS and LOADS[tag] in given:
            self.loads.append(given[LOADS[tag]])
        if tag == "link" and not QUIET & set(given.get("rel", "").split()):
            self.loads.append(given.get("href", ""))
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        self.loads += IN_STYLE.findall(given.get("style", ""))


def faults(folder):
    """What is wrong with the pages below a folder, a line each."""
    folder = Path(folder).resolve()
    paths = sorted(path for path in folder.rglob("*.html") if path.relative_to(folder).parts[0] != "_static")
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in paths}
    for path, page in pages.items():
        name = path.relative_to(folder)
        for load in page.loads:
            where = urlsplit(load)
            if where.scheme in ("http", "https") or where.netloc:
                yield f"{name}: loads {load}"
            elif not where.scheme and where.path and not (path.parent / unquote(where.path)).exists():
                yield f"{name}: loads {load}, which is not there"
        for link in page.links:
            where = urlsplit(link)
            if where.scheme or where.netloc:
                continue
            target = (path.parent / unquote(where.path)).resolve() if where.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                yield f"{name}: links to {link}, which is not there"
            elif target in pages and unquote(where.fragment) not in pages[target].ids:
                yield f"{name}: links to {link}, a place that {target.relative_to(folder)} has not"
    for path in sorted(folder.rglob("*.css")):
        for load in IN_STYLE.findall(path.read_text(encoding="utf-8", errors="replace")):
            yield f"{path.relative_to(folder)}: loads {load}"


def check(app, exception):
    if exception is None and app.builder.name == "html":
        for fault in faults(app.outdir):
            logger.warning("%s", fault)


def setup(app):
    app.connect("build-finished", check, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
