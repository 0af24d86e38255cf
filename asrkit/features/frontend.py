"""Samples -> cepstra -> model features: MFCC, normalisation (CMVN), deltas. Arrays in, arrays out, no paths.

`MfccConfig` makes cepstra of samples; `TransformConfig` makes model features of cepstra. Both travel inside
the model file, so that a model goes from a recording to a word alone.
"""

import zlib
from dataclasses import asdict, dataclass, fields

import numpy as np

from asrkit.audio.endpoint import EndpointConfig
from asrkit.config import check_fields, from_dict, option
from asrkit.features.mel import frame_sizes, kaldi_mfcc, mel_edges, mel_lines


@dataclass(frozen=True)
class MfccConfig:
    """compute-mfcc-feats' options under Kaldi's names, with units in ours."""

    preset: str = option(
        "kaldi", "whose MFCC: Kaldi's, or librosa.feature.mfcc's", choices=("kaldi", "librosa")
    )
    sample_rate_hz: int = option(
        16000,
        "rate that recordings are resampled to",
        flag="sample-frequency",
        minimum=100,
        maximum=10_000_000,
    )
    frame_length_ms: float = option(25.0, "window", flag="frame-length", minimum=0, maximum=1000)
    frame_shift_ms: float = option(10.0, "hop", flag="frame-shift", minimum=0, maximum=1000)
    window_type: str = option(
        "povey",
        "window shape; the librosa preset takes hann",
        choices=("povey", "hamming", "hanning", "rectangular", "blackman", "sine"),
    )
    blackman_coeff: float = option(0.42, "constant of the blackman window", minimum=0, maximum=1)
    preemphasis: float = option(
        0.97, "first-order high-pass (kaldi preset)", flag="preemphasis-coefficient", minimum=0, maximum=1
    )
    remove_dc_offset: bool = option(True, "subtract each window's mean (kaldi preset)")
    round_to_power_of_two: bool = option(True, "pad the window to a power of two")
    snip_edges: bool = option(True, "only windows that lie wholly inside the recording")
    dither: float = option(
        0.0,
        "Gaussian noise added to the samples, on the int16 scale; seeded by the recording (Kaldi: 1.0)",
        minimum=0,
        maximum=32768,
    )
    num_mel_bins: int = option(23, "mel filters", minimum=1, maximum=1000)
    low_hz: float = option(20.0, "lowest edge of the filters", flag="low-freq")
    high_hz: float = option(0.0, "highest edge; 0 or less counts down from half the rate", flag="high-freq")
    vtln_low_hz: float = option(
        100.0, "below it a warped frequency axis is bent back to its end (train --warps)", flag="vtln-low"
    )
    vtln_high_hz: float = option(
        -500.0, "the same at the upper end; 0 or less counts down from --high-freq", flag="vtln-high"
    )
    num_ceps: int = option(13, "cepstra, C0 or the energy included", minimum=1)
    cepstral_lifter: float = option(22.0, "liftering constant", minimum=0, maximum=1000)
    use_energy: bool = option(True, "log energy in place of C0 (kaldi preset)")
    raw_energy: bool = option(True, "energy before preemphasis and window")
    energy_floor: float = option(0.0, "least energy of a frame; 0 is none", minimum=0, maximum=1e10)
    htk_compat: bool = option(False, "HTK's order: energy or C0 last")
    subtract_mean: bool = option(False, "subtract the utterance's mean")

    def __post_init__(self):
        check_fields(self)
        if not 1 <= self.num_ceps <= self.num_mel_bins:
            raise ValueError(
                f"--num-ceps={self.num_ceps} must be from 1 to --num-mel-bins={self.num_mel_bins}"
            )
        window, shift = (
            self.sample_rate_hz * ms / 1000 for ms in (self.frame_length_ms, self.frame_shift_ms)
        )
        if not (2 <= window < np.inf and 1 <= shift < np.inf):
            raise ValueError(
                f"--frame-length={self.frame_length_ms} --frame-shift={self.frame_shift_ms} are {window:g} and {shift:g} samples "
                f"at --sample-frequency={self.sample_rate_hz}, at least 2 and 1 are needed"
            )
        nyquist_hz = self.sample_rate_hz / 2
        high_hz = self.high_hz if self.high_hz > 0 else nyquist_hz + self.high_hz
        if not 0 <= self.low_hz < high_hz <= nyquist_hz:
            raise ValueError(
                f"--low-freq={self.low_hz} --high-freq={self.high_hz} is no band below half the rate, {nyquist_hz:g} Hz"
            )
        if self.preset == "kaldi":
            self._check_kaldi()

    def _check_kaldi(self):
        """What Kaldi's code refuses, or dies of, once it sees the first recording."""
        window, _, num_fft = frame_sizes(self)
        if window % 2 and not self.round_to_power_of_two:
            raise ValueError(
                f"--round-to-power-of-two=false needs an even number of samples a window, not {window}"
            )
        edges, lines = mel_edges(self), mel_lines(self)
        inside = np.searchsorted(lines, edges[2:], "left") - np.searchsorted(lines, edges[:-2], "right")
        if self.num_mel_bins < 3 or inside.min() < 1:
            raise ValueError(
                f"--num-mel-bins={self.num_mel_bins} are fewer than 3, or too many for --frame-length={self.frame_length_ms}: "
                f"{np.sum(inside < 1)} filters hold none of its {num_fft // 2} spectral lines"
            )


@dataclass(frozen=True)
class SslConfig:
    """What features of a self-supervised speech model depend on; `asrkit compute-ssl` finds all of it in the
    model's folder.
    """

    ssl_model: str = option("", "name of the model's folder; for people, not compared")
    ssl_weights: str = option("", "SHA-256 of the files with its weights")
    layer: int = option(
        0,
        "hidden layer: 0 is what the first transformer layer hears, k what the k-th gives",
        minimum=0,
        maximum=1000,
    )
    sample_rate_hz: int = option(
        16000,
        "rate that recordings are resampled to",
        flag="sample-frequency",
        minimum=100,
        maximum=10_000_000,
    )
    normalize: bool = option(True, "each utterance has mean 0 and variance 1 before the model hears it")

    def __post_init__(self):
        check_fields(self)


@dataclass(frozen=True)
class TransformConfig:
    """What happens between stored cepstra and the model: apply-cmvn, then add-deltas."""

    cmvn: str = option("none", "normalisation", choices=("none", "utterance", "speaker", "sliding"))
    norm_vars: bool = option(False, "normalise the variance too, not only the mean")
    cmn_window: int = option(600, "frames of the sliding window", minimum=1)
    cmn_center: bool = option(True, "sliding window centred on its frame; false looks at the past alone")
    delta_order: int = option(2, "0: none, 1: deltas, 2: deltas and accelerations", minimum=0, maximum=9)
    delta_window: int = option(2, "frames on each side of the delta's regression", minimum=1, maximum=1000)

    def __post_init__(self):
        check_fields(self)


def compute_mfcc(samples, config):
    """MFCC of one recording.

    Parameters
    ----------
    samples : float32 (N,)
        In [-1, 1), at `config.sample_rate_hz`.

    Returns
    -------
    numpy.ndarray
        float32 (T, num_ceps); T is 0 where the recording is shorter than one window.
    """
    if config.dither > 0:
        # Seeded by the sound itself: the same recording has the same features in any job or order.
        rng = np.random.default_rng(zlib.crc32(np.ascontiguousarray(samples).tobytes()))
        samples = samples + rng.standard_normal(len(samples)).astype(np.float32) * np.float32(
            config.dither / 32768
        )
    feats = (kaldi_mfcc if config.preset == "kaldi" else _librosa_mfcc)(samples, config)
    if config.subtract_mean and len(feats):
        feats = feats - feats.mean(axis=0)
    return feats


def _librosa_mfcc(samples, config):
    import librosa

    length = round(config.sample_rate_hz * config.frame_length_ms / 1000)
    hop = round(config.sample_rate_hz * config.frame_shift_ms / 1000)
    num_fft = 1 << (length - 1).bit_length() if config.round_to_power_of_two else length
    center = not config.snip_edges
    if len(samples) < (1 if center else num_fft):
        return np.zeros((0, config.num_ceps), dtype=np.float32)
    high_hz = config.high_hz if config.high_hz > 0 else config.sample_rate_hz / 2 + config.high_hz
    feats = librosa.feature.mfcc(
        y=samples,
        sr=config.sample_rate_hz,
        n_mfcc=config.num_ceps,
        lifter=config.cepstral_lifter,
        n_fft=num_fft,
        win_length=length,
        hop_length=hop,
        center=center,
        n_mels=config.num_mel_bins,
        fmin=config.low_hz,
        fmax=high_hz,
    )
    return np.ascontiguousarray(feats.T, dtype=np.float32)


def compute_deltas(feats, order=2, window=2, lengths=None):
    """Append regression deltas, as Kaldi's add-deltas: [x, delta, delta-delta, ...].

    Parameters
    ----------
    feats : (T, D)
    order : int
        How many times the regression is applied.
    window : int
        Frames on each side; the first and last frame are repeated beyond the ends.
    lengths : (U,), optional
        Frames of each utterance, where several lie end to end.

    Returns
    -------
    numpy.ndarray
        float32 (T, D * (order + 1)).
    """
    # HTK book, eq. 5.16
    slope = np.arange(-window, window + 1) / sum(j * j for j in range(-window, window + 1))
    lengths = np.array([len(feats)]) if lengths is None else np.asarray(lengths)
    ends = np.cumsum(lengths)
    first, last = np.repeat(ends - lengths, lengths), np.repeat(ends - 1, lengths)
    num_frames, dim = feats.shape
    x, place, scale = feats.astype(np.float64), np.arange(num_frames), np.ones(1)
    out = np.empty((num_frames, dim * (order + 1)), dtype=np.float32)
    out[:, :dim] = feats
    for n in range(1, order + 1):
        scale = np.convolve(scale, slope)
        reach = len(scale) // 2
        total = np.zeros_like(x)
        for shift, weight in enumerate(scale, -reach):
            if weight:
                total += weight * x.take(np.clip(place + shift, first, last), axis=0)
        out[:, n * dim : (n + 1) * dim] = total
    return out


def cmvn_stats(feats):
    """Kaldi's statistics: float64 (2, D + 1); row 0 sums and the frame count, row 1 sums of squares and 0."""
    x = np.asarray(feats, dtype=np.float64)
    stats = np.zeros((2, x.shape[1] + 1))
    stats[0, :-1], stats[0, -1] = x.sum(axis=0), len(x)
    stats[1, :-1] = (x**2).sum(axis=0)
    return stats


def apply_cmvn(feats, stats, norm_vars=False):
    """Subtract the mean that `stats` describe, and divide by the standard deviation if `norm_vars`."""
    count = stats[0, -1]
    mean = stats[0, :-1] / count
    out = feats - mean
    if norm_vars:
        out /= np.sqrt(np.maximum(stats[1, :-1] / count - mean**2, 1e-10))
    return out.astype(np.float32)


def sliding_cmvn(feats, window=600, center=True, norm_vars=False, min_window=100):
    """Normalise each frame by the window around it (or before it), as Kaldi's apply-cmvn-sliding."""
    num_frames = len(feats)
    t = np.arange(num_frames)
    start = t - window // 2 if center else t - window
    end = start + window if center else t + 1
    end = np.where(start < 0, end - start, end)
    start = np.maximum(start, 0)
    if not center:
        end = np.where(end > t, np.maximum(t + 1, min_window), end)
    over = np.maximum(end - num_frames, 0)
    start, end = np.maximum(start - over, 0), end - over
    x = feats.astype(np.float64)
    zero = np.zeros((1, x.shape[1]))
    sums, squares = (np.concatenate([zero, np.cumsum(y, axis=0)]) for y in (x, x * x))
    count = (end - start)[:, None]
    mean = (sums[end] - sums[start]) / count
    out = x - mean
    if norm_vars:
        variance = np.maximum((squares[end] - squares[start]) / count - mean**2, 1e-10)
        out = np.where(count > 1, out / np.sqrt(variance), 0.0)
    return out.astype(np.float32)


def transform(feats, config, speaker_stats=None):
    """Stored cepstra -> model features: float32 (T, D * (delta_order + 1)).

    Parameters
    ----------
    speaker_stats : (2, D + 1), optional
        Used with `cmvn="speaker"`; without it the utterance is all that is known of its speaker.
    """
    return transform_many([feats], config, [speaker_stats])[0]


def transform_many(feats, config, speaker_stats):
    """`transform` of several utterances at once, which is quicker: list of (T, D) and of statistics -> list."""
    normalised = [_normalise(x, config, stats) for x, stats in zip(feats, speaker_stats, strict=True)]
    if not config.delta_order:
        return [np.asarray(x, dtype=np.float32) for x in normalised]
    lengths = [len(x) for x in normalised]
    together = compute_deltas(np.concatenate(normalised), config.delta_order, config.delta_window, lengths)
    return np.split(together, np.cumsum(lengths)[:-1])


def _normalise(feats, config, speaker_stats):
    if not len(feats) or config.cmvn == "none":
        return feats
    if config.cmvn == "sliding":
        return sliding_cmvn(feats, config.cmn_window, config.cmn_center, config.norm_vars)
    known = config.cmvn == "speaker" and speaker_stats is not None
    return apply_cmvn(feats, speaker_stats if known else cmvn_stats(feats), config.norm_vars)


@dataclass(frozen=True)
class FrontEnd:
    """What features a model was trained on.

    Attributes
    ----------
    dim : int
        Dimension of the stored features, before deltas.
    mfcc : MfccConfig or None
        None where the features were given and nobody said how they were made: such a model cannot hear.
    transform : TransformConfig
    endpoint : EndpointConfig or None
        How the speech was found in the training recordings; None where nobody looked.
    ssl : SslConfig or None
        Where the features are a self-supervised model's; then `mfcc` is None.
    """

    dim: int
    mfcc: MfccConfig | None
    transform: TransformConfig
    endpoint: EndpointConfig | None = None
    ssl: SslConfig | None = None

    def to_dict(self):
        return asdict(self)

    @classmethod
    def from_dict(cls, values):
        def made(config_class, name):
            return None if values[name] is None else from_dict(config_class, values[name])

        values = {"ssl": None, **values}  # a model of an asrkit without compute-ssl does not name it
        return cls(
            values["dim"],
            made(MfccConfig, "mfcc"),
            made(TransformConfig, "transform"),
            made(EndpointConfig, "endpoint"),
            made(SslConfig, "ssl"),
        )

    def difference(self, dim, made):
        """How features of dimension `dim`, made with these settings (None: not known), differ in kind; None
        if they do not.

        Parameters
        ----------
        made : MfccConfig, SslConfig or None
        """
        own = self.ssl if self.mfcc is None else self.mfcc
        if (made is None) != (own is None):
            known, unknown = ("the model's", "these") if made is None else ("these", "the model's")
            return f"how {known} were made is known, how {unknown} were is not (frontend.conf beside feats.scp says it; write it if they are alike)"
        if type(made) is not type(own):
            kinds = {MfccConfig: "MFCC", SslConfig: "a self-supervised model's"}
            return f"these are {kinds[type(made)]}, the model's are {kinds[type(own)]}"
        names = [f.name for f in fields(own) if getattr(made, f.name) != getattr(own, f.name)] if own else []
        if names and names != ["ssl_model"]:  # equal weights in another folder are the same model
            return ", ".join(f"{n} is {getattr(made, n)}, the model's is {getattr(own, n)}" for n in names)
        if dim != self.dim:
            return f"dimension is {dim}, the model's is {self.dim}"
        return None
