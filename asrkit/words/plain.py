"""Plain arrays as models and as observations: what a user has written down, checked at the door."""

from typing import Any

import numpy as np

from asrkit.errors import DataError, told
from asrkit.families.gmm import WordMixture
from asrkit.models.base import Block, safe_log
from asrkit.models.categorical import Categorical
from asrkit.models.hmm import Hmm
from asrkit.models.mixture import MIXTURES
from asrkit.models.mixture_base import Mixture
from asrkit.models.scale import LEAST


def mixture(weights: Any, means: Any, covariances: Any) -> WordMixture:
    """Build a Gaussian mixture from plain numbers.

    Parameters
    ----------
    weights : (K,)
        P(component).
    means : (K, D), or (K,) in one dimension
    covariances : (K, D, D), or (K, D) variances; (K,) variances in one dimension
        With the form that `train` then keeps: full, or diagonal.

    Returns
    -------
    WordMixture

    Raises
    ------
    DataError
        The arrays don't fit each other, or are no probabilities or covariances.

    Examples
    --------
    >>> import numpy as np
    >>> from asrkit import study
    >>> model = study.mixture([0.5, 0.5], [-1.0, 1.0], [1.0, 1.0])
    >>> float(np.exp(study.log_likelihood(model, [0.0])).round(4))
    0.242
    """
    return _checked(WordMixture(_gaussians(weights, means, covariances, by_state=False)))


def hmm(
    start: Any,
    transitions: Any,
    exit: Any,
    *,
    symbols: Any = None,
    means: Any = None,
    covariances: Any = None,
    weights: Any = None,
) -> Hmm:
    """Build a hidden Markov model from plain probabilities: discrete with `symbols`, else continuous.

    Parameters
    ----------
    start : (S,)
        P(first state).
    transitions : (S, S)
        `transitions[i, j]`: P(state j next | state i); 0 is forbidden, and training leaves it so.
    exit : (S,)
        P(the word ends | state). Each row of transitions and its exit sum to one.
    symbols : (S, M)
        P(symbol | state).
    means : (S, D), or (S, M, D) with M Gaussians a state; (S,) in one dimension
    covariances : of the means' shape, or (..., D, D)
        Variances, or covariances.
    weights : (S, M)
        P(Gaussian | state), where a state has several.

    Returns
    -------
    Hmm

    Raises
    ------
    DataError
        The arrays don't fit each other, or are no probabilities or covariances.

    Examples
    --------
    >>> from asrkit import study
    >>> model = study.hmm([1, 0], [[0.5, 0.5], [0, 0.5]], [0, 0.5], symbols=[[0.9, 0.1], [0.2, 0.8]])
    >>> study.trellis(model, [0, 0, 1]).path.tolist()
    [0, 0, 1]
    """
    first, leave = _probabilities(start, "start"), _probabilities(exit, "exit")
    rows = _probabilities(transitions, "transitions")
    num_states = first.size
    for name, array, shape in (
        ("start", first, (num_states,)),
        ("transitions", rows, (num_states, num_states)),
        ("exit", leave, (num_states,)),
    ):
        if array.shape != shape:
            raise DataError(f"{name} has shape {array.shape}, not that of {num_states} states, {shape}")
    _sums("start", first)
    _sums("each row of transitions with its exit", np.concatenate([rows, leave[:, None]], axis=1))
    if (symbols is None) == (means is None):
        raise DataError("hmm takes either symbols, or means and covariances")
    emission: Any
    if symbols is not None:
        table = _probabilities(symbols, "symbols")
        _sums("each row of symbols", table)
        emission = Categorical(safe_log(table))
    else:
        emission = _gaussians(weights, means, covariances, by_state=True)
    return _checked(Hmm(safe_log(first), safe_log(rows), safe_log(leave), emission))


def _gaussians(weights: Any, means: Any, covariances: Any, by_state: bool) -> Mixture:
    """The mixtures of some states, or of one: means (M, D) or (S, M, D), but for the axes that are left out."""
    if means is None or covariances is None:
        raise DataError("Gaussians take both means and covariances")
    mean, spread = check_numbers(means, "means"), check_numbers(covariances, "covariances")
    if mean.ndim == 1:  # one dimension
        mean, spread = mean[:, None], spread[:, None] if spread.ndim == 1 else spread
    if mean.ndim == 2 and by_state and weights is None:
        weights, mean, spread = np.ones((len(mean), 1)), mean[:, None], spread[:, None]
    elif not by_state:
        weights, mean, spread = [weights], mean[None], spread[None]
    if weights is None:
        raise DataError(f"means has shape {mean.shape}, several Gaussians a state, and there are no weights")
    share = _probabilities(weights, "weights")
    if mean.ndim != 3 or share.shape != mean.shape[:2]:
        raise DataError(
            f"weights has shape {share.shape[1 - by_state :]} and means {mean.shape[1 - by_state :]}: they don't fit"
        )
    _sums("weights", share)
    dim = mean.shape[-1]
    form = {mean.shape: "diag", (*mean.shape, dim): "full"}.get(spread.shape)
    if form is None:
        raise DataError(
            f"covariances has shape {np.shape(covariances)}, it should be {np.shape(means)} (variances) or {(*np.shape(means), dim)}"
        )
    variances = spread if form == "diag" else np.diagonal(spread, axis1=-2, axis2=-1)
    if not (variances > 0).all():
        raise DataError("covariances holds variances that are not above 0")
    if form == "full" and not np.allclose(spread, spread.swapaxes(-1, -2)):
        raise DataError("covariances are not symmetric")
    floor = LEAST * variances.min(axis=(0, 1))  # `train` sets the one of its settings
    kind = MIXTURES[form]
    return kind(safe_log(share), mean, floor, **{kind.spread: spread})


def _checked(model: Any) -> Any:
    """A model whose arrays fit, or a DataError."""
    emission = model.emission
    codes = isinstance(emission, Categorical)
    try:
        model.check(emission.log_probs.shape[-1] if codes else emission.means.shape[-1])
    except ValueError as error:
        raise DataError(str(error)) from None
    return model


def check_numbers(array: Any, name: str) -> np.ndarray:
    """An array of finite float64."""
    try:
        values = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} is {told(array)}, it should be an array of numbers") from None
    if not np.isfinite(values).all():
        raise DataError(f"{name} holds NaN or infinite values")
    return values


def _probabilities(array: Any, name: str) -> np.ndarray:
    values = check_numbers(array, name)
    if values.size == 0 or values.min() < 0:
        raise DataError(f"{name} is {told(array)}, it should be probabilities")
    return values


def _sums(name: str, rows: np.ndarray) -> None:
    """Refuse rows that are no distributions."""
    total = rows.sum(axis=-1).reshape(-1)
    worst = total[np.abs(total - 1).argmax()]
    if abs(worst - 1) > 1e-6:
        raise DataError(f"{name} sums to {worst:g}, not to 1")


def check_points(X: Any, name: str) -> np.ndarray:
    """Points (N, D) in float64; of (N,) numbers in one dimension."""
    x = check_numbers(X, name)
    x = x[:, None] if x.ndim == 1 else x
    if x.ndim != 2 or not x.size:
        raise DataError(f"{name} has shape {np.shape(X)}, it should be (points, dims)")
    return x


def is_one(X: Any) -> bool:
    """Whether it is one sequence: an array, or a list of numbers."""
    return isinstance(X, np.ndarray) or not len(X) or np.ndim(X[0]) == 0


def block_of(X: Any, name: str, codes: bool) -> Block:
    """One or several sequences as a Block: features (T, D), or int32 codes (T,) or (T, K)."""
    if not isinstance(X, (np.ndarray, list, tuple)):
        raise DataError(f"{name} is {told(X)}, it should be an array, or a list of arrays")
    items = [np.asarray(own) for own in ([X] if is_one(X) else X)]
    exact = not codes and any(own.dtype != np.float32 for own in items)
    sequences = []
    for number, own in enumerate(items):
        place = name if is_one(X) else f"{name}[{number}]"
        wanted = "codes, whole numbers from 0 on, (frames,)" if codes else "features, (frames, dims)"
        if not own.size or own.dtype.kind not in ("iu" if codes else "fiu"):
            raise DataError(f"{place} is {own.dtype} {own.shape}, it should be {wanted}")
        if codes:
            own = own.astype(np.int32)
            if own.min() < 0:
                raise DataError(f"{place} holds {own.min()}, it should be {wanted}")
        else:
            own = np.ascontiguousarray(own, dtype=np.float64 if exact else np.float32)
            own = own[:, None] if own.ndim == 1 else own
            check_numbers(own, place)
        if own.ndim > 2 or (sequences and own.shape[1:] != sequences[0].shape[1:]):
            raise DataError(f"{place} has shape {items[number].shape}, it should be {wanted}, alike for all")
        sequences.append(own)
    return Block.from_items([(str(n), own) for n, own in enumerate(sequences)], exact=exact)


def check_model(model: Any, obs: np.ndarray) -> Any:
    """A model that has latent variables and sees such observations, or a DataError."""
    if not isinstance(model, (Hmm, WordMixture)):
        raise DataError(f"the model is {told(model)}, it should be a mixture or an HMM")
    emission = model.emission
    if isinstance(emission, Categorical):
        width: tuple[int, ...] = emission.log_probs.shape[1:-1]
        symbols = emission.log_probs.shape[-1]
        if obs.dtype.kind != "i" or obs.shape[1:] != width or obs.max() >= symbols:
            raise DataError(
                f"the model knows {symbols} symbols, 0 to {symbols - 1}, and the sequences have others"
            )
    else:
        dim = emission.gaussians.means.shape[-1]
        if obs.dtype.kind != "f" or obs.shape[1] != dim:
            raise DataError(f"the model sees {dim} dimensions, and the sequences have {obs.shape[1:]}")
    return model


def observed(model: Any, X: Any) -> Block:
    codes = isinstance(model, Hmm) and isinstance(model.emission, Categorical)
    block = block_of(X, "X", codes)
    check_model(model, block.obs)
    return block


def check_latents(model: Any, old: Any) -> None:
    """Refuse two models whose latent variables are not the same."""
    shapes = []
    for own in (model, old):
        if not isinstance(own, (Hmm, WordMixture)):
            raise DataError(f"the model is {told(own)}, it should be a mixture or an HMM")
        emission = own.emission
        each = 1 if isinstance(emission, Categorical) else emission.log_weights.shape[1]
        shapes.append((isinstance(own, Hmm), own.num_states, each))
    if shapes[0] != shapes[1]:
        said = [f"{states} states of {each} components" for _, states, each in shapes]
        raise DataError(
            f"the model has {said[0]}, the old one {said[1]}: compare models with the same latent variables (of one phase of a training)"
        )
