"""A race between candidates that hear the same utterances: who is out, who has won, which are as good and
smaller.

After Birattari, Stützle, Paquete and Varrentrapp (2002), "A racing algorithm for configuring metaheuristics":
what is seen to be worse than the best is not heard any further, so that the time goes to those among which
nothing is decided yet.
"""

import numpy as np

from asrkit.evaluation.scoring import mcnemar_exact, wilson_interval

LEVEL = 0.05  # a difference is seen where McNemar's p is below


def ranked(right, sizes):
    """The candidates, best first: fewest errors, then the smaller, then as they stand.

    Parameters
    ----------
    right : dict of str to bool array (U,)
        Candidate to whether it heard each utterance rightly; the same utterances for all.
    sizes : dict of str to int
    """
    return sorted(right, key=lambda name: (np.sum(~right[name]), sizes[name]))


def beaten(right, best, level=LEVEL):
    """Dict of the candidates that err more often than `best` to McNemar's p, where it is below `level`."""
    worse = {}
    for name, own in right.items():
        lost, won, p = mcnemar_exact(own, right[best])
        if lost > won and p < level:
            worse[name] = p
    return worse


def smallest(right, sizes, level=LEVEL):
    """The smallest candidate that is not seen to be worse than the best; of equally small ones that with
    fewer errors.
    """
    order = ranked(right, sizes)
    worse = beaten(right, order[0], level)
    return min((name for name in order if name not in worse), key=sizes.get)


def worse(heard, racing):
    """Who is out after folds that all of `racing` have heard: dict of candidate to McNemar's p."""
    right = {name: pooled(heard[name]) for name in racing}
    return beaten(right, ranked(right, {name: size(heard[name]) for name in racing})[0])


def standings(heard, racing, out):
    """How the race stands.

    Parameters
    ----------
    heard : dict of str to dict
        Candidate to what it has heard, by fold in their order: "right" bool (U,), "parameters" of the model,
        "train_s" and "decode_s", and how many were "trained_together".
    racing : list of str
        The candidates that are not out. Those that have heard anything are compared on the folds that all of
        these have heard.
    out : dict of str to str
        Those that are, and the fold after which.

    Returns
    -------
    rows : list of dict
        The candidates' figures, best first, then those that are out, on what they had heard.
    small : str
        The smallest that is not seen to be worse.
    p : float
        McNemar's between the best and it.
    """
    names = [name for name in racing if heard[name]]
    folds = [fold for fold in heard[names[0]] if all(fold in heard[name] for name in names)]
    same = {name: {fold: heard[name][fold] for fold in folds} for name in names}
    right, sizes = {name: pooled(same[name]) for name in names}, {name: size(same[name]) for name in names}
    order, small = ranked(right, sizes), smallest(right, sizes)
    late = [figures(name, heard[name], fold) for name, fold in out.items()]
    rows = [figures(name, same[name], None) for name in order]
    rows += sorted(late, key=lambda row: (-row["folds"], row["errors"], row["parameters"]))
    return rows, small, mcnemar_exact(right[small], right[order[0]])[2]


def figures(name, heard, out):
    wrong, words = errors(heard)
    low, high = wilson_interval(wrong, words)
    ms = 1000 * min(one["decode_s"] / len(one["right"]) for one in heard.values())  # the least disturbed
    return {
        "name": name,
        "folds": len(heard),
        "errors": wrong,
        "words": words,
        "wer": wrong / words,
        "low": low,
        "high": high,
        "parameters": size(heard),
        "ms_a_word": round(ms, 3),
        "train_s": round(float(np.mean([one["train_s"] for one in heard.values()])), 3),
        "trained_together": max(one["trained_together"] for one in heard.values()),
        "out": out,
    }


def pooled(heard):
    """What was right on several folds, in their order."""
    return np.concatenate([one["right"] for one in heard.values()])


def errors(heard):
    """Errors and words on several folds."""
    right = pooled(heard)
    return int(np.sum(~right)), len(right)


def size(heard):
    """Parameters of the first fold's model; those of the others differ by a starved Gaussian, if at all."""
    return next(iter(heard.values()))["parameters"]
