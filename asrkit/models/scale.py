"""How far numbers scatter, whatever their scale: what may be rounding alone, and what is taken for a unit.

No threshold stands in units of the features: what they are times a thousand trains the same models, times a thousand.
"""

import numpy as np

ROUNDING = float(np.finfo(np.float32).eps)  # relative; features are float32
LEAST = 1e-8  # of the variance, where no floor is asked for
FAR_APART = 2.0**20  # deviations whose squares differ by more than inverses of float64 bear
CONSTANT = 1e-4  # of its magnitude: the deviation that a constant dimension is given


def rounding_variance(mean, variance):
    """Variance that rounding may leave of numbers that are all the same, (D,): below it, a dimension is constant."""
    return ROUNDING**2 * (mean**2 + variance)


def standard(x):
    """Compute the mean of each dimension and what is taken for its unit.

    Parameters
    ----------
    x : (N, D)

    Returns
    -------
    mean : float64 (D,)
    unit : float64 (D,)
        The standard deviation. Of a constant dimension 1, and of one that is constant but for rounding its magnitude: all
        distances from the mean are then 0, or rounding, so that it has no say.
    """
    mean, variance = x.mean(axis=0, dtype=np.float64), x.var(axis=0, dtype=np.float64)
    equal = (x == x[0]).all(axis=0)
    constant = variance <= rounding_variance(mean, variance)
    return np.where(equal, x[0], mean), np.where(
        equal, 1.0, np.where(constant, np.abs(mean), np.sqrt(variance))
    )


def least_variance(mean, variance, fraction, beyond=None):
    """The floor of each dimension's variance, (D,): a fraction of its own.

    Parameters
    ----------
    mean, variance : (D,)
    fraction : float
    beyond : (D,), optional
        The variance over all words: what counts for a dimension that is constant here. One that is constant everywhere gets
        a floor by its magnitude, or 1 where that is 0: equal for all words, and so wide that its rounding has no say.
    """
    rounding = rounding_variance(mean, variance)
    if beyond is not None:
        variance = np.where((variance > rounding) & (beyond > rounding), variance, beyond)
    floor = np.maximum(max(fraction, LEAST) * variance, rounding)
    return np.where(variance > rounding, floor, np.where(mean == 0, 1.0, (CONSTANT * mean) ** 2))


def inverse_factor(cholesky):
    """Invert lower triangular matrices (..., D, D) whose rows may differ by orders of magnitude, as dimensions do.

    Where they do, powers of two bring them together, which costs no rounding: the inverse's pivots would be led astray.
    """
    unit = np.exp2(np.rint(np.log2(np.linalg.norm(cholesky, axis=-1, keepdims=True))))  # (..., D, 1)
    if unit.max() <= FAR_APART * unit.min():
        return np.linalg.inv(cholesky)
    return np.linalg.inv(cholesky / unit) / unit.swapaxes(-1, -2)
