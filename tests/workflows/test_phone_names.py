"""Names of phones: numbers need a table, and a phone set that a model does not know is refused with both sets named."""

import numpy as np
import pytest
from command import asrkit
from scored import write_scored

from asrkit.errors import DataError, SettingsError
from asrkit.io.alignment import read_alignment, write_alignment
from asrkit.io.textgrid import write_textgrid
from asrkit.phones.phone import Phone
from asrkit.workflows.mixgop_evaluate import mixgop_evaluate
from asrkit.workflows.mixgop_import_alignment import mixgop_import_alignment
from asrkit.workflows.mixgop_score import mixgop_score
from asrkit.workflows.mixgop_train import check_names
from asrkit.workflows.pronunciation import PronunciationScorer

TABLE = "<eps> 0\nSIL 1\nAH0_B 2\nT_E 3\n"
SAID = [Phone("1", 0, 0.1), Phone("2", 0.1, 0.2), Phone("3", 0.2, 0.4), Phone("1", 0.4, 0.5)]


@pytest.fixture
def numbers(tmp_path):
    """A function that writes phones as a CTM file or a TextGrid, phones.txt beside it."""
    (tmp_path / "phones.txt").write_text(TABLE)

    def write(format, phones):
        if format == "ctm":
            lines = (f"u 1 {p.start_s} {p.end_s - p.start_s} {p.label}\n" for p in phones)
            (tmp_path / "x.ctm").write_text("".join(lines))
            return tmp_path / "x.ctm"
        write_textgrid(tmp_path / "u.TextGrid", {"phones": phones}, 1)
        return tmp_path / "u.TextGrid"

    return write


@pytest.mark.parametrize("format", ["ctm", "textgrid"])
def test_numbers_are_phones_by_their_table_alone(numbers, tmp_path, format):
    src, table = numbers(format, SAID), tmp_path / "phones.txt"
    with pytest.raises(
        SettingsError, match=r"phones are numbers \(1, 2, 3\): phones=FILE names the phones.txt"
    ):
        mixgop_import_alignment(src, tmp_path / "out")
    found = mixgop_import_alignment(src, tmp_path / "out", phones=table, strip_position=True)
    assert [phone.label for phone in found.alignment["u"]] == ["AH", "T"] and found.silences["SIL"] == 2
    found = mixgop_import_alignment(
        src, tmp_path / "out", phones=table, strip_stress=False, strip_position=False
    )
    assert [phone.label for phone in found.alignment["u"]] == ["AH0_B", "T_E"]
    src = numbers(format, [Phone("SIL", 0, 0.1), *SAID[1:3], Phone("17", 0.4, 0.5)])
    with pytest.raises(SettingsError, match="phones=FILE"):
        mixgop_import_alignment(src, tmp_path / "out")
    with pytest.raises(DataError, match="utterance 'u': no phone of .*phones.txt has the number 17"):
        mixgop_import_alignment(src, tmp_path / "out", phones=table)


@pytest.mark.parametrize("format", ["ctm", "textgrid"])
def test_names_need_no_table(numbers, tmp_path, format):
    """Some phones of SAMPA are digits: one that is none is enough to tell."""
    src = numbers(format, [Phone("9", 0, 0.1), Phone("s", 0.1, 0.2)])
    assert len(mixgop_import_alignment(src, tmp_path / "out").alignment["u"]) == 2
    with pytest.raises(
        SettingsError, match=r"phones=.* is for numbers, and the labels of .* are names \(s\)"
    ):
        mixgop_import_alignment(src, tmp_path / "out", phones=tmp_path / "phones.txt")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return write_scored(tmp_path_factory.mktemp("made"))


def renamed(made, to, rename):
    alignment = read_alignment(made / "test" / "ali")
    write_alignment(
        to,
        {utt: [Phone(rename(p.label), p.start_s, p.end_s) for p in some] for utt, some in alignment.items()},
        {},
    )
    return to


OTHERS = {
    "IPA": ({"AA": "ɑː", "B": "b", "SH": "ʃ", "ZH": "ʒ"}.get, "b, ɑː, ʃ, ʒ", "another alphabet"),
    "stress": (lambda phone: {"AA": "AA1"}.get(phone, phone), "AA1", "stress is kept .* --strip-stress true"),
    "position": (
        lambda phone: phone + "_B",
        "AA_B, B_B",
        "positions in the word are kept .* --strip-position true",
    ),
    "case": (str.lower, "aa, b, sh", "upper and lower case differ"),
    "silences": (lambda phone: {"AA": "SIL_S"}.get(phone, phone), "SIL_S", "they are silences"),
    "numbers": (lambda phone: str(ord(phone[0])), "65, 66", "they are numbers .* --phones"),
}


@pytest.mark.parametrize(("rename", "told", "guess"), OTHERS.values(), ids=OTHERS)
def test_another_phone_set_is_refused(made, tmp_path, rename, told, guess):
    ali = renamed(made, tmp_path / "ali", rename)
    says = rf"of \d+ phones are none of the model's: .*{told}.* .the model knows AA, B, SH.*: {guess}"
    with pytest.raises(DataError, match=says) as error:
        mixgop_score(made / "exp", made / "test" / "data", ali, tmp_path / "out")
    assert str(error.value).startswith(f"{ali}: ") and "max_unscored=0.1" in str(error.value)
    assert not (tmp_path / "out").exists()
    scored = mixgop_score(made / "exp", made / "test" / "data", ali, tmp_path / "out", max_unscored=1)
    assert sum(scored.reasons.values()) > 0.1 * 72
    phones = [(phone.label, phone.start_s, phone.end_s) for phone in read_alignment(ali)["ann-01"]]
    scorer, feats = PronunciationScorer.load(made / "exp"), np.zeros((200, 4), dtype=np.float32)
    with pytest.raises(
        DataError, match=rf"^alignment: .*the model knows AA, B, SH.*: {guess}.*max_unscored=0.1"
    ):
        scorer.score(feats, phones)
    assert any(one.reason.startswith("no model of") for one in scorer.score(feats, phones, max_unscored=1))


def test_stress_that_the_model_keeps(made, tmp_path):
    kept = renamed(made, tmp_path / "kept", lambda phone: {"AA": "AA1"}.get(phone, phone))
    data = made / "test" / "data"
    asrkit(
        "mixgop", "train", data, kept, tmp_path / "exp", "--delta-order=0", "--num-gauss=1", "--min-tokens=5"
    )
    with pytest.raises(
        DataError, match="stress is kept in the others alone .*--strip-stress false keeps them"
    ):
        mixgop_score(tmp_path / "exp", data, made / "test" / "ali", tmp_path / "out")


def test_phones_too_rare_for_a_model_are_the_models(made, tmp_path):
    """ZH was in the training, but seldom: it has no score, and is no sign of another phone set."""
    ali = renamed(made, tmp_path / "ali", lambda phone: phone.replace("AA", "ZH"))
    scored = mixgop_score(made / "exp", made / "test" / "data", ali, tmp_path / "out")
    assert scored.reasons == {"no model of ZH": 27}


@pytest.mark.parametrize("share", [0.04, 0.05])
def test_a_few_unknown_phones_are_counted(made, tmp_path, capsys, share):
    """XX, which is 3 of the 72 phones, is not the model's: 4.2 %."""
    ali = renamed(made, tmp_path / "ali", lambda phone: phone.replace("ZH", "XX"))
    words = ["mixgop", "score", made / "exp", made / "test" / "data", ali, tmp_path / "out"]
    asrkit(*words, f"--max-unscored={share}", status=int(share < 3 / 72))
    out, err = capsys.readouterr()
    assert ("(no model of XX: 3)" in out) == (share > 3 / 72)
    assert ("more than --max-unscored 0.04" in err) == (share < 3 / 72)


@pytest.mark.parametrize(
    ("rename", "guess"), [(str.lower, "upper and lower case"), (lambda p: p + "_I", "positions in the word")]
)
def test_ratings_of_another_phone_set(made, tmp_path, rename, guess):
    alignment = read_alignment(made / "test" / "ali")
    rows = (
        f"{u}\t{' '.join(rename(p.label) for p in some)}\t{' '.join('1' for _ in some)}\n"
        for u, some in alignment.items()
    )
    (tmp_path / "ratings").write_text("".join(rows))
    with pytest.raises(DataError, match=f"rates .* scores AA B .*{guess}"):
        mixgop_evaluate([made / "scores"], tmp_path / "ratings", higher_is="better")


@pytest.mark.parametrize("silence", [(), ("SIL",), ("<p:>", "SIL_S")])
def test_an_alignment_that_was_not_imported(silence, caplog):
    """`mixgop train` takes any CTM file: numbers are no phones there either, and silences are told."""
    phones = [Phone(label, i, i + 1) for i, label in enumerate(("2", "3", *silence))]
    with pytest.raises(DataError, match=r"x.ctm: phones are numbers \(2, 3\): .*--phones phones.txt"):
        check_names("x.ctm", {"u": phones})
    check_names("x.ctm", {"u": [*phones, Phone("AA", 9, 10)]})
    told = f"{len(silence)} of its phones are silences ({', '.join(silence)})"
    assert (told in caplog.text) == bool(silence)
