"""asrkit.evaluation.scoring.score_errors and compare_reports: what a Python user gives, and gets."""

import re

import numpy as np
import pytest

from asrkit.errors import AsrkitError, DataError, SettingsError
from asrkit.evaluation.comparison import compare_reports
from asrkit.evaluation.scoring import compute_errors, score_errors

SAID = {"amy-1": "yes", "amy-2": "no", "bob-1": "yes", "bob-2": "no"}
HEARD = {"amy-1": "yes", "amy-2": "yes", "bob-1": "yes", "bob-2": "no"}
SPEAKERS = {utt: utt[:3] for utt in SAID}


def figures(report):
    return (
        (report.errors, report.num_words, report.wer, report.interval, report.speaker_interval),
        (report.words, report.confusion.tolist(), report.confusions, report.missing, report.unknown),
        list(report.speakers.values()),
    )


def test_the_report_is_that_of_compute_errors():
    report = score_errors(SAID, HEARD, SPEAKERS)
    assert figures(report) == figures(compute_errors(SAID, HEARD, SPEAKERS))
    assert (report.errors, report.num_words, report.wer) == (1, 4, 0.25)
    assert report.confusions == [("no", "yes", 1)]
    assert str(report) == "%WER 25.00 [ 1 / 4, 0 ins, 0 del, 1 sub ], 95% interval [ 4.56, 69.94 ]"
    assert str(report) in repr(report) and len(repr(report)) < 200


def test_sequences_are_scored_as_they_stand():
    rng = np.random.default_rng(0)
    said, heard = (rng.choice(["one", "two", "three"], size=120) for _ in range(2))
    speakers = rng.choice(["amy", "bob", "cid"], size=120)
    lists = score_errors(list(said), tuple(heard), list(speakers))
    assert figures(lists) == figures(score_errors(said, heard, speakers))  # arrays of numpy
    assert lists.errors == sum(said != heard)
    assert [utt.ref for utt in lists.utts.values()] == list(said)
    assert list(lists.utts)[:2] == ["000", "001"]
    assert all(type(text) is str for utt in score_errors(said, heard).utts.values() for text in utt.pairs[0])
    ids = {f"{i:03d}": i for i in range(120)}
    keyed = ({utt: column[i] for utt, i in ids.items()} for column in (said, heard, speakers))
    assert figures(score_errors(*keyed)) == figures(lists)


def test_what_was_not_recognised_is_an_error():
    report = score_errors(SAID, {"amy-1": "", "amy-2": None, "bob-1": "yes"})
    assert (report.errors, report.total.deletions, report.missing) == (3, 3, 1)
    assert report.confusions == [("no", None, 2), ("yes", None, 1)]
    assert score_errors(["yes", "no"], [None, "no"]).wer == 0.5


def test_confusions_are_the_most_frequent_first():
    said = ["a"] * 5 + ["b"] * 3 + ["c"]
    heard = ["b"] * 2 + ["c"] * 3 + ["b", "b", "a", "c"]
    assert score_errors(said, heard).confusions == [("a", "c", 3), ("a", "b", 2), ("b", "a", 1)]
    assert score_errors(said, said).confusions == []


def test_words_that_the_recogniser_does_not_know():
    assert score_errors(SAID, dict.fromkeys(SAID, "no"), vocabulary={"no", "maybe"}).unknown == {"yes": 2}
    assert score_errors(SAID, HEARD, vocabulary=["no", "yes"]).unknown == {}


def test_speakers_may_be_more_than_the_utterances():
    assert set(score_errors(SAID, HEARD, {**SPEAKERS, "zoe-1": "zoe"}).speakers) == {"amy", "bob"}
    assert score_errors(SAID, HEARD).speaker_interval is None


@pytest.mark.parametrize("arguments, message", [
    (("yes", ["yes"]), "references is 'yes' (str); it should be a dict of utterance id to str, or a sequence"),
    ((b"yes", ["yes"]), "references is b'yes' (bytes)"),
    (({"yes"}, ["yes"]), "references is {'yes'} (set)"),
    ((None, ["yes"]), "references is None (NoneType)"),
    ((np.array("yes"), ["yes"]), "references is array('yes', dtype='<U3') (ndarray)"),
    (([], []), "references is empty; it should have the word of at least one utterance"),
    (({}, {}), "references is empty"),
    ((["yes", ""], ["yes", "no"]), "references[1] is '' (str); it should be one word, a str without white space"),
    ((["yes", None], ["yes", "no"]), "references[1] is None (NoneType); it should be one word"),
    ((["turn  left"], ["left"]), "references[0] is 'turn  left' (str); it should be one word"),
    (([np.array(["yes", "no"])], ["yes"]), "references[0] is array(["),
    ((np.full((2, 2, 2), "yes"), ["yes"]), "references[0] is array(["),
    (({"u": 3}, {"u": "yes"}), "references['u'] is 3 (int); it should be one word"),
    (({3: "yes"}, {3: "yes"}), "references has the utterance id 3 (int); it should be a str that is not empty"),
    (({"": "yes"}, {}), "references has the utterance id '' (str)"),
    ((SAID, ["yes"] * 4), "hypotheses is a sequence and references a dict; they should be of one kind"),
    ((["yes"] * 4, HEARD), "hypotheses is a dict and references a sequence"),
    ((SAID, "yes"), "hypotheses is 'yes' (str); it should be a dict"),
    ((["yes"], ["yes", "no"]), "hypotheses has 2 entries and references 1; they should be equally long"),
    ((["yes"], [np.nan]), "hypotheses[0] is nan (float); it should be one word, a str without white space, or a phrase of words with one blank between, or \"\""),
    ((["yes"], [np.array(["yes", "no"])]), "hypotheses[0] is array("),
    ((SAID, {**HEARD, "zoe-1": "no"}), "hypotheses: 1 of 5 are of utterances that references has not: zoe-1"),
    ((SAID, HEARD, ["amy"] * 4), "speakers is a sequence and references a dict"),
    ((SAID, HEARD, {"amy-1": "amy"}), "speakers: 3 of the 4 utterances of references have none: amy-2, bob-1, bob-2"),
    ((SAID, HEARD, dict.fromkeys(SAID, "")), "speakers['amy-1'] is '' (str); it should be a str that is not empty"),
    ((["yes"], ["yes"], ["amy", "bob"]), "speakers has 2 entries and references 1"),
    ((["yes"], ["yes"], []), "speakers has 0 entries and references 1"),
])  # fmt: skip
def test_what_is_refused_and_why(arguments, message):
    with pytest.raises(DataError) as refused:
        score_errors(*arguments)
    assert str(refused.value).startswith(message) and "\n" not in str(refused.value)


@pytest.mark.parametrize("vocabulary, message", [
    ("yes", "vocabulary is 'yes' (str); it should be a collection of words"),
    (3, "vocabulary is 3 (int)"),
    (["yes", "turn  left"], "vocabulary holds 'turn  left' (str); it should hold words"),
])  # fmt: skip
def test_a_vocabulary_that_is_none(vocabulary, message):
    with pytest.raises(AsrkitError) as refused:
        score_errors(SAID, HEARD, vocabulary=vocabulary)
    assert str(refused.value).startswith(message)


def test_two_reports_are_compared():
    rng = np.random.default_rng(1)
    said = rng.choice(["yes", "no"], size=200)
    speakers = np.repeat(["amy", "bob", "cid", "dan"], 50)
    heard = [np.where(rng.random(200) < rate, "maybe", said) for rate in (0.3, 0.05)]
    a, b = (score_errors(said, own, speakers) for own in heard)
    found = compare_reports(a, b)
    wrong = [own != said for own in heard]
    assert found.only_a == sum(~wrong[0] & wrong[1]) and found.only_b == sum(wrong[0] & ~wrong[1])
    assert found.both_right + found.only_a + found.only_b + found.both_wrong == 200
    assert found.verdict.startswith("B is better than A") and found.lines()[-1] == found.verdict
    low, high = found.interval
    assert low < 100 * (b.wer - a.wer) < high < 0 and found.speaker_rates.shape == (2, 10000)
    mirrored = compare_reports(b, a)
    assert mirrored.p == found.p and mirrored.verdict.startswith("A is better than B")
    assert not np.array_equal(compare_reports(a, b, seed=1).rates, found.rates)
    assert found.difference == pytest.approx(100 * (b.wer - a.wer))
    alone = compare_reports(*(score_errors(said, own) for own in heard), replications=50)
    assert alone.speaker_rates is None and alone.rates.shape == (2, 50)


def reports_of(both_right, only_a, only_b, both_wrong):
    """Two reports with such a table."""
    table = [(True, True), (True, False), (False, True), (False, False)]
    right = np.repeat(table, (both_right, only_a, only_b, both_wrong), axis=0)
    said = ["yes"] * len(right)
    return [score_errors(said, ["yes" if own else "no" for own in right[:, column]]) for column in (0, 1)]


def check_agreement(found):
    """Difference, interval, verdict and what is printed of them say the same."""
    better, (low, high) = found.p < 0.05, found.interval
    assert ("better" in found.verdict) == better == (not low <= 0 <= high)
    assert low <= found.difference <= high and -100 <= low and high <= 100
    if better:
        assert found.verdict.startswith("A" if found.difference > 0 else "B")
    lines = found.lines()
    numbers = [
        list(map(float, re.findall(r"-?\d+\.\d+", line.split("Interval")[1])))
        for line in lines
        if "Interval" in line
    ]
    difference = numbers.pop()
    assert (difference[0] > 0 or difference[1] < 0) == better
    assert all(0 <= rate for interval in numbers for rate in interval)
    p = float(re.search(r"p = ([\d.e-]+)", lines[-1])[1])
    assert (p < 0.05) == better and f"exact p = {p:g}" in lines[0]
    assert "-0.00" not in re.findall(r"\S+", " ".join(lines))


@pytest.mark.parametrize(
    "table",
    [(1, 0, 0, 0), (0, 0, 0, 1), (0, 1, 0, 0), (0, 0, 1, 0), (50, 0, 0, 0), (0, 0, 0, 50), (44, 0, 6, 0), (45, 5, 0, 0),
     (994, 0, 6, 0), (980, 3, 12, 5)],
)  # fmt: skip
def test_a_comparison_does_not_contradict_itself_at_the_edges(table):
    check_agreement(compare_reports(*reports_of(*table), replications=200))


def test_a_comparison_does_not_contradict_itself():
    rng = np.random.default_rng(3)
    for _ in range(60):
        table = rng.multinomial(rng.integers(1, 60), rng.dirichlet([1, 0.4, 0.4, 0.4]))
        check_agreement(compare_reports(*reports_of(*table), replications=50))


def test_where_words_and_utterances_disagree_that_is_said():
    """A has few utterances with many errors, B many with one."""
    said = {f"u{i:02d}": "a b c d e" for i in range(40)}
    a = compute_errors(said, {utt: "x x x x x" if utt < "u10" else text for utt, text in said.items()}, {})
    b = compute_errors(said, {utt: text if utt < "u10" else "a b c d x" for utt, text in said.items()}, {})
    verdict = compare_reports(a, b).verdict
    assert verdict.startswith(
        "A is better than B (p = 0.0022; by utterances without error: its word errors are more, 50 to 30"
    )


def test_what_cannot_be_compared():
    report = score_errors(SAID, HEARD)
    with pytest.raises(DataError, match="different utterances"):
        compare_reports(report, score_errors(["yes"], ["yes"]))
    with pytest.raises(DataError, match="different utterances"):
        compare_reports(report, score_errors({**SAID, "amy-1": "no"}, HEARD))
    with pytest.raises(DataError, match="no words"):
        compare_reports(*[compute_errors({"u": ""}, {"u": ""}, {})] * 2)
    for setting, problem in (("replications", 0), ("seed", -1)):
        with pytest.raises(SettingsError, match=f"{setting}={problem} is less than"):
            compare_reports(report, report, **{setting: problem})
