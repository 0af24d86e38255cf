"""TextGrids of pronunciation scores: what the tables say, read by asrkit's reader and by another."""

import re
import shutil

import kaldiio
import numpy as np
import pytest
from command import asrkit
from scored import rows_of, write_scored

from asrkit.io.names import file_name
from asrkit.io.score_textgrid import score_text
from asrkit.io.textgrid import read_textgrid


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_scored(tmp_path_factory.mktemp("made"))


def by_lines(path):
    """Tiers of a TextGrid in the long form, by Praat's labels alone: {name: [(from, to, text)]}."""
    tiers = {}
    for part in re.split(r"    item \[\d+\]:\n", path.read_text(encoding="utf-8"))[1:]:
        name = re.search(r'name = "(.*)"', part)[1]
        tiers[name] = [
            (float(a), float(b), text)
            for a, b, text in re.findall(
                r'intervals \[\d+\]:\n +xmin = (\S+)\n +xmax = (\S+)\n +text = "(.*)"', part
            )
        ]
        assert len(tiers[name]) == int(re.search(r"intervals: size = (\d+)", part)[1])
    return tiers


def test_textgrids_say_what_the_table_says(made):
    rows = rows_of(made / "scores" / "phones.tsv")
    lengths = {
        utt: len(feats) / 100
        for utt, feats in kaldiio.load_scp(str(made / "test" / "data" / "feats.scp")).items()
    }
    assert {path.name for path in (made / "scores" / "textgrid").iterdir()} == {
        f"{utt}.TextGrid" for utt in lengths
    }
    for utt, end_s in lengths.items():
        path = made / "scores" / "textgrid" / f"{utt}.TextGrid"
        mine, tiers = [row for row in rows if row["utt"] == utt], by_lines(path)
        assert list(tiers) == ["words", "phones", "loglik", "posterior", "ratio", "z", "pct"]
        assert {
            tier.name: [(p.start_s, p.end_s, p.label) for p in tier.intervals] for tier in read_textgrid(path)
        } == tiers
        for intervals in tiers.values():
            assert intervals[0][0] == 0 and intervals[-1][1] == end_s
            assert all(a[1] == b[0] for a, b in zip(intervals, intervals[1:]))
        assert [text for *_, text in tiers["words"]] == ["one", "", "two", ""]
        assert tiers["words"][0][1] == float(mine[2]["end"]) and tiers["words"][2][0] == float(
            mine[3]["start"]
        )
        assert [text for *_, text in tiers["phones"]] == [
            *(row["phone"] for row in mine[:3]),
            "",
            *(row["phone"] for row in mine[3:]),
            "",
        ]
        for kind in ("loglik", "posterior", "z", "pct"):
            spans = {(a, b): text for a, b, text in tiers[kind]}
            for row in mine:
                text = spans[float(row["start"]), float(row["end"])]
                if row["phone"] == "ZH":
                    assert text == "" and row[kind] == "nan"
                else:
                    assert (
                        float(text) == pytest.approx(float(row[kind]), rel=6e-4, abs=6e-5) and "e" not in text
                    )


def test_tiers_are_those_that_have_values(made, tmp_path):
    alone = tmp_path / "ali" / "other.ctm"  # no words.ctm belongs to it
    alone.parent.mkdir()
    alone.write_text((made / "test" / "ali" / "phones.ctm").read_text())
    asrkit(
        "mixgop",
        "score",
        made / "exp",
        made / "test" / "data",
        alone,
        tmp_path,
        "--textgrid",
        "--posterior=false",
    )
    assert list(by_lines(tmp_path / "textgrid" / "ann-00.TextGrid")) == ["phones", "loglik", "z", "pct"]


def test_no_textgrid_stays_of_an_earlier_scoring(made, tmp_path):
    words = ["mixgop", "score", made / "exp", made / "test" / "data", made / "test" / "ali", tmp_path]
    asrkit(*words)
    assert not (tmp_path / "textgrid").exists()
    (tmp_path / "textgrid").mkdir()
    for name in ("old.TextGrid", "ann-00.TextGrid", "notes.txt"):
        (tmp_path / "textgrid" / name).write_text("mine")
    asrkit(*words, "--textgrid")
    names = {path.name for path in (tmp_path / "textgrid").iterdir()}
    assert "old.TextGrid" not in names and "notes.txt" in names and len(names) == 13
    assert (tmp_path / "textgrid" / "ann-00.TextGrid").read_bytes() == (
        made / "scores" / "textgrid" / "ann-00.TextGrid"
    ).read_bytes()
    asrkit(*words)
    assert [path.name for path in (tmp_path / "textgrid").iterdir()] == ["notes.txt"]


def test_overlaps_slashes_and_phones_without_length(made, tmp_path, capsys):
    names = {"ann-00": "../../a/b", "ann-01": "..", "ann-02": "a%2Fb"}
    (tmp_path / "data").mkdir()
    feats = kaldiio.load_scp(str(made / "test" / "data" / "feats.scp"))
    some = {names[utt]: feats[utt] for utt in sorted(names, key=names.get)}
    kaldiio.save_ark(str(tmp_path / "feats.ark"), some, scp=str(tmp_path / "data" / "feats.scp"))
    # the second lies within the first
    lines = ["0.00 0.20 AA", "0.19 0.005 B", "0.19 0.10 SH", "0.30 0.00 B", "0.30 0.05 AA"]
    (tmp_path / "ali.ctm").write_text("".join(f"{utt} 1 {line}\n" for utt in some for line in lines))
    asrkit(
        "mixgop",
        "score",
        made / "exp",
        tmp_path / "data",
        tmp_path / "ali.ctm",
        tmp_path / "deep" / "out",
        "--textgrid",
    )
    written = sorted(
        path.relative_to(tmp_path / "deep" / "out").as_posix() for path in tmp_path.rglob("*.TextGrid")
    )
    assert written == [
        "textgrid/..%2F..%2Fa%2Fb.TextGrid",
        "textgrid/...TextGrid",
        "textgrid/a%252Fb.TextGrid",
    ]
    tiers = by_lines(tmp_path / "deep" / "out" / written[0])
    assert [text for *_, text in tiers["phones"] if text] == ["AA", "SH", "AA"]
    assert [(a, b) for a, b, text in tiers["phones"] if text][:2] == [(0.0, 0.2), (0.2, 0.29)]
    assert "WARNING: 3 utterances: phones without length" in capsys.readouterr().err


def test_text_of_a_score():
    values = {
        -97.29057: "-97.29",
        0.31931: "0.3193",
        -123456.7: "-123457",
        -3.3e-05: "0",
        0.0: "0",
        100.0: "100.0",
        -np.inf: "-inf",
        np.nan: "",
    }
    assert {value: score_text(value) for value in values} == values
    assert len({file_name(name) for name in ("a/b", "a%2Fb", "a%252Fb", "a\\b", "a_b")}) == 5


def test_a_word_said_twice_is_two_intervals(made, tmp_path):
    shutil.copytree(made / "test" / "ali", tmp_path / "ali")
    path = tmp_path / "ali" / "words.ctm"
    path.write_text(path.read_text().replace("two", "one"))
    asrkit(
        "mixgop",
        "score",
        made / "exp",
        made / "test" / "data",
        tmp_path / "ali",
        tmp_path / "out",
        "--textgrid",
    )
    grid = next((tmp_path / "out" / "textgrid").iterdir())
    assert [phone.label for phone in read_textgrid(grid)[0].intervals] == ["one", "", "one", ""]
