"""Rates of words that are none, against scikit-learn's and by definition."""

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_curve

from asrkit.evaluation.detection import Detection, Trial


def trials(seed=0, count=300):
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        known = bool(rng.random() < 0.6)
        right = known and bool(rng.random() < 0.9)
        p = float(np.round(1 / (1 + np.exp(-rng.normal(2.0 if right else -1.0, 1.5))), 2))  # some are equal
        made.append(Trial(f"u{number}", "s", known, right, p))
    return made


def test_rates_are_those_of_the_receiver_s_curve():
    some = [trial for trial in trials() if trial.right or not trial.known]
    detection = Detection(some)
    accepted, kept, _ = roc_curve(
        [trial.right for trial in some], [trial.p for trial in some], drop_intermediate=False
    )
    mine = {(round(1 - a, 9), round(b, 9)) for _, a, b in zip(*detection.curve, strict=True)}
    assert {(round(b, 9), round(a, 9)) for a, b in zip(accepted, kept, strict=True)} == mine
    for rate in (0.01, 0.05, 0.2):
        assert detection.false_accepts(rate) == pytest.approx(accepted[kept >= 1 - rate].min())


def test_the_equal_error_rate_lies_where_both_are_equal():
    even = [Trial("", "", True, True, p) for p in np.linspace(0.2, 1.0, 101)]
    odd = [Trial("", "", False, False, p) for p in np.linspace(0.0, 0.8, 101)]
    assert Detection(even + odd).equal_error_rate == pytest.approx(0.375, abs=0.01)
    assert (
        Detection([Trial("", "", True, True, 0.9), Trial("", "", False, False, 0.1)]).equal_error_rate == 0.0
    )


def test_each_known_trial_stands_for_all_words_but_one():
    some = trials()
    p, right = np.array([trial.p for trial in some]), np.array([trial.right for trial in some])
    for words in (None, 2, 11):
        weight = np.where([trial.known for trial in some], (words or 2) - 1, 1)
        detection = Detection(some, words)
        assert detection.brier == pytest.approx(brier_score_loss(right, p, sample_weight=weight))
        error = 0.0
        for low in range(10):
            inside = np.minimum((p * 10).astype(int), 9) == low
            if inside.any():
                gap = np.average(p[inside], weights=weight[inside]) - np.average(
                    right[inside], weights=weight[inside]
                )
                error += abs(gap) * weight[inside].sum() / weight.sum()
        assert detection.calibration_error == pytest.approx(error)


def test_without_trials_of_both_kinds_nothing_is_told():
    assert "nothing to be told" in Detection([Trial("u", "s", True, True, 0.5)]).lines()[0]
    assert "nothing to be told" in Detection([]).lines()[0]
