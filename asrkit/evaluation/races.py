"""A race between candidates on the same utterances: who is out, who has won, which are as good and smaller.

After Birattari, Stützle, Paquete and Varrentrapp (2002), "A racing algorithm for configuring
metaheuristics": what is seen to be worse than the best is not tested any further, so that the time goes to
those among which nothing is decided yet.

The results of a candidate are a dict of fold to dict, in the order of the folds: "right" bool (U,), whether
each utterance was recognised; "parameters" of the model; "train_s" and "decode_s"; and how many candidates
were "trained_together".
"""

import numpy as np

from asrkit.evaluation.significance import mcnemar_exact, wilson_interval

LEVEL = 0.05  # a difference is seen where McNemar's p is below


def ranked(right, sizes):
    """Order the candidates, best first: fewest errors, then the smaller, then as they stand.

    Parameters
    ----------
    right : dict of str to bool array (U,)
        Candidate to whether it recognised each utterance; the same utterances for all.
    sizes : dict of str to int
    """
    return sorted(right, key=lambda name: (np.sum(~right[name]), sizes[name]))


def beaten(right, best, level=LEVEL):
    """Find the candidates that err more often than `best`: dict to McNemar's p, where it is below `level`."""
    worse = {}
    for name, own in right.items():
        lost, won, p = mcnemar_exact(own, right[best])
        if lost > won and p < level:
            worse[name] = p
    return worse


def smallest(right, sizes, level=LEVEL):
    """Find the smallest candidate that is not seen to be worse than the best.

    Of equally small ones that with fewer errors.
    """
    order = ranked(right, sizes)
    worse = beaten(right, order[0], level)
    return min((name for name in order if name not in worse), key=sizes.get)


def worse(results, racing):
    """Find who is out after folds that all of `racing` were tested on: dict of candidate to McNemar's p."""
    right = {name: pooled(results[name]) for name in racing}
    return beaten(right, ranked(right, {name: size(results[name]) for name in racing})[0])


def standings(results, racing, out):
    """Lay out how the race stands.

    Parameters
    ----------
    results : dict of str to dict
        Candidate to its results.
    racing : list of str
        The candidates that are not out. Those with any results are compared on the folds that all of these
        have results of.
    out : dict of str to str
        Those that are, and the fold after which.

    Returns
    -------
    rows : list of dict
        The candidates' figures, best first, then those that are out, on all of their results.
    small : str
        The smallest that is not seen to be worse.
    p : float
        McNemar's between the best and it.
    """
    names = [name for name in racing if results[name]]
    folds = [fold for fold in results[names[0]] if all(fold in results[name] for name in names)]
    same = {name: {fold: results[name][fold] for fold in folds} for name in names}
    right, sizes = {name: pooled(same[name]) for name in names}, {name: size(same[name]) for name in names}
    order, small = ranked(right, sizes), smallest(right, sizes)
    late = [figures(name, results[name], fold) for name, fold in out.items()]
    rows = [figures(name, same[name], None) for name in order]
    rows += sorted(late, key=lambda row: (-row["folds"], row["errors"], row["parameters"]))
    return rows, small, mcnemar_exact(right[small], right[order[0]])[2]


def figures(name, results, out):
    """Sum up the results of one candidate: a row of `standings`; rates are fractions, times seconds."""
    wrong, words = errors(results)
    low, high = wilson_interval(wrong, words)
    ms = 1000 * min(one["decode_s"] / len(one["right"]) for one in results.values())  # the least disturbed
    return {
        "name": name,
        "folds": len(results),
        "errors": wrong,
        "words": words,
        "wer": wrong / words,
        "low": low,
        "high": high,
        "parameters": size(results),
        "ms_a_word": round(ms, 3),
        "train_s": round(float(np.mean([one["train_s"] for one in results.values()])), 3),
        "trained_together": max(one["trained_together"] for one in results.values()),
        "out": out,
    }


def pooled(results):
    """Join what was right on several folds, in their order: bool (U,)."""
    return np.concatenate([one["right"] for one in results.values()])


def errors(results):
    """Count errors and words on several folds."""
    right = pooled(results)
    return int(np.sum(~right)), len(right)


def size(results):
    """Parameters of the first fold's model; those of the others differ by a starved Gaussian, if at all."""
    return next(iter(results.values()))["parameters"]
