"""Covariances that all words have in common: what few frames say of a Gaussian is completed by all the others."""

from dataclasses import replace

import numpy as np


def share_covariances(models, sums, frames):
    """Draw the covariance of every Gaussian of a vocabulary towards the one that all of them have on average.

    C = (n S + frames P) / (n + frames), where S is the scatter of the Gaussian's n frames about their mean, and P the mean of
    all S, each counted by its frames: the maximum a posteriori under an inverse Wishart prior that is as if `frames` frames with
    the covariance P had been seen before (Gauvain and Lee, 1994, "Maximum a posteriori estimation for multivariate Gaussian
    mixture observations of Markov chains"), its centre taken from the data. The floor lifts C, not S: so it is the exact
    maximum under the constraint.

    Parameters
    ----------
    models : dict of str to WordModel
        Estimated under the sums.
    sums : dict of str to WordStats
        Of every word.
    frames : float
        Above 0.

    Returns
    -------
    dict of str to WordModel
    """
    gaussians = {word: model.emission.gaussians for word, model in models.items()}
    within = {word: mixture.within(sums[word].emission.gaussians) for word, mixture in gaussians.items()}
    total = sum(occ.sum() for occ, _ in within.values())
    if not total > 0:
        return models
    pool = sum(np.tensordot(occ, spread, axes=2) for occ, spread in within.values()) / total
    shared = {}
    for word, model in models.items():
        occ, spread = within[word]
        share = (occ / (occ + frames)).T  # of its own frames
        mixed = (spread.T * share).T + np.multiply.outer(1 - share.T, pool)
        emission = model.emission.with_gaussians(gaussians[word].with_spread(mixed))
        shared[word] = replace(model, emission=emission)
    return shared
