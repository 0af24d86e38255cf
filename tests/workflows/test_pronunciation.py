"""PronunciationScorer: equal to the files of `mixgop score`, and strict at the door."""

import doctest
import math

import kaldiio
import numpy as np
import pytest
from command import asrkit
from scored import TRAIN, rows_of, write_set

from asrkit.errors import DataError
from asrkit.features.transform import cmvn_stats
from asrkit.io.alignment import read_alignment
from asrkit.workflows import pronunciation
from asrkit.workflows.pronunciation import PronunciationScorer

FIELDS = {
    "loglik": "log_likelihood",
    "posterior": "posterior",
    "ratio": "ratio",
    "z": "z",
    "pct": "percentile",
}
FEATS = np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
AA = [("AA", 0.0, 0.1)]


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    top = tmp_path_factory.mktemp("sets")
    write_set(top / "train", 0, takes=12)
    write_set(top / "test", 1, speakers=("ann", "cid"), takes=3)
    return top


@pytest.fixture(scope="module")
def scorer(sets):
    asrkit("mixgop", "train", sets / "train" / "data", sets / "train" / "ali", sets / "exp", *TRAIN)
    return PronunciationScorer.load(sets / "exp")


@pytest.mark.parametrize("options, posterior", [
    ([], True),
    (["--pooling=centre", "--cmvn=utterance", "--delta-order=2"], True),
    (["--pooling=placed", "--cmvn=speaker", "--baselines=all", "--lda-dim=2", "--covariance=diag"], True),
    (["--pooling=all", "--cmvn=sliding"], False),
    (["--pooling=all", "--cmvn=map"], False),
])  # fmt: skip
def test_scores_are_those_of_the_command(sets, tmp_path, options, posterior):
    train, test = sets / "train", sets / "test"
    asrkit("mixgop", "train", train / "data", train / "ali", tmp_path, *TRAIN, *options)
    words = ["mixgop", "score", tmp_path, test / "data", test / "ali", tmp_path / "scores"]
    asrkit(*words, f"--posterior={str(posterior).lower()}")
    rows, scorer = rows_of(tmp_path / "scores" / "phones.tsv"), PronunciationScorer.load(tmp_path)
    feats = dict(kaldiio.load_scp(str(test / "data" / "feats.scp")).items())
    for utt, phones in read_alignment(test / "ali").items():
        stats = sum(cmvn_stats(own) for name, own in feats.items() if name[:3] == utt[:3])
        triples = [(phone.label, phone.start_s, phone.end_s) for phone in phones]
        found = scorer.score(
            feats[utt],
            triples,
            posterior=posterior,
            speaker_stats=stats if "--cmvn=speaker" in options else None,
        )
        mine = [row for row in rows if row["utt"] == utt]
        assert [(one.phone, one.start_s, one.end_s) for one in found] == triples and len(mine) == len(found)
        for row, one in zip(mine, found):
            numbers = {**{kind: getattr(one, field) for kind, field in FIELDS.items()}, **one.baselines}
            for kind, value in numbers.items():
                assert float(row[kind]) == pytest.approx(value, rel=1e-7, abs=1e-9, nan_ok=True)
            assert set(row) - set(numbers) == {
                "utt",
                "word",
                "idx",
                "phone",
                "start",
                "end",
                "comp",
                "rival",
                "n_frames",
            }
            assert row["comp"] == ("nan" if one.component is None else str(one.component))
            assert row["rival"] == (one.rival or "nan") and int(row["n_frames"]) == one.num_frames
            assert (one.reason == "no model of ZH") == (one.phone == "ZH") and bool(one.reason) == math.isnan(
                one.log_likelihood
            )


def test_phones_without_a_score_have_a_reason(scorer):
    assert scorer.phones == ("AA", "B", "SH")
    alignment = [("SH", 0.4, 0.5), ("AA", 0.0, 0.1), ("ZH", 0.1, 0.2), ("B", 0.2, 0.2), ("B", 0.25, 0.29)]
    found = scorer.score(FEATS, alignment)
    assert [one.reason for one in found] == [
        "past the end of the features", "", "no model of ZH", "zero length", "",
    ]  # fmt: skip
    missing = found[2]
    assert all(math.isnan(getattr(missing, field)) for field in FIELDS.values())
    assert (missing.component, missing.rival, missing.num_frames) == (None, None, 0)
    assert repr(found) == repr(scorer.score(FEATS.astype(np.float64), alignment))
    assert scorer.score(FEATS, []) == []


@pytest.mark.parametrize("feats, told", [
    (FEATS.tolist(), r"feats is a list, not a numpy array of floats \(frames, 4\)"),
    (FEATS.astype(int), r"feats is an array of int64, not a numpy array of floats"),
    (FEATS[:, :3], r"feats is an array of shape \(30, 3\), not a numpy array of floats \(frames, 4\)"),
    (FEATS[0], r"feats is an array of shape \(4,\)"),
    (FEATS[:0], "feats: no frames"),
    (np.where(FEATS > 1, np.nan, FEATS), "feats: .* of 30 frames hold NaN"),
    (np.where(FEATS > 1, 1e300, FEATS.astype(float)), "feats: .* of 30 frames hold NaN or infinite"),
])  # fmt: skip
def test_features_that_are_none(scorer, feats, told):
    with pytest.raises(DataError, match=told):
        scorer.score(feats, AA)


@pytest.mark.parametrize("alignment, told", [
    ({"AA": (0, 1)}, r"alignment is a dict, not a list of \(phone, start_s, end_s\)"),
    ([("AA", 0.1)], r"alignment\[0\] is \('AA', 0.1\), not \(phone, start_s, end_s\)"),
    (["AA."], r"alignment\[0\] is 'AA.', not"),
    ([*AA, (3, 0.1, 0.2)], r"alignment\[1\]: 3 is no phone"),
    ([("", 0.1, 0.2)], r"alignment\[0\]: '' is no phone"),
    ([("AA B", 0.1, 0.2)], "'AA B' is no phone"),
    ([("AA", "0.1", 0.2)], r"alignment\[0\]: 'AA' from '0.1' to 0.2, not two times in seconds"),
    ([("AA", 0.1, math.nan)], "from 0.1 to nan, not two times"),
    ([("AA", -0.1, 0.2)], "'AA' starts at -0.1 s"),
    ([("AA", 0.3, 0.2)], "'AA' ends at 0.2 s, before it starts at 0.3 s"),
    ([("B", 0.05, 0.2), *AA], r"alignment\[0\]: 'B' starts at 0.05 s, before 'AA' ends at 0.1 s"),
])  # fmt: skip
def test_alignments_that_are_none(scorer, alignment, told):
    with pytest.raises(DataError, match=told):
        scorer.score(FEATS, alignment)


@pytest.mark.parametrize("stats, told", [
    ([[0.0] * 5] * 2, r"speaker_stats is a list, not a numpy array of floats \(2, 5\)"),
    (np.ones((2, 4)), r"speaker_stats is an array of float64, shape \(2, 4\)"),
    (np.zeros((2, 5)), "counts no frames"),
])  # fmt: skip
def test_statistics_that_are_none(scorer, stats, told):
    with pytest.raises(DataError, match=told):
        scorer.score(FEATS, AA, speaker_stats=stats)


def test_a_model_that_is_none(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        PronunciationScorer.load(tmp_path / "none")


def test_the_examples_run():
    found = doctest.testmod(pronunciation)
    assert found.attempted > 10 and not found.failed
