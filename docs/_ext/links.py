"""Links that work on a code host and on the site alike, and pages that lie outside of this folder.

A page links to what is there in the checkout, `../egs/digits/RESULTS.md` or `lessons/plot_01_kmeans.py`; on the site these are
pages, too.
"""

import os
import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
LINK = re.compile(r"\]\((?!\w+:|#|/)([^)\s#]+)(#[^)\s]*)?\)")


def results():
    """The results of recipes: dict of the file to the page that shows it."""
    return {path: f"results/generated/{path.parent.name}.md" for path in sorted(TOP.glob("egs/*/RESULTS.md"))}


def write_results(app):
    """A page for each RESULTS.md, which takes it in as it is."""
    for path, page in results().items():
        page = Path(app.srcdir, page)
        page.parent.mkdir(parents=True, exist_ok=True)
        source = os.path.relpath(path, page.parent).replace(os.sep, "/")
        text = f"```{{include}} {source}\n:relative-images:\n:relative-docs: .\n```\n"
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def page_of(path):
    """The page that shows a file of the checkout, as a path inside of docs; None where it is a page itself, or none."""
    known = {TOP / "README.md": "index.md", **results()}
    if path in known:
        return known[path]
    if path.parent == TOP / "docs" / "lessons":
        return "gallery/index.rst" if path.suffix != ".py" else f"gallery/{path.stem}.rst"
    if path == TOP / "docs" / "lessons":
        return "gallery/index.rst"
    return None


def relink(app, docname, source):
    """Let links to files that the site shows lead to their pages."""
    page = Path(app.env.doc2path(docname))
    if page.suffix != ".md":
        return

    def linked(match):
        target = page_of((page.parent / match[1]).resolve())
        return f"](/{target}{match[2] or ''})" if target else match[0]

    source[0] = LINK.sub(linked, source[0])


def skip(app, what, name, member, skipped, options):
    """scikit-learn writes methods into its estimators whose text leads to its own site."""
    return True if name.startswith("set_") and name.endswith("_request") else None


def setup(app):
    app.connect("autodoc-skip-member", skip)
    app.connect("builder-inited", write_results)
    app.connect("source-read", relink)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
