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
LEAST_BIN = 5  # recordings of a bin that is drawn
LEAST_WRONG = 10  # words of a curve of errors against errors
LEAST = 5e-4  # on the scale of deviates: what is less is drawn there
DEVIATES = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6)
KEYS = (
    ("j", "next error"),
    ("k", "previous one"),
    ("o", "open or close it"),
    ("p", "play it"),
    ("/", "search"),
    ("Esc", "silence"),
)


def percent(part: float, digits: int = 2) -> str:
    """Write a share in per cent."""
    return f"{100 * part:.{digits}f}"


def rate_cells(counts: Counts) -> list[str | Cell]:
    """Errors, and per cent of the words with Wilson's interval."""
    wrong, words = counts.errors, counts.words
    if not words:
        return [str(wrong), ""]
    low, high = wilson_interval(min(wrong, words), words)
    rate = percent(wrong / words)
    interval = tag("span", f"({percent(low, 1)} to {percent(high, 1)})", class_="soft")
    return [str(wrong), Cell(Html(f"{rate} {interval}"), rate)]


RATED = (
    "system",
    "family",
    "errors",
    "words",
    "WER %",
    "accuracy %",
    "95 % interval",
    "95 %, other speakers",
)
TEXTS = ("system", "family", "95 % interval", "95 %, other speakers", "size")


def systems_table(rows: Sequence[Mapping[str, str]]) -> Html:
    """The tables of systems: rows of column to text, all with the same columns."""

    def of(names: Sequence[str], caption: str) -> Html:
        columns = [Column(name, name not in TEXTS, True, name == "size") for name in names]
        return table(columns, [[row[name] for name in names] for row in rows], caption)

    rest = ["system", *(name for name in rows[0] if name not in RATED)]
    return Html(
        of(
            RATED,
            "Error rates and accuracies (100 % less the error rate) of the words, with intervals for other recordings and for other speakers",
        )
        + of(rest, "Sizes and speeds")
    )


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
    columns = [Column(name), Column("words", True)]
    for system in systems:
        of = f"{system} " if len(systems) > 1 else ""
        columns += [Column(f"{of}errors", True), Column(f"{of}WER % (95 %)", True)]
    rows = [
        [group, str(max(own.words for own in counts)), *(cell for own in counts for cell in rate_cells(own))]
        for group, counts in groups.items()
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


def confusion_section(reports: Mapping[str, ErrorReport]) -> Html:
    """The matrices of all systems side by side, and below them what a cell opens."""
    matrices = [confusion_matrix(number, *own) for number, own in enumerate(reports.items())]
    panel = Html('<div class="panel" id="cell" tabindex="-1" aria-live="polite" hidden></div>')
    told = paragraph("Rows are what was said, columns what was heard; a cell opens its recordings.")
    beside = Html(f'<div class="charts">{"".join(matrices)}</div>')
    return section("confusion", "Confusions", told, beside, panel)


def confusion_matrix(system: int, name: str, report: ErrorReport) -> Html:
    """A cell that is not empty is a button, of a deeper colour the larger its share of the row is."""
    counts = report.confusion
    if len(report.words) > MOST_WORDS:
        rows = [
            [said, heard or NO_DECISION, str(count)]
            for said, heard, count in report.confusions[:MOST_CONFUSIONS]
        ]
        columns = [Column("said"), Column("heard"), Column("times", True)]
        return table(columns, rows, f"{name}: the most frequent confusions of {len(report.words)} words")
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
            depth = 1 + min(3, int(4 * count / counts[i].sum()))
            kind = f"{'good' if i == j else 'bad'} d{depth}"
            cells += (
                f'<td class="{kind}"><button type="button" data-system="{system}" data-said="{escape(said)}" '
                f'data-heard="{escape(word)}" aria-label="{escape(told)}">{count}</button></td>'
            )
        body += f'<tr><th scope="row">{escape(said)}</th>{cells}</tr>'
    return Html(
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}: confusion matrix"><table class="matrix">'
        f'<caption>{escape(name)}</caption><thead><tr><th scope="col">said</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def calibration_curves(found: Mapping[str, Detection]) -> Html:
    """The share of right words against the probability that was given."""
    curves = []
    for name, detection in found.items():
        mean, right, weight = detection.reliability
        enough = weight * len(detection.trials) >= LEAST_BIN
        curves.append(Curve(name, mean[enough], right[enough]))
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
    return figure(
        drawn,
        f"Calibration in bins of a tenth each, those of {LEAST_BIN} recordings or more; on the dotted line a probability is what it says. {told}",
    )


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


def learning_curves(curves: Mapping[str, Sequence[tuple[float, float]]]) -> Html:
    """Errors against how much was trained on: (utterances, share of errors) of each curve, in their order."""
    made = [
        Curve(name, np.log([utts for utts, _ in points]), np.array([100 * rate for _, rate in points]))
        for name, points in curves.items()
    ]
    counts = sorted({utts for points in curves.values() for utts, _ in points})
    kept = [counts[k] for k in np.unique(np.linspace(0, len(counts) - 1, min(len(counts), 7)).astype(int))]
    most = max(float(curve.y.max()) for curve in made)
    step = next(own for own in (0.2, 0.5, 1, 2, 5, 10, 20) if 6 * own >= most)
    drawn = draw_curves(
        made,
        "learning curves",
        "utterances in training (logarithmic)",
        "WER %",
        [(float(np.log(utts)), f"{utts:g}") for utts in kept],
        [(step * k, f"{step * k:g}") for k in range(max(2, int(np.ceil(most / step)) + 1))],
        points=True,
    )
    return figure(drawn, "Errors against the recordings that were trained on: means of the draws")


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
        columns.append(Column(f"{name} (probability)" if several else "heard (probability)"))
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
                row.append(Cell(tag("span", "right", class_="soft"), ""))
                continue
            p = "" if own["p"] is None else f"{own['p']:.3f}"
            word = tag("span", own["heard"], class_="heard")
            row.append(Cell(Html(f"{word} ({p})" if p else word), p))
            if own["contrast"] is not None:
                leads.append(own["contrast"]["total"])
        row.append(f"{max(leads):.1f}" if leads else "")
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
        Column("recording"), Column("sound", False, False), Column("speaker"), Column("label"), Column("heard"), Column("probability", True),
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
