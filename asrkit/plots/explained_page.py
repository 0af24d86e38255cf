"""The page of one recording: what was heard, and why."""

from collections.abc import Mapping
from html import escape
from typing import Any

from asrkit.plots.html import Column, Html, document, paragraph, section, table
from asrkit.words.confidence import UNKNOWN


def explained_page(title: str, values: Mapping[str, Any], sound: str) -> str:
    """Write the page of one recording.

    Parameters
    ----------
    values : dict
        As `Explained.to_json` gives them.
    sound : str
        FLAC in base64.
    """
    contrast = values["contrast"]
    buttons = [("Play all", 0.0, 0.0), ("Play what was heard", values["start_s"], values["end_s"])]
    legend = "The sound, and its spectrogram. Lines: the ends of what was heard, where it is not all."
    if contrast is not None:
        first, last = contrast["decided"]
        begin_s, end_s = (values["start_s"] + t * values["frame_shift_s"] for t in (first, last + 1))
        buttons.append(("Play the stretch that decided", begin_s, end_s))
        legend += (
            " Below: the states of the best path through each of the two words; bars: what each frame adds for the one (up) or the other (down); line: "
            "their sum so far; coloured: the stretch that decided."
        )
    made = "".join(
        f'<button type="button" class="do" data-from="{start:.4f}" data-to="{end:.4f}">{escape(text)}</button>'
        for text, start, end in buttons
    )
    figure = Html(
        f'<div class="tools noprint">{made}</div><div class="figure"><canvas role="img" aria-label="{escape(values["why"])}"></canvas>'
        f'<div class="cursor"></div></div>'
    )
    rows = [
        [
            "none of them" if one["word"] == UNKNOWN else one["word"],
            "" if one["p"] is None else f"{one['p']:.3f}",
            "" if one["log_likelihood"] is None else f"{one['log_likelihood']:.1f}",
        ]
        for one in values["ranked"]
    ]
    columns = [
        Column("word", False, False),
        Column("probability", True, False),
        Column("log-likelihood", True, False),
    ]
    body = section("why", "Why", paragraph(values["why"]), figure, paragraph(legend, "soft"))
    body = Html(
        body + section("words", "The likeliest words", table(columns, rows, "Words, and how likely each is"))
    )
    return document(
        title,
        body,
        [("why", "Why"), ("words", "Words")],
        values,
        ("draw.js", "player.js", "explain.js"),
        [sound],
    )
