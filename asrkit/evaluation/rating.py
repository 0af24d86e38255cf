"""Do scores agree with human ratings? Kendall's tau-b, Spearman's rho, AUC, and intervals over speakers.

A score says how good a pronunciation is: higher is better. Ratings are brought into the same direction by
`orient`, which is told theirs; so a positive tau, or an AUC above a half, always means that score and
listener agree.

Everything about pairs is a sum over pairs of speakers. What two speakers contribute is counted once
(`count_pairs`); after that a draw in which speaker s appears w_s times is a quadratic form in w, exact, and a
thousand draws are one matrix product.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from asrkit.errors import SettingsError

DIRECTIONS = ("better", "worse")


class Estimate(NamedTuple):
    """A statistic and the 2.5 and 97.5 per cent points of its draws; nan where there is none."""

    value: float
    low: float = np.nan
    high: float = np.nan


@dataclass(frozen=True, eq=False)
class PairSums:
    """What every two units (speakers) contribute to statistics of pairs; [s, t] sums over i of unit s and j
    of unit t.

    Attributes
    ----------
    signs : float64 array (G, G)
        Sums of sign(score_i - score_j) sign(rating_i - rating_j).
    score_ties, rating_ties : float64 array (G, G)
        How often the two are equal, an observation and itself included.
    sizes : float64 array (G,)
        Observations of each unit.
    """

    signs: np.ndarray
    score_ties: np.ndarray
    rating_ties: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class Agreement:
    """How one kind of score agrees with the listeners; `auc` is of phones, or of utterances where only they
    are rated.
    """

    phone_tau: Estimate
    utt_tau: Estimate
    phone_rho: float
    utt_rho: float
    auc: Estimate
    num_phones: int  # scored and rated
    num_utts: int
    num_speakers: int
    num_bad: int
    phones_left_out: int  # rated, but without a score (where only utterances are rated: without a score)
    phones_unrated: int
    utts_left_out: int  # rated, but without a scored phone


def orient(ratings, higher_is):
    """Turn ratings so that higher is better: themselves, or their negatives."""
    if higher_is not in DIRECTIONS:
        raise SettingsError(f"higher_is={higher_is} is none of {', '.join(DIRECTIONS)}")
    ratings = np.asarray(ratings, dtype=np.float64)
    return ratings if higher_is == "better" else -ratings


def count_pairs(scores, ratings, owners=None, *, chunk=512):
    """Compare every observation with every other, unit by unit.

    Parameters
    ----------
    scores, ratings : array (N,)
        Without nan.
    owners : array (N,), optional
        The unit (speaker) of every observation; all of one unit where it is left out.
    chunk : int
        Observations that all others are compared with at once: bounds the table of the comparison.
    """
    scores, ratings = _check_paired(scores, ratings)
    owners = (
        np.zeros(len(scores), dtype=np.int64)
        if owners is None
        else np.unique(np.asarray(owners), return_inverse=True)[1]
    )
    if owners.shape != scores.shape:
        raise ValueError(f"{len(owners)} owners for {len(scores)} scores")
    units = int(owners.max(initial=-1)) + 1
    x, y = (np.unique(values, return_inverse=True)[1] for values in (scores, ratings))
    order = np.argsort(x, kind="stable")  # neighbours in the tables then are neighbours in memory
    x, y, owners = x[order], y[order], owners[order]
    signs, score_ties, rating_ties = (np.zeros((units, units)) for _ in range(3))
    by_unit = np.argsort(owners, kind="stable")
    sizes = np.bincount(owners, minlength=units)
    for unit, mine in zip(range(units), np.split(by_unit, np.cumsum(sizes)[:-1])):
        for ties, ranks in ((score_ties, x), (rating_ties, y)):
            ties[:, unit] = np.bincount(owners, np.bincount(ranks[mine], minlength=len(x))[ranks], units)
        for start in range(0, len(mine), chunk):
            some = mine[start : start + chunk]
            signs[:, unit] += np.bincount(owners, _compare(x, y, x[some], y[some]), units)
    return PairSums(signs, score_ties, rating_ties, sizes.astype(np.float64))


def _compare(x, y, some_x, some_y):
    """Sums over j of sign(x_i - some_x_j) sign(y_i - some_y_j), int64 array (N,); all are ranks, small and
    not negative.
    """
    x_values, x_codes = np.unique(some_x, return_inverse=True)
    y_values, y_codes = np.unique(some_y, return_inverse=True)
    counts = np.zeros((len(x_values), len(y_values)), dtype=np.int64)
    np.add.at(counts, (x_codes, y_codes), 1)
    table = _below_less_above(_below_less_above(counts).T).T  # (2 X + 1, 2 Y + 1)
    return table[_slots(x_values, x), _slots(y_values, y)]


def _below_less_above(counts):
    """For each of the 2 n + 1 places among n sorted values (before, at, between, after): rows below less rows
    above.
    """
    totals = np.concatenate([np.zeros_like(counts[:1]), np.cumsum(counts, axis=0)])
    place = np.arange(2 * len(counts) + 1)
    return totals[place // 2] + totals[(place + 1) // 2] - totals[-1]


def _slots(values, ranks):
    """The place of every rank among sorted `values`: 2 k + 1 is at values[k], 2 k just before it."""
    steps = np.zeros(max(ranks.max(), values[-1]) + 2, dtype=np.int64)
    steps[values] += 1
    steps[values + 1] += 1
    return np.cumsum(steps)[ranks]


def tau_b(sums, draws=None):
    """Compute Kendall's tau-b of every draw of units.

    Parameters
    ----------
    sums : PairSums
    draws : array (B, G), optional
        How often each unit is drawn; once where it is left out.

    Returns
    -------
    array (B,)
        nan where all scores or all ratings are equal.
    """
    draws = _check_draws(sums, draws)
    pairs = (draws @ sums.sizes) ** 2
    # Kendall (1945): the signs over the geometric mean of the pairs that are not tied on either side; halves
    # cancel.
    untied = (pairs - _forms(draws, sums.score_ties)) * (pairs - _forms(draws, sums.rating_ties))
    return _divide(_forms(draws, sums.signs), np.sqrt(untied))


def area(sums, num_good, draws=None):
    """Compute the area under the ROC curve of every draw of units.

    Parameters
    ----------
    sums : PairSums
        Of scores and of 0 (bad) or 1 (good).
    num_good : array (G,)
        Good observations of each unit.
    draws : array (B, G), optional
        As for `tau_b`.

    Returns
    -------
    array (B,)
        nan where all are good or all are bad.
    """
    draws = _check_draws(sums, draws)
    good = draws @ np.asarray(num_good, dtype=np.float64)
    bad = draws @ sums.sizes - good
    # each pair stands in the sums twice, and +1 against -1
    return 0.5 + _divide(_forms(draws, sums.signs), 4 * good * bad)


def draw_units(units, replications, seed):
    """Draw as many units as there are, with replacement: how often each, float64 array (replications, units)."""
    return (
        np.random.default_rng(seed)
        .multinomial(units, np.full(units, 1 / units), size=replications)
        .astype(np.float64)
    )


def quantile_interval(values):
    """Find the 2.5 and 97.5 per cent points of draws; draws without a value (nan) are left out."""
    values = values[np.isfinite(values)]
    return tuple(np.quantile(values, [0.025, 0.975]).tolist()) if len(values) else (np.nan, np.nan)


def estimate_tau(scores, ratings, owners=None, replications=1000, seed=0):
    """Estimate Kendall's tau-b with its bootstrap interval over owners: an Estimate.

    It has no interval of fewer than two owners.
    """
    sums = count_pairs(scores, ratings, owners)
    return _estimate(lambda draws: tau_b(sums, draws), len(sums.sizes), replications, seed)


def estimate_auc(scores, good, owners=None, replications=1000, seed=0):
    """Estimate the chance that a good one scores higher than a bad one (ties count half), with its interval.

    Parameters
    ----------
    good : bool array (N,)
    """
    good = np.asarray(good, dtype=bool)
    sums = count_pairs(scores, good.astype(np.float64), owners)
    units = (
        np.zeros(len(good), dtype=np.int64)
        if owners is None
        else np.unique(np.asarray(owners), return_inverse=True)[1]
    )
    num_good = np.bincount(units, good, len(sums.sizes))
    return _estimate(lambda draws: area(sums, num_good, draws), len(sums.sizes), replications, seed)


def _estimate(statistic, units, replications, seed):
    if not units:
        return Estimate(np.nan)
    value = float(statistic(None)[0])
    if units < 2 or not replications:
        return Estimate(value)
    return Estimate(value, *quantile_interval(statistic(draw_units(units, replications, seed))))


def spearman(scores, ratings):
    """Compute Spearman's rho: the correlation of ranks, ties at their mean rank.

    nan where one side does not vary.
    """
    scores, ratings = _check_paired(scores, ratings)
    if not len(scores):
        return np.nan
    a, b = (ranks - ranks.mean() for ranks in map(_mean_ranks, (scores, ratings)))
    return float(_divide(np.array([a @ b]), np.sqrt([(a @ a) * (b @ b)]))[0])


def _mean_ranks(values):
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[codes]


def mean_by(values, groups, num_groups):
    """Average the values of every group: float64 array (num_groups,).

    nan values are left out; nan for a group without any others.
    """
    there = ~np.isnan(values)
    counts = np.bincount(groups[there], minlength=num_groups)
    return _divide(np.bincount(groups[there], values[there], num_groups), counts.astype(np.float64))


def agree(
    scores,
    utts,
    owners,
    higher_is,
    *,
    ratings=None,
    utt_ratings=None,
    threshold=0.5,
    replications=1000,
    seed=0,
):
    """Measure how one kind of score agrees with ratings of phones, or with ratings of utterances only.

    An utterance's score is the mean over its scored phones; its rating is given or the mean over its rated
    phones.

    Parameters
    ----------
    scores : array (N,)
        Of every phone; nan where it could not be scored.
    utts : int array (N,)
        The utterance of every phone.
    owners : array (U,) or None
        The speaker of every utterance; None: no intervals.
    higher_is : {"better", "worse"}
        What a higher rating means.
    ratings : array (N,), optional
        Of phones, nan where there is none. Either these or
    utt_ratings : array (U,), optional
        of utterances.
    threshold : float
        A rating on the far side of it (below it where higher is better, above it where higher is worse) is
        bad.

    Returns
    -------
    Agreement
    """
    if (ratings is None) == (utt_ratings is None):
        raise ValueError("ratings of phones or of utterances, one of the two")
    scores, utts = np.asarray(scores, dtype=np.float64), np.asarray(utts)
    scored = ~np.isnan(scores)
    limit = float(orient(threshold, higher_is))
    by_phone = ratings is not None
    labels = orient(ratings, higher_is) if by_phone else np.full(len(scores), np.nan)
    rated = ~np.isnan(labels)
    num_utts = (
        len(utt_ratings)
        if not by_phone
        else len(owners)
        if owners is not None
        else int(utts.max(initial=-1)) + 1
    )
    utt_scores = mean_by(scores, utts, num_utts)
    # Means of the same ratings in another order must stay equal: ties count.
    utt_labels = np.round(mean_by(labels, utts, num_utts), 9) if by_phone else orient(utt_ratings, higher_is)
    chance = {"replications": replications, "seed": seed}

    phones, both = scored & rated, ~np.isnan(utt_scores) & ~np.isnan(utt_labels)
    utt_owners = None if owners is None else np.asarray(owners)
    phone_owners = None if owners is None else utt_owners[utts[phones]]
    both_owners = None if owners is None else utt_owners[both]
    judged, judged_owners = (
        ((scores[phones], labels[phones]), phone_owners)
        if by_phone
        else ((utt_scores[both], utt_labels[both]), both_owners)
    )
    return Agreement(
        phone_tau=estimate_tau(scores[phones], labels[phones], phone_owners, **chance),
        utt_tau=estimate_tau(utt_scores[both], utt_labels[both], both_owners, **chance),
        phone_rho=spearman(scores[phones], labels[phones]),
        utt_rho=spearman(utt_scores[both], utt_labels[both]),
        auc=estimate_auc(judged[0], judged[1] >= limit, judged_owners, **chance),
        num_phones=int(phones.sum()),
        num_utts=int(both.sum()),
        num_speakers=0 if owners is None else len(np.unique(both_owners)),
        num_bad=int(np.sum(judged[1] < limit)),
        phones_left_out=int(np.sum(~scored & (rated if by_phone else True))),
        phones_unrated=int(np.sum(~rated)) if by_phone else 0,
        utts_left_out=int(np.sum(np.isnan(utt_scores) & ~np.isnan(utt_labels))),
    )


def agree_by_phone(scores, ratings, phones, higher_is, threshold=0.5):
    """Measure how scores agree with ratings within every phone.

    Returns
    -------
    dict of str to dict
        Phone to `n`, `n_bad`, `tau`, `auc`, `mean_good` and `mean_bad` (mean scores); nan where there is
        nothing to compare.
    """
    scores, labels, phones = (
        np.asarray(scores, dtype=np.float64),
        orient(ratings, higher_is),
        np.asarray(phones),
    )
    there = ~np.isnan(scores) & ~np.isnan(labels)
    scores, labels, phones = scores[there], labels[there], phones[there]
    table = {}
    for phone in np.unique(phones):
        mine, own = scores[phones == phone], labels[phones == phone]
        good = own >= float(orient(threshold, higher_is))
        table[str(phone)] = {
            "n": len(mine),
            "n_bad": int(np.sum(~good)),
            "tau": estimate_tau(mine, own).value,
            "auc": estimate_auc(mine, good).value,
            "mean_good": _mean(mine[good]),
            "mean_bad": _mean(mine[~good]),
        }
    return table


def _mean(values):
    return float(values.mean()) if len(values) else np.nan


def _forms(draws, matrix):
    """w' matrix w of every row w of `draws`."""
    return np.einsum("bs,bs->b", draws @ matrix, draws)


def _divide(above, below):
    return np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)


def _check_draws(sums, draws):
    return np.ones((1, len(sums.sizes))) if draws is None else np.asarray(draws, dtype=np.float64)


def _check_paired(scores, ratings):
    scores, ratings = np.asarray(scores, dtype=np.float64), np.asarray(ratings, dtype=np.float64)
    if scores.ndim != 1 or scores.shape != ratings.shape:
        raise ValueError(f"scores of shape {scores.shape} and ratings of shape {ratings.shape} are no pairs")
    if np.isnan(scores).any() or np.isnan(ratings).any():
        raise ValueError("scores or ratings hold nan; leave those observations out")
    return scores, ratings
