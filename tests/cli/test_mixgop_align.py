"""asrkit mixgop align: known sounds are found where they are, given phones are kept, what does not fit is
named.
"""

import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from command import asrkit
from speechlike import RATE_HZ, say

from asrkit.distribution import install_command
from asrkit.errors import DataError
from asrkit.io.alignment import read_alignment, read_ctm
from asrkit.io.lexicon import look_up, read_lexicon, read_pronunciations

needs_sphinx = pytest.mark.skipif(
    importlib.util.find_spec("pocketsphinx") is None, reason="pocketsphinx is not installed"
)
CORPUS = Path(__file__).parents[3] / "shared" / "data" / "speechocean762"

# Two words, a pause between them; `-` is silence.
SOUNDS = (("-", 0.3), ("AA", 0.2), ("S", 0.15), ("AA", 0.2), ("SH", 0.15), ("IY", 0.2), ("-", 0.3))
TOLERANCE_S = 0.05
# of recordings in the corpus
PHONES_A_WORD = {"001030032": (2, 3, 4, 4), "001030103": (3, 4, 2, 3, 5), "030020152": (1, 2, 2, 3, 2)}
LEXICON = "asa M M M\nasa AA1 S AA0\nshe SH IY0\n"


@pytest.fixture
def make_data(tmp_path):
    """A function that writes a data directory of recordings that say the sounds above."""

    def make(texts, rate_hz=RATE_HZ, name="data"):
        folder = tmp_path / name
        folder.mkdir()
        for number, utt in enumerate(texts):
            soundfile.write(
                folder / f"{utt}.wav", say(SOUNDS, np.random.default_rng(number), rate_hz), rate_hz
            )
        (folder / "wav.scp").write_text("".join(f"{utt} {folder}/{utt}.wav\n" for utt in texts))
        (folder / "text").write_text("".join(f"{utt} {text}\n" for utt, text in texts.items()))
        return folder

    return make


def write(path, text):
    path.write_text(text)
    return path


def lies_right(phones):
    """Whether the phones are those of SOUNDS and begin and end where the sounds do."""
    ends = np.cumsum([length for _, length in SOUNDS])
    spans = [(label, end - length, end) for (label, length), end in zip(SOUNDS, ends) if label != "-"]
    return [phone.label for phone in phones] == [label for label, _, _ in spans] and all(
        abs(phone.start_s - start) < TOLERANCE_S and abs(phone.end_s - end) < TOLERANCE_S
        for phone, (_, start, end) in zip(phones, spans)
    )


@needs_sphinx
def test_sounds_are_found_where_they_are(make_data, tmp_path):
    data, lexicon = make_data({"a": "asa SHE", "b": "ASA she"}), write(tmp_path / "lexicon", LEXICON)
    asrkit("mixgop", "align", data, tmp_path / "ali", "--lexicon", lexicon)
    alignment = read_alignment(tmp_path / "ali")
    assert list(alignment) == ["a", "b"] and all(map(lies_right, alignment.values()))
    assert [phone.word for phone in alignment["a"]] == ["asa"] * 3 + ["SHE"] * 2


@needs_sphinx
def test_jobs_give_equal_bytes_and_quietly(make_data, tmp_path):
    data, lexicon = (
        make_data({f"u{number:02d}": "asa she" for number in range(9)}),
        write(tmp_path / "lexicon", LEXICON),
    )
    words = ["mixgop", "align", str(data), "--lexicon", str(lexicon)]
    asrkit(*words, tmp_path / "ali1")
    done = subprocess.run(
        [sys.executable, "-m", "asrkit", *words, str(tmp_path / "ali2"), "--nj", "2"],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert (
        done.returncode == 0
        and done.stderr.count("\n") == 1
        and done.stderr.startswith("# asrkit mixgop align")
    )
    assert done.stdout == "phones: 45 of 4 kinds; words: 18\naligned 9, skipped 0\n"
    for name in ("phones.ctm", "words.ctm"):
        assert (tmp_path / "ali1" / name).read_bytes() == (tmp_path / "ali2" / name).read_bytes()


@needs_sphinx
def test_other_rates_and_segments(make_data, tmp_path, capsys):
    """A recording at 44.1 kHz, cut by segments: times count from the start of the utterance."""
    data = make_data({"a": "asa she"}, rate_hz=44100)
    write(data / "segments", "a-1 a 0.1 1.45\n")
    write(data / "text", "a-1 asa she\n")
    said = write(tmp_path / "said", "a-1\tAA S AA | SH IY\n")
    asrkit("mixgop", "align", data, tmp_path / "ali", "--pronunciations", said)
    (phones,) = read_alignment(tmp_path / "ali").values()
    assert abs(phones[1].start_s - 0.4) < TOLERANCE_S and abs(phones[-1].end_s - 1.1) < TOLERANCE_S
    assert "WARNING" not in capsys.readouterr().err
    asrkit(
        "mixgop",
        "align",
        make_data({"a": "asa she"}, 8000, "low"),
        tmp_path / "low_ali",
        "--lexicon",
        write(tmp_path / "lexicon", LEXICON),
    )
    assert "lower rate than the model, 16000 Hz" in capsys.readouterr().err


@needs_sphinx
def test_exactly_the_given_phones(make_data, tmp_path):
    """Whatever a dictionary says of the words, and even where something else was said; stress and positions
    are left out.
    """
    data = make_data({"a": "some word"})
    asrkit(
        "mixgop",
        "align",
        data,
        tmp_path / "ali",
        "--pronunciations",
        write(tmp_path / "said", "a\tAA1 S | M_B AA0_I\tZH\n"),
    )
    alignment = read_alignment(tmp_path / "ali")["a"]
    assert [(phone.label, phone.word) for phone in alignment] == [
        ("AA", "some"),
        ("S", "some"),
        ("M", "word"),
        ("AA", "word"),
        ("ZH", "word"),
    ]
    assert all(before.end_s <= after.start_s + 1e-9 for before, after in zip(alignment, alignment[1:]))
    assert (
        alignment[0].start_s >= 0
        and alignment[-1].end_s <= 1.5
        and all(phone.end_s > phone.start_s for phone in alignment)
    )


@needs_sphinx
def test_dictionary_of_the_wheel(make_data, tmp_path):
    asrkit("mixgop", "align", make_data({"a": "SHE"}), tmp_path / "ali")
    assert [phone.label for phone in read_alignment(tmp_path / "ali")["a"]] == ["SH", "IY"]


@needs_sphinx
def test_what_can_not_be_aligned_is_named(make_data, tmp_path, capsys):
    texts = {
        "good": "asa she",
        "long": " ".join(["asa"] * 40),
        "lost": "asa",
        "oov": "asa xyzzy",
        "phones": "odd",
        "silent": "asa",
        "untold": "",
    }
    data, lexicon = make_data(texts), write(tmp_path / "lexicon", LEXICON + "odd QQ\n")
    soundfile.write(data / "silent.wav", np.zeros(RATE_HZ), RATE_HZ)
    (data / "lost.wav").unlink()
    asrkit("mixgop", "align", data, tmp_path / "ali", "--lexicon", lexicon, "--max-skipped", "1", status=1)
    error = capsys.readouterr().err
    assert (
        "not in the dictionary: xyzzy (--lexicon FILE" in error
        and "no words in text" in error
        and "--max-skipped 1" in error
    )
    assert "phones of" in error and "QQ" in error and not (tmp_path / "ali").exists()
    asrkit("mixgop", "align", data, tmp_path / "ali", "--lexicon", lexicon, "--max-skipped", "6")
    assert list(read_alignment(tmp_path / "ali")) == ["good"]
    assert "aligned 1, skipped 6" in capsys.readouterr().out
    few = write(tmp_path / "few", "good\tAA S AA\nlong\tSH IY\nsilent\tAA\nlost\tAA\n")
    asrkit("mixgop", "align", data, tmp_path / "ali", "--pronunciations", few, "--max-skipped", "9", status=1)
    error = capsys.readouterr().err
    assert (
        "nothing could be aligned" in error
        and "good: 2 words in text, 1 in" in error
        and "and 4 more" in error
    )


@needs_sphinx
def test_why_single_utterances_fail():
    from pocketsphinx import get_model_path

    from asrkit.phones.aligner import Aligner

    model = Aligner(get_model_path("en-us/en-us"))
    assert (
        model.rate_hz == 16000
        and model.frame_s == 0.01
        and model.unknown_phones(["AA", "aa", "AH0", "ZH"]) == ["aa", "AH0"]
    )
    with pytest.raises(ValueError, match="does not fit its words"):
        model.align(say(SOUNDS, np.random.default_rng(0))[:1600], [[("AA", "S", "AA")]] * 5)
    with pytest.raises(ValueError, match="'QQ' is not in the model"):
        model.align(np.zeros(1600), [[("QQ",)]])


def test_usage_and_what_is_missing(make_data, tmp_path, monkeypatch, capsys):
    data, out = make_data({"a": "she"}), tmp_path / "ali"
    with pytest.raises(SystemExit, match="2"):
        asrkit("mixgop", "align", data, out, "--lexicon", "a", "--pronunciations", "b")
    asrkit("mixgop", "align", data, out, "--model", tmp_path, status=1)
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    asrkit("mixgop", "align", data, out, status=1)
    assert "mixgop align needs pocketsphinx (" in (said := capsys.readouterr().err) and not out.exists()
    assert said.endswith(f": {install_command('align')}\n")


def test_lexicon(tmp_path):
    path = write(
        tmp_path / "lexicon", ";;; a comment\nread R IY1 D\nread(2) R EH1 D\nREAD X\n(a) AH0\nread R IY1 D\n"
    )
    lexicon = read_lexicon(path)
    assert lexicon == {"read": (("R", "IY1", "D"), ("R", "EH1", "D")), "READ": (("X",),), "(a)": (("AH0",),)}
    assert (
        look_up(lexicon, "READ") == (("X",),)
        and look_up(lexicon, "Read") == lexicon["read"]
        and look_up(lexicon, "reed") is None
    )
    assert read_lexicon(path, ["Read"]) == {word: lexicon[word] for word in ("read", "READ")}
    for text in ("read\n", ""):
        with pytest.raises(DataError, match="lines `WORD P1 P2"):
            read_lexicon(write(path, text))


def test_pronunciations(tmp_path):
    path = write(tmp_path / "said", "a\tR IY1 D | AH0\nb\tX\n")
    assert read_pronunciations(path) == {"a": (("R", "IY1", "D"), ("AH0",)), "b": (("X",),)}
    for line in ("a R IY D", "a\tR | ", "a\t", "\tR"):
        with pytest.raises(DataError, match=r"said:1: .* is not of the form"):
            read_pronunciations(write(path, f"{line}\n"))
    with pytest.raises(DataError, match="said:2: utterance 'a' appears twice"):
        read_pronunciations(write(path, "a\tX\na\tY\n"))


@needs_sphinx
@pytest.mark.skipif(not (CORPUS / "flac").exists(), reason="needs recordings of speechocean762")
def test_agrees_with_another_alignment_of_speech(tmp_path):
    """One that was made by an aligner of the same kind from the same phones. Pocketsphinx's own settings lose
    two of the utterances.
    """
    theirs = read_ctm(CORPUS / "phones.ctm.gz")
    said = {}
    for utt, counts in PHONES_A_WORD.items():
        labels = [phone.label for phone in theirs[utt]]
        ends = list(itertools.accumulate(counts))
        said[utt] = " | ".join(" ".join(labels[end - count : end]) for count, end in zip(counts, ends))
    (tmp_path / "wav.scp").write_text("".join(f"{utt} {CORPUS}/flac/{utt}.flac\n" for utt in said))
    (tmp_path / "text").write_text(
        "".join(f"{utt} {' '.join('w' * len(counts))}\n" for utt, counts in PHONES_A_WORD.items())
    )
    given = write(tmp_path / "said", "".join(f"{utt}\t{words}\n" for utt, words in said.items()))
    asrkit("mixgop", "align", tmp_path, tmp_path / "ali", "--pronunciations", given)
    ours = read_alignment(tmp_path / "ali")
    assert all(
        [phone.label for phone in ours[utt]] == [phone.label for phone in theirs[utt]]
        for utt in PHONES_A_WORD
    )
    apart = [
        abs(one.start_s - other.start_s)
        for utt in PHONES_A_WORD
        for one, other in zip(ours[utt], theirs[utt], strict=True)
    ]
    assert np.mean(np.array(apart) < 0.0201) > 0.9
