"""How sure is an error rate, and the difference of two? Wilson's interval, the bootstrap, McNemar's test and its interval."""

import math
from statistics import NormalDist

import numpy as np


def wilson_interval(errors, total, confidence=0.95):
    """Compute Wilson's score interval of a proportion.

    Unlike the usual p ± z·s it stays within [0, 1] and does not shrink to nothing at 0 errors.

    Returns
    -------
    low, high : float
        Fractions; (0, 1) where nothing was counted.
    """
    if not 0 <= errors <= total:
        raise ValueError(f"errors must lie between 0 and total = {total}, not {errors}")
    if total == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = errors / total
    # Wilson (1927): the roots of (p - x)^2 = z^2 x (1 - x) / n
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + (z / (2 * total)) ** 2)
    # At the ends the root is 0 or 1 exactly, which rounding misses.
    return (0.0 if errors == 0 else centre - half), (1.0 if errors == total else centre + half)


def bootstrap_wer(errors_per_utt, words_per_utt, speakers=None, replications=10000, seed=0):
    """Draw error rates: those of test sets drawn with replacement from this one (Bisani and Ney, 2004).

    Parameters
    ----------
    errors_per_utt : array (U,) or (K, U)
        One system, or K systems on the same utterances (and then on the same draws).
    words_per_utt : array (U,)
    speakers : sequence of str (U,), optional
        Draw whole speakers instead of utterances: how sure are we for other speakers?

    Returns
    -------
    array (replications,) or (K, replications)
        Fractions. Draws without any reference word have no rate and are left out.
    """
    errors = np.asarray(errors_per_utt)
    units = np.vstack([errors, words_per_utt]).T  # (U, K + 1)
    if not len(units):
        raise ValueError("no utterances to draw from")
    if speakers is not None:
        names, owner = np.unique(np.asarray(speakers), return_inverse=True)
        sums = np.zeros((len(names), units.shape[1]), dtype=units.dtype)
        np.add.at(sums, owner, units)
        units = sums
    # Units with the same counts are interchangeable: draw how many of each kind, not which ones. That is
    # the same distribution, and for isolated words there are two kinds instead of thousands of units.
    kinds, how_many = np.unique(units, axis=0, return_counts=True)
    share = how_many / len(units)
    drawn = np.random.default_rng(seed).multinomial(len(units), share, size=replications)
    totals = drawn @ kinds  # (replications, K + 1)
    totals = totals[totals[:, -1] > 0]
    rates = (totals[:, :-1] / totals[:, -1:]).T  # (K, replications)
    return rates if errors.ndim == 2 else rates[0]


def mcnemar_exact(a_correct, b_correct):
    """Test, with McNemar, whether two systems err equally often on the same utterances.

    Parameters
    ----------
    a_correct, b_correct : bool array (U,)

    Returns
    -------
    n01, n10 : int
        Utterances where only B, and where only A is right.
    p : float
        Two-sided: if both were equally good, the n01 + n10 disputes would fall like tosses of a coin.
    """
    from scipy.special import bdtr  # late: needed here only

    a, b = np.asarray(a_correct, dtype=bool), np.asarray(b_correct, dtype=bool)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(
            f"the two systems need one decision an utterance each, not shapes {a.shape} and {b.shape}"
        )
    n01, n10 = int(np.sum(~a & b)), int(np.sum(a & ~b))
    return n01, n10, min(1.0, 2 * float(bdtr(min(n01, n10), n01 + n10, 0.5)))


def paired_interval(only_a, only_b, total, confidence=0.95):
    """Compute the interval of the difference B - A of two shares of errors on the same utterances.

    It leaves 0 out if and only if `mcnemar_exact` has p < 1 - confidence.

    Parameters
    ----------
    only_a, only_b : int
        Utterances where only A, and where only B is right.
    total : int
        All utterances.

    Returns
    -------
    low, high : float
        Fractions, -1 to 1.

    Notes
    -----
    The difference is d (2 t - 1): d, the share of utterances that tell the two apart, times the balance of these, t being the
    share of them that is for A. t has the interval of Clopper and Pearson (1934), which is the inversion of the test: it
    leaves 1/2 out where the tosses of a coin are refused. d has theirs, too, and each end takes the d that moves it
    outwards. The two together cover in more than 96 % of all cases, of 10 utterances or of 100, whatever the shares.
    """
    low_t, high_t = _clopper_pearson(only_a, only_a + only_b, confidence)
    low_d, high_d = _clopper_pearson(only_a + only_b, total, confidence)
    low, high = 2 * low_t - 1, 2 * high_t - 1
    return low * (high_d if low < 0 else low_d), high * (high_d if high > 0 else low_d)


def _clopper_pearson(count, total, confidence):
    from scipy.special import betaincinv  # late: needed here only

    tail = (1 - confidence) / 2
    low = float(betaincinv(count, total - count + 1, tail)) if count else 0.0
    return low, float(betaincinv(count + 1, total - count, 1 - tail)) if count < total else 1.0
