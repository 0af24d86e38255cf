"""Say of one recording what was heard and why: its ends, its spectrogram, the likeliest words, and where the best two part."""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asrkit.config import PathLike
from asrkit.errors import DataError, SettingsError
from asrkit.features.spectrogram import Spectrogram, spectrogram
from asrkit.io.audio import flac_bytes
from asrkit.io.files import atomic_write
from asrkit.io.places import as_path
from asrkit.runtime import one_thread
from asrkit.words.confidence import UNKNOWN
from asrkit.words.explaining import Contrast, WordPath, can_explain, word_paths
from asrkit.words.vocabulary import Vocabulary
from asrkit.workflows.arguments import Recording, read_recording
from asrkit.workflows.hypothesis import Candidate, Hypothesis
from asrkit.workflows.recognizer import Recognizer, load

RANKED = 10  # words that are listed
LONGEST_S = 30.0  # of a recording that a page plays
ENVELOPE = 600  # columns of the waveform


@dataclass(frozen=True, eq=False)
class Explained:
    """What was heard in one recording, and why.

    Attributes
    ----------
    rate_hz : int
        Samples a second, as the model hears.
    samples : float32 (N,)
        All of the recording.
    start_s, end_s : float
        The ends of what was heard.
    picture : Spectrogram
        Of all of the recording.
    heard : Hypothesis
    ranked : tuple of Candidate
        The likeliest words, the likeliest first.
    frame_shift_s : float
        Frame t is the sound from start_s + t frame_shift_s on.
    num_frames : int
    contrast : Contrast or None
        The paths of the best word and of the other one; None where the family has none, or where there is no other word.
    symbols : int32 (T, K) or None
        What a discrete model sees of each frame, in each of its K streams.
    """

    rate_hz: int
    samples: np.ndarray
    start_s: float
    end_s: float
    picture: Spectrogram
    heard: Hypothesis
    ranked: tuple[Candidate, ...]
    frame_shift_s: float
    num_frames: int
    contrast: Contrast | None
    symbols: np.ndarray | None

    @property
    def why(self) -> str:
        """Say in words what was heard, and by what it is ahead."""
        sure = "" if self.heard.confidence is None else f", with a probability of {self.heard.confidence:.2f}"
        said = [f"Heard ‘{self.heard.word}’{sure}, from {self.start_s:.2f} to {self.end_s:.2f} s."]
        if self.heard.word == UNKNOWN:
            nearest = next(one.word for one in self.ranked if one.word != UNKNOWN)
            said = [
                f"Not sure enough of any word: the nearest, ‘{nearest}’{sure.replace(', with', ', has')}."
            ]
        if self.contrast is not None:
            said += lead_sentences(self.contrast, self.start_s, self.frame_shift_s)
        return " ".join(said)

    def lines(self) -> list[str]:
        """The likeliest words, `word posterior loglik` each, and why the first of them is it."""
        return [*(candidate.line() for candidate in self.ranked), self.why]

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON values: arrays of bytes in base64, row by row; scores rounded to 1e-4 nats."""
        return {
            "rate_hz": self.rate_hz,
            "duration_s": round(len(self.samples) / self.rate_hz, 4),
            "start_s": round(self.start_s, 4),
            "end_s": round(self.end_s, 4),
            "waveform": waveform_json(self.samples),
            "spectrogram": spectrogram_json(self.picture),
            "word": self.heard.word,
            "why": self.why,
            "p": self.heard.confidence,
            "log_likelihood": self.heard.log_likelihood,
            "margin": None if np.isinf(self.heard.margin) else self.heard.margin,
            "ranked": [{"word": word, "p": p, "log_likelihood": score} for word, p, score in self.ranked],
            "frame_shift_s": self.frame_shift_s,
            "num_frames": self.num_frames,
            "contrast": None if self.contrast is None else contrast_json(self.contrast),
            "symbols": None if self.symbols is None else self.symbols.T.tolist(),
        }


@one_thread()
def explain(
    recognizer: Recognizer | Vocabulary,
    recording: Recording,
    rate_hz: float | None = None,
    *,
    word: str = "",
    endpoint: bool | None = None,
    channel: int = 0,
    name: str = "recording",
) -> Explained:
    """Hear one recording of one word, and say why it was heard so.

    Parameters
    ----------
    recognizer : Recognizer or Vocabulary
    recording : path, binary file, (N,) array, or pair of an array and its rate
    rate_hz : int, optional
        Samples a second, for an array; the model's own where it is not given.
    word : str
        What the best word is compared with; by default the one that came next to it.
    endpoint : bool, optional
        As `Recognizer.recognize` has it.
    channel : int
        Of files with several channels.
    name : str
        What errors call it.

    Returns
    -------
    Explained

    Raises
    ------
    DataError
        It can't be read, holds no speech, is too short for every word, or `word` is not in the vocabulary.
    """
    if isinstance(recognizer, Vocabulary):
        recognizer = Recognizer(recognizer)
    vocabulary, frontend = recognizer.vocabulary, recognizer.frontend
    if word and word not in vocabulary.models:
        raise DataError(f"word='{word}' is not in the vocabulary ({', '.join(vocabulary.words[:20])})")
    frontend.check_hears()
    wanted_hz, shift_s = frontend.rate_hz, frontend.kind.frame_shift_s
    assert wanted_hz is not None and shift_s is not None  # of a kind that hears
    if rate_hz is None and isinstance(recording, np.ndarray):
        rate_hz = wanted_hz
    samples, own_hz = read_recording(recording, name, rate_hz, wanted_hz=wanted_hz, channel=channel)
    try:
        start, end = frontend.speech(samples, endpoint=endpoint, name=name)
        stored = frontend.stored(samples[start:end], endpoint=False, name=name)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    heard = recognizer.hear_stored(stored, name)
    feats = frontend.model_features([stored], [None])[0]
    symbols = None
    if vocabulary.codebook is not None:
        symbols = vocabulary.observe(feats).reshape(len(feats), -1)
    return Explained(
        wanted_hz,
        samples,
        start / wanted_hz,
        end / wanted_hz,
        spectrogram(samples, wanted_hz, highest_hz=own_hz / 2),
        heard,
        tuple(heard.nbest(RANKED)),
        shift_s,
        len(feats),
        contrast_of(vocabulary, feats, *best_two(heard, word)),
        symbols,
    )


@dataclass(frozen=True, eq=False)
class Pictured:
    """A recording that was explained, and the picture of it.

    Attributes
    ----------
    explained : Explained
    out : Path or None
    """

    explained: Explained
    out: Path | None

    def lines(self) -> list[str]:
        """What was heard, and where the picture is."""
        return [*self.explained.lines(), *([f"picture in {self.out}"] if self.out else [])]


def explain_file(
    exp: PathLike,
    path: PathLike,
    out: PathLike = "",
    *,
    word: str = "",
    endpoint: bool | None = None,
    channel: int = 0,
) -> Pictured:
    """Hear one file, and draw why it was heard so.

    Parameters
    ----------
    exp : path
        Folder with final.npz, or a model file.
    path : path
        The recording.
    out : path
        A file `*.png` or `*.html`; without it nothing is drawn.
    word, endpoint, channel
        As `explain` has them.

    Raises
    ------
    SettingsError
        `out` is no such file.
    """
    target = as_path(out) if out else None
    if target is not None and target.suffix.lower() not in (".png", ".html"):
        raise SettingsError(f"out={out}: neither *.png nor *.html (give one of these)")
    recognizer = load(exp)
    try:
        recognizer.frontend.check_hears()
    except DataError as error:
        raise DataError(f"{exp}: {error}") from None
    found = explain(recognizer, path, word=word, endpoint=endpoint, channel=channel, name=str(path))
    if target is not None:
        title = f"{as_path(path).name}: ‘{found.heard.word}’"
        if target.suffix.lower() == ".png":
            from asrkit.plots.explained import plot_explained  # late: matplotlib is slow to import

            with atomic_write(target, "wb") as stream:
                plot_explained(found, stream, title)
        else:
            from asrkit.plots.explained_page import explained_page  # late: needed here only

            sound = base64.b64encode(
                flac_bytes(found.samples[: round(LONGEST_S * found.rate_hz)], found.rate_hz)
            )
            with atomic_write(target) as stream:
                stream.write(explained_page(title, found.to_json(), sound.decode("ascii")))
    return Pictured(found, target)


def best_two(heard: Hypothesis, word: str = "") -> tuple[str, str | None]:
    """Name the best word and the one that it is compared with: `word`, or the next best; None where no other has a path."""
    order = [
        own
        for own in sorted(heard.scores, key=lambda own: -heard.scores[own])
        if np.isfinite(heard.scores[own])
    ]
    others = [word] if word and word != order[0] else order[1:]
    return order[0], others[0] if others else None


def contrast_of(vocabulary: Vocabulary, feats: np.ndarray, winner: str, other: str | None) -> Contrast | None:
    """Find the paths of two words through model features (T, D); None where one of them has none."""
    if other is None or not can_explain(vocabulary):
        return None
    first, second = word_paths(vocabulary, feats, (winner, other))
    return None if first is None or second is None else Contrast(first, second)


def contrast_json(contrast: Contrast) -> dict[str, Any]:
    """Give two paths as JSON values; the difference is what each frame adds to the winner's lead, in nats."""
    first, last = contrast.decided
    return {
        "winner": {
            "word": contrast.winner.word,
            "num_states": contrast.winner.num_states,
            "states": contrast.winner.states.tolist(),
        },
        "other": {
            "word": contrast.other.word,
            "num_states": contrast.other.num_states,
            "states": contrast.other.states.tolist(),
        },
        "difference": contrast.difference.round(4).tolist(),
        "cumulated": contrast.difference.cumsum().round(4).tolist(),
        "total": round(contrast.winner.score - contrast.other.score, 4),
        "decided": [first, last],
        "decided_by": round(float(contrast.difference[first:last].sum()), 4),
    }


def lead_sentences(contrast: Contrast, start_s: float, frame_shift_s: float) -> list[str]:
    """Say in words by how much a word is ahead of another one, and where."""
    winner, other = contrast.winner, contrast.other
    difference, (first, last) = contrast.difference, contrast.decided
    total, inside = float(difference.sum()), float(difference[first:last].sum())
    said = [f"‘{winner.word}’ is {total:.1f} nats ahead of ‘{other.word}’."]
    if last > first:
        begin_s, end_s = (start_s + t * frame_shift_s for t in (first, last))
        place = f"From {begin_s:.2f} to {end_s:.2f} s alone it gains {inside:.1f}"
        if winner.num_states > 1 or other.num_states > 1:
            place += f", where ‘{winner.word}’ is in {_states(winner, first, last)} and ‘{other.word}’ in {_states(other, first, last)}"
        rest = total - inside
        if last - first < len(difference) and abs(rest) >= 0.05:
            place += f"; the rest is {abs(rest):.1f} for ‘{(winner if rest > 0 else other).word}’"
        said.append(f"{place}.")
    return said


def _states(path: WordPath, first: int, last: int) -> str:
    low, high = int(path.states[first:last].min()) + 1, int(path.states[first:last].max()) + 1
    return f"state{'s' if high > low else ''} {low}{f' to {high}' if high > low else ''} of {path.num_states}"


def spectrogram_json(picture: Spectrogram) -> dict[str, Any]:
    """Give a spectrogram as JSON values: bands times columns bytes, low bands first."""
    bands, columns = picture.levels.shape
    return {
        "bands": bands,
        "columns": columns,
        "hop_s": round(picture.hop_s, 6),
        "top_db": round(picture.top_db, 1),
        "range_db": picture.range_db,
        "centers_hz": picture.centers_hz.round().astype(int).tolist(),
        "levels": base64.b64encode(picture.levels.tobytes()).decode("ascii"),
    }


def waveform_json(samples: np.ndarray, columns: int = ENVELOPE) -> dict[str, Any]:
    """Give the least and the greatest sample of each of some equal parts, int8 (columns, 2) of full scale / 127, as JSON values."""
    columns = max(1, min(columns, len(samples)))
    starts = np.arange(columns) * len(samples) // columns
    ends = np.stack([np.minimum.reduceat(samples, starts), np.maximum.reduceat(samples, starts)], axis=1)
    extremes = np.clip(np.rint(127 * ends), -127, 127).astype(np.int8)
    return {"columns": columns, "extremes": base64.b64encode(extremes.tobytes()).decode("ascii")}
