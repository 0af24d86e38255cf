"""Pages of one file: HTML with its style, its scripts and its data inside, which ask no network for anything.

What comes from data is escaped where it is written: texts by `escape`, the data of the scripts by `script_json`. The page's policy (CSP) lets
no other script run than those of this package, by their digests.
"""

import base64
import hashlib
import importlib.resources
import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, NamedTuple

# Letters that could end the element of the data, or a line of it.
UNSAFE = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


class Html(str):
    """A text that is HTML already."""

    __slots__ = ()


class Column(NamedTuple):
    """A column of a table."""

    name: str
    numeric: bool = False
    sorts: bool = True
    wide: bool = False


class Cell(NamedTuple):
    """A cell of a table: what it shows, and by what it is sorted where that is something else."""

    text: str
    value: str


def asset(name: str) -> str:
    """Read a style or a script of the package."""
    return (
        importlib.resources.files("asrkit.plots").joinpath("page").joinpath(name).read_text(encoding="utf-8")
    )


def script_json(values: Any) -> str:
    """Write JSON that can stand in a script element."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(UNSAFE)


def text_of(content: str) -> str:
    """Escape a text, unless it is HTML already."""
    return content if isinstance(content, Html) else escape(content)


def tag(name: str, content: str = "", **attributes: str) -> Html:
    """Write an element; `_` in names of attributes is `-`, at their ends it is left out."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"' for key, value in attributes.items()
    )
    return Html(f"<{name}{given}>{text_of(content)}</{name}>")


def paragraph(content: str, names: str = "") -> Html:
    return tag("p", content, class_=names) if names else tag("p", content)


def table(
    columns: Sequence[Column],
    rows: Iterable[Sequence[str | Cell]],
    caption: str,
    *,
    row_attributes: Iterable[str] = (),
    body_id: str = "",
) -> Html:
    """Write a table that can be sorted by the columns that say so; the first cell of each row is its heading.

    Parameters
    ----------
    rows : iterable of sequence of str or Cell
    row_attributes : iterable of str
        Of each row, HTML already.
    """
    head = ""
    for column in columns:
        kind = ' class="n"' if column.numeric else ""
        if column.sorts:
            head += f'<th scope="col" aria-sort="none"{kind}><button type="button">{escape(column.name)}</button></th>'
        else:
            head += f'<th scope="col"{kind}>{escape(column.name)}</th>'
    given, body = iter(row_attributes), []
    for row in rows:
        cells = ""
        for place, (column, cell) in enumerate(zip(columns, row, strict=True)):
            name = "td" if place else "th"
            extra = ' class="n"' if column.numeric else ' class="wide"' if column.wide else ""
            extra += "" if place else ' scope="row"'
            if isinstance(cell, Cell):
                extra += f' data-value="{escape(cell.value)}"'
                cell = cell.text
            cells += f"<{name}{extra}>{text_of(cell)}</{name}>"
        body.append(f"<tr{next(given, '')}>{cells}</tr>")
    named = f' id="{body_id}"' if body_id else ""
    return Html(
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption)}"><table class="sorts">'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody{named}>{''.join(body)}</tbody></table></div>"
    )


def section(name: str, title: str, *parts: str) -> Html:
    """Write a section with a heading, by which the navigation finds it."""
    return Html(
        f'<section id="{name}" aria-labelledby="{name}-title"><h2 id="{name}-title">{escape(title)}</h2>{"".join(parts)}</section>'
    )


def document(
    title: str,
    body: str,
    sections: Sequence[tuple[str, str]],
    data: Any,
    scripts: Sequence[str],
    blobs: Iterable[str] = (),
) -> str:
    """Write a page.

    Parameters
    ----------
    title : str
    body : str
        HTML of the sections.
    sections : sequence of (str, str)
        Name and title of each that the navigation leads to.
    data : JSON values
        What the scripts show.
    scripts : sequence of str
        Names of assets.
    blobs : iterable of str
        Texts in base64 that a script finds by number, as blob-0, blob-1, ...: behind the scripts, so that a page works before all has come.
    """
    style, code = asset("page.css"), "\n".join(map(asset, scripts))
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src {_digest(code)}",
            f"style-src {_digest(style)}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    links = "".join(f'<li><a href="#{name}">{escape(text)}</a></li>' for name, text in sections)
    rest = "\n".join(
        f'<script type="text/plain" id="blob-{number}">{blob}</script>' for number, blob in enumerate(blobs)
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<a class="skip" href="#main">To the content</a>
<header><h1>{escape(title)}</h1></header>
<nav aria-label="Sections"><ul>{links}</ul></nav>
<main id="main" tabindex="-1">
{body}
</main>
<footer><p class="soft">Made by asrkit. This file needs nothing else: no network, no other file.</p></footer>
<script type="application/json" id="data">{script_json(data)}</script>
<script>{code}</script>
{rest}
</body>
</html>
"""


def _digest(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode('ascii')}'"
