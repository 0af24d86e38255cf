"""The public functions: what a command does, of paths or of objects in memory."""

import functools
import os
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from asrkit import families
from asrkit.audio.endpoint import EndpointConfig, detect_endpoints
from asrkit.audio.level import silence_reason
from asrkit.audio.samples import check_rate, check_samples, resample
from asrkit.config import PathLike, from_dict, nearest
from asrkit.errors import DataError, SettingsError
from asrkit.features import kind as kinds
from asrkit.features.frontend import FrontEnd, unusable
from asrkit.features.kind import FeatureKind
from asrkit.features.transform import TransformConfig
from asrkit.io.audio import read_audio as read_file
from asrkit.io.data_dir import DataDir, read_data_dir
from asrkit.io.features import FeatureSet, ReadConfig, features_of_arrays, read_features
from asrkit.io.files import c_sorted
from asrkit.runtime import ordered_map
from asrkit.words.adaptation import AdaptConfig, ListenConfig
from asrkit.words.settings import TrainingSettings, fields_of
from asrkit.workflows.adapt import adapt_opened
from asrkit.workflows.crossval import Crossvalidated, FoldPlan, RunSettings
from asrkit.workflows.crossval import crossval as crossval_dir
from asrkit.workflows.recognizer import Recognizer, Recording
from asrkit.workflows.train import OpenedData, open_features, train_opened

Recordings = Mapping[str, Sequence[Recording]]


def train(
    data: PathLike | Recordings,
    *,
    family: str = "chmm",
    features: str = "mfcc",
    endpoint: EndpointConfig | bool = False,
    rate_hz: int | None = None,
    max_skipped: int = 0,
    jobs: int = 1,
    **settings: Any,
) -> Recognizer:
    """Train a vocabulary.

    Parameters
    ----------
    data : path or dict of str to list of recordings
        A data directory with feats.scp and text; or the recordings of each word: paths, binary files, or (N,) arrays of samples.
    family : str
        A name of `asrkit.families.names()`.
    features : str
        For recordings: the kind of features, "mfcc" or "fbank".
    endpoint : bool or EndpointConfig
        For recordings: find the speech in each first; the model then hears new recordings the same way.
    rate_hz : int, optional
        For recordings that are arrays: samples a second.
    max_skipped : int
        Recordings that may be unusable.
    jobs : int
        Processes; the model does not depend on it.
    **settings
        Those of `asrkit train` (`num_states=8`, `delta_order=1`, `warps=""`, ...), and for recordings those of the features
        (`num_ceps=12`, `sample_rate_hz=8000`; without the latter the lowest rate among them, at most 16 kHz).

    Returns
    -------
    Recognizer
        Of a data directory its `save` writes the bytes of the command's final.npz for equal data and settings. Its attribute
        `training` holds the log: an entry a word and iteration.

    Raises
    ------
    SettingsError
        There is no such setting, or it can't have that value.
    DataError
        The data can't be trained on; the message names word and recording.

    Examples
    --------
    >>> import asrkit, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> def tone(hz):
    ...     return 0.3 * np.sin(2 * np.pi * hz * np.arange(4000) / 8000) + rng.normal(0, 0.02, 4000)
    >>> model = asrkit.train({"high": [tone(1500) for _ in range(5)], "low": [tone(300) for _ in range(5)]},
    ...                      rate_hz=8000, family="gmm", num_gauss=2)
    >>> model.words
    ('high', 'low')
    >>> model.recognize(tone(1450), rate_hz=8000).word
    'high'
    """
    read = ReadConfig(max_skipped=_count(max_skipped, "max_skipped", 0))
    jobs = _count(jobs, "jobs", 1)
    if isinstance(data, Mapping):
        own, rest = _split(settings, set(kinds.load(features).__dataclass_fields__))
        chosen = _training_settings(family, rest, own)
        opened = functools.partial(_features_of_recordings, data, features, own, endpoint, rate_hz, jobs)
    else:
        chosen = _training_settings(family, settings, {})
        path = _path(data, "data")
        opened = functools.partial(read_features, path, need_text=True)
    with tempfile.TemporaryDirectory() as folder:  # for a corpus that does not fit in memory
        feature_set = opened(transform_config=chosen.transform, warps=chosen.warp.factors)
        trained = train_opened(_opened(feature_set, folder, chosen, read), [chosen], read, jobs)[0]
    recognizer = Recognizer(trained.vocabulary)
    recognizer.training = trained
    return recognizer


def adapt(
    model: Recognizer | PathLike,
    data: PathLike | Recordings,
    *,
    rate_hz: int | None = None,
    endpoint: bool = True,
    max_skipped: int = 0,
    **settings: Any,
) -> Recognizer:
    """Move a trained vocabulary to one speaker, room or microphone.

    Parameters
    ----------
    model : Recognizer or path
    data : path or dict of str to list of recordings
        A data directory with feats.scp and text, or recordings of some of the model's words.
    rate_hz : int, optional
        For recordings that are arrays.
    endpoint : bool
        For recordings: find the speech first where the model's training did.
    max_skipped : int
        Recordings that may be unusable.
    **settings
        Those of `asrkit adapt`: `method="map"`, `tau=3.0`, ...

    Returns
    -------
    Recognizer

    Raises
    ------
    DataError
        The family can't be adapted so, or no recording says a word of the model and can be used.

    Examples
    --------
    >>> import asrkit, numpy as np
    >>> def tone(hz, seed):
    ...     noise = np.random.default_rng(seed).normal(0, 0.02, 4000)
    ...     return 0.3 * np.sin(2 * np.pi * hz * np.arange(4000) / 8000) + noise
    >>> words = {"high": [tone(1500, i) for i in range(5)], "low": [tone(300, i) for i in range(5)]}
    >>> model = asrkit.train(words, rate_hz=8000, family="gmm", num_gauss=1)
    >>> moved = asrkit.adapt(model, {"low": [tone(350, 7), tone(340, 8)]}, rate_hz=8000, method="map")
    >>> moved.words == model.words
    True
    """
    recognizer = model if isinstance(model, Recognizer) else _load(model)
    vocabulary = recognizer.vocabulary
    config = from_dict(AdaptConfig, settings)
    vocabulary.check_adaptable(config.method)
    read = ReadConfig(max_skipped=_count(max_skipped, "max_skipped", 0))
    found = vocabulary.frontend.endpoint if endpoint else None
    if isinstance(data, Mapping):
        frontend = vocabulary.frontend
        frontend.check_hears()
        feature_set = _features_of_recordings(
            data, frontend.kind.name, vars(frontend.kind), found or False, rate_hz, 1, frontend=frontend
        )
    else:
        feature_set = read_features(_path(data, "data"), need_text=True, frontend=vocabulary.frontend)
    return Recognizer(
        adapt_opened(vocabulary, feature_set, config, None, read, found).vocabulary, recognizer.method
    )


def crossval(
    data: PathLike,
    exp: PathLike | None = None,
    *,
    family: str = "chmm",
    by: str = "speaker",
    folds: int = 5,
    jobs: int = 1,
    max_skipped: int = 0,
    adapt: str = "none",
    also_train: Sequence[PathLike] = (),
    fold_list: PathLike = "",
    **settings: Any,
) -> Crossvalidated:
    """Estimate the errors on recordings that the models have not heard, fold by fold.

    Parameters
    ----------
    data : path
        A data directory with feats.scp and text.
    exp : path, optional
        Folder for the folds; called again with it, finished folds are kept. Without it nothing is kept.
    family : str
    by : {"speaker", "random", "list"}
        What is held out.
    folds : int
        Number of folds; 0: one a speaker.
    jobs : int
        Processes.
    max_skipped : int
        Utterances that may be unusable in a training.
    adapt : {"none", "map", "mllr", "mllr-map"}
        Whether models move to the speakers that they are tested with.
    also_train : list of path
        Data directories that are always in training.
    fold_list : path
        For `by="list"`: a file of lines `utterance-or-speaker fold`.
    **settings
        Those of `asrkit crossval`.

    Returns
    -------
    Crossvalidated
        With `report`, whose `errors`, `wer` and `interval` are of all utterances, and `folds`.

    Raises
    ------
    SettingsError
        There is no such setting, or it can't have that value.
    DataError
        The folds can't be made, or a training failed.

    Examples
    --------
    >>> import asrkit
    >>> asrkit.crossval("no/such/folder", family="gmm")
    Traceback (most recent call last):
        ...
    asrkit.errors.DataError: no/such/folder: no such folder (asrkit prepare-wavs makes a data directory)
    """
    plan = FoldPlan(
        by=by,
        folds=_count(folds, "folds", 0),
        fold_list=os.fspath(fold_list),
        also_train=",".join(os.fspath(_path(own, "also_train")) for own in also_train),
    )
    run = RunSettings(
        _training_settings(family, settings, {}),
        ListenConfig(adapt=adapt),
        ReadConfig(max_skipped=_count(max_skipped, "max_skipped", 0)),
    )
    data, jobs = _path(data, "data"), _count(jobs, "jobs", 1)
    if exp is not None:
        return crossval_dir(data, _path(exp, "exp"), run, plan, jobs=jobs)
    with tempfile.TemporaryDirectory() as folder:
        return crossval_dir(data, folder, run, plan, jobs=jobs)


def read_audio(
    recording: PathLike | IO[bytes], rate_hz: int | None = None, *, channel: int = 0
) -> tuple[np.ndarray, int]:
    """Read one channel of a recording.

    Parameters
    ----------
    recording : path or binary file object
        Whatever libsndfile reads.
    rate_hz : int, optional
        Resample to this rate; the recording's own by default.
    channel : int
        Of a recording with several, from 0.

    Returns
    -------
    samples : numpy.ndarray
        float32 (N,), in [-1, 1).
    rate_hz : int
        Samples a second.

    Raises
    ------
    DataError
        It is missing, unreadable, empty, cut off, or holds NaN or infinite samples.

    Examples
    --------
    >>> import asrkit, io, soundfile
    >>> stream = io.BytesIO()
    >>> soundfile.write(stream, [0.0, 0.5, -0.5, 0.25], 8000, format="WAV")
    >>> _ = stream.seek(0)
    >>> asrkit.read_audio(stream)
    (array([ 0.  ,  0.5 , -0.5 ,  0.25], dtype=float32), 8000)
    """
    wanted = None if rate_hz is None else check_rate(rate_hz)
    if isinstance(recording, (str, os.PathLike)):
        recording = os.fspath(recording)
    elif not callable(getattr(recording, "read", None)):
        raise DataError(f"recording is a {type(recording).__name__}, it should be a path or a binary file")
    samples, own_hz = read_file(recording, rate=wanted, channel=_count(channel, "channel", 0))
    return samples, wanted or own_hz


def read_data(path: PathLike) -> DataDir:
    """Read the tables of a data directory.

    Parameters
    ----------
    path : path

    Returns
    -------
    DataDir
        `text`, `utt2spk`, `wav`, `feats`, ...: dicts by utterance, empty where the file is absent.

    Raises
    ------
    DataError
        There is no such directory, or a table is damaged; the message names file and line.

    Examples
    --------
    >>> import asrkit, pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "text").write_text("anna-1 yes\\n")
    >>> asrkit.read_data(folder).text
    {'anna-1': 'yes'}
    """
    return read_data_dir(_path(path, "path"))


def find_speech(
    samples: np.ndarray, rate_hz: int, config: EndpointConfig | None = None, **settings: Any
) -> tuple[float, float] | None:
    """Find where the speech begins and ends.

    Parameters
    ----------
    samples : (N,)
        Floats in [-1, 1), or integers over their type's range.
    rate_hz : int
        Samples a second.
    config : EndpointConfig, optional
    **settings
        Its fields instead: those of `asrkit detect-endpoints`.

    Returns
    -------
    (float, float) or None
        Start and end in seconds; None where there is no speech.

    Raises
    ------
    DataError
        These are no such samples.

    Examples
    --------
    >>> import asrkit, numpy as np
    >>> rng = np.random.default_rng(0)
    >>> sound = rng.normal(0, 0.001, 16000)
    >>> sound[6000:10000] += 0.3 * np.sin(np.arange(4000) / 3)
    >>> start_s, end_s = asrkit.find_speech(sound, 8000)
    >>> bool(abs(start_s - 0.75) < 0.1), bool(abs(end_s - 1.25) < 0.1)
    (True, True)
    """
    if config is not None and settings:
        raise SettingsError(f"config= or settings ({next(iter(settings))}=), not both")
    chosen = config if config is not None else from_dict(EndpointConfig, settings)
    return detect_endpoints(check_samples(samples), check_rate(rate_hz), chosen)


def _load(path: PathLike) -> Recognizer:
    from asrkit.workflows.recognizer import load

    return load(path)


def _opened(
    feature_set: FeatureSet, folder: PathLike, settings: TrainingSettings, read: ReadConfig
) -> OpenedData:
    """Open for training; a codebook is made with its settings, nothing is looked for."""
    return open_features(feature_set, folder, settings, read, write_codebook=False)


def _count(value: Any, name: str, minimum: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise SettingsError(f"{name}={value!r} is no int")
    if value < minimum:
        raise SettingsError(f"{name}={value} is less than {minimum}")
    return int(value)


def _path(value: Any, name: str) -> Path:
    if not isinstance(value, (str, os.PathLike)):
        raise DataError(f"{name} is a {type(value).__name__}, it should be a path")
    return Path(value)


def _split(settings: Mapping[str, Any], names: Collection[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is named so, and the rest."""
    own = {name: value for name, value in settings.items() if name in names}
    return own, {name: value for name, value in settings.items() if name not in names}


def _training_settings(family: str, settings: Mapping[str, Any], others: Iterable[str]) -> TrainingSettings:
    known = fields_of(_family(family))
    unknown = next((name for name in settings if name not in known), None)
    if unknown:
        raise SettingsError(f"{unknown}=: no setting of {family}{nearest(unknown, [*known, *others])}")
    return TrainingSettings.of(family, **settings)


def _family(name: Any) -> str:
    if not isinstance(name, str):
        raise SettingsError(f"family={name!r} is none of {', '.join(families.names())}")
    return families.load(name).name


def _features_of_recordings(
    words: Recordings,
    kind_name: str,
    settings: Mapping[str, Any],
    endpoint: EndpointConfig | bool,
    rate_hz: int | None,
    jobs: int,
    *,
    transform_config: TransformConfig | None = None,
    warps: Sequence[float] = (1.0,),
    frontend: FrontEnd | None = None,
) -> FeatureSet:
    """The features of a dict of word to recordings, in memory."""
    named = _named(words)
    rate_hz = None if rate_hz is None else check_rate(rate_hz)
    read = functools.partial(_read, rate_hz=rate_hz)
    sounds = {name: read(recording, name) for name, (_, recording) in named.items()}
    chosen = dict(settings)
    if "sample_rate_hz" not in chosen:
        chosen["sample_rate_hz"] = min(16000, *(own_hz for _, own_hz in sounds.values()))
    kind = from_dict(kinds.load(kind_name), chosen)
    if not kind.hears:
        kind.compute(np.zeros(0, dtype=np.float32))
    config = (EndpointConfig() if endpoint else None) if isinstance(endpoint, bool) else endpoint
    compute = functools.partial(_stored, kind=kind, endpoint=config)
    items = [(name, *sound) for name, sound in sounds.items()]
    arrays = dict(ordered_map(compute, items, jobs=jobs, label="recordings"))
    return features_of_arrays(
        arrays,
        {name: named[name][0] for name in arrays},
        kind=kind,
        endpoint=config,
        transform_config=transform_config,
        frontend=frontend,
        warps=warps,
    )


def _named(words: Recordings) -> dict[str, tuple[str, Recording]]:
    """Dict of a name for each recording, `word[2]`, to its word and itself; everything about words is checked here."""
    if not words:
        raise DataError("data is an empty dict, it should hold recordings by word")
    named = {}
    for word, recordings in words.items():
        if not isinstance(word, str) or len(word.split()) != 1 or len(word) != len(word.strip()):
            raise DataError(f"data: {word!r} is no word, it should be a text without white space")
        if isinstance(recordings, (str, bytes, os.PathLike)) or not isinstance(
            recordings, (Sequence, np.ndarray)
        ):
            raise DataError(
                f"data[{word!r}] is a {type(recordings).__name__}, it should be a list of recordings"
            )
        if isinstance(recordings, np.ndarray) and recordings.ndim == 1 and recordings.dtype != object:
            raise DataError(f"data[{word!r}] is one array, it should be a list of recordings: [samples, ...]")
        if not len(recordings):
            raise DataError(f"data[{word!r}] is empty, it should hold recordings of the word")
        for index, recording in enumerate(recordings):
            named[f"{word}[{index}]"] = word, recording
    return {name: named[name] for name in c_sorted(named)}


def _read(recording: Recording, name: str, rate_hz: int | None) -> tuple[np.ndarray, int]:
    """Samples and their rate."""
    if isinstance(recording, np.ndarray):
        if rate_hz is None:
            raise DataError(f"data: {name} is an array: rate_hz= should say its samples a second")
        return check_samples(recording, name), rate_hz
    if not isinstance(recording, (str, os.PathLike)) and not callable(getattr(recording, "read", None)):
        raise DataError(
            f"data: {name} is a {type(recording).__name__}, it should be a path, a binary file or a numpy array of samples"
        )
    try:
        return read_file(recording)
    except DataError as error:
        raise DataError(f"data: {name}: {error}") from None


def _stored(
    item: tuple[str, np.ndarray, int], kind: FeatureKind, endpoint: EndpointConfig | None
) -> tuple[str, np.ndarray]:
    """The stored features of one recording."""
    name, samples, own_hz = item
    rate_hz = kind.rate_hz
    assert rate_hz is not None  # of a kind that hears
    samples = resample(samples, own_hz, rate_hz)
    silent = silence_reason(samples)
    if silent:
        raise DataError(f"data: {name}: {silent} (check the microphone)")
    if endpoint is not None:
        ends = detect_endpoints(samples, rate_hz, endpoint)
        if ends is None:
            raise DataError(f"data: {name}: no speech found (leave it out, or endpoint=False)")
        samples = samples[int(ends[0] * rate_hz) : int(ends[1] * rate_hz)]
    feats = kind.compute(samples)
    reason = f"{len(samples) / rate_hz:.3f} s, shorter than one window" if not len(feats) else unusable(feats)
    if reason:
        raise DataError(f"data: {name}: {reason} (record it again, or leave it out)")
    return name, feats
