"""Alignments in: CTM files, Praat's TextGrids and Kaldi's archives come to the same phones, and what can't be
used is said.
"""

import gzip
from pathlib import Path

import kaldiio
import numpy as np
import pytest
from command import asrkit

from asrkit.errors import DataError
from asrkit.io.ali_archive import read_ali, read_phone_table
from asrkit.io.alignment import read_alignment
from asrkit.io.textgrid import pick_tier, read_textgrid, write_textgrid
from asrkit.phones.phone import Phone, clean

CORPUS = Path(__file__).parents[3] / "shared" / "data" / "speechocean762" / "phones.ctm.gz"

LONG = """File type = "ooTextFile"
Object class = "TextGrid"

xmin = 0 
xmax = 1.2 
tiers? <exists> 
size = 3 
item []: 
    item [1]:
        class = "IntervalTier" 
        name = "Words" 
        xmin = 0 
        xmax = 1.2 
        intervals: size = 2 
        intervals [1]:
            xmin = 0 
            xmax = 0.1 
            text = "" 
        intervals [2]:
            xmin = 0.1 
            xmax = 1.2 
            text = "say ""go"" 3 <x> ! intervals [7]:" 
    item [2]:
        class = "TextTier" 
        name = "clicks" 
        xmin = 0 
        xmax = 1.2 
        points: size = 1 
        points [1]:
            number = 0.3 
            mark = "here" 
    item [3]:
        class = "IntervalTier" 
        name = "Phones" 
        xmin = 0 
        xmax = 1.2 
        intervals: size = 4 
        intervals [1]:
            xmin = 0 
            xmax = 0.1 
            text = "sil" 
        intervals [2]:
            xmin = 0.1 
            xmax = 5e-1 
            text = "ɡ" 
        intervals [3]:
            xmin = 0.5 
            xmax = 1.125 
            text = "OW1" 
        intervals [4]:
            xmin = 1.125 
            xmax = 1.2 
            text = "(noise)" 
"""
SHORT = """File type = "ooTextFile"
Object class = "TextGrid"

0
1.2
<exists>
3
"IntervalTier"
"Words"
0
1.2
2
0
0.1
""
0.1
1.2
"say ""go"" 3 <x> ! intervals [7]:"
"TextTier" "clicks" 0 1.2 1 0.3 "here" ! another hand wrote line 19
"IntervalTier"
"Phones"
0
1.2
4
0
0.1
"sil"
0.1
5e-1
"ɡ"
0.5
1.125
"OW1"
1.125
1.2
"(noise)"
"""
WORD = 'say_"go"_3_<x>_!_intervals_[7]:'
PHONES_TXT = "<eps> 0\nSIL 1\nAH0_B 2\nAH0_E 3\nT_S 4\n#0 5\n"


@pytest.fixture
def folder(tmp_path):
    """A folder with the files that a test names; bytes, or text as UTF-8."""

    def make(**files):
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return make


def times(phones):
    return [(phone.label, round(phone.start_s, 6), round(phone.end_s, 6)) for phone in phones]


# CTM


CTM = "utt-b 1 0.50 0.25 B 0.9\nutt-b 1 0.10 0.40 A\n;; a comment\nutt-B 1 0 0 C NA\n\n"


@pytest.mark.parametrize(
    "packed",
    [str.encode, lambda text: gzip.compress(text.encode()), lambda text: text.replace("\n", "\r\n").encode()],
)
def test_ctm(folder, packed):
    path = folder(x_dot_ctm=packed(CTM)) / "x.ctm"
    assert read_alignment(path) == {
        "utt-B": (Phone("C", 0.0, 0.0),),
        "utt-b": (Phone("A", 0.1, 0.5), Phone("B", 0.5, 0.75)),
    }
    assert list(read_alignment(path)) == ["utt-B", "utt-b"]


def test_words_come_by_the_phones_centre(folder):
    phones = "u 1 0.00 0.20 A\nu 1 0.20 0.16 B\nu 1 0.36 0.00 C\nu 1 0.60 0.10 D\n"
    where = folder(
        phones_dot_ctm=phones,
        words_dot_ctm_dot_gz=gzip.compress(b"u 1 0.00 0.29 one\nu 1 0.29 0.20 two\nv 1 0 1 other\n"),
    )
    for path in (where, where / "phones.ctm"):
        assert [phone.word for phone in read_alignment(path)["u"]] == ["one", "one", "two", ""]


DAMAGED_CTM = {
    "few fields": ("u 1 0.1 0.1\n", ":1: 4 fields instead of the 5"),
    "no number": ("u 1 0 0.1 A\nu 1 x 0.1 A\n", ":2: utterance 'u': 'x 0.1' are not a start and a duration"),
    "not finite": ("u 1 0 nan A\n", ":1: utterance 'u': '0 nan' are not"),
    "negative start": ("u 1 -0.1 0.3 A\n", ":1: utterance 'u': start -0.1 s is negative"),
    "negative duration": ("u 1 0.1 -0.3 A\n", ":1: utterance 'u': duration -0.3 s is negative"),
    "a space in a label": ("u 1 0.1 0.3 A B\n", ":1: utterance 'u': 'B' is no confidence"),
    "overlap": (
        "u 1 0 0.2 A\nu 1 0.3 0.1 C\nu 1 0.18 0.1 B\n",
        ":3: utterance 'u': 'B' starts at 0.18 s, before 'A' ends at 0.2 s",
    ),
    "channels": ("u 1 0 0.1 A\nu 2 0.1 0.1 A\n", ":2: utterance 'u' on channels 1 and 2"),
    "empty": ("\n", ": holds no phones"),
    "not UTF-8": (b"u 1 0 0.1 A\nu 1 1 0.1 \xe4\n", ":2: not UTF-8 text"),
    "gzip cut off": (gzip.compress(CTM.encode())[:-9], ": a gzip file that is cut off"),
}


@pytest.mark.parametrize(("content", "says"), DAMAGED_CTM.values(), ids=DAMAGED_CTM)
def test_damaged_ctm(folder, content, says):
    path = folder(x_dot_ctm=content) / "x.ctm"
    with pytest.raises(DataError) as error:
        read_alignment(path)
    assert str(error.value).startswith(f"{path}{says}") and str(error.value).endswith(")")


def test_times_of_two_decimals_may_overlap(folder):
    path = folder(x_dot_ctm="u 1 0.00 0.20 A\nu 1 0.185 0.10 B\n") / "x.ctm"
    assert len(read_alignment(path)["u"]) == 2


# TextGrid


ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be-bom", "utf-16-le")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", [LONG, SHORT], ids=["long", "short"])
def test_textgrid(folder, form, encoding, line_end):
    text = form.replace("\n", line_end)
    content = b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-bom" else text.encode(encoding)
    words, clicks, phones = read_textgrid(folder(x_dot_TextGrid=content) / "x.TextGrid")
    assert (words.name, clicks.name, phones.name) == ("Words", "clicks", "Phones")
    assert times(words.intervals) == [("", 0, 0.1), ('say "go" 3 <x> ! intervals [7]:', 0.1, 1.2)]
    assert clicks.points and times(clicks.intervals) == [("here", 0.3, 0.3)]
    assert times(phones.intervals) == [
        ("sil", 0, 0.1),
        ("ɡ", 0.1, 0.5),
        ("OW1", 0.5, 1.125),
        ("(noise)", 1.125, 1.2),
    ]


DAMAGED_TEXTGRID = {
    "cut off": (LONG[: LONG.index('text = "OW1"')], ":48: the file is cut off: a label is missing"),
    "cut off in a label": (LONG[: LONG.index('OW1"')], ":49: a quote is opened and never closed"),
    "short form cut off": (
        SHORT[: SHORT.index("1.125\n1.2")],
        ":33: the file is cut off: the start of an interval",
    ),
    "too few intervals": (
        SHORT.replace('"Words"\n0\n1.2\n2', '"Words"\n0\n1.2\n1'),
        ':16: "IntervalTier" or "TextTier" should stand here, not 0.1',
    ),
    "no number": (
        LONG.replace("xmax = 0.1", "xmax = half", 1),
        ":18: the end of an interval should stand here, not '' (",
    ),
    "negative": (LONG.replace("xmin = 0.1", "xmin = -0.1", 1), ":21: an interval from -0.1"),
    "backwards": (LONG.replace("5e-1", "5e-2"), ":44: an interval from 0.1 to 0.05 s"),
    "overlap": (
        LONG.replace("xmin = 0.5", "xmin = 0.3"),
        ":48: an interval of tier 'Phones' starts at 0.3 s",
    ),
    "not from zero": (LONG.replace("xmin = 0 ", "xmin = 3.5 ", 1), ":4: starts at 3.5 s"),
    "Latin-1": (LONG.replace("ɡ", "ä").encode("latin-1"), ":45: neither UTF-8 nor UTF-16"),
    "binary": (b"ooBinaryFile\x08TextGrid\0\0", ": a binary or chronological TextGrid"),
    "another object": (
        'File type = "ooTextFile"\nObject class = "Pitch 1"\n',
        ":2: holds a 'Pitch 1', not a TextGrid",
    ),
    "a recording": (b"RIFF" + bytes(range(250)), ":2: neither UTF-8 nor UTF-16"),
    "nothing": (b"", ": no TextGrid file"),
}


@pytest.mark.parametrize(("content", "says"), DAMAGED_TEXTGRID.values(), ids=DAMAGED_TEXTGRID)
def test_damaged_textgrid(folder, content, says):
    path = folder(x_dot_TextGrid=content) / "x.TextGrid"
    with pytest.raises(DataError) as error:
        read_textgrid(path)
    assert str(error.value).startswith(f"{path}{says}")


def test_written_textgrids_come_back(tmp_path):
    scored = (
        Phone("-3.5", 0.1, 0.3),
        Phone('a "b"\nc', 0.3, 0.7000000001),
        Phone("gone", 0.7, 0.7),
        Phone("e", 1 / 3 + 0.5, 1.01),
    )
    assert write_textgrid(tmp_path / "x.TextGrid", {"phones": reversed(scored), 'none "yet"': ()}, 1.0) == 1
    phones, none = read_textgrid(tmp_path / "x.TextGrid")
    assert [phone for phone in phones.intervals if phone.label] == [scored[0], scored[1], scored[3]]
    assert phones.name == "phones" and none.name == 'none "yet"' and none.intervals == (Phone("", 0.0, 1.01),)
    for tier in (phones, none):  # as Praat wants it: from start to end without gaps
        assert tier.intervals[0].start_s == 0 and tier.intervals[-1].end_s == 1.01
        assert all(before.end_s == after.start_s for before, after in zip(tier.intervals, tier.intervals[1:]))
    with pytest.raises(DataError, match="tier 'x': 'b' starts at 0.1 s"):
        write_textgrid(tmp_path / "y.TextGrid", {"x": (Phone("a", 0, 0.3), Phone("b", 0.1, 0.5))}, 1)
    assert not (tmp_path / "y.TextGrid").exists()


def test_which_tier(tmp_path):
    write_textgrid(
        tmp_path / "x.TextGrid", {"amy - phones": (), "amy - words": (), "bob - words": (), "IPA ": ()}, 1
    )
    tiers = read_textgrid(tmp_path / "x.TextGrid")
    assert pick_tier(tiers, "", ("phones",)).name == "amy - phones" and pick_tier(tiers, "ipa").name == "IPA "
    assert pick_tier(tiers, "", ("phone",), required=False) is None
    for names, says in (
        (("words",), "2 tiers called words, one is needed"),
        (("phone", "x"), "no tiers called phone or x, .*'bob - words'"),
    ):
        with pytest.raises(ValueError, match=says):
            pick_tier(tiers, "", names)


# Kaldi's archives


LABELS = {1: "SIL", 2: "AH0_B", 3: "AH0_E", 4: "T_S"}
RUNS = {"u1": [(1, 3), (2, 2), (3, 4)], "u2": [(4, 1)]}
MERGED = {"u1": [("SIL", 0, 0.06), ("AH0_B", 0.06, 0.1), ("AH0_E", 0.1, 0.18)], "u2": [("T_S", 0, 0.02)]}


def frames(runs):
    return [number for number, length in runs for _ in range(length)]


def binary_pairs(runs):
    """As Kaldi's BasicPairVectorHolder writes: how many, then each number behind its size."""
    return (
        b"\0B\4"
        + np.int32(len(runs)).tobytes()
        + b"".join(b"\4" + np.int32(number).tobytes() for pair in runs for number in pair)
    )


def ark(kind, folder):
    if kind == "binary":
        kaldiio.save_ark(
            str(folder / "x.ark"), {utt: np.array(frames(runs), dtype=np.int32) for utt, runs in RUNS.items()}
        )
        return (folder / "x.ark").read_bytes()
    if kind == "text":
        return "".join(f"{utt} {' '.join(map(str, frames(runs)))}\n" for utt, runs in RUNS.items()).encode()
    if kind == "text lengths":
        return "".join(
            f"{utt} {' ; '.join(f'{a} {b}' for a, b in runs)} \n" for utt, runs in RUNS.items()
        ).encode()
    return b"".join(utt.encode() + b" " + binary_pairs(runs) for utt, runs in RUNS.items())


@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", ["binary", "text", "binary lengths", "text lengths"])
def test_ali(tmp_path, kind, packed):
    content = ark(kind, tmp_path)
    (tmp_path / "ali.1.gz").write_bytes(packed(content))
    (tmp_path / "ali.scp").write_text(
        f"u1 ali.1.gz:{content.index(b'u1') + 3}\nu2 ali.1.gz:{content.index(b'u2') + 3}\n"
    )
    for path in (tmp_path, tmp_path / "ali.1.gz", tmp_path / "ali.scp"):
        assert {utt: times(phones) for utt, phones in read_ali(path, LABELS, 0.02).items()} == MERGED


def test_lengths_keep_equal_neighbours_apart(folder):
    where = folder(a_dot_ark=b"u 2 1 ; 2 3\n", b_dot_ark=b"u 2 2 2 2\n", c_dot_ark=b"u\nv 2\n")
    assert times(read_ali(where / "a.ark", LABELS, 0.01)["u"]) == [("AH0_B", 0, 0.01), ("AH0_B", 0.01, 0.04)]
    assert times(read_ali(where / "b.ark", LABELS, 0.01)["u"]) == [("AH0_B", 0, 0.04)]
    assert {utt: len(phones) for utt, phones in read_ali(where / "c.ark", LABELS, 0.01).items()} == {
        "u": 0,
        "v": 1,
    }


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"u 2 2 77\n", "no phone has the number 77"),
        (b"u 2 2", "cut off"),
        (b"u 2 x\n", "cut off or no archive"),
        (b"u 2 1 ; 3\n", "cut off"),
        (b"u \0B\4\3\0\0\0\4\1\0\0\0", "cut off"),
        (b"u 2\nu 2\n", "appears twice"),
        (b"u \0BFM \4" + bytes(30), "no archive"),
    ],
)
def test_damaged_ali(folder, content, says):
    with pytest.raises(DataError, match=says) as error:
        read_ali(folder(x_dot_ark=content) / "x.ark", LABELS, 0.01)
    assert "x.ark" in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"), [("SIL one\n", ":1: 'SIL one'"), ("A 1\nB 1\n", ":2: number 1 is both 'A' and 'B'")]
)
def test_damaged_phones_txt(folder, text, says):
    with pytest.raises(DataError, match=says):
        read_phone_table(folder(phones_dot_txt=text) / "phones.txt")


# labels


@pytest.mark.parametrize(
    ("label", "plain"),
    [
        ("AH0_B", "AH"),
        ("T_S", "T"),
        ("IY2", "IY"),
        ("ao2", "ao2"),
        ("a1", "a1"),
        ("T1", "T1"),
        ("_B", "_B"),
        ("ɑː", "ɑː"),
        ("B", "B"),
    ],
)
def test_plain_labels(label, plain):
    assert clean([Phone(label, 0, 1)])[0] == (Phone(plain, 0, 1),)


def test_labels_as_they_are():
    for kept in (
        {"strip_stress": False},
        {"strip_position": False},
        {"strip_stress": False, "strip_position": False},
    ):
        expected = "AH" + ("0" if "strip_stress" in kept else "") + ("_B" if "strip_position" in kept else "")
        assert clean([Phone("AH0_B", 0, 1)], **kept)[0][0].label == expected


def test_silences_are_counted():
    labels = ["", "SIL", "sil_S", "sp", "spn", "#", "(...)", "(laughs)", "S", "SP1"]
    kept, silences = clean([Phone(label, 0, 1) for label in labels])
    assert [phone.label for phone in kept] == ["S", "SP1"]
    assert silences == {"": 1, "SIL": 1, "sil": 1, "sp": 1, "spn": 1, "#": 1, "(...)": 1, "(laughs)": 1}


# the command


def test_import_textgrids(folder, capsys):
    write_textgrid(
        folder() / "src/bob/b2.TextGrid", {"phonemes": (Phone("t_S", 0.1, 0.2), Phone("", 0.2, 0.3))}, 0.3
    )
    src = (
        folder(
            src__amy__a1_dot_TextGrid=LONG,
            src__bob__b1_dot_textgrid=SHORT.encode("utf-16"),
            src__read_dot_me="x",
        )
        / "src"
    )
    asrkit("mixgop", "import-alignment", src, src.parent / "out")
    out, err = capsys.readouterr()
    assert (
        out
        == "phones: 5 of 3 kinds; words: 2; silences left out: 6 (sil 2, (noise) 2, no label 2)\nimported 3, skipped 0\n"
    )
    assert err.startswith("# asrkit mixgop import-alignment ")
    expected = (Phone("ɡ", 0.1, 0.5, WORD, 0), Phone("OW", 0.5, 1.125, WORD, 0))
    assert read_alignment(src.parent / "out") == {
        "a1": expected,
        "b1": expected,
        "b2": (Phone("t_S", 0.1, 0.2),),
    }
    asrkit(
        "mixgop",
        "import-alignment",
        src,
        src.parent / "out2",
        "--prefix-folder",
        "--word-tier=words",
        "--max-skipped=1",
    )
    assert list(read_alignment(src.parent / "out2")) == ["amy-a1", "bob-b1"]
    assert "imported 2, skipped 1 (bob-b2: " in capsys.readouterr().out


def test_import_says_what_it_cannot_use(folder, capsys):
    bad = LONG.replace('"ɡ"', '"a b"')
    other = LONG.replace("Phones", "x")
    src = (
        folder(
            src__good_dot_TextGrid=LONG,
            src__cut_dot_TextGrid=LONG[:900],
            src__bad_dot_TextGrid=bad,
            src__tier_dot_TextGrid=other,
        )
        / "src"
    )
    out = folder(out__words_dot_ctm="u 1 0 1 old\n") / "out"
    asrkit("mixgop", "import-alignment", src, out, "--max-skipped=2", status=1)
    assert not (out / "phones.ctm").exists()
    err = capsys.readouterr().err
    assert f"{src}/bad.TextGrid: label 'a b' at 0.10 s holds a space" in err and f"{src}/cut.TextGrid:" in err
    assert "imported 1, skipped 3" in err and "no tiers called phones" in err
    asrkit("mixgop", "import-alignment", src, out, "--max-skipped=3", "--tier=phones")
    assert list(read_alignment(out)) == ["good"]
    (src / "amy").mkdir()
    (src / "amy" / "good.TextGrid").write_text(LONG)
    asrkit("mixgop", "import-alignment", src, out, "--max-skipped=9", status=1)
    assert "utterance 'good' is also in" in capsys.readouterr().err


def test_import_ali(tmp_path, capsys):
    (tmp_path / "phones.txt").write_text(PHONES_TXT)
    (tmp_path / "ali.ark").write_bytes(ark("binary", tmp_path))
    words = [
        "mixgop",
        "import-alignment",
        tmp_path / "ali.ark",
        tmp_path / "out",
        "--phones",
        tmp_path / "phones.txt",
    ]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "words.ctm.gz").write_bytes(gzip.compress(b"u1 1 0 9 old\n"))
    asrkit(*words, "--frame-shift=0.02")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["phones.ctm"]
    assert times(read_alignment(tmp_path / "out")["u1"]) == [("AH", 0.06, 0.1), ("AH", 0.1, 0.18)]
    asrkit(*words, "--strip-position=false")
    assert times(read_alignment(tmp_path / "out")["u1"]) == [("AH_B", 0.03, 0.05), ("AH_E", 0.05, 0.09)]
    assert (
        "phones: 3 of 3 kinds; words: 0; silences left out: 1 (SIL 1)\nimported 2, skipped 0\n"
        in capsys.readouterr().out
    )


def test_import_holds_the_alignment_against_the_data(make_data_dir, folder, capsys):
    data, short = make_data_dir(), {"amy-yes": "0.30", "bob-no": "0.26"}  # the utterances last 0.25 s
    utts = ("amy-no", "amy-yes", "bob-no", "bob-yes", "cid-no", "dan-no")
    src = (
        folder(src_dot_ctm="".join(f"{utt} 1 0.00 {short.get(utt, '0.20')} A\n" for utt in utts)) / "src.ctm"
    )
    words = ["mixgop", "import-alignment", src, src.parent / "out", "--data", data]
    says = "imported 4, skipped 3 (cid-yes: no alignment; amy-yes: 'A' ends at 0.30 s, the utterance at 0.25 s; dan-no: not in "
    asrkit(*words, "--max-skipped=2", status=1)
    assert says in capsys.readouterr().err
    asrkit(*words, "--max-skipped=3")
    assert says in capsys.readouterr().out
    assert list(read_alignment(src.parent / "out")) == ["amy-no", "bob-no", "bob-yes", "cid-no"]
    (data / "utt2dur").unlink()  # 20 frames of 10 ms, and a window
    asrkit(*words, "--max-skipped=4")
    assert "'A' ends at 0.26 s, the utterance at 0.23 s" in capsys.readouterr().out
    (data / "utt2num_frames").unlink()  # the features themselves
    asrkit(*words, "--max-skipped=4")
    assert "'A' ends at 0.26 s, the utterance at 0.23 s" in capsys.readouterr().out
    (data / "feats.scp").unlink()  # the recordings
    asrkit(*words, "--max-skipped=3")
    assert "'A' ends at 0.30 s, the utterance at 0.25 s" in capsys.readouterr().out
    (data / "wav.scp").unlink()
    asrkit(*words, "--max-skipped=2")
    assert "the lengths of 5 utterances are not known" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["ali.ark"], "--phones FILE names the phones.txt"),
        (["x.ctm", "--tier=a"], "--tier a is for --format textgrid"),
        (["x"], "--format= says what"),
        (["x.ctm", "--frame-shift=10"], "10 is more than 1"),
        (["phones.ctm", "."], "OUT is where the alignment is read"),
    ],
)
def test_import_wrong_usage(folder, monkeypatch, capsys, words, says):
    monkeypatch.chdir(folder(ali_dot_ark=b"", x_dot_ctm=CTM, phones_dot_ctm=CTM, x=b""))
    with pytest.raises(SystemExit) as stop:
        asrkit(
            "mixgop",
            "import-alignment",
            words[0],
            *(["out"] if len(words) == 1 or words[1][0] == "-" else []),
            *words[1:],
        )
    assert stop.value.code == 2 and says in capsys.readouterr().err


def test_a_real_corpus(tmp_path, capsys):
    if not CORPUS.exists():
        pytest.skip("speechocean762's alignment is not here")
    asrkit("mixgop", "import-alignment", CORPUS, tmp_path)
    assert (
        capsys.readouterr().out
        == "phones: 70972 of 39 kinds; words: 0; silences left out: 0\nimported 3756, skipped 0\n"
    )
    with (tmp_path / "phones.ctm").open() as lines:
        assert (
            next(lines) == "000010011 1 0.5500 0.1600 W\n" and next(lines) == "000010011 1 0.7100 0.2100 IY\n"
        )
