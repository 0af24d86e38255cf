"""The bare arithmetic: what a task costs at the least, and the measure that all models are held against.

Neither asrkit's code nor a peer's: the evaluator judges both by their parameters.
"""

from dataclasses import dataclass

import numpy as np

ROWS = 512  # frames at a time, so that what is in between stays in the cache
LOG_2PI = np.log(2 * np.pi)


@dataclass(frozen=True)
class WordParameters:
    """An HMM in plain probabilities; states of discrete ones have `probs` (S, K), others mixtures.

    Attributes
    ----------
    start, trans : (S,), (S, S)
        Rows sum to one: an exit is left out and its row scaled up, since hmmlearn's models have none.
    weights, means, variances : (S, M), (S, M, D), (S, M, D)
    """

    start: np.ndarray
    trans: np.ndarray
    probs: np.ndarray | None = None
    weights: np.ndarray | None = None
    means: np.ndarray | None = None
    variances: np.ndarray | None = None

    @classmethod
    def of_logs(cls, arrays):
        """From asrkit's arrays."""
        trans = np.exp(arrays["log_trans"])
        trans /= trans.sum(axis=1, keepdims=True)
        start = np.exp(arrays["log_start"])
        if "log_probs" in arrays:
            return cls(start, trans, probs=np.exp(arrays["log_probs"]))
        return cls(start, trans, None, np.exp(arrays["log_weights"]), arrays["means"], arrays["variances"])

    def unscaled(self, mean, scale):
        """The same model of frames that are not standardised."""
        return WordParameters(
            self.start, self.trans, None, self.weights, self.means * scale + mean, self.variances * scale**2
        )

    def log_likelihood(self, obs):
        """log p(x | state): (N, S)."""
        if self.probs is not None:
            return np.log(np.maximum(self.probs, 1e-300)).T[obs]
        each = [
            log_density(obs, w, m, v)
            for w, m, v in zip(self.weights, self.means, self.variances, strict=True)
        ]
        return np.stack([log_sum(joint) for joint in each], axis=1)


def log_density(x, weights, means, spread):
    """log of weight x density: (N, M); `spread` is (M, D) variances or (M, D, D) covariances."""
    with np.errstate(divide="ignore"):
        out = np.tile(np.log(weights) - 0.5 * x.shape[1] * LOG_2PI, (len(x), 1))
    for m, (mean, s) in enumerate(zip(means, spread, strict=True)):
        away = x - mean
        if s.ndim == 1:
            out[:, m] -= 0.5 * ((away**2 / s).sum(axis=1) + np.log(s).sum())
        else:
            out[:, m] -= 0.5 * (
                np.einsum("ni,ni->n", away @ np.linalg.inv(s), away) + np.linalg.slogdet(s)[1]
            )
    return out


def log_sum(log_x):
    """log sum exp over the last axis."""
    peak = log_x.max(axis=-1)
    return peak + np.log(np.exp(log_x - peak[..., None]).sum(axis=-1))


def per_frame(models, by_word):
    """Log-likelihood a frame of every word's utterances under its own model: forward algorithm, any state may
    be the last.
    """
    total = sum(forward(models[word], arrays).sum() for word, arrays in by_word.items())
    return total / sum(len(array) for arrays in by_word.values() for array in arrays)


def forward(model, arrays):
    """log P(x) of each utterance, all abreast: (U,)."""
    log_obs = model.log_likelihood(np.concatenate(arrays))
    lengths = np.array([len(array) for array in arrays])
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    alpha, scores = np.tile(model.start, (len(arrays), 1)), np.zeros(len(arrays))
    for t in range(lengths.max()):
        going = np.flatnonzero(lengths > t)
        here = log_obs[first[going] + t]
        peak = here.max(axis=1)
        now = (alpha[going] @ model.trans if t else alpha[going]) * np.exp(here - peak[:, None])
        total = now.sum(axis=1)
        with np.errstate(divide="ignore"):
            scores[going] += np.log(total) + peak
        alpha[going] = now / np.maximum(total, 1e-300)[:, None]
    return scores


def decoding_floor(frames, num_gauss, dtype):
    """Score frames: one product of [x², x] with all Gaussians and an exponential of each value."""
    frames = frames.astype(dtype)
    weights = np.random.default_rng(0).standard_normal((2 * frames.shape[1], num_gauss)).astype(
        dtype
    ) * dtype(1e-4)

    def work():
        for start in range(0, len(frames), ROWS):
            x = frames[start : start + ROWS]
            joint = np.concatenate([x * x, x], axis=1) @ weights
            np.exp(joint, out=joint)

    return work


def em_floor(frames, num_gauss, covariance, dtype):
    """One EM iteration: the products that score and that sum, and an exponential of each value between them."""
    frames = frames.astype(dtype)
    dim = frames.shape[1]
    weights = np.random.default_rng(0).standard_normal((2 * dim, num_gauss)).astype(dtype) * dtype(1e-4)
    whiten = np.random.default_rng(0).standard_normal((num_gauss, dim, dim)).astype(dtype)

    def diagonal(x):
        both = np.concatenate([x * x, x], axis=1)
        return np.exp(both @ weights).T @ both

    def full(x):
        for w in whiten:
            y = x @ w
            post = np.exp(np.einsum("ni,ni->n", y, y) * dtype(-1e-4))
            (x * post[:, None]).T @ x

    def work():
        for start in range(0, len(frames), ROWS):
            {"diag": diagonal, "full": full}[covariance](frames[start : start + ROWS])

    return work
