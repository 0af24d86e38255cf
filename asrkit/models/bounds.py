"""Why EM works, in numbers: Q, the posterior's entropy, the lower bound and the divergence that is left.

ln p(X | theta) = L(q, theta) + KL(q || p(Z | X, theta)) for every q; with q = p(Z | X, theta_old), L = Q(theta, theta_old) + H(q)
(Neal and Hinton, 1998; Bishop, Pattern Recognition and Machine Learning, eqs. 9.70 to 9.74). Z is which component each frame came from and,
where there is time, which state.
"""

from dataclasses import dataclass

import numpy as np

from asrkit.models import trellis
from asrkit.models.hmm import Hmm


@dataclass(frozen=True)
class Posterior:
    """p(Z | x) of one sequence (T frames): a Markov chain over the states, and the component of each frame given its state.

    Attributes
    ----------
    gamma : (T, S)
        P(state at t | x).
    xi : (T - 1, S, S)
        P(state i at t, state j at t + 1 | x).
    log_first : (S,)
        log P(first state | x).
    log_next : (T - 1, S, S)
        log P(state j at t + 1 | state i at t, x).
    log_components : (T, S, M)
        log P(component | state, x_t).
    """

    gamma: np.ndarray
    xi: np.ndarray
    log_first: np.ndarray
    log_next: np.ndarray
    log_components: np.ndarray

    @property
    def components(self):
        """P(state and component at t | x): (T, S, M)."""
        return self.gamma[..., None] * np.exp(self.log_components)


def posterior(model, obs):
    """Compute p(Z | x) of one sequence; None where no path goes through the model.

    Parameters
    ----------
    model : Hmm, or a WordModel of one state
    obs : (T, D), or codes
    """
    emission = model.emission
    log_components = emission.component_log_posteriors(obs)
    if not isinstance(model, Hmm):
        # One state: each frame is by itself, and no step says anything.
        none = np.zeros((len(obs) - 1, 1, 1))
        return Posterior(np.ones((len(obs), 1)), none + 1.0, np.zeros(1), none, log_components)
    log_obs = emission.log_likelihood(obs)
    log_alpha = trellis.forward(log_obs, model.log_start, model.log_trans)
    log_beta = trellis.backward(log_obs, model.log_trans, model.log_exit)
    total = np.logaddexp.reduce(log_alpha[0] + log_beta[0])
    if np.isneginf(total):
        return None
    ahead = log_obs[1:] + log_beta[1:]
    dead = np.isneginf(log_beta[:-1])  # from where there is no way to the end
    log_next = model.log_trans + ahead[:, None] - np.where(dead, 0.0, log_beta[:-1])[..., None]
    gamma = np.exp(log_alpha + log_beta - total)
    return Posterior(
        gamma,
        gamma[:-1, :, None] * np.exp(log_next),
        log_alpha[0] + log_beta[0] - total,
        log_next,
        log_components,
    )


def q_function(model, obs, old):
    """Expect ln p(x, Z | model) under a Posterior, 0 ln 0 being 0. Bishop, eqs. 9.30 and 13.12."""
    q = _expect(old.components, model.emission.component_log_likelihood(obs))
    if isinstance(model, Hmm):
        q += _expect(old.gamma[0], model.log_start) + _expect(old.xi, model.log_trans)
        q += _expect(old.gamma[-1], model.log_exit)
    return q


def entropy(old):
    """Expect -ln p(Z | x) under a Posterior itself, in nats."""
    return -sum(_expect(p, log_p) for p, log_p in _terms(old, old))


def kl(old, new):
    """Expect ln p(Z | x) - ln p'(Z | x) under the first of two Posteriors, in nats; inf where the other rules out what the first does not.

    Each factor of the chain by itself: where both are the same it is 0, not the difference of large numbers.
    """
    pairs = zip(_terms(old, old), _terms(old, new), strict=True)
    return sum(_expect(p, _less(log_p, log_other)) for (p, log_p), (_, log_other) in pairs)


def _terms(old, new):
    """The factors of the chain: the probabilities under `old` of what each is of, and its logarithms under `new`."""
    yield old.gamma[0], new.log_first
    yield old.xi, new.log_next
    yield old.components, new.log_components


def _less(a, b):
    """a - b, where -inf - -inf does not matter."""
    return np.subtract(a, b, out=np.full(a.shape, np.nan), where=~np.isneginf(a))


def _expect(p, values):
    """Sum p x values over where p is not 0."""
    values = np.broadcast_to(values, p.shape)
    return float((p * np.where(p > 0, values, 0.0)).sum())
