"""Baselines of MixGoP: a logistic regression over phones, nearest neighbours and one-class SVMs score tokens.
Arrays in, arrays out.

scikit-learn trains; what is kept are plain arrays, and scoring from them is a product, a table of distances
or a sum of kernels. The kinds are those that Choi et al. (2025) compare MixGoP with.
"""

import warnings
from dataclasses import dataclass

import numpy as np

from asrkit.errors import SettingsError
from asrkit.models.base import check_array, log_sum
from asrkit.models.scale import rounding_variance, standard

BLOCK = 1024  # tokens compared with a phone's own at a time
MAX_ITERS = 1000  # of the regression's solver
NEAR = 0.1  # share of a phone's tokens that are nearer than the neighbour whose distance counts


@dataclass(frozen=True)
class Logistic:
    """A multinomial logistic regression over P phones, on standardised tokens.

    Attributes
    ----------
    center, scale : (D,)
        Mean and standard deviation of the training tokens.
    weights, biases : (P, D), (P,)
    log_priors : (P,)
        Log of the phones' shares of all training tokens, those that were not drawn included.
    """

    KINDS = ("gmm_gop", "nn_gop", "dnn_gop", "maxlogit")

    center: np.ndarray
    scale: np.ndarray
    weights: np.ndarray
    biases: np.ndarray
    log_priors: np.ndarray

    @classmethod
    def fit(cls, tokens, counts, *, max_iters=MAX_ITERS):
        """Fit to each phone's drawn tokens (n, D), drawn of so many: the model, and whether the solver
        converged.

        A limit to the tokens of a phone makes frequent phones as rare as it draws them, and the regression
        believes the draw. To draw by class moves a logistic regression's biases only, by log(drawn / count),
        so that is taken back (King & Zeng, 2001, Logistic regression in rare events data: prior correction):
        posterior and prior then both speak of the training data as it was.
        """
        from sklearn.exceptions import ConvergenceWarning  # late: slow to import
        from sklearn.linear_model import LogisticRegression

        drawn = np.array([len(own) for own in tokens])
        counts = np.asarray(counts, dtype=np.float64)
        obs = np.concatenate(tokens)
        center, scale = standard(obs)
        weights, biases, ended = np.zeros((len(tokens), obs.shape[1])), np.zeros(len(tokens)), True
        if len(tokens) > 1:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", ConvergenceWarning)
                peer = LogisticRegression(max_iter=max_iters).fit(
                    (obs - center) / scale, np.repeat(np.arange(len(tokens)), drawn)
                )
            # Of two phones it has one row, the second's against none: the first's is zero.
            weights[-len(peer.coef_) :], biases[-len(peer.coef_) :] = peer.coef_, peer.intercept_
            ended = not any(issubclass(one.category, ConvergenceWarning) for one in caught)
        return cls(
            center, scale, weights, biases + np.log(counts / drawn), np.log(counts / counts.sum())
        ), ended

    def check(self, phones, dim):
        check_arrays(
            self, center=(dim,), scale=(dim,), weights=(phones, dim), biases=(phones,), log_priors=(phones,)
        )
        if not (self.scale > 0).all():
            raise ValueError("scale is not positive")

    def log_posterior(self, obs):
        """Compute log P(phone | token): (N, P)."""
        logits = ((obs - self.center) / self.scale) @ self.weights.T + self.biases
        return logits - log_sum(logits)[:, None]

    def score(self, obs, labels):
        """Compute the scores (N, 4) of tokens that should be the phones `labels`."""
        log_post = self.log_posterior(obs)
        own = log_post[np.arange(len(obs)), labels]
        max_logit = own - self.log_priors[labels]
        return np.stack([own, own - log_post.max(axis=1), np.exp(max_logit), max_logit], axis=1)


@dataclass(frozen=True)
class Neighbours:
    """The training tokens of P phones, laid end to end.

    Attributes
    ----------
    tokens : (N, D)
    offsets : float (P + 1,)
        Those of phone p are `tokens[offsets[p] : offsets[p + 1]]`.
    """

    KINDS = ("knn",)

    tokens: np.ndarray
    offsets: np.ndarray

    @classmethod
    def fit(cls, tokens):
        return cls(np.concatenate(tokens), offsets_of(tokens))

    def check(self, phones, dim):
        check_arrays(self, tokens=(len(self.tokens), dim), offsets=(phones + 1,))
        check_offsets(self.offsets, len(self.tokens))

    def score(self, obs, labels):
        """Compute minus the distance (N, 1) to a near token of the phone: one in ten of them is as near or
        nearer.
        """
        from scipy.spatial.distance import cdist  # late: needed here only

        out = np.empty((len(obs), 1))
        for phone, mine in of_each_phone(labels):
            own = part(self.tokens, self.offsets, phone)
            rank = max(int(NEAR * len(own)), 1) - 1
            out[mine, 0] = -np.partition(cdist(obs[mine], own), rank, axis=1)[:, rank]
        return out


@dataclass(frozen=True)
class OneClass:
    """One-class support vector machines with RBF kernels, one of each of P phones, with scikit-learn's
    defaults.

    Attributes
    ----------
    vectors : (V, D)
        Support vectors, all phones' laid end to end.
    coefs : (V,)
    offsets : float (P + 1,)
        Those of phone p are `vectors[offsets[p] : offsets[p + 1]]`.
    intercepts, gammas : (P,)
    """

    KINDS = ("svm",)

    vectors: np.ndarray
    coefs: np.ndarray
    offsets: np.ndarray
    intercepts: np.ndarray
    gammas: np.ndarray

    @classmethod
    def fit(cls, tokens):
        from sklearn.svm import OneClassSVM  # late: slow to import

        vectors, coefs, intercepts, gammas = [], [], [], []
        whole = np.concatenate(tokens)
        varies = whole.var(axis=0) > rounding_variance(whole.mean(axis=0), whole.var(axis=0))
        for obs in tokens:
            telling = obs if varies.all() else obs[:, varies]  # a constant dimension has no say
            variance = telling.var() if varies.any() else 0.0
            # what scikit-learn calls "scale", its default
            gammas.append(1 / (varies.sum() * variance) if variance > 0 else 1.0)
            peer = OneClassSVM(gamma=gammas[-1]).fit(obs)
            vectors.append(peer.support_vectors_)
            coefs.append(peer.dual_coef_[0])
            intercepts.append(peer.intercept_[0])
        return cls(
            np.concatenate(vectors),
            np.concatenate(coefs),
            offsets_of(vectors),
            np.array(intercepts),
            np.array(gammas),
        )

    def check(self, phones, dim):
        rows, each = len(self.vectors), (phones,)
        check_arrays(
            self, vectors=(rows, dim), coefs=(rows,), offsets=(phones + 1,), intercepts=each, gammas=each
        )
        check_offsets(self.offsets, rows)
        if not (self.gammas > 0).all():
            raise ValueError("gammas are not positive")

    def score(self, obs, labels):
        """Compute the decision (N, 1) of the own phone's machine: positive inside, where half of the training
        tokens are.
        """
        from scipy.spatial.distance import cdist  # late: needed here only

        out = np.empty((len(obs), 1))
        for phone, mine in of_each_phone(labels):
            square = cdist(obs[mine], part(self.vectors, self.offsets, phone), "sqeuclidean")
            out[mine, 0] = (
                np.exp(-self.gammas[phone] * square) @ part(self.coefs, self.offsets, phone)
                + self.intercepts[phone]
            )
        return out


MODELS = {"logistic": Logistic, "knn": Neighbours, "svm": OneClass}  # in the order of their columns


def chosen_models(text):
    """Which of `MODELS` a text names: `none`, `all`, or some with commas between."""
    if text in ("none", "all"):
        return tuple(MODELS) if text == "all" else ()
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise SettingsError(f"baselines={text} names none: none, all, or some of {', '.join(MODELS)}")
    return names


def fit_baselines(names, tokens, counts, *, max_iters=MAX_ITERS):
    """Fit baselines, `names` of `MODELS`.

    Parameters
    ----------
    tokens : list of (n, D)
        The drawn tokens of every phone.
    counts : (P,)
        Of how many each phone's were drawn.
    max_iters : int
        Iterations of the regression's solver at the most.

    Returns
    -------
    baselines : dict of str to Logistic, Neighbours or OneClass
    converged : bool, of the regression
    """
    tokens = [np.asarray(own, dtype=np.float64) for own in tokens]
    others = {name: MODELS[name].fit(tokens) for name in ("knn", "svm") if name in names}
    if "logistic" not in names:
        return others, True
    logistic, converged = Logistic.fit(tokens, counts, max_iters=max_iters)
    return {"logistic": logistic, **others}, converged


def kinds_of(baselines):
    """Name the columns that `score_baselines` makes."""
    return tuple(kind for model in baselines.values() for kind in model.KINDS)


def score_baselines(baselines, tokens):
    """Compute the scores (P, K) of `Tokens`, the columns `kinds_of(baselines)`; NaN where there is none, of
    several frames the mean over them.
    """
    there = tokens.counts > 0
    out = np.full((len(there), len(kinds_of(baselines))), np.nan)
    if there.any() and baselines:
        counts = tokens.counts[there]
        labels, obs = np.repeat(tokens.labels[there], counts), tokens.obs.astype(np.float64)
        rows = np.concatenate([model.score(obs, labels) for model in baselines.values()], axis=1)
        out[there] = np.add.reduceat(rows, np.cumsum(counts) - counts, axis=0) / counts[:, None]
    return out


def offsets_of(parts):
    return np.concatenate([[0.0], np.cumsum([len(one) for one in parts])])


def check_arrays(model, **shapes):
    for name, shape in shapes.items():
        check_array(name, getattr(model, name), shape)


def check_offsets(offsets, rows):
    if offsets[0] != 0 or offsets[-1] != rows or (np.diff(offsets) < 1).any() or (offsets % 1).any():
        raise ValueError("offsets are not those of its rows")


def part(rows, offsets, phone):
    return rows[int(offsets[phone]) : int(offsets[phone + 1])]


def of_each_phone(labels):
    """Yield (phone, its places in `labels`, at most `BLOCK` at a time)."""
    for phone in np.unique(labels):
        mine = np.flatnonzero(labels == phone)
        for start in range(0, len(mine), BLOCK):
            yield phone, mine[start : start + BLOCK]
