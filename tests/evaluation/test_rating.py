"""asrkit.evaluation.rating and asrkit.phones.allophones: against scipy and scikit-learn, and by hand."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import roc_auc_score

from asrkit.evaluation.rating import (
    agree,
    agree_by_phone,
    count_pairs,
    draw_units,
    estimate_auc,
    estimate_tau,
    mean_by,
    orient,
    quantile_interval,
    spearman,
    tau_b,
)
from asrkit.phones.allophones import EDGE, anmi, clusters, manners, neighbours


def tied(seed, n=300, values=7):
    """Scores and ratings with ties on both sides, and their owners."""
    rng = np.random.default_rng(seed)
    ratings = rng.integers(0, values, n) / 5
    return np.round(ratings + rng.normal(size=n), 1), ratings, rng.choice(list("abcdef"), n)


# Statistics


@pytest.mark.parametrize("n, values", [(2, 2), (50, 3), (700, 11), (700, 10**6)])
def test_statistics_are_those_of_scipy_and_scikit_learn(n, values):
    scores, ratings, owners = tied(n, n, values)
    scores[:2], ratings[:2] = (0, 1), (0, 1)  # so that each is defined
    expected = kendalltau(scores, ratings).statistic
    assert estimate_tau(scores, ratings).value == pytest.approx(expected, abs=1e-12)
    assert estimate_tau(scores, ratings, owners).value == pytest.approx(expected, abs=1e-12)
    assert spearman(scores, ratings) == pytest.approx(spearmanr(scores, ratings).statistic, abs=1e-12)
    good = ratings > np.median(ratings)
    assert estimate_auc(scores, good, owners).value == pytest.approx(roc_auc_score(good, scores), abs=1e-12)


def test_more_than_a_chunk_of_one_owner():
    scores, ratings, owners = tied(0)
    whole = count_pairs(scores, ratings, owners)
    assert np.array_equal(count_pairs(scores, ratings, owners, chunk=7).signs, whole.signs)


def test_what_two_speakers_contribute_by_hand():
    sums = count_pairs([1, 2, 2, 3], [0, 1, 0, 1], ["a", "a", "b", "b"])
    # a: (1, 0) < (2, 1), both ways +1; a with b: (1,0)-(2,0) 0, (1,0)-(3,1) +1, (2,1)-(2,0) 0, (2,1)-(3,1) 0.
    assert sums.signs.tolist() == [[2, 1], [1, 2]]
    assert sums.score_ties.tolist() == [[2, 1], [1, 2]]
    assert sums.rating_ties.tolist() == [[2, 2], [2, 2]]
    assert sums.sizes.tolist() == [2, 2]


def test_nothing_to_compare_has_no_value():
    for scores, ratings in (([], []), ([1.0], [2.0]), ([1.0, 1.0], [1.0, 2.0]), ([1.0, 2.0], [3.0, 3.0])):
        assert np.isnan(estimate_tau(scores, ratings).value)
        assert np.isnan(spearman(scores, ratings))
    assert np.isnan(estimate_auc([1.0, 2.0], [True, True]).value)
    with pytest.raises(ValueError, match="leave those observations out"):
        estimate_tau([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="no pairs"):
        spearman([1.0], [1.0, 2.0])


# Intervals over speakers


def test_a_draw_is_the_statistic_of_the_observations_it_repeats():
    scores, ratings, owners = tied(1, 120)
    sums = count_pairs(scores, ratings, owners)
    draws = draw_units(6, 20, seed=5)
    assert draws.sum(axis=1).tolist() == [6] * 20
    for draw, value in zip(draws, tau_b(sums, draws)):
        times = draw[np.unique(owners, return_inverse=True)[1]].astype(int)
        assert value == pytest.approx(
            kendalltau(np.repeat(scores, times), np.repeat(ratings, times)).statistic, abs=1e-12
        )


def test_interval_of_a_tiny_case_by_hand():
    # Speaker a agrees wholly, b disagrees wholly: a draw is aa, ab (twice as likely) or bb.
    scores, ratings, owners = [1, 2, 1, 2], [1, 2, 2, 1], ["a", "a", "b", "b"]
    sums = count_pairs(scores, ratings, owners)
    assert tau_b(sums, [[2, 0], [1, 1], [0, 2]]) == pytest.approx([1, 0, -1])
    draws = draw_units(2, 1000, seed=0)
    assert np.mean(draws[:, 0] == 1) == pytest.approx(0.5, abs=0.06)
    assert estimate_tau(scores, ratings, owners) == pytest.approx((0, -1, 1))
    assert estimate_auc(scores, np.array(ratings) == 2, owners) == pytest.approx((0.5, 0, 1))
    assert estimate_tau(*tied(2)) == estimate_tau(*tied(2)) != estimate_tau(*tied(2), seed=1)
    assert np.isnan(estimate_tau(scores, ratings, ["a"] * 4).low)  # one speaker says nothing of others
    assert np.isnan(quantile_interval(np.array([np.nan]))).all()


def test_speakers_are_wider_than_observations():
    """Observations that repeat within a speaker carry nothing new, and the interval knows."""
    rng = np.random.default_rng(0)
    ratings, scores = (np.repeat(rng.normal(size=20), 15) for _ in range(2))
    narrow = estimate_tau(scores, ratings, np.arange(300))
    wide = estimate_tau(scores, ratings, np.repeat(np.arange(20), 15))
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


# Agreement of a system


def test_agreement_counts_what_it_leaves_out():
    scores = np.array([1.0, np.nan, 3.0, 4.0, np.nan, 2.0])
    ratings = np.array([0.0, 2.0, 1.0, 2.0, 1.0, np.nan])
    utts = np.array([0, 0, 1, 1, 2, 3])
    # utterance 4 is empty
    found = agree(scores, utts, np.array(["a", "a", "b", "b", "c"]), "better", ratings=ratings)
    assert (found.num_phones, found.phones_left_out, found.phones_unrated) == (3, 2, 1)
    assert (found.num_utts, found.utts_left_out, found.num_speakers, found.num_bad) == (2, 1, 1, 1)
    assert found.phone_tau.value == pytest.approx(1)
    # Utterance 0: score 1 (its nan phone has none), rating 1 (the mean of both); utterance 1: 3.5 and 1.5.
    assert found.utt_tau.value == pytest.approx(1)
    assert found.auc.value == 1


def test_equal_means_stay_tied():
    """Means of the same ratings in another order differ in the last bit, and must not be told apart."""
    rows = ((0.1, 0.2, 0.3), (0.3, 0.2, 0.1), (0.2, 0.3, 0.1))
    assert len(set(mean_by(np.ravel(rows), np.repeat(np.arange(3), 3), 3))) > 1
    found = agree(
        np.arange(12.0),
        np.repeat(np.arange(4), 3),
        None,
        "better",
        ratings=np.ravel([*rows, (2.0, 2.0, 2.0)]),
    )
    assert found.utt_tau.value == pytest.approx(kendalltau([0, 1, 2, 3], [0, 0, 0, 1]).statistic)


def test_direction_flips_signs():
    scores, ratings, owners = tied(3)
    utts = np.arange(300) // 10
    better, worse = (
        agree(scores, utts, owners[::10], way, ratings=ratings, threshold=0.61) for way in ("better", "worse")
    )
    for field in ("phone_tau", "utt_tau"):
        a, b = getattr(better, field), getattr(worse, field)
        assert a.value > 0
        assert (b.value, b.low, b.high) == pytest.approx((-a.value, -a.high, -a.low))
    assert worse.phone_rho == pytest.approx(-better.phone_rho)
    assert worse.auc.value == pytest.approx(1 - better.auc.value)  # no rating lies on the threshold
    assert better.num_bad + worse.num_bad == 300
    assert (better.num_bad, worse.num_bad) == (np.sum(ratings < 0.61), np.sum(ratings > 0.61))
    with pytest.raises(ValueError, match="none of better, worse"):
        orient(ratings, "up")


def test_ratings_of_utterances_only():
    scores, utts = np.array([1.0, 3.0, np.nan, 0.0]), np.array([0, 0, 1, 2])
    found = agree(scores, utts, None, "worse", utt_ratings=np.array([0.0, 1.0, 4.0]))
    assert (found.num_phones, found.num_utts, found.utts_left_out, found.phones_left_out) == (0, 2, 1, 1)
    assert found.utt_tau.value == 1 and found.auc.value == 1  # 0.0 is bad at 4 > 0.5, and has the lower score
    assert np.isnan(found.phone_tau.value)


def test_by_phone():
    scores, ratings, _ = tied(4)
    scores[0] = np.nan
    phones = np.array(["AA", "B", "T"])[np.arange(300) % 3]
    table = agree_by_phone(scores, ratings, phones, "better", 0.7)
    assert list(table) == ["AA", "B", "T"]
    mine = (phones == "AA") & ~np.isnan(scores)
    good = ratings >= 0.7
    assert table["AA"] == pytest.approx(
        {
            "n": 99,
            "n_bad": np.sum(mine & ~good),
            "tau": kendalltau(scores[mine], ratings[mine]).statistic,
            "auc": roc_auc_score(good[mine], scores[mine]),
            "mean_good": scores[mine & good].mean(),
            "mean_bad": scores[mine & ~good].mean(),
        }
    )
    assert np.isnan(agree_by_phone([1.0, 2.0], [2.0, 2.0], ["A", "A"], "better")["A"]["auc"])


# Allophones


def test_neighbours_end_at_utterances_and_pauses():
    utts, phones = list("uuuuvv"), ["T", "AA", "T", "S", "L", "IY"]
    starts, ends = [0, 0.1, 0.2, 0.5, 0.6, 0.7], [0.1, 0.19, 0.3, 0.6, 0.7, 0.8]
    left, right = neighbours(utts, phones, starts, ends)
    assert left.tolist() == [EDGE, "T", "AA", EDGE, EDGE, "L"]
    assert right.tolist() == ["AA", "T", EDGE, EDGE, "IY", EDGE]
    assert manners(["T", EDGE, "AA1", "L"]).tolist() == ["stop", EDGE, "vowel", "approximant"]
    with pytest.raises(ValueError, match="no class for the phones ts"):
        manners(["T", "ts"])


def test_anmi_of_a_function_is_1_and_of_independence_0():
    environments = np.tile(["a", "b", "c", "d"], 25)
    phones = np.full(100, "T")
    assert anmi(phones, np.tile([3, 1, 0, 2], 25), environments).value == pytest.approx(1)
    independent = np.repeat([0, 1, 2, 3, 4], 20)  # every component has every environment five times
    found = anmi(phones, independent, environments)
    assert found.value == pytest.approx(0, abs=1e-12)
    assert 0 < found.chance < 0.1  # about (4 - 1)(5 - 1) / 200 nats of log 4
    assert found.chance == pytest.approx(12 / 200 / np.log(4), rel=0.3)


def test_anmi_by_hand():
    # T: environments a a b b, components 0 0 0 1. H(E) = log 2, I = H(E) - 3/4 H(2/3, 1/3).
    phones, environments, components = list("TTTTLLS"), list("aabbaba"), [0, 0, 0, 1, 5, 7, 1]
    third = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    value = 1 - 0.75 * third / np.log(2)
    found = anmi(phones, components, environments)
    assert found.by_phone["T"][:2] == (4, pytest.approx(value))
    assert found.by_phone["L"][:2] == (2, pytest.approx(1))
    assert found.left_out == {"S": "always in one environment"}
    assert found.value == pytest.approx((value + 1) / 2)
    assert anmi(phones, components, environments, min_tokens=3).value == pytest.approx(value)
    assert np.isnan(anmi(["S"], [0], ["a"]).value)


def test_clusters():
    phones, components = list("TTTS"), np.array([1, 1, 0, 0])
    left, right = np.array(["A", "B", "A", "A"], dtype=object), np.array(["#", "#", "C", "A"], dtype=object)
    rows = clusters(phones, components, left, right, [-5.0, -4.0, -1.0, -2.0], exemplars=1)
    assert [(row["phone"], row["component"], row["n"], row["exemplars"]) for row in rows] == [
        ("S", 0, 1, [3]),
        ("T", 1, 2, [1]),
        ("T", 0, 1, [2]),
    ]
    assert rows[1]["share"] == pytest.approx(2 / 3)
    assert rows[1]["left"] == [("A", 0.5), ("B", 0.5)]
    assert rows[1]["right"] == [("#", 1.0)]
