"""asrkit.evaluation.scoring and the commands score and compare."""

import csv
import functools
import itertools
import json
import re

import numpy as np
import pytest
from scipy.stats import binomtest, multinomial

from asrkit.cli.main import main
from asrkit.errors import DataError
from asrkit.evaluation.kaldi import bootci_lines, ops_lines, per_spk_lines, per_utt_lines
from asrkit.evaluation.scoring import align_words, compute_errors, wer_lines
from asrkit.evaluation.significance import bootstrap_wer, mcnemar_exact, paired_interval, wilson_interval
from asrkit.workflows.compare import compare


def fewest_edits(ref, hyp):
    """Edit distance by its definition: try everything."""

    @functools.cache
    def search(i, j):
        if i == len(ref) or j == len(hyp):
            return len(ref) - i + len(hyp) - j
        return min(search(i + 1, j + 1) + (ref[i] != hyp[j]), search(i + 1, j) + 1, search(i, j + 1) + 1)

    return search(0, 0)


def edits(pairs):
    return sum(ref != hyp for ref, hyp in pairs)


def digits(num_utts=330, num_wrong=11):
    """A test with single words and substitutions only: (refs, hyps, speakers)."""
    refs = {f"s{i % 3}-{i:03d}": ("one", "two", "three")[i % 3] for i in range(num_utts)}
    hyps = {
        utt: ("two" if word != "two" else "one") if i < num_wrong else word
        for i, (utt, word) in enumerate(refs.items())
    }
    return refs, hyps, {utt: utt[:2] for utt in refs}


# Alignment and counts


def test_alignment_is_sound_and_has_the_fewest_edits():
    rng = np.random.default_rng(0)
    for _ in range(400):
        ref, hyp = (list(rng.choice(list("abc"), size=rng.integers(0, 7))) for _ in range(2))
        pairs = align_words(ref, hyp)
        assert [r for r, _ in pairs if r is not None] == ref
        assert [h for _, h in pairs if h is not None] == hyp
        assert (None, None) not in pairs
        assert edits(pairs) == fewest_edits(tuple(ref), tuple(hyp))


def test_ties_fall_as_in_compute_wer():
    # Two substitutions would cost the same; compute-wer says 1 ins, 1 del, 0 sub.
    assert align_words(["a", "b"], ["b", "c"]) == (("a", None), ("b", "b"), (None, "c"))


@pytest.mark.parametrize(
    "ref, hyp, counts",
    [("a", "a", (1, 0, 0, 0)), ("a", "b", (0, 1, 0, 0)), ("a", "", (0, 0, 0, 1)), ("", "a", (0, 0, 1, 0)),
     ("", "", (0, 0, 0, 0)), ("a b c", "a c d", (2, 0, 1, 1))],
)  # fmt: skip
def test_kinds_of_error(ref, hyp, counts):
    total = compute_errors({"u": ref}, {"u": hyp}, {}).total
    assert (total.correct, total.substitutions, total.insertions, total.deletions) == counts
    assert total.utt_errors == (ref != hyp)


def test_confusion_rows_are_what_was_said():
    report = compute_errors(
        {"u1": "b", "u2": "b", "u3": "a", "u4": "B", "u5": ""},
        {"u1": "a", "u2": "b", "u3": "", "u4": "é", "u5": "a"},
        {},
    )
    assert report.words == ("B", "a", "b", "é")  # C order: capitals first, é last
    assert report.confusion.dtype == np.int64
    expected = np.zeros((4, 5), dtype=int)
    expected[2, 1] = expected[2, 2] = expected[1, 4] = expected[0, 3] = 1
    assert np.array_equal(report.confusion, expected)


def test_counts_add_up_over_speakers():
    rng = np.random.default_rng(1)
    refs = {f"u{i:02d}": " ".join(rng.choice(list("abc"), size=rng.integers(0, 4))) for i in range(60)}
    hyps = {utt: " ".join(rng.choice(list("abc"), size=rng.integers(0, 4))) for utt in refs}
    speakers = {utt: utt[:2] for utt in refs}
    report = compute_errors(refs, hyps, speakers)
    errors, words = report.per_utt()
    total = report.total
    assert (total.errors, total.words, total.utts) == (errors.sum(), words.sum(), 60)
    assert total.errors == sum(fewest_edits(tuple(refs[u].split()), tuple(hyps[u].split())) for u in refs)
    assert report.confusion.sum() == total.words == sum(len(ref.split()) for ref in refs.values())
    assert np.trace(report.confusion[:, :-1]) == total.correct
    assert sorted(report.speakers) == sorted(set(speakers.values()))


# Modes


REFS, SPEAKERS = {"u1": "a", "u2": "b", "u3": "c"}, {"u1": "x", "u2": "x", "u3": "y"}


def test_strict_refuses_missing_and_foreign_utterances():
    with pytest.raises(DataError, match=r"no hypothesis for 2 of 3 utterances: u2, u3"):
        compute_errors(REFS, {"u1": "a"}, SPEAKERS, "strict")
    with pytest.raises(DataError, match=r"1 of 4 hypotheses have no reference: zzz"):
        compute_errors(REFS, {**REFS, "zzz": "a"}, SPEAKERS, "strict")


def test_all_counts_the_missing_as_deletions():
    report = compute_errors(REFS, {"u1": "a", "zzz": "a"}, SPEAKERS, "all")
    assert (report.missing, report.ignored) == (2, 1)
    assert wer_lines(report) == [
        "%WER 66.67 [ 2 / 3, 0 ins, 2 del, 0 sub ] [PARTIAL]",
        "%SER 66.67 [ 2 / 3 ]",
        "Scored 3 sentences, 2 not present in hyp.",
    ]
    assert report.confusion[:, -1].tolist() == [0, 1, 1]


def test_present_leaves_the_missing_out():
    report = compute_errors(REFS, {"u1": "a"}, SPEAKERS, "present")
    assert wer_lines(report) == [
        "%WER 0.00 [ 0 / 1, 0 ins, 0 del, 0 sub ] [PARTIAL]",
        "%SER 0.00 [ 0 / 1 ]",
        "Scored 1 sentences, 2 not present in hyp.",
    ]


@pytest.mark.parametrize("mode", ["strict", "all", "present"])
def test_what_the_decoder_skipped_is_an_error_in_every_mode(mode):
    report = compute_errors(REFS, {"u1": "a", "u2": "b"}, SPEAKERS, mode, skipped=["u3"])
    assert (report.total.deletions, report.total.words, report.missing) == (1, 3, 1)


def test_unknown_mode_and_unknown_words():
    with pytest.raises(ValueError, match="mode=some"):
        compute_errors({}, {}, {}, "some")
    hyps = {"u1": "a", "u2": "a", "u3": "a"}
    assert compute_errors(REFS, hyps, SPEAKERS, vocabulary=["a", "c"]).unknown == {"b": 1}
    assert compute_errors(REFS, hyps, SPEAKERS).unknown == {}


# Formats


def test_lines_of_compute_wer():
    report = compute_errors(*digits())
    assert wer_lines(report) == [
        "%WER 3.33 [ 11 / 330, 0 ins, 0 del, 11 sub ]",
        "%SER 3.33 [ 11 / 330 ]",
        "Scored 330 sentences, 0 not present in hyp.",
    ]


def test_no_words_is_no_division_by_zero():
    report = compute_errors({"u": ""}, {"u": ""}, {})
    assert wer_lines(report)[0] == "%WER nan [ 0 / 0, 0 ins, 0 del, 0 sub ]"
    assert bootci_lines(bootstrap_wer(*report.per_utt())) == ["Set1: %WER nan 95% Conf Interval [ nan, nan ]"]
    assert ops_lines(report) == []
    assert per_utt_lines(report)[0] == "u ref"
    assert [line.split()[1] for line in per_spk_lines(report)] == ["id", "raw", "raw"]
    assert wer_lines(compute_errors({"u": ""}, {"u": "a"}, {}))[0].startswith("%WER inf [ 1 / 0, 1 ins")
    nothing = compute_errors({}, {}, {})
    assert wer_lines(nothing)[1:] == ["%SER nan [ 0 / 0 ]", "Scored 0 sentences, 0 not present in hyp."]
    with pytest.raises(ValueError, match="no utterances"):
        bootstrap_wer(*nothing.per_utt())


def test_per_utt():
    refs, hyps = {"s1-a": "w x", "s1-b": "two", "s1-c": "six"}, {"s1-a": "w", "s1-b": "three", "s1-c": "zero"}
    report = compute_errors(refs, hyps, {})
    assert "\n".join(per_utt_lines(report)) == (
        "s1-a ref  w   x\ns1-a hyp  w  ***\ns1-a op   C   D\ns1-a #csid 1 0 0 1\n"
        "s1-b ref   two\ns1-b hyp  three\ns1-b op     S\ns1-b #csid 0 1 0 0\n"
        "s1-c ref   six\ns1-c hyp  zero\ns1-c op     S\ns1-c #csid 0 1 0 0"
    )


def test_per_spk():
    report = compute_errors({"u": "a b c d e"}, {"u": "a a b d X"}, {"u": "A"})
    lines = per_spk_lines(report)
    assert lines[:3] == [
        "SPEAKER         id       #SENT      #WORD       Corr        Sub        Ins        Del        Err      S.Err",
        "A               raw          1          5          3          1          1          1          3          1",
        "A               sys          1          5      60.00      20.00      20.00      20.00      60.00     100.00",
    ]
    assert [line.replace("A  ", "SUM") for line in lines[1:3]] == lines[3:]


def test_ops_most_frequent_first_within_a_kind():
    refs = {"u1": "two", "u2": "two", "u3": "one", "u4": "one", "u5": "one", "u6": "six"}
    hyps = {"u1": "three", "u2": "three", "u3": "one", "u4": "two", "u5": "", "u6": "six nine"}
    assert ops_lines(compute_errors(refs, hyps, {})) == [
        "correct         one      one    1",
        "correct         six      six    1",
        "deletion        one      ***    1",
        "insertion       ***     nine    1",
        "substitution    two    three    2",
        "substitution    one      two    1",
    ]


def test_bootci_lines():
    def around(mean, half):
        return np.array([mean - half / 1.96, mean + half / 1.96])

    one = around(0.033355, 0.019155)
    assert bootci_lines(one) == ["Set1: %WER 3.34 95% Conf Interval [ 1.42, 5.25 ]"]
    assert bootci_lines(np.array([one, [0.01, 0.9]])) == [
        "Set1: %WER 3.34 95% Conf Interval [ 1.42, 5.25 ]",
        "Set2: %WER 45.50 95% Conf Interval [ 0.00, 100.00 ]",
    ]
    # With insertions a rate may be beyond 100 %.
    assert bootci_lines(np.array([0.01, 1.1])) == ["Set1: %WER 55.50 95% Conf Interval [ 0.00, 162.32 ]"]


# Statistics


@pytest.mark.parametrize(
    "errors, total", [(0, 1), (0, 300), (1, 3), (11, 330), (150, 300), (300, 300), (1, 100000)]
)
@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_wilson_interval(errors, total, confidence):
    oracle = binomtest(errors, total).proportion_ci(confidence, method="wilson")
    assert wilson_interval(errors, total, confidence) == pytest.approx(tuple(oracle), rel=1e-9, abs=1e-12)


def test_wilson_interval_at_the_ends():
    assert wilson_interval(0, 0) == (0, 1)
    assert wilson_interval(0, 10)[0] == 0 and wilson_interval(10, 10)[1] == 1
    for errors, total in ((-1, 10), (11, 10)):
        with pytest.raises(ValueError, match="between 0 and total = 10"):
            wilson_interval(errors, total)


@pytest.mark.parametrize("total", [1, 5, 40])
def test_the_paired_interval_covers(total):
    """Over all outcomes of a total, weighted by their probabilities: the true difference lies inside."""
    tables = np.array([(a, b) for a in range(total + 1) for b in range(total + 1 - a)])
    ends = np.array([paired_interval(a, b, total) for a, b in tables])
    assert np.all(ends[:, 0] <= ends[:, 1]) and np.all(np.abs(ends) <= 1)
    for a, b in itertools.product((0.001, 0.05, 0.3, 0.5), repeat=2):
        counts = np.column_stack([tables, total - tables.sum(axis=1)])
        chance = multinomial.pmf(counts, total, [a, b, 1 - a - b])
        inside = (ends[:, 0] <= a - b + 1e-12) & (ends[:, 1] >= a - b - 1e-12)
        assert chance @ inside >= 0.95


def test_the_paired_interval_is_the_test_turned_round():
    for a, b in itertools.product(range(25), repeat=2):
        low, high = paired_interval(a, b, 60)
        assert (not low <= 0 <= high) == (a + b > 0 and binomtest(a, a + b).pvalue < 0.05)
        assert paired_interval(b, a, 60) == pytest.approx((-high, -low))
    for a, b in ((12, 2), (15, 1), (9, 0)):  # the oracle of its ends is slow
        balance, share = binomtest(a, a + b).proportion_ci(), binomtest(a + b, 60).proportion_ci()
        expected = (2 * balance.low - 1) * share.low, (2 * balance.high - 1) * share.high
        assert paired_interval(a, b, 60) == pytest.approx(expected)


def test_bootstrap_has_the_spread_of_the_binomial():
    errors = np.zeros(330, dtype=int)
    errors[:11] = 1
    rates = bootstrap_wer(errors, np.ones(330, dtype=int))
    p = 11 / 330
    assert rates.shape == (10000,)
    assert rates.mean() == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / 330 / 10000))
    # 5 sigma of a std from 10000 draws
    assert rates.std() == pytest.approx(np.sqrt(p * (1 - p) / 330), rel=0.04)
    assert np.array_equal(rates, bootstrap_wer(errors, np.ones(330, dtype=int)))
    assert not np.array_equal(rates, bootstrap_wer(errors, np.ones(330, dtype=int), seed=1))


def test_bootstrap_agrees_with_drawing_one_by_one():
    rng = np.random.default_rng(2)
    words = rng.integers(1, 6, size=80)
    errors = rng.binomial(words, 0.3)
    drawn = rng.integers(0, 80, size=(10000, 80))
    naive = errors[drawn].sum(axis=1) / words[drawn].sum(axis=1)
    rates = bootstrap_wer(errors, words)
    assert rates.mean() == pytest.approx(naive.mean(), abs=7 * naive.std() / 100)
    assert rates.std() == pytest.approx(naive.std(), rel=0.06)


def test_bootstrap_over_speakers_draws_whole_speakers():
    order = np.random.default_rng(3).permutation(40)
    errors = np.repeat([1, 0], [30, 10])[order]  # amy is all wrong, bob all right
    rates = bootstrap_wer(errors, np.ones(40, dtype=int), np.repeat(["amy", "bob"], [30, 10])[order])
    values, counts = np.unique(rates, return_counts=True)
    assert values.tolist() == [0, 0.75, 1]
    assert counts / 10000 == pytest.approx([0.25, 0.5, 0.25], abs=0.025)  # 5 sigma


def test_two_systems_are_drawn_together():
    a = np.array([1, 1, 1, 0, 0, 0, 0, 0])
    b = np.array([1, 1, 0, 0, 0, 0, 0, 0])  # never worse than A
    rates = bootstrap_wer([a, b], np.ones(8, dtype=int))
    assert rates.shape == (2, 10000)
    assert np.all(rates[1] <= rates[0])
    assert np.mean(rates[1] < rates[0]) == pytest.approx(
        1 - (7 / 8) ** 8, abs=0.025
    )  # the one dispute must be drawn


def test_mcnemar():
    rng = np.random.default_rng(4)
    for utts in (1, 5, 30, 400):
        a, b = rng.random(utts) < 0.9, rng.random(utts) < 0.8
        n01, n10, p = mcnemar_exact(a, b)
        assert (n01, n10) == (sum(b & ~a), sum(a & ~b))
        oracle = binomtest(n01, n01 + n10).pvalue if n01 + n10 else 1
        assert p == pytest.approx(oracle, rel=1e-9)
        assert mcnemar_exact(b, a) == (n10, n01, p)
    assert mcnemar_exact([True], [True]) == (0, 0, 1)
    with pytest.raises(ValueError, match="one decision an utterance"):
        mcnemar_exact([True], [True, False])


# The commands


@pytest.fixture
def folders(tmp_path):
    """A data directory of 4 words by 2 speakers, and a decode folder with one error."""
    data, out = tmp_path / "test", tmp_path / "exp" / "decode_test"
    data.mkdir()
    out.mkdir(parents=True)
    (data / "text").write_text("amy-1 yes\namy-2 no\nbob-1 yes\nbob-2 no\n")
    (data / "utt2spk").write_text("amy-1 amy\namy-2 amy\nbob-1 bob\nbob-2 bob\n")
    (out / "hyp").write_text("amy-1 yes\namy-2 yes\nbob-1 yes\nbob-2 no\n")
    return data, out


def run(name, *words):
    return main([name, *map(str, words)])


def test_score_writes_what_kaldi_writes(folders, capsys):
    data, out = folders
    assert run("score", data, out) == 0
    stdout = capsys.readouterr().out.splitlines()
    assert stdout == [
        "%WER 25.00 [ 1 / 4, 0 ins, 0 del, 1 sub ]",
        "%SER 25.00 [ 1 / 4 ]",
        "Scored 4 sentences, 0 not present in hyp.",
        "%ACC 75.00 [ 100 - 25.00 ]",
        "95% interval (Wilson): [ 4.56, 69.94 ]",
        "95% interval (bootstrap over 2 speakers): [ 0.00, 50.00 ]",
    ]
    assert [path.name for path in out.glob("wer_*")] == ["wer_1"]
    assert (out / "wer_1").read_text().splitlines() == stdout[:3]
    kaldi = out / "scoring_kaldi"
    assert sorted(p.name for p in kaldi.iterdir()) == ["best_wer", "test_filt.txt", "wer_details"]
    assert sorted(p.name for p in (kaldi / "wer_details").iterdir()) == [
        "ops",
        "per_spk",
        "per_utt",
        "wer_bootci",
    ]
    assert (kaldi / "test_filt.txt").read_text() == (data / "text").read_text()
    assert (kaldi / "best_wer").read_text() == f"{stdout[0]} {out}/wer_1\n"
    assert "amy-2 #csid 0 1 0 0\n" in (kaldi / "wer_details" / "per_utt").read_text()
    number = r"-?\d+\.\d\d"
    assert re.fullmatch(
        rf"Set1: %WER {number} 95% Conf Interval \[ {number}, {number} \]\n",
        (kaldi / "wer_details" / "wer_bootci").read_text(),
    )
    assert (out / "confusion.png").read_bytes().startswith(b"\x89PNG")
    with open(out / "confusion.csv", newline="") as stream:
        assert list(csv.reader(stream)) == [
            ["reference", "no", "yes", "no decision"],
            ["no", "1", "1", "0"],
            ["yes", "0", "2", "0"],
        ]
    assert not list(out.rglob(".*"))  # no temporary file stays


def test_report_json(folders):
    data, out = folders
    run("score", data, out)
    report = json.loads((out / "report.json").read_text())
    assert (report["errors"], report["total"], report["wer"], report["mode"]) == (1, 4, 0.25, "all")
    assert report["interval"] == pytest.approx([0.0456, 0.6994], abs=1e-4)
    assert report["speaker_interval"] == [0, 0.5]
    assert report["accuracy"] == 0.75 and report["per_speaker"]["bob"]["accuracy"] == 1
    assert report["per_speaker"]["amy"]["wer"] == 0.5 and report["per_speaker"]["bob"]["errors"] == 0
    assert report["per_word"]["no"] == {"total": 2, "errors": 1, "heard": 1}
    assert report["confusion"] == [[1, 1, 0], [0, 2, 0]]
    assert (report["unknown_words"], report["skipped"]) == ({}, {})


def test_best_wer_sh_reads_our_folders(folders):
    """`grep WER DIR/wer_* /dev/null | best_wer.sh`: the lowest rate, the line, a space, the file."""
    data, out = folders
    worse = out.parent / "decode_worse"
    worse.mkdir()
    (worse / "hyp").write_text("amy-1 no\namy-2 yes\nbob-1 no\nbob-2 no\n")
    grepped = []
    for folder in (worse, out):
        assert run("score", data, folder) == 0
        for path in folder.glob("wer_*"):
            grepped += [f"{path}:{line}" for line in path.read_text().splitlines() if "WER" in line]
    best = min(grepped, key=lambda line: float(re.search(r"[WS]ER (\S+)", line)[1]))
    name, _, rest = best.partition(":%WER")
    assert (out / "scoring_kaldi" / "best_wer").read_text() == f"%WER{rest} {name}\n"


def test_several_decodings_are_scored_one_after_the_other(folders, capsys):
    data, out = folders
    worse = out.parent / "decode_worse"
    worse.mkdir()
    (worse / "hyp").write_text("amy-1 no\namy-2 yes\nbob-1 no\nbob-2 no\n")
    said = []
    for folder in (out, worse):
        assert run("score", data, folder) == 0
        said += [f"{folder}:", *capsys.readouterr().out.splitlines()]
    alone = (worse / "report.json").read_bytes()
    (worse / "report.json").unlink()
    assert run("score", data, out, worse) == 0
    assert capsys.readouterr().out.splitlines() == said
    assert (worse / "report.json").read_bytes() == alone


def test_unknown_and_skipped_are_errors_and_said(folders, capsys):
    data, out = folders
    (data / "text").write_text("amy-1 cat\namy-2 cat\namy-3 dog\nbob-1 yes\nbob-2 no\n")
    (data / "utt2spk").unlink()
    (out / "hyp").write_text("amy-1 no\namy-2 no\namy-3 yes\nbob-1 yes\nzoe-1 no\n")
    (out / "skipped").write_text("bob-2 3 frames < 5 states\n")
    (out / "decode.json").write_text('{"words": ["no", "yes"]}\n')
    assert run("score", data, out, "--mode=present") == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == "%WER 80.00 [ 4 / 5, 0 ins, 1 del, 3 sub ] [PARTIAL]"
    assert captured.out.splitlines()[-2:] == [
        "3 utterances say words without a model (counted as errors): cat (2), dog (1)",
        "1 skipped by the decoder (counted as errors): bob-2 (3 frames < 5 states)",
    ]
    assert "ignored 1 hypotheses" in captured.err
    report = json.loads((out / "report.json").read_text())
    assert report["unknown_words"] == {"cat": 2, "dog": 1} and report["skipped"] == {
        "bob-2": "3 frames < 5 states"
    }


def test_empty_texts(folders, capsys):
    data, out = folders
    (data / "text").write_text("amy-1\namy-2\nbob-1\nbob-2\n")
    (out / "hyp").write_text("amy-1\namy-2\nbob-1\nbob-2\n")
    assert run("score", data, out) == 0
    assert capsys.readouterr().out.startswith("%WER nan [ 0 / 0,")
    assert json.loads((out / "report.json").read_text())["wer"] is None
    assert json.loads((out / "report.json").read_text())["accuracy"] is None
    assert run("compare", data, out, out) == 1
    assert "no words" in capsys.readouterr().err


def test_empty_hypothesis_is_a_deletion(folders, capsys):
    data, out = folders
    (out / "hyp").write_text("amy-1\namy-2 no\nbob-1 yes\nbob-2 no\n")
    assert run("score", data, out, "--mode", "strict", "--per-speaker", "true") == 0
    stdout = capsys.readouterr().out
    assert stdout.startswith("%WER 25.00 [ 1 / 4, 0 ins, 1 del, 0 sub ]\n")
    assert re.search(r"^amy +raw +2 +2 +1 +0 +0 +1 +1 +1$", stdout, re.MULTILINE)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("hyp", "amy-1 yes\n", "hyp: no hypothesis for 3 of 4 utterances: amy-2, bob-1, bob-2"),
        ("hyp", None, "hyp: no such file"),
        ("hyp", "amy-2 no\namy-1 yes\n", "hyp:2: 'amy-1' comes after 'amy-2'"),
        ("decode.json", "{", "decode.json: no JSON: Expecting"),
        ("decode.json", "[]", 'decode.json: nothing under "words"'),
        ("scoring_kaldi", "in the way", "scoring_kaldi"),
    ],
)
def test_failure_is_status_1_and_leaves_nothing(folders, capsys, name, content, message):
    data, out = folders
    (out / name).unlink(missing_ok=True)
    if content is not None:
        (out / name).write_text(content)
    before = sorted(out.rglob("*"))
    assert run("score", data, out, "--mode", "strict") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err and "Traceback" not in captured.err
    assert sorted(out.rglob("*")) == before


def test_foreign_decoding_is_refused_where_nothing_would_be_scored(folders, capsys):
    data, out = folders
    (out / "hyp").write_text("x yes\n")
    assert run("score", data, out, "--mode", "present") == 1
    assert "was another directory decoded?" in capsys.readouterr().err


def write_tables(folder, **tables):
    """Write `out__name=table` as the table folder/out/name."""
    for name, table in tables.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{key} {table[key]}\n" for key in sorted(table)))


def test_compare_finds_the_better_system(tmp_path, capsys):
    data = tmp_path / "test"
    refs, bad, speakers = digits(300, 40)
    _, good, _ = digits(300, 10)
    write_tables(tmp_path, test__text=refs, test__utt2spk=speakers, a__hyp=bad, b__hyp=good)
    assert run("compare", data, tmp_path / "a", tmp_path / "b") == 0
    first = capsys.readouterr().out
    lines = first.splitlines()
    assert lines[0] == f"A: %WER 13.33 [ 40 / 300, 0 ins, 0 del, 40 sub ] {tmp_path}/a"
    assert lines[1] == f"B: %WER 3.33 [ 10 / 300, 0 ins, 0 del, 10 sub ] {tmp_path}/b"
    assert (
        lines[2]
        == "McNemar, 300 utterances: both right 260, only A right 0, only B right 30, both wrong 10; exact p = 1.9e-09"
    )
    assert "Bootstrap over 300 utterances:" in lines and "Bootstrap over 3 speakers:" in lines
    assert lines[-1] == "B is better than A (p = 1.9e-09)"
    assert sum("Difference" in line for line in lines) == 1 and "Probability" not in first
    low, high = map(float, re.search(r"Difference B - A: .* \[ (\S+), (\S+) \]", first).groups())
    assert low < -10 < high < 0

    assert run("compare", data, tmp_path / "b", tmp_path / "a") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "A is better than B (p = 1.9e-09)"
    assert run("compare", data, tmp_path / "a", tmp_path / "a") == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("no difference can be seen: no utterance")
    assert run("compare", data, tmp_path / "a", tmp_path / "b", "--seed=1") == 0
    assert capsys.readouterr().out != first
    with pytest.raises(SystemExit, match="2"):
        run("compare", data, tmp_path / "a", tmp_path / "b", "--replications", "0")


def test_compare_from_python(tmp_path, capsys, caplog):
    refs, bad, speakers = digits(300, 40)
    _, good, _ = digits(300, 10)
    write_tables(tmp_path, test__text=refs, test__utt2spk=speakers, a__hyp=bad, b__hyp={**good, "z": "one"})
    places = tmp_path / "test", tmp_path / "a", tmp_path / "b"
    compared = compare(*places, replications=200, seed=3)
    found = compared.comparison
    assert compared.decode_dirs == places[1:]
    assert [report.errors for report in found.reports] == [40, 10]
    assert (found.both_right, found.only_a, found.only_b, found.both_wrong) == (260, 0, 30, 10)
    assert found.rates.shape == found.speaker_rates.shape == (2, 200)
    assert f"{places[2]}/hyp: ignored 1 hypotheses" in caplog.text
    assert run("compare", *places, "--replications=200", "--seed=3") == 0
    assert capsys.readouterr().out.splitlines() == compared.lines()


def test_compare_names_the_speaker_who_decides(tmp_path, capsys):
    refs, _, speakers = digits(300)
    bad = {utt: "nine" if utt < "s0-090" else word for utt, word in refs.items()}  # 30 errors, all of s0
    write_tables(tmp_path, test__text=refs, test__utt2spk=speakers, a__hyp=bad, b__hyp=refs)
    assert run("compare", tmp_path / "test", tmp_path / "a", tmp_path / "b") == 0
    verdict = "B is better than A (p = 1.9e-09; 30 of the 30 utterances that tell them apart are of 's0', others may differ)"
    assert capsys.readouterr().out.splitlines()[-1] == verdict


def test_compare_says_that_nothing_can_be_seen_and_why(tmp_path, capsys):
    refs, a, speakers = digits(300, 8)
    _, b, _ = digits(300, 10)
    write_tables(tmp_path, test__text=refs, test__utt2spk=speakers, a__hyp=a, b__hyp=b)
    assert run("compare", tmp_path / "test", tmp_path / "a", tmp_path / "b") == 0
    lines = capsys.readouterr().out.splitlines()
    low, high = re.search(
        r"\[ (\S+), (\S+) \]", [line for line in lines if line.startswith("Difference")][-1]
    ).groups()
    assert lines[-1] == (
        "no difference can be seen: of 2 utterances that tell the two apart 2 are for A and 0 for B, as coins may fall (p = 0.5), "
        f"and fewer than 6 can show none; B - A may be {low} to {high} %"
    )


def test_the_interval_over_speakers_is_the_wider_where_errors_flock():
    refs, _, speakers = digits(600)
    few = list(refs)[:40]
    flocking = compute_errors(
        refs, {**refs, **dict.fromkeys(few, "wrong")}, {utt: f"{i // 60}" for i, utt in enumerate(refs)}
    )
    spread = compute_errors(
        refs,
        {**refs, **dict.fromkeys(list(refs)[::15], "wrong")},
        {utt: f"{i // 60}" for i, utt in enumerate(refs)},
    )
    assert flocking.speaker_interval[0] == 0 and flocking.speaker_interval[1] > 1.5 * flocking.interval[1]
    assert spread.speaker_interval == pytest.approx((40 / 600, 40 / 600))  # four of every speaker's sixty
    assert compute_errors(refs, refs, speakers).speaker_interval == (0, 0)
    for alone in ({}, dict.fromkeys(refs, "one")):  # each its own speaker; all of one
        assert compute_errors(refs, refs, alone).speaker_interval is None


def test_an_interval_without_an_error_says_nothing(tmp_path, capsys):
    refs, _, speakers = digits(300)
    write_tables(tmp_path, test__text=refs, test__utt2spk=speakers, a__hyp=refs)
    assert run("score", tmp_path / "test", tmp_path / "a") == 0
    assert (
        "(bootstrap over 3 speakers): [ 0.00, 0.00 ], which without an error says nothing"
        in capsys.readouterr().out
    )
