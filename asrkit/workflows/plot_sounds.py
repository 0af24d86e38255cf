"""Pictures of recordings: their features stage by stage, and their way through a word's states."""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from asrkit.characters import phrase
from asrkit.config import PathLike, from_dict
from asrkit.errors import DataError
from asrkit.features.frontend import FrontEnd
from asrkit.features.kinds.fbank import FbankConfig
from asrkit.features.mel import MelConfig, mel_edges
from asrkit.features.spectrogram import line_power_db, mel_power_db, slaney_hz
from asrkit.io.audio import read_audio
from asrkit.io.features import read_features
from asrkit.io.places import as_path
from asrkit.models import trellis
from asrkit.models.base import Block
from asrkit.plots.front_end import Layer, plot_front_end
from asrkit.plots.models import plot_alignment
from asrkit.plots.trellis import plot_trellis
from asrkit.words.vocabulary import Vocabulary
from asrkit.workflows.arguments import HIGHEST_HZ, read_recording
from asrkit.workflows.explain import best_two
from asrkit.workflows.model_kind import model_front_end
from asrkit.workflows.plot import Draw, PlotConfig
from asrkit.workflows.recognizer import Recognizer
from asrkit.workflows.report import Spectrogram, spectrogram
from asrkit.workflows.word_info import find_word

BANDS = 32  # of the spectrogram below an alignment


@dataclass(frozen=True, eq=False)
class Seen:
    """One recording as a word's model sees it.

    Attributes
    ----------
    name : str
    word : str
    block : Block
        Of the one utterance.
    picture : Spectrogram or None
        Of the sound from the first frame on; None where there is no sound.
    start_s, frame_shift_s : float
        Frame t is the sound from start_s + t frame_shift_s on.
    """

    name: str
    word: str
    block: Block
    picture: Spectrogram | None
    start_s: float
    frame_shift_s: float


def seen(
    vocabulary: Vocabulary,
    path: PathLike,
    recording: PathLike | None,
    config: PlotConfig,
    endpoint: bool | None,
) -> Seen:
    """Read the recording, or the utterance, that is drawn; its word is the one asked for, or said, or heard."""
    word = find_word(vocabulary, config.word, path) if config.word else ""
    if recording is None:
        return seen_utterance(vocabulary, word, config)
    frontend, name = vocabulary.frontend, as_path(recording).name
    try:
        frontend.check_hears()
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    wanted_hz, shift_s = frontend.rate_hz, frontend.kind.frame_shift_s
    assert wanted_hz is not None and shift_s is not None  # of a kind that hears
    samples, _ = read_recording(recording, str(recording), wanted_hz=wanted_hz, channel=config.channel)
    try:
        start, end = frontend.speech(samples, endpoint=endpoint, name=str(recording))
        stored = frontend.stored(samples[start:end], endpoint=False, name=str(recording))
    except DataError as error:
        raise DataError(f"{recording}: {error}") from None
    word = word or best_two(Recognizer(vocabulary).hear_stored(stored, str(recording)))[0]
    feats = frontend.model_features([stored], [None])[0]
    hop, num_fft = round(shift_s * wanted_hz), 1 << (round(0.025 * wanted_hz) - 1).bit_length()
    power_db = mel_power_db(samples[start:end], wanted_hz, hop, num_fft, BANDS)
    picture = Spectrogram(power_db, slaney_hz(BANDS + 2, wanted_hz / 2)[1:-1], "spectrogram")
    block = Block.from_items([(name, vocabulary.observe(feats))])
    return Seen(name, word, block, picture, start / wanted_hz, shift_s)


def seen_utterance(vocabulary: Vocabulary, word: str, config: PlotConfig) -> Seen:
    """Read one utterance of a data directory, with the features that are stored there."""
    features = read_features(config.data, frontend=vocabulary.frontend, allow_pipes=config.allow_pipes)
    if config.utt not in features.data.feats:
        raise DataError(f"{config.data}: no features of utterance '{config.utt}' (feats.scp)")
    feats = features.read(config.utt)
    said = phrase(features.data.text.get(config.utt, ""))
    if not word:
        heard = best_two(Recognizer(vocabulary).score(feats, config.utt))[0]
        word = said if said in vocabulary.models else heard
    block = Block.from_items([(config.utt, vocabulary.observe(feats))])
    picture = spectrogram(features, config.utt, config.allow_pipes)
    return Seen(config.utt, word, block, picture, 0.0, features.frame_shift_s())


def no_path(seen: Seen, shortest: int) -> DataError:
    frames = len(seen.block.obs)
    return DataError(
        f"{seen.name}: {frames} frames have no way through '{seen.word}', which takes {shortest} at the least"
    )


def alignment_picture(vocabulary: Vocabulary, seen: Seen) -> tuple[Draw, str]:
    """Make what draws the best state sequence over the spectrogram; states are numbered from 1."""
    model, picture = vocabulary.models[seen.word], seen.picture
    if picture is None:
        raise DataError(
            f"{seen.name}: neither a recording nor cepstra, of which a spectrogram could be drawn"
        )
    added, states = model.frame_scores(seen.block)
    if not len(added) or not np.isfinite(added).all():
        raise no_path(seen, model.shortest)
    spread = np.arange(len(states)) + (picture.power_db.shape[1] - len(states)) // 2
    power_db = picture.power_db[:, np.clip(spread, 0, picture.power_db.shape[1] - 1)]
    said = (
        f"{seen.name}: best states of ‘{seen.word}’ ({vocabulary.family}), log-likelihood {added.sum():.1f}"
    )
    said += f", from {seen.start_s:.2f} s on" if seen.start_s else ""

    def draw(stream: Any, form: str) -> None:
        plot_alignment(
            power_db, picture.centers_hz, seen.frame_shift_s, states + 1, seen.word, added, stream, said, form
        )

    return draw, said


def trellis_picture(vocabulary: Vocabulary, seen: Seen) -> tuple[Draw, str]:
    """Make what draws the trellis of the best path."""
    model: Any = vocabulary.models[seen.word]
    log_obs = model.emission.log_likelihood(seen.block.obs)
    delta, back, best = trellis.best(log_obs, model.log_start, model.log_trans, model.log_exit)
    if not len(best):
        raise no_path(seen, model.shortest)
    score = float(delta[-1, best[-1]] + model.log_exit[best[-1]])
    said = f"{seen.name}: trellis of ‘{seen.word}’ ({vocabulary.family}), best path {score:.1f}"
    edges_s = seen.start_s + seen.frame_shift_s * np.arange(len(log_obs) + 1)

    def draw(stream: Any, form: str) -> None:
        start = np.exp(model.log_start)
        plot_trellis(
            delta, best, stream, start=start, back=back, edges_s=edges_s, score=score, title=said, form=form
        )

    return draw, said


def features_picture(path: PathLike, config: PlotConfig, endpoint: bool | None) -> tuple[Draw, str]:
    """Make what draws a recording's features stage by stage."""
    if config.like:
        frontend = model_front_end(config.like)
        try:
            frontend.check_hears()
        except DataError as error:
            raise DataError(f"{config.like}: {error}") from None
        samples, _ = read_audio(path, rate=frontend.rate_hz, channel=config.channel)
    else:
        samples, own_hz = read_audio(path, channel=config.channel)
        rate_hz = min(HIGHEST_HZ, own_hz)
        frontend = FrontEnd.of("mfcc", sample_rate_hz=rate_hz, use_energy=False)
        if rate_hz != own_hz:
            samples, _ = read_audio(path, rate=rate_hz, channel=config.channel)
    rate_hz, shift_s = frontend.rate_hz, frontend.kind.frame_shift_s
    assert rate_hz is not None and shift_s is not None  # of a kind that hears
    try:
        start, end = frontend.speech(samples, endpoint=endpoint, name=str(path))
        stored = frontend.stored(samples, endpoint=False, name=str(path))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    layers = layers_of(frontend, samples, stored)
    said = (
        f"{as_path(path).name}: speech from {start / rate_hz:.2f} to {end / rate_hz:.2f} s of {len(samples) / rate_hz:.2f} s; "
        f"{frontend.kind.describe()}"
    )

    def draw(stream: Any, form: str) -> None:
        plot_front_end(
            samples, rate_hz, (start / rate_hz, end / rate_hz), layers, stream, title=said, form=form
        )

    return draw, said


def layers_of(frontend: FrontEnd, samples: np.ndarray, stored: np.ndarray) -> list[Layer]:
    """Make what is drawn below the sound: spectrum, mel bands where the features are made of them, features, and each order of deltas."""
    kind, rate_hz, shift_s = frontend.kind, frontend.rate_hz, frontend.kind.frame_shift_s
    assert rate_hz is not None and shift_s is not None
    length_s = kind.frame_length_ms / 1000 if isinstance(kind, MelConfig) else 0.025
    hop, length = max(1, round(0.005 * rate_hz)), round(length_s * rate_hz)
    lines_db = line_power_db(samples, rate_hz, hop, length, 1 << (length - 1).bit_length())
    lasts_s = lines_db.shape[1] * hop / rate_hz
    khz = rate_hz / 2000
    extent = (-hop / rate_hz / 2, lasts_s - hop / rate_hz / 2, 0.0, khz)
    layers = [Layer(lines_db, extent, "spectrogram\n(kHz)", None, True)]
    # a frame's picture stands about its middle
    first_s = (length_s - shift_s) / 2
    across = (first_s, first_s + len(stored) * shift_s)
    if isinstance(kind, MelConfig) and not isinstance(kind, FbankConfig):
        shared = {field.name: getattr(kind, field.name) for field in fields(MelConfig)}
        bands = from_dict(FbankConfig, {**shared, "dither": 0.0}).compute(samples)
        layers.append(mel_layer(kind, bands, (first_s, first_s + len(bands) * shift_s)))
    if isinstance(kind, FbankConfig):
        layers.append(mel_layer(kind, stored[:, -kind.num_mel_bins :], across))
    plain = replace(frontend, projection=None)
    names = plain.dimension_names
    model = plain.model_features([stored], [None])[0]
    dim = frontend.dim
    stages = [(stored, f"features\n({names[0]} to {names[dim - 1]})")]
    marks = ["", "deltas", "accelerations"]
    for order in range(1, frontend.transform.delta_order + 1):
        title = marks[order] if order < len(marks) else f"deltas {order}"
        own = slice(order * dim, (order + 1) * dim)
        stages.append((model[:, own], f"{title}\n({names[own][0]} to {names[own][-1]})"))
    for values, label in stages:
        ticks = sorted({0, dim // 2, dim - 1})
        shown = ([float(t) for t in ticks], [str(t) for t in ticks])
        layers.append(Layer(values.T.astype(np.float64), (*across, -0.5, dim - 0.5), label, shown))
    return layers


def mel_layer(kind: MelConfig, bands: np.ndarray, across: tuple[float, float]) -> Layer:
    """Make the picture of log-mel energies: in dB, bands at equal heights, labelled by their centres."""
    count = bands.shape[1]
    centres_hz = 700 * np.expm1(mel_edges(kind)[1:-1] / 1127)
    ticks = [0, count // 3, 2 * count // 3, count - 1]
    labels = [f"{centres_hz[t] / 1000:.1f}" for t in ticks]
    image = bands.T.astype(np.float64) * (10 / np.log(10))
    return Layer(
        image, (*across, -0.5, count - 0.5), f"{count} mel bands\n(centre, kHz)", (ticks, labels), True
    )
