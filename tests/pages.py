"""Pages of documentation, and what they show to be typed."""

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]


def pages():
    """README.md and every page below docs that was written by hand."""
    made = {"_build", "gallery", "generated"}
    found = [path for path in sorted((TOP / "docs").rglob("*.md")) if not made & set(path.parts)]
    return [TOP / "README.md", *found]


def blocks(page, language="bash"):
    """The blocks of a page in a language, in their order."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )


def commands(page):
    """The lines of all blocks of bash of a page."""
    return [line for block in blocks(page) for line in block.splitlines()]
