"""The public functions that teach words, forget them, and merge vocabularies in memory."""

from collections.abc import Iterable
from typing import Any

from asrkit.config import PathLike
from asrkit.errors import DataError, told
from asrkit.runtime import one_thread
from asrkit.words.merging import merge_vocabularies
from asrkit.workflows.arguments import (
    RECORDING,
    Recording,
    check_auto,
    check_count,
    check_flag,
    check_path,
    is_array,
    is_path,
)
from asrkit.workflows.recognizer import Recognizer, load
from asrkit.workflows.teach import forget_word, new_vocabulary, teach_word


@one_thread()
def teach(
    model: Recognizer | PathLike | None,
    word: str,
    recordings: Iterable[Recording],
    rate_hz: float | None = None,
    *,
    endpoint: bool | None = None,
    channel: int = 0,
) -> Recognizer:
    """Teach a vocabulary a word, or more of a word that is there.

    Parameters
    ----------
    model : Recognizer, path or None
        None begins a vocabulary that nothing was trained for.
    word : str
    recordings : iterable of what `Recognizer.recognize` takes
        Of the word: one to ten, three to five of which make it sure.
    rate_hz : int, optional
        Samples a second, for arrays without a rate of their own.
    endpoint, channel
        As `Recognizer.recognize` has them.

    Returns
    -------
    Recognizer
        A new one, which knows the word. It does not depend on the order in which words were taught.

    Raises
    ------
    DataError
        A recording can't be used, there are too many, or the model can't be taught.

    Examples
    --------
    >>> import asrkit, numpy as np
    >>> def tone(start_hz, end_hz, seed):
    ...     rng, t = np.random.default_rng(seed), np.arange(4000) / 8000
    ...     hz = start_hz + (end_hz - start_hz) * t + rng.normal(0, 20)
    ...     return 0.3 * np.sin(2 * np.pi * np.cumsum(hz) / 8000) + rng.normal(0, 0.01, len(t))
    >>> model = asrkit.teach(None, "up", [tone(300, 1500, seed) for seed in range(3)], rate_hz=8000, endpoint=False)
    >>> model = asrkit.teach(model, "down", [tone(1500, 300, seed) for seed in range(3)], rate_hz=8000, endpoint=False)
    >>> model.recognize(tone(300, 1500, 9), rate_hz=8000, endpoint=False).word
    'up'
    """
    own = new_vocabulary() if model is None else _recognizer(model).vocabulary
    if (
        is_path(recordings)
        or is_array(recordings)
        or isinstance(recordings, bytes)
        or hasattr(recordings, "read")
    ):
        raise DataError(
            f"recordings is {told(recordings)}, it should be a list of recordings, each {RECORDING}"
        )
    try:
        given = list(recordings)
    except TypeError:
        raise DataError(f"recordings is {told(recordings)}, it should be a list of recordings") from None
    taught = teach_word(
        own,
        word,
        given,
        rate_hz=rate_hz,
        endpoint=check_auto(endpoint, "endpoint"),
        channel=check_count(channel, "channel"),
    )
    return _like(model, taught.vocabulary)


@one_thread()
def forget(model: Recognizer | PathLike, word: str, *, taught: bool = False) -> Recognizer:
    """Take a word out of a vocabulary.

    Parameters
    ----------
    model : Recognizer or path
    word : str
    taught : bool
        Only what it was taught: a word that was trained is again as it was then.

    Returns
    -------
    Recognizer
        A new one; without a word that was taught it is what it was before, to the byte.

    Raises
    ------
    DataError
        There is no such word, it was taught nothing, or it is the only one.

    Examples
    --------
    >>> import asrkit, numpy as np
    >>> def tone(hz, seed):
    ...     noise = np.random.default_rng(seed).normal(0, 0.02, 4000)
    ...     return 0.3 * np.sin(2 * np.pi * hz * np.arange(4000) / 8000) + noise
    >>> low = asrkit.teach(None, "low", [tone(300, 1)], rate_hz=8000, endpoint=False)
    >>> both = asrkit.teach(low, "high", [tone(1500, 2)], rate_hz=8000, endpoint=False)
    >>> both.words, asrkit.forget(both, "high").words
    (('high', 'low'), ('low',))
    """
    if not isinstance(word, str):
        raise DataError(f"the word is {told(word)}, it should be a str")
    forgotten = forget_word(_recognizer(model).vocabulary, word, taught=check_flag(taught, "taught"))
    return _like(model, forgotten.vocabulary)


@one_thread()
def merge(*models: Recognizer | PathLike) -> Recognizer:
    """Put the words of several vocabularies into one.

    Parameters
    ----------
    *models : Recognizer or path
        Two or more, of one family and front end, without a word in common.

    Returns
    -------
    Recognizer
        Its confidence has the weights and thresholds of the first; where all words were taught it is learned anew.

    Raises
    ------
    DataError
        Their words can't stand side by side.

    Examples
    --------
    >>> import asrkit, numpy as np
    >>> def tone(hz, seed):
    ...     noise = np.random.default_rng(seed).normal(0, 0.02, 4000)
    ...     return 0.3 * np.sin(2 * np.pi * hz * np.arange(4000) / 8000) + noise
    >>> low, high = (asrkit.teach(None, word, [tone(hz, 1)], rate_hz=8000, endpoint=False) for word, hz in (("low", 300), ("high", 1500)))
    >>> asrkit.merge(low, high).words
    ('high', 'low')
    """
    if len(models) < 2:
        raise DataError(f"{len(models)} models, it should be two or more")
    own = [_recognizer(model) for model in models]
    names = [str(model) if is_path(model) else f"models[{index}]" for index, model in enumerate(models)]
    return _like(own[0], merge_vocabularies([each.vocabulary for each in own], names))


def _recognizer(model: Any) -> Recognizer:
    if isinstance(model, Recognizer):
        return model
    return load(check_path(model, "model", "a Recognizer, or a model file or its folder"))


def _like(model: Any, vocabulary: Any) -> Recognizer:
    return model.like(vocabulary) if isinstance(model, Recognizer) else Recognizer(vocabulary)
