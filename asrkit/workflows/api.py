"""The public functions: what a command does, of paths or of objects in memory."""

import functools
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from typing import IO, Any, cast

import numpy as np

from asrkit import families
from asrkit.audio.endpoint import PHRASE_GAP_MS, UNTRIMMED_S, EndpointConfig, detect_endpoints
from asrkit.audio.endpoint import find_speech as find_word
from asrkit.audio.samples import check_rate, check_samples, resample
from asrkit.characters import alike_in_columns, composed
from asrkit.config import PathLike, from_dict, nearest
from asrkit.errors import DataError, SettingsError, told
from asrkit.features.frontend import FrontEnd
from asrkit.features.kind import FeatureKind
from asrkit.features.transform import TransformConfig
from asrkit.io.data_dir import DataDir, read_data_dir
from asrkit.io.facts import count_facts, data_facts
from asrkit.io.features import (
    ENDPOINT_RECORD,
    ReadConfig,
    features_of_arrays,
    read_features,
    read_record,
    read_words,
)
from asrkit.io.remarks import Remarks, warn_of
from asrkit.runtime import one_thread, ordered_map
from asrkit.words.adaptation import AdaptConfig
from asrkit.words.listening import ListenConfig
from asrkit.words.settings import TrainingSettings, fields_of
from asrkit.workflows.adapt import adapt_opened
from asrkit.workflows.arguments import (
    RECORDING,
    WORD,
    Recording,
    check_count,
    check_endpoint,
    check_flag,
    check_kind,
    check_path,
    check_recording,
    is_path,
    is_vocabulary_word,
    make_kind,
    read_recording,
)
from asrkit.workflows.crossval import Crossvalidated, FoldPlan, RunSettings
from asrkit.workflows.crossval import crossval as crossval_dir
from asrkit.workflows.detect_endpoints import SAMPLED, spread
from asrkit.workflows.recognizer import Recognizer, load
from asrkit.workflows.train import open_features, train_opened

log = logging.getLogger("asrkit")

Recordings = Mapping[str, Sequence[Recording]]

DATA = "a data directory, or a dict of word to its recordings"


@one_thread()
def train(
    data: PathLike | Recordings,
    *,
    family: str = "chmm",
    features: str = "mfcc",
    endpoint: EndpointConfig | bool | None = None,
    rate_hz: int | None = None,
    speakers: Mapping[str, Sequence[str]] | None = None,
    max_skipped: int = 0,
    allow_pipes: bool = False,
    jobs: int = 1,
    keep_iterations: bool = False,
    **settings: Any,
) -> Recognizer:
    """Train a vocabulary.

    Parameters
    ----------
    data : path or dict of str to list of recordings
        A data directory with feats.scp and text; or the recordings of each word: paths, binary files, (N,) arrays of
        samples, or pairs of an array and its rate.
    family : str
        A name of `asrkit.families.names()`.
    features : str
        For recordings: the kind of features, "mfcc" or "fbank".
    endpoint : bool or EndpointConfig, optional
        For recordings: find the speech in each first, as `Recognizer.recognize` then does, too. By default where they are not trimmed,
        as `asrkit prepare-wavs` finds it out: where more than 0.3 s of them are not the word, in the median.
    rate_hz : int, optional
        For arrays without a rate of their own: samples a second.
    speakers : dict of str to list of str, optional
        For recordings: who says each, by word in the order of `data`. By them `cmvn="speaker"` normalises, and defaults that follow
        the data know how many there are.
    max_skipped : int
        Recordings that may be unusable.
    allow_pipes : bool
        For a data directory: run the shell commands that stand in feats.scp.
    jobs : int
        Processes; the model does not depend on it.
    keep_iterations : bool
        Keep every iteration's model of every word, for `asrkit.study.iterations`.
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
    read, jobs = _read_config(max_skipped, allow_pipes), check_count(jobs, "jobs", 1)
    keep = check_flag(keep_iterations, "keep_iterations")
    if isinstance(data, Mapping):
        kind = check_kind(features, "features")
        known = {field.name for field in fields(kind)}
        own = {name: value for name, value in settings.items() if name in known}
        rest = {name: value for name, value in settings.items() if name not in known}
        chosen = _training_settings(family, rest, known)
        made = functools.partial(make_kind, kind, own)
        found = check_endpoint(endpoint, "endpoint")
        held = _arrays_of_recordings(data, made, found, rate_hz, jobs, speakers, by_corpus=endpoint is None)
        lengths = [len(feats) for feats in held["arrays"].values()]
        chosen = chosen.for_data(count_facts(held["words"], held["speakers"], lengths))
        opened = functools.partial(features_of_arrays, **held)
    else:
        path = check_path(data, "data", DATA)
        _refuse_for_directory(
            features=features != "mfcc",
            endpoint=endpoint not in (None, False),
            rate_hz=rate_hz,
            speakers=speakers is not None,
        )
        chosen = _training_settings(family, settings, ())
        directory = read_words(path, chosen.training.phrases)
        chosen = chosen.for_data(data_facts(directory))
        opened = functools.partial(read_features, directory, allow_pipes=read.allow_pipes)
    with tempfile.TemporaryDirectory() as folder:  # for a corpus that does not fit in memory
        feature_set = opened(
            transform_config=chosen.transform,
            projection_config=chosen.projection,
            warps=chosen.warp.factors,
            memories=chosen.warp.memories,
        )
        opened_data = open_features(feature_set, folder, chosen, read, write_codebook=False)
        trained = train_opened(opened_data, [chosen], read, jobs, keep_iterations=keep)[0]
    recognizer = Recognizer(trained.vocabulary)
    recognizer.training = trained
    return recognizer


@one_thread()
def adapt(
    model: Recognizer | PathLike,
    data: PathLike | Recordings,
    *,
    rate_hz: int | None = None,
    endpoint: bool = True,
    max_skipped: int = 0,
    allow_pipes: bool = False,
    **settings: Any,
) -> Recognizer:
    """Move a trained vocabulary to one speaker, room or microphone.

    Parameters
    ----------
    model : Recognizer or path
    data : path or dict of str to list of recordings
        A data directory with feats.scp and text, or recordings of some of the model's words.
    rate_hz : int, optional
        For arrays without a rate of their own.
    endpoint : bool
        For recordings: find the speech first where the model's training did.
    max_skipped : int
        Recordings that may be unusable.
    allow_pipes : bool
        For a data directory: run the shell commands that stand in feats.scp.
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
    vocabulary, config = recognizer.vocabulary, from_dict(AdaptConfig, settings)
    frontend, read = vocabulary.frontend, _read_config(max_skipped, allow_pipes)
    vocabulary.check_adaptable(config.method)
    endpoint = check_flag(endpoint, "endpoint")
    if isinstance(data, Mapping):
        frontend.check_hears()
        found = frontend.endpoint if endpoint else None
        held = _arrays_of_recordings(
            data, lambda lowest_hz: frontend.kind, found, rate_hz, 1, by_recording=endpoint
        )
        feature_set = features_of_arrays(**held, frontend=frontend)
    else:
        path = check_path(data, "data", DATA)
        _refuse_for_directory(endpoint=not endpoint, rate_hz=rate_hz)
        feature_set = read_features(
            path,
            need_text=True,
            phrases=vocabulary.phrases,
            frontend=frontend,
            allow_pipes=read.allow_pipes,
            memories=("speaker",),
        )
        found = read_record(EndpointConfig, feature_set.data.path / ENDPOINT_RECORD)
    adapted = adapt_opened(vocabulary, feature_set, config, None, read, found)
    return Recognizer(adapted.vocabulary, recognizer.method)


def crossval(
    data: PathLike,
    exp: PathLike | None = None,
    *,
    family: str = "chmm",
    by: str = "speaker",
    folds: int = 5,
    jobs: int = 1,
    max_skipped: int = 0,
    allow_pipes: bool = False,
    adapt: str = "none",
    also_train: Sequence[PathLike] = (),
    fold_list: PathLike | None = None,
    train_half: str = "none",
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
    allow_pipes : bool
        Run the shell commands that stand in feats.scp.
    adapt : {"none", "map", "mllr", "mllr-map"}
        Whether models move to the speakers that they are tested with.
    also_train : list of path
        Data directories that are always in training.
    fold_list : path, optional
        For `by="list"`: a file of lines `utterance-or-speaker fold`.
    train_half : {"none", "speakers", "recordings"}
        Train on half of each fold's part of `data`: what that costs says what more of them may bring.
    **settings
        Those of `asrkit crossval`: of the training (`num_states=8`) and of the adaptation (`adapt_tau=5.0`).

    Returns
    -------
    Crossvalidated
        With `report`, whose `errors`, `wer` and `interval` are of all utterances, `hyps` and `folds`.

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
    if isinstance(also_train, (str, bytes)) or not isinstance(also_train, Iterable):
        raise DataError(f"also_train is {told(also_train)}, it should be a list of data directories")
    others = [str(check_path(own, "also_train", "a list of data directories")) for own in also_train]
    plan = FoldPlan(
        by=by,
        folds=check_count(folds, "folds"),
        fold_list="" if fold_list is None else str(check_path(fold_list, "fold_list")),
        also_train=",".join(others),
        train_half=train_half,
    )
    known = {field.name for field in fields(ListenConfig)}
    listen = {name: value for name, value in settings.items() if name in known}
    rest = {name: value for name, value in settings.items() if name not in known}
    run = RunSettings(
        _training_settings(family, rest, known),
        from_dict(ListenConfig, {**listen, "adapt": adapt}),
        _read_config(max_skipped, allow_pipes),
    )
    data, jobs = check_path(data, "data", "a data directory"), check_count(jobs, "jobs", 1)
    if exp is not None:
        return crossval_dir(data, check_path(exp, "exp", "a folder"), run, plan, jobs=jobs)
    with tempfile.TemporaryDirectory() as folder:
        return crossval_dir(data, folder, run, plan, jobs=jobs)


def read_audio(
    recording: PathLike | IO[bytes], rate_hz: int | None = None, *, channel: int = 0
) -> tuple[np.ndarray, int]:
    """Read one channel of a recording.

    Parameters
    ----------
    recording : path or binary file object
        Whatever libsndfile or, where it is installed, ffmpeg reads.
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
    if not is_path(recording) and not callable(getattr(recording, "read", None)):
        raise DataError(f"recording is {told(recording)}, it should be a path or a binary file")
    wanted_hz = None if rate_hz is None else check_rate(rate_hz)
    channel = check_count(channel, "channel")
    samples, own_hz = read_recording(recording, "recording", wanted_hz=wanted_hz, channel=channel)
    return samples, wanted_hz or own_hz


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
    return read_data_dir(check_path(path, "path", "a data directory"))


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
    >>> start_s, end_s = asrkit.find_speech(sound, 8000, padding_ms=0.0)
    >>> bool(abs(start_s - 0.75) < 0.05), bool(abs(end_s - 1.25) < 0.05)
    (True, True)
    """
    if config is not None and settings:
        raise SettingsError(f"config= or settings ({next(iter(settings))}=), not both")
    if config is not None and not isinstance(config, EndpointConfig):
        raise SettingsError(f"config={config!r} is no EndpointConfig")
    chosen = from_dict(EndpointConfig, settings) if config is None else config
    return detect_endpoints(check_samples(samples), check_rate(rate_hz), chosen)


def _load(model: Any) -> Recognizer:
    return load(check_path(model, "model", "a Recognizer, or a model file or its folder"))


def _read_config(max_skipped: Any, allow_pipes: Any) -> ReadConfig:
    return ReadConfig(check_count(max_skipped, "max_skipped"), check_flag(allow_pipes, "allow_pipes"))


def _refuse_for_directory(**given: Any) -> None:
    """Refuse settings that say how recordings become features where those are there."""
    name = next((name for name, value in given.items() if value), None)
    if name is not None:
        raise SettingsError(f"{name}= goes with a dict of recordings; a data directory holds features")


def _training_settings(family: Any, settings: Mapping[str, Any], others: Iterable[str]) -> TrainingSettings:
    """The settings of a training; `others` are those that are not its own, for what may have been meant."""
    if not isinstance(family, str):
        raise SettingsError(f"family={family!r} is none of {', '.join(families.names())}")
    known = fields_of(family)
    unknown = next((name for name in settings if name not in known), None)
    if unknown:
        raise SettingsError(f"{unknown}=: no setting of {family}{nearest(unknown, [*known, *others])}")
    return TrainingSettings.of(str(family), **settings)


def _arrays_of_recordings(
    data: Recordings,
    kind_of: Callable[[int | None], FeatureKind],
    endpoint: EndpointConfig | None,
    rate_hz: int | None,
    jobs: int,
    speakers: Mapping[str, Sequence[str]] | None = None,
    *,
    by_corpus: bool = False,
    by_recording: bool = False,
) -> dict[str, Any]:
    """Make features of a dict of word to recordings: what `features_of_arrays` takes; `kind_of` is called with the lowest rate.

    The speech is found with `endpoint`; `by_corpus` where the recordings are not trimmed, `by_recording` as a model hears them.
    """
    named = _named(data, rate_hz)
    who = {} if speakers is None else _speakers(data, speakers)
    sounds: dict[str, tuple[np.ndarray, int]] = {}
    reasons: dict[str, str] = {}
    remarks: dict[str, Remarks] = {}
    for name, (_, recording) in named.items():
        try:
            note = functools.partial(remarks.setdefault, name)
            sounds[name] = read_recording(recording, "the recording", rate_hz, on_remarks=note)
        except DataError as error:
            reasons[name] = str(error)
    warn_of(remarks)
    kind = kind_of(min((own_hz for _, own_hz in sounds.values()), default=None))
    assert kind.dim is not None  # of a kind that hears
    if by_corpus and _untrimmed(list(sounds.values())):
        phrases = any(" " in word for word in data)
        endpoint = EndpointConfig(max_gap_ms=PHRASE_GAP_MS) if phrases else EndpointConfig()
    look = None if by_recording else endpoint is not None
    compute = functools.partial(
        _stored, FrontEnd(kind.dim, kind, TransformConfig(delta_order=0), endpoint), look
    )
    items = [(name, *sound) for name, sound in sounds.items()]
    arrays: dict[str, np.ndarray] = {}
    for name, feats, reason in ordered_map(compute, items, jobs=jobs, label="recordings"):
        if feats is None:
            reasons[name] = reason
        else:
            arrays[name] = feats
    words = {name: word for name, (word, _) in named.items()}
    return {
        "arrays": arrays,
        "words": words,
        "speakers": who,
        "kind": kind,
        "endpoint": endpoint,
        "reasons": reasons,
    }


def _speakers(data: Recordings, speakers: Any) -> dict[str, str]:
    """Who says each recording, by the names that `_named` gives them."""
    if not isinstance(speakers, Mapping):
        raise DataError(
            f"speakers is {told(speakers)}, it should be a dict of word to the speakers of its recordings"
        )
    found = {}
    for word, recordings in data.items():
        own = speakers.get(word)
        if (
            isinstance(own, (str, bytes))
            or not isinstance(own, (Sequence, np.ndarray))
            or len(own) != len(recordings)
        ):
            raise DataError(
                f"speakers[{word!r}] is {told(own)}, it should be a list of {len(recordings)}, one for each of data[{word!r}]"
            )
        found.update({f"data[{word!r}][{index}]": str(name) for index, name in enumerate(own)})
    return found


def _untrimmed(sounds: Sequence[tuple[np.ndarray, int]]) -> bool:
    """Whether recordings are not trimmed, as `time_beside` has it."""
    found = [find_word([samples], own_hz) for samples, own_hz in spread(sounds, SAMPLED)]
    beside_s = float(np.median([own.beside_s for own in found if own] or [0.0]))
    if beside_s > UNTRIMMED_S:
        log.info("not trimmed: %.2f s beside the word in the median, its ends are found", beside_s)
    return beside_s > UNTRIMMED_S


def _stored(
    frontend: FrontEnd, look: bool | None, item: tuple[str, np.ndarray, int]
) -> tuple[str, np.ndarray | None, str]:
    """The stored features of one recording, or None and why."""
    name, samples, own_hz = item
    assert frontend.rate_hz is not None
    samples = resample(samples, own_hz, frontend.rate_hz)
    try:
        return name, frontend.features(samples, endpoint=look, name=name), ""
    except DataError as error:
        return name, None, str(error)


def _named(data: Recordings, rate_hz: Any) -> dict[str, tuple[str, Recording]]:
    """Check a dict of word to recordings and name each, `data['no'][2]`: dict of name to (word, recording), by word."""
    if not data:
        raise DataError(f"data is {told(data)}, it should hold words and their recordings")
    if rate_hz is not None:
        check_rate(rate_hz)
    for word in data:
        if not is_vocabulary_word(word):
            raise DataError(f"data has the word {told(word)}, it should be {WORD}")
    alike = alike_in_columns(map(str, data))
    if alike:
        raise DataError(f"data: {alike}")
    named = {}
    own = {word: composed(str(word)) for word in data}
    if len(set(own.values())) < len(own):
        twice = next(word for word, count in Counter(own.values()).items() if count > 1)
        raise DataError(
            f"data has the word '{twice}' twice, its letters composed and taken apart (put both together)"
        )
    for given in sorted(own, key=lambda word: own[word].encode()):
        word, recordings = own[given], cast(Any, data[given])
        listed = isinstance(recordings, Sequence) and not isinstance(recordings, (str, bytes))
        several = isinstance(recordings, np.ndarray) and (recordings.ndim > 1 or recordings.dtype == object)
        if not listed and not (several and recordings.ndim):
            raise DataError(
                f"data[{word!r}] is {told(recordings)}, it should be a list of recordings, each {RECORDING}"
            )
        if not len(recordings):
            raise DataError(f"data[{word!r}] is empty, it should hold recordings of the word")
        for index, recording in enumerate(recordings):
            name = f"data[{word!r}][{index}]"
            check_recording(recording, name, rate_hz)
            named[name] = word, recording
    return named
