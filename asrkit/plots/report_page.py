"""The page of a report: tables, curves and, for every error, what is drawn when it is opened."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from asrkit.evaluation.comparison import Comparison
from asrkit.evaluation.detection import Detection
from asrkit.evaluation.scoring import NO_DECISION, Counts, ErrorReport
from asrkit.evaluation.significance import wilson_interval
from asrkit.plots.html import Cell, Column, Html, document, paragraph, section, table, tag
from asrkit.plots.svg import Curve, draw_curves

MOST_WORDS = 60  # of a confusion matrix that is drawn; of more the confusions are listed
MOST_CONFUSIONS = 200
LEAST = 5e-4  # on the scale of deviates: what is less is drawn there
DEVIATES = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6)
KEYS = (
    ("j, k", "next and previous error"),
    ("o", "open or close it"),
    ("p", "play it"),
    ("/", "search"),
    ("Esc", "silence"),
)


def percent(part: float, digits: int = 2) -> str:
    """Write a share in per cent."""
    return f"{100 * part:.{digits}f}"


def rate_cells(counts: Counts) -> list[str]:
    """Errors, words, per cent and Wilson's interval."""
    wrong, words = counts.errors, counts.words
    low, high = wilson_interval(min(wrong, words), words)
    rate = percent(wrong / words) if words else ""
    return [str(wrong), str(words), rate, f"{percent(low, 1)} to {percent(high, 1)}"]


RATES = (
    Column("errors", True),
    Column("words", True),
    Column("WER %", True),
    Column("95 % interval", False, False),
)


def systems_table(rows: Sequence[Mapping[str, str]]) -> Html:
    """The table of systems: rows of column to text, all with the same columns."""
    words = {"system", "family", "95 % interval", "95 %, other speakers", "size"}
    columns = [Column(name, name not in words, True, name == "size") for name in rows[0]]
    return table(columns, [list(row.values()) for row in rows], "Error rates, sizes and speeds")


def comparisons_table(pairs: Sequence[tuple[str, str, Comparison]]) -> Html:
    """McNemar's test of every pair."""
    rows = []
    for a, b, found in pairs:
        low, high = found.interval
        rows.append(
            [
                f"A = {a}, B = {b}",
                str(found.only_a),
                str(found.only_b),
                f"{found.p:.2g}",
                f"{found.difference:.2f} ({low:.2f} to {high:.2f})",
                found.verdict,
            ]
        )
    columns = [
        Column("systems"),
        Column("only A right", True),
        Column("only B right", True),
        Column("p", True),
        Column("B - A, % (95 %)", False, False),
        Column("verdict", False, False, True),
    ]
    return table(columns, rows, "Paired on the same recordings: McNemar's exact test")


def groups_table(
    name: str, caption: str, groups: Mapping[str, Sequence[Counts]], systems: Sequence[str]
) -> Html:
    """Errors by speaker or by word: Counts of each system."""
    several = len(systems) > 1
    columns = [Column(name)]
    for system in systems:
        columns += [Column(f"{system} {c.name}" if several else c.name, c.numeric, c.sorts) for c in RATES]
    rows = [
        [group, *(cell for own in counts for cell in rate_cells(own))] for group, counts in groups.items()
    ]
    return table(columns, rows, caption)


def word_counts(report: ErrorReport) -> dict[str, Counts]:
    """Errors by the word that was said."""
    found = {}
    for place, word in enumerate(report.words):
        row = report.confusion[place]
        if row.sum():
            wrong, gone = int(row[:-1].sum() - row[place]), int(row[-1])
            found[word] = Counts(int(row.sum()), wrong + gone, int(row[place]), wrong, 0, gone)
    return found


def confusion_matrix(system: int, name: str, report: ErrorReport) -> Html:
    """Rows are what was said, columns what was heard; a cell that is not empty is a button."""
    counts = report.confusion
    panel = Html(f'<div class="panel" id="cell-{system}" tabindex="-1" aria-live="polite" hidden></div>')
    heading = tag("h3", name)
    if len(report.words) > MOST_WORDS:
        rows = [
            [said, heard or NO_DECISION, str(count)]
            for said, heard, count in report.confusions[:MOST_CONFUSIONS]
        ]
        columns = [Column("said"), Column("heard"), Column("times", True)]
        return Html(
            heading
            + table(columns, rows, f"{name}: the most frequent confusions of {len(report.words)} words")
        )
    heard = [*report.words, ""]
    if not counts[:, -1].any():
        heard = heard[:-1]
    head = "".join(f'<th scope="col">{escape(word or "none")}</th>' for word in heard)
    body = ""
    for i, said in enumerate(report.words):
        if not counts[i].any():
            continue
        cells = ""
        for j, word in enumerate(heard):
            count = int(counts[i, j])
            if not count:
                cells += "<td></td>"
                continue
            told = f"{said} heard as {word or 'no word'}, {count}"
            kind = "good" if i == j else "bad"
            cells += (
                f'<td class="{kind}"><button type="button" data-system="{system}" data-said="{escape(said)}" '
                f'data-heard="{escape(word)}" aria-label="{escape(told)}">{count}</button></td>'
            )
        body += f'<tr><th scope="row">{escape(said)}</th>{cells}</tr>'
    caption = f"{name}: rows are what was said, columns what was heard; a cell opens its recordings"
    return Html(
        f'{heading}<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}: confusion matrix"><table class="matrix">'
        f'<caption>{escape(caption)}</caption><thead><tr><th scope="col">said</th>{head}</tr></thead><tbody>{body}</tbody></table></div>{panel}'
    )


def calibration_curves(found: Mapping[str, Detection]) -> Html:
    """The share of right words against the probability that was given."""
    curves = []
    for name, detection in found.items():
        mean, right, weight = detection.reliability
        curves.append(Curve(name, mean[weight > 0], right[weight > 0]))
    ticks = [(t / 5, f"{t / 5:g}") for t in range(6)]
    drawn = draw_curves(
        curves,
        "calibration",
        "probability that was given",
        "share that is right",
        ticks,
        ticks,
        diagonal=True,
        points=True,
        names="bottom",
    )
    told = "; ".join(
        f"{name}: calibration error {d.calibration_error:.3f}, Brier score {d.brier:.3f}"
        for name, d in found.items()
    )
    return figure(drawn, f"Calibration in ten bins; on the dotted line a probability is what it says. {told}")


def det_curves(found: Mapping[str, Detection], what: str) -> Html:
    """What passes against what is rejected, as the limit moves, on the scale of normal deviates (Martin et al., 1997)."""
    from scipy.special import ndtri  # late: needed here only

    curves = []
    for name, detection in found.items():
        _, rejected, accepted = detection.curve
        x, y = (ndtri(np.clip(rates, LEAST, 1 - LEAST)) for rates in (rejected, accepted))
        keep = np.unique(np.linspace(0, len(x) - 1, min(len(x), 400)).astype(int))
        curves.append(Curve(name, x[keep], y[keep]))
    ticks = [(float(ndtri(rate)), f"{100 * rate:g} %") for rate in DEVIATES]
    drawn = draw_curves(
        curves,
        "detection error trade-off",
        "right words that are rejected",
        f"{what} that are accepted",
        ticks,
        ticks,
        diagonal=True,
    )
    told = "; ".join(
        f"{name}: equal error rate {100 * d.equal_error_rate:.1f} %" for name, d in found.items()
    )
    return figure(drawn, f"What a limit for the probability costs and brings. {told}")


def training_curves(name: str, curves: Mapping[str, Sequence[tuple[int, float, int, bool]]]) -> Html:
    """The objective of every word's training, iteration by iteration."""
    made = [
        Curve(word, np.array([p[0] for p in points], dtype=float), np.array([p[1] for p in points]))
        for word, points in curves.items()
    ]
    last = max(int(curve.x.max()) for curve in made)
    low, high = min(float(c.y.min()) for c in made), max(float(c.y.max()) for c in made)
    step = max(1, -(-last // 6))
    x_ticks = [(float(t), str(t)) for t in range(0, last + step, step)]
    y_ticks = [(float(y), f"{y:.1f}") for y in np.linspace(low, high if high > low else low + 1, 5)]
    drawn = draw_curves(
        made, f"{name}: training", "iteration", "log-likelihood a frame", x_ticks, y_ticks, names="ends"
    )
    return figure(drawn, f"{name}: the objective of every word's training")


def figure(drawn: str, caption: str) -> Html:
    return Html(f"<figure>{drawn}<figcaption>{escape(caption)}</figcaption></figure>")


def charts(*figures: Html) -> Html:
    return Html(f'<div class="charts">{"".join(figures)}</div>')


def errors_section(cases: Mapping[str, Mapping[str, Any]], systems: Sequence[str], more: str) -> Html:
    """The table of errors with its filters; `more` says where further ones are."""
    if not cases:
        return section("errors", "Errors", paragraph("None."))
    several = len(systems) > 1

    def choice(name: str, label: str, values: Sequence[str]) -> str:
        options = "".join(f'<option value="{escape(value)}">{escape(value)}</option>' for value in values)
        return f'<label for="{name}">{label}<select id="{name}"><option value="">all</option>{options}</select></label>'

    ordered = {key: sorted({str(one[key]) for one in cases.values()}) for key in ("said", "speaker")}
    heard = sorted({str(own["heard"]) for one in cases.values() for own in one["systems"].values()})
    tools = (
        '<div class="tools noprint" role="search" aria-label="errors"><label for="find">search<input id="find" type="search" autocomplete="off"></label>'
        + choice("said", "said", ordered["said"])
        + choice("heard", "heard", heard)
        + choice("speaker", "speaker", ordered["speaker"])
        + (choice("system", "wrong in", list(systems)) if several else "")
        + '<button type="button" class="do" id="clear">Clear</button>'
        '<button type="button" class="do" id="open-all">Open all</button>'
        '<button type="button" class="do" id="close-all">Close all</button></div>'
        '<p id="count" aria-live="polite"></p>'
    )
    columns = [Column("recording"), Column("sound", False, False), Column("speaker"), Column("said")]
    for name in systems:
        columns += [
            Column(f"{name} heard" if several else "heard"),
            Column(f"{name} p" if several else "p", True),
        ]
    columns += [Column("ahead by nats", True), Column("nearest in training")]
    rows, attributes = [], []
    for utt, one in cases.items():
        opener = Html(f'<button type="button" class="open" aria-expanded="false">{escape(utt)}</button>')
        sound = Html(
            f'<button type="button" class="do play" data-play="{escape(utt)}" aria-label="play {escape(utt)}">▶</button>'
        )
        row: list[str | Cell] = [
            Cell(opener, utt),
            sound,
            one["speaker"],
            tag("span", one["said"], class_="said"),
        ]
        leads = []
        for name in systems:
            own = one["systems"].get(name)
            if own is None:
                row += ["", ""]
                continue
            row += [tag("span", own["heard"], class_="heard"), "" if own["p"] is None else f"{own['p']:.3f}"]
            if own["contrast"] is not None:
                leads.append(own["contrast"]["total"])
        row.append(f"{leads[0]:.1f}" if leads else "")
        row.append(one["neighbours"][0]["word"] if one["neighbours"] else "")
        rows.append(row)
        attributes.append(f' data-utt="{escape(utt)}"')
    keys = "".join(f"<kbd>{escape(key)}</kbd> {escape(what)} &nbsp; " for key, what in KEYS)
    told = paragraph(
        "Opened, an error shows the best path through the word that was said above that of the word that won, and what each frame added for the one "
        "and the other, in nats (natural logarithms of the likelihood: one nat is a factor of 2.7); the coloured stretch decided it."
    )
    made = table(
        columns,
        rows,
        "Errors, those of which a system was most sure first",
        row_attributes=attributes,
        body_id="error-rows",
    )
    return section(
        "errors", "Errors", told, tools, made, Html(f'<p class="soft noprint">{keys}</p>'), Html(more)
    )


def suspects_section(suspects: Sequence[Sequence[str]], many: int) -> Html:
    """Recordings that are probably mislabelled: rows of utterance, speaker, label, heard, p, nearest."""
    told = paragraph(
        "All systems that know how sure they are hear the same other word here, and are sure of it, though they were not trained on the recording, and "
        "hardly another recording of that word by the same speaker is heard so. Listen, and mend the transcript where it is wrong."
    )
    if not suspects:
        return section("suspects", "Probably mislabelled", paragraph("None."))
    rows = []
    for utt, speaker, said, heard, p, near in suspects:
        link = tag("a", utt, href="#errors", data_utt=utt)
        sound = Html(
            f'<button type="button" class="do play" data-play="{escape(utt)}" aria-label="play {escape(utt)}">▶</button>'
        )
        rows.append([Cell(link, utt), sound, speaker, said, heard, p, near])
    columns = [
        Column("recording"), Column("sound", False, False), Column("speaker"), Column("label"), Column("heard"), Column("p", True),
        Column("nearest in training"),
    ]  # fmt: skip
    rest = [paragraph(f"{many - len(rows)} more stand in report.json.")] if many > len(rows) else []
    return section(
        "suspects",
        "Probably mislabelled",
        told,
        table(columns, rows, "Sure to be another word than the label says"),
        *rest,
    )


def report_document(
    title: str, sections: Sequence[tuple[str, str, str]], data: Mapping[str, Any], sounds: Mapping[str, str]
) -> str:
    """Write the page of some sections: name, title in the navigation, HTML; `sounds` are FLAC in base64, by the names they have in `data`."""
    return document(
        title,
        "".join(html for _, _, html in sections),
        [(name, shown) for name, shown, _ in sections],
        {**data, "sounds": list(sounds)},
        ("draw.js", "player.js", "report.js"),
        sounds.values(),
    )
