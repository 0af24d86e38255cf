"""MixGoP: one mixture a phone over its typical realisations -> how typical another realisation is. Arrays in,
arrays out.

Choi et al. (2025), Leveraging Allophony in Self-Supervised Speech Models for Atypical Pronunciation
Assessment, NAACL: the score of a realisation s of phone p is log P(s | p) under p's mixture, whose components
stand for allophones. A realisation, or token, is one frame, the mean of some, or several frames (`pooling`).
"""

from dataclasses import dataclass

import numpy as np

from asrkit.config import check_fields, option
from asrkit.models.base import log_sum
from asrkit.models.codebook import kmeans
from asrkit.models.low_rank import LowRankMixture
from asrkit.models.mixture import DiagMixture, FullMixture
from asrkit.models.tied import TiedMixture
from asrkit.phones.densities import BLOCK, densities_of
from asrkit.phones.tokens import ALL, CENTRE, MEAN, PLACED, phone_rng

FULL, DIAG, SPHERICAL, TIED = COVARIANCES = ("full", "diag", "spherical", "tied")
KMEANS, PLUS_PLUS, RANDOM, FROM_DATA = INITS = ("kmeans", "k-means++", "random", "random_from_data")
KINDS = ("loglik", "posterior", "ratio", "z", "pct")
EXCESS = 0.2  # of training tokens' scores over others', in standard deviations of scores
MOST_GAUSSIANS = 32
UNSEEN = 1e-10  # frames; a component with fewer is gone
NO_SHARE = 1e-30  # of a component's frames: moves no digit of a variance


@dataclass(frozen=True)
class MixgopConfig:
    """How mixtures are trained, under scikit-learn's meaning of the settings; the paper has 32 full-covariance Gaussians a phone."""

    num_gauss: int = option(
        0, "Gaussians of each phone's mixture; 0: as many as its tokens and their dimensions bear", minimum=0
    )
    covariance: str = option(
        DIAG,
        "covariance form: of each Gaussian a full one, a diagonal one or a multiple of the identity; or one full one for all of a phone's",
        choices=COVARIANCES,
    )
    init: str = option(
        KMEANS,
        "Gaussians start as k-means clusters, at tokens drawn far apart or by chance, or with responsibilities drawn by chance",
        choices=INITS,
    )
    n_init: int = option(
        1,
        "starts of each phone's mixture, of which the likeliest is kept (kmeans, too, starts by chance)",
        minimum=1,
    )
    max_tokens: int = option(512, "tokens of a phone at the most; of more, as many are drawn", minimum=1)
    min_tokens: int = option(100, "tokens below which a phone gets no model", minimum=1)
    reg_covar: float = option(1e-5, "added to the variances", minimum=1e-12)
    tol: float = option(
        1e-3,
        "converged when an iteration changes the log-likelihood by less than this, in nats a token",
        minimum=0,
    )
    max_iters: int = option(100, "EM iterations at the most", minimum=1)
    pooling: str = option(
        CENTRE,
        "token of a phone: its centre frame, the mean of its frames, each of them, or each with its place in the phone as one more dimension",
        choices=(CENTRE, MEAN, ALL, PLACED),
    )
    lda_dim: int = option(
        0,
        "dimensions at most that a linear discriminant analysis of the phones leaves of the tokens' (0: none is made)",
        minimum=0,
    )
    frame_power: float = option(
        0.5,
        "n frames of a phone count as n to this power in its posterior (poolings all and placed)",
        minimum=0,
        maximum=1,
    )
    seed: int = option(0, "seed of everything drawn by chance", minimum=0)

    def __post_init__(self):
        check_fields(self)

    def gaussians(self, num_tokens, dim):
        """Say how many Gaussians a phone gets.

        Training tokens score above others of their kind by about the parameters over the tokens, in nats (Akaike, 1974); a
        Gaussian's scores scatter by sqrt(`dim` / 2) about their mean. With `num_gauss` 0 the former is at most `EXCESS` times the
        latter: on held-out training speakers of speechocean762 (13 and 39 MFCC, 60 to 2000 tokens a phone, centre frames and
        means) the likelihood is best there, and so is the posterior's agreement with ratings.
        """
        if self.num_gauss:
            return self.num_gauss
        shared = dim * (dim + 1) // 2 if self.covariance == TIED else 0
        most = (EXCESS * np.sqrt(dim / 2) * num_tokens - shared) / (self.parameters(1, dim) - shared)
        return int(np.clip(most, 1, MOST_GAUSSIANS))

    def parameters(self, num_gauss, dim):
        """Count the numbers that a phone's mixture is made of."""
        full = dim * (dim + 1) // 2
        if self.covariance == TIED:
            return num_gauss * (1 + dim) + full - 1
        return num_gauss * (1 + dim + {FULL: full, DIAG: dim, SPHERICAL: 1}[self.covariance]) - 1

    @property
    def added_dims(self):
        """Dimensions of a token beyond the features'."""
        return int(self.pooling == PLACED)


# Training: k-means, then EM as scikit-learn's GaussianMixture does it.


@dataclass(frozen=True)
class PhoneModel:
    """One phone's mixture (S = 1), and what its training tokens score.

    Attributes
    ----------
    mixture : DiagMixture, FullMixture, LowRankMixture or TiedMixture
    scores : (n,)
        log P(token | phone) of the tokens it was trained on, sorted.
    count : int
        Tokens of the phone in the training data, of which n were drawn.
    """

    mixture: object
    scores: np.ndarray
    count: int


def train_phone(phone, tokens, count, config):
    """Train one phone's mixture.

    Parameters
    ----------
    tokens : (n, D)
        Those that were drawn of `count`.

    Returns
    -------
    model : PhoneModel
    entry : dict
        What happened, for the log.
    """
    tokens = np.asarray(tokens, dtype=np.float64)
    num_gauss = config.gaussians(*tokens.shape)
    rng = phone_rng(config.seed, phone, 1)
    starts = (draw_start(tokens, min(num_gauss, len(tokens)), config.init, rng) for _ in range(config.n_init))
    try:
        fits = (fit_mixture(tokens, responsibilities, config) for responsibilities in starts)
        mixture, history, ending = max(fits, key=lambda fit: fit[1][-1])  # of equal ones the first
    except np.linalg.LinAlgError:
        raise ValueError(
            f"phone '{phone}': a covariance is singular (a larger reg_covar= than {config.reg_covar:g})"
        ) from None
    model = PhoneModel(mixture, np.sort(mixture.log_likelihood(tokens)[:, 0]), count)
    return model, {
        "phone": phone,
        "tokens": count,
        "drawn": len(tokens),
        "gaussians": int(mixture.num_gauss),
        "iterations": len(history),
        "per_token": float(model.scores.mean()),
        "ending": ending,
    }


def draw_start(obs, num_gauss, init, rng):
    """Compute the responsibilities (N, M) that EM starts from, as scikit-learn's `init_params` has them.

    Parameters
    ----------
    obs : (N, D)
    num_gauss : int
        At most N; of `kmeans` and `k-means++` fewer where there are fewer distinct tokens.
    init : str
        One of `INITS`: k-means clusters, or single tokens that each have a component (k-means++ draws them far apart,
        `random_from_data` without a preference), or rows drawn evenly by chance, brought to sum to one.
    """
    if init == KMEANS:
        return cluster(obs, num_gauss, rng)
    if init == RANDOM:
        drawn = rng.uniform(size=(len(obs), num_gauss))
        return drawn / drawn.sum(axis=1, keepdims=True)
    if init == FROM_DATA:
        rows = rng.choice(len(obs), num_gauss, replace=False)
    else:
        around = obs - obs.mean(axis=0)
        seeds, _ = kmeans(around, num_gauss, rng, max_iters=0)
        rows = [int(np.flatnonzero((around == seed).all(axis=1))[0]) for seed in seeds]
    responsibilities = np.zeros((len(obs), len(rows)))
    responsibilities[rows, np.arange(len(rows))] = 1.0
    return responsibilities


def cluster(obs, num_gauss, rng):
    """Compute responsibilities (N, M), 0 or 1, of k-means clusters; fewer than asked for where there are
    fewer distinct tokens.
    """
    _, labels = kmeans(obs - obs.mean(axis=0), num_gauss, rng, max_iters=300)
    kept, labels = np.unique(labels, return_inverse=True)
    return np.eye(len(kept))[labels]


def fit_mixture(obs, responsibilities, config):
    """Run EM from given responsibilities (N, M), with the steps and the ending of scikit-learn's
    GaussianMixture.

    Returns
    -------
    mixture : DiagMixture, FullMixture, LowRankMixture or TiedMixture
    history : list of float
        Mean log-likelihood of a token before each iteration.
    ending : str
    """
    mixture, history, previous = estimate_mixture(obs, responsibilities, config), [], -np.inf
    for _ in range(config.max_iters):
        joint = mixture.component_log_likelihood(obs)[:, 0]  # (N, M)
        total = log_sum(joint)
        mixture = estimate_mixture(obs, np.exp(joint - total[:, None]), config)
        history.append(float(total.mean()))
        if abs(history[-1] - previous) < config.tol:
            return mixture, history, "converged"
        previous = history[-1]
    return mixture, history, "iteration limit"


def estimate_mixture(obs, responsibilities, config):
    """Do the M step: weights, means, and covariances to whose diagonals `reg_covar` is added.

    Notes
    -----
    The mixtures' own `estimate` lifts variances to a floor, which is something else. Full covariances are
    low-rank where there are fewer tokens than Gaussians x dimensions: a Gaussian then has, on average, fewer
    samples than dimensions. A tied covariance is the scatter of all tokens less that of the means, over the tokens'
    responsibilities, scikit-learn's formula: where a start gives most tokens none it begins wide, and the others at
    `reg_covar`. Here it is taken about the tokens' mean, so that where they lie has no say.
    """
    occ = responsibilities.sum(axis=0)
    # (M, N), each row sums to one
    shares = (responsibilities / np.where(occ > UNSEEN, occ, 1.0)).T[occ > UNSEEN]
    log_weights = np.log(occ[occ > UNSEEN] / occ.sum())
    center, floor = obs.mean(axis=0), np.full(obs.shape[1], config.reg_covar)
    means = shares @ obs
    if config.covariance == TIED:
        away, live = means - center, occ[occ > UNSEEN]
        scatter = (obs - center).T @ (obs - center) - (away.T * live) @ away
        return TiedMixture(log_weights, means, scatter / live.sum() + np.diag(floor), center=center)
    if config.covariance in (DIAG, SPHERICAL):
        near = shares > NO_SHARE  # of many dimensions nearly all are not
        variances = np.stack(
            [
                share[some] @ (obs[some] - mean) ** 2
                for share, mean, some in zip(shares, means, near, strict=True)
            ]
        )
        if config.covariance == SPHERICAL:
            variances = np.repeat(variances.mean(axis=1, keepdims=True), variances.shape[1], axis=1)
        return DiagMixture(
            log_weights[None], means[None], floor, variances[None] + config.reg_covar, center=center
        )
    roots = (
        np.sqrt(share[share > 0])[:, None] * (obs[share > 0] - mean)
        for share, mean in zip(shares, means, strict=True)
    )  # (n, D) each; root' root is the covariance
    if len(obs) < means.size:
        return LowRankMixture.from_roots(log_weights, means, roots, config.reg_covar, center)
    covariances = np.stack([root.T @ root for root in roots]) + np.diag(floor)
    return FullMixture(log_weights[None], means[None], floor, covariances[None], center=center)


# Scores.


@dataclass(frozen=True)
class Scores:
    """P tokens' scores, NaN where there is none; of the poolings `all` and `placed` of the mean
    log-likelihood of the frames.

    Attributes
    ----------
    loglik : (P,)
        log P(token | phone): the paper's score.
    posterior : (P,)
        log P(phone | token) among the phones that have a model, each with its share of the training tokens as
        the prior. Frames side by side tell much the same: of the poolings `all` and `placed`, n frames count
        as n^`frame_power`.
    ratio : (P,)
        log-likelihood of the phone less that of its strongest rival.
    z, pct : (P,)
        Where `loglik` stands among those of the tokens the phone was trained on: in their standard deviations
        from their mean, and the percentage of them below it. (Of `all` and `placed` those are single frames,
        whose scores scatter more than means.)
    comp : int (P,)
        The component that explains the token best; -1 for none.
    rival : int (P,)
        The strongest other phone; -1 for none.
    """

    loglik: np.ndarray
    posterior: np.ndarray
    ratio: np.ndarray
    z: np.ndarray
    pct: np.ndarray
    comp: np.ndarray
    rival: np.ndarray

    def table(self):
        """Stack the scores to (P, K): the columns are `KINDS`."""
        return np.stack([getattr(self, kind) for kind in KINDS], axis=1)


class PhoneBank:
    """All phones' models: scores tokens.

    Parameters
    ----------
    models : dict of str to PhoneModel
        A token's label is the index of its phone in it.
    frame_power : float
        As in MixgopConfig.
    exact : bool
        True computes in float64 throughout. False takes float32 for the densities of diagonal covariances in many dimensions
        (`densities_of`), which moves a log-likelihood by 1e-6 of itself, at the most 1e-5.
    """

    def __init__(self, models, frame_power=0.5, exact=False):
        self.phones, self.frame_power = tuple(models), frame_power
        self._models = list(models.values())
        counts = np.array([model.count for model in self._models], dtype=np.float64)
        self._log_priors = np.log(counts / counts.sum())
        self._densities = densities_of([model.mixture for model in self._models], exact)

    def score(self, tokens, posterior=True):
        """Score tokens.

        Parameters
        ----------
        tokens : Tokens
        posterior : bool
            False leaves out what needs every phone's mixture (posterior, ratio, rival): a token then costs
            its own phone's alone.

        Returns
        -------
        Scores
        """
        there = tokens.counts > 0
        labels, counts = tokens.labels[there], tokens.counts[there]
        starts = np.cumsum(counts) - counts
        rows = np.repeat(labels, counts)
        own, best = self._own(tokens.obs, rows)
        scores = {"loglik": _means(own, starts, counts), "comp": _most_frequent(best, counts)}
        if posterior:
            scores.update(self._against_others(tokens.obs, rows, own, labels, starts, counts))
        scores["z"], scores["pct"] = self._among_trained(scores["loglik"], labels)
        return Scores(
            **{name: _spread(scores.get(name), name, there) for name in Scores.__dataclass_fields__}
        )

    def _own(self, obs, rows):
        """Log-likelihood under the own phone and its best component, (N,) each, phone by phone."""
        own, best = np.empty(len(obs)), np.empty(len(obs), dtype=np.int64)
        order = np.argsort(rows, kind="stable")
        ends = np.cumsum(np.bincount(rows, minlength=len(self.phones)))
        for phone, mine in enumerate(np.split(order, ends[:-1])):
            for start in range(0, len(mine), BLOCK):
                some = mine[start : start + BLOCK]
                own[some], best[some] = self._densities.own(obs[some], phone)
        return own, best

    def _against_others(self, obs, rows, own, labels, starts, counts):
        every = self._densities.log_likelihood(obs)
        every[np.arange(len(rows)), rows] = own
        strength, place = _means(every, starts, counts), np.arange(len(labels))
        own = strength[place, labels]
        joint = strength * (counts**self.frame_power)[:, None] + self._log_priors
        scores = {"posterior": joint[place, labels] - log_sum(joint)}
        if len(self.phones) > 1:
            strength[place, labels] = -np.inf
            scores["rival"], scores["ratio"] = strength.argmax(axis=1), own - strength.max(axis=1)
        return scores

    def _among_trained(self, loglik, labels):
        z, pct = np.full(len(loglik), np.nan), np.full(len(loglik), np.nan)
        for phone in np.unique(labels):
            mine, known = labels == phone, self._models[phone].scores
            deviation = known.std()
            if deviation > 0:
                z[mine] = (loglik[mine] - known.mean()) / deviation
            # Halfway up the equal ones, so that a score is as far from the bottom as its negative from the
            # top.
            pct[mine] = (
                sum(np.searchsorted(known, loglik[mine], side) for side in ("left", "right"))
                * 50.0
                / len(known)
            )
        return z, pct


def _means(values, starts, counts):
    """Mean over each token's rows; the first axis of `values` is cut."""
    if not len(starts) or counts.max() == 1:
        return values.copy()
    return (np.add.reduceat(values, starts, axis=0).T / counts).T


def _most_frequent(best, counts):
    """Each token's most frequent entry of `best`, which holds small integers."""
    width = int(best.max(initial=0)) + 1
    token = np.repeat(np.arange(len(counts)), counts)
    return (
        np.bincount(token * width + best, minlength=len(counts) * width)
        .reshape(len(counts), width)
        .argmax(axis=1)
    )


def _spread(values, name, there):
    """What the tokens `there` have, among all; NaN or -1 for the others."""
    out = (
        np.full(len(there), -1, dtype=np.int64) if name in ("comp", "rival") else np.full(len(there), np.nan)
    )
    if values is not None:
        out[there] = values
    return out


def summarise(scores):
    """Compute mean, least and 10th percentile of each column of (P, K), NaN skipped: (K, 3)."""
    ordered = np.sort(scores, axis=0)  # NaN last
    out = np.full((scores.shape[1], 3), np.nan)
    for k, count in enumerate((~np.isnan(ordered)).sum(axis=0)):
        if count:
            place = 0.1 * (count - 1)
            low, high = ordered[int(place), k], ordered[min(int(place) + 1, count - 1), k]
            out[k] = ordered[:count, k].mean(), ordered[0, k], low + (place - int(place)) * (high - low)
    return out
