"""Draw pronunciation scores: speakers against phones, utterances, components of phones -> PNG files."""

import functools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asrkit.characters import composed
from asrkit.config import PathLike, nearest
from asrkit.errors import DataError, SettingsError
from asrkit.evaluation.rating import mean_by
from asrkit.features.transform import TransformConfig
from asrkit.io.audio import read_audio
from asrkit.io.data_dir import DataDir, Segment, read_data_dir
from asrkit.io.features import FeatureSet, read_features
from asrkit.io.files import atomic_write, c_sorted, read_lines
from asrkit.io.names import file_name
from asrkit.io.places import as_path
from asrkit.io.ratings import NUMBERS, TEXTS, Scores, read_scores
from asrkit.runtime import one_thread
from asrkit.workflows.component_pictures import component_pictures

if TYPE_CHECKING:
    from asrkit.plots.phones import Sound

Picture = Callable[[], str]  # draws it, and returns its path
PREFERRED = ("posterior", "z", "loglik")
RELATIVE = ("z", "pct")  # to the phone's training tokens
ENOUGH = 5  # scored phones that make a mean worth a look

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class DrawnPictures:
    """Files that were written, in this order."""

    paths: tuple[str, ...]

    def lines(self) -> list[str]:
        """The paths."""
        return list(self.paths)


@dataclass(frozen=True)
class ShownScores:
    """Scores of one kind, who spoke, and the folder that pictures of them go to."""

    scores: Scores
    kind: str
    speaker_of: dict[str, str]
    out: Path

    def values(self, lines: slice | list[int] = slice(None)) -> np.ndarray:
        return self.scores.columns[self.kind][lines]


@dataclass(frozen=True)
class Sounds:
    """The recordings of a data directory, or stored features in place of those that it does not have.

    Attributes
    ----------
    data : DataDir
    features : (FeatureSet, float) or None
        With their frame shift in seconds; None where no utterance needs them.
    allow_pipes : bool
    """

    data: DataDir
    features: tuple[FeatureSet, float] | None
    allow_pipes: bool

    def read(self, utt: str) -> "Sound":
        """Read what is drawn of an utterance: its Sound."""
        from asrkit.plots.phones import Sound, wideband  # late: matplotlib is slow to import

        recording, segment = recording_of(self.data, utt)
        if recording in self.data.wav or self.features is None:
            samples, rate_hz = read_audio(
                self.data.wav[recording],
                base=self.data.path,
                stated=segment.channel if segment else None,
                allow_pipes=self.allow_pipes,
            )
            if segment:
                end = None if segment.end_s < 0 else int(segment.end_s * rate_hz)
                samples = samples[int(segment.start_s * rate_hz) : end]
            if not len(samples):
                raise DataError(
                    f"{self.data.path / 'segments'}: utterance '{utt}' begins behind the end of recording '{recording}'"
                )
            return wideband(samples, rate_hz)
        features, shift_s = self.features
        feats = features.read(utt)
        deviation = feats.std(axis=0)
        image = ((feats - feats.mean(axis=0)) / np.where(deviation > 0, deviation, 1)).T
        label = "dimension of the features\n(each about its mean)"
        return Sound(image, len(feats) * shift_s, feats.shape[1], label, False)


@one_thread()
def mixgop_plot(
    scores: PathLike,
    out: PathLike,
    *,
    data_dir: PathLike | None = None,
    exp: PathLike | None = None,
    ali: PathLike | None = None,
    kind: str = "",
    utts: Sequence[str] = (),
    worst: int = 3,
    best: int = 1,
    centre: bool | None = None,
    phones: Sequence[str] = (),
    frame_shift_s: float = 0.0,
    allow_pipes: bool = False,
    on_picture: Callable[[str], object] | None = None,
) -> DrawnPictures:
    """Draw speakers against phones; with `data_dir` utterances, too, with `exp` and `ali` components of
    phones.

    Parameters
    ----------
    scores : path
        Folder of `mixgop score`.
    out : path
        Folder for the pictures.
    data_dir : path, optional
        Data directory of the scores: its recordings or features are drawn.
    exp, ali : path, optional
        The model whose components are drawn, and where the phones of `data_dir` are.
    kind : str
        Column of phones.tsv to draw; empty: the first of PREFERRED that has values.
    utts : sequence of str
        Utterances to draw; without, those with the `worst` lowest and the `best` highest means.
    centre : bool, optional
        Draw speakers less the phone's median. None: of all kinds but z and pct.
    phones : sequence of str
        Phones whose components are drawn; without, those with most tokens.
    frame_shift_s : float
        Seconds from frame to frame; 0: as the data directory says, else 0.01.
    allow_pipes : bool
        Run shell pipes found in scp files.
    on_picture : callable, optional
        Told the path of each picture as soon as it is there.

    Returns
    -------
    DrawnPictures

    Raises
    ------
    DataError
        A file is missing or damaged, or lacks what is to be drawn.
    SettingsError
        What is asked for needs other settings.
    """
    utts, phones = ([composed(name) for name in names] for names in (utts, phones))
    check_settings(data_dir, exp, ali, utts, phones)
    kinds = kinds_of_table(as_path(scores))
    table = read_scores(as_path(scores), kinds)
    shown = ShownScores(table, chosen_kind(table, kinds, kind), read_speakers(table), as_path(out))
    pictures: list[Picture] = [functools.partial(draw_speakers, shown, centre)]
    if data_dir:
        data = read_data_dir(data_dir)
        drawn = utterances_to_draw(shown, data, utts, worst, best)
        sounds = open_sounds(data, drawn, frame_shift_s, allow_pipes)
        pictures += utterance_pictures(shown, drawn, sounds)
    if exp and ali and data_dir:
        pictures += component_pictures(exp, ali, data_dir, phones, frame_shift_s, allow_pipes, as_path(out))
    paths = []
    for draw in pictures:
        paths.append(draw())
        if on_picture:
            on_picture(paths[-1])
    return DrawnPictures(tuple(paths))


def check_settings(
    data_dir: PathLike | None,
    exp: PathLike | None,
    ali: PathLike | None,
    utts: Sequence[str],
    phones: Sequence[str],
) -> None:
    if utts and not data_dir:
        raise SettingsError(f"utts={','.join(utts)} needs data_dir=DIR, which has the recordings")
    if bool(exp) != bool(ali):
        given, other = (f"exp={exp}", "ali=ALI") if exp else (f"ali={ali}", "exp=EXP")
        raise SettingsError(f"{given} goes with {other}: both are needed for the components")
    if (exp or phones) and not (exp and data_dir):
        raise SettingsError("the components of phones need data_dir=DIR, exp=EXP and ali=ALI")


# Scores


def kinds_of_table(folder: Path) -> list[str]:
    """Find the columns of phones.tsv that are scores."""
    path = folder / "phones.tsv"
    head = next(read_lines(path), (1, ""))[1] if path.exists() else ""
    return [name for name in head.split("\t") if name and name not in TEXTS + NUMBERS]


def chosen_kind(scores: Scores, kinds: list[str], wanted: str) -> str:
    """Pick the kind that is wanted, or the first that has values."""
    for name in ("start", "end"):
        if name not in scores.columns:
            raise DataError(f"{scores.path}:1: no column '{name}' (asrkit mixgop score writes it anew)")
    if wanted and wanted not in kinds:
        raise DataError(
            f"{scores.path}:1: no score '{wanted}'{nearest(wanted, kinds)}; it has {', '.join(kinds)}"
        )
    for name in [wanted] if wanted else [*(kind for kind in PREFERRED if kind in kinds), *kinds]:
        if np.isfinite(scores.columns[name]).any():
            return name
    raise DataError(
        f"{scores.path}: no phone has a score{f' of kind {wanted}' if wanted else ''} (is a model there for these phones?)"
    )


def read_speakers(scores: Scores) -> dict[str, str]:
    """Read who spoke each utterance, of the utterances.tsv beside phones.tsv."""
    path = scores.path.parent / "utterances.tsv"
    speakers = dict(line.split("\t")[:2] for number, line in read_lines(path) if number > 1 and "\t" in line)
    missing = next((utt for utt in scores.rows if utt not in speakers), None)
    if missing is not None:
        raise DataError(
            f"{path}: utterance '{missing}' of {scores.path} is not in it (asrkit mixgop score writes both anew)"
        )
    return speakers


# Speakers against phones


def draw_speakers(shown: ShownScores, centre: bool | None) -> str:
    from asrkit.plots.phones import plot_speakers  # late: matplotlib is slow to import

    columns, kind = shown.scores.columns, shown.kind
    said_by = np.array([shown.speaker_of[utt] for utt in columns["utt"]], dtype=object)
    speakers, phones = c_sorted(set(said_by)), c_sorted(set(columns["phone"]))
    place = {name: i for i, name in enumerate(speakers)}, {name: i for i, name in enumerate(phones)}
    cells = np.array([place[0][name] for name in said_by]) * len(phones) + np.array(
        [place[1][name] for name in columns["phone"]]
    )
    values = np.where(np.isfinite(shown.values()), shown.values(), np.nan)
    means = mean_by(values, cells, len(speakers) * len(phones)).reshape(len(speakers), len(phones))
    centre = kind not in RELATIVE and len(speakers) > 1 if centre is None else centre
    title = f"{kind} of {int(np.isfinite(values).sum())} phones by {len(speakers)} speakers, the lowest first; grey: no scored token"
    path = shown.out / f"speakers_{kind}.png"
    with atomic_write(path, "wb") as stream:
        plot_speakers(means, speakers, phones, stream, kind, centre, title)
    return str(path)


# Utterances


def utterances_to_draw(
    shown: ShownScores, data: DataDir, wanted: Sequence[str], worst: int, best: int
) -> list[str]:
    """Pick the utterances that are wanted, or the most notable ones."""
    scores = shown.scores
    usable = {utt for utt in scores.rows if utt in data.feats or recording_of(data, utt)[0] in data.wav}
    for utt in wanted:
        if utt not in scores.rows:
            raise DataError(f"{scores.path}: utterance '{utt}' is not in it{nearest(utt, scores.rows)}")
        if utt not in usable:
            raise DataError(
                f"{data.path}: utterance '{utt}' has neither a recording (wav.scp) nor features (feats.scp)"
            )
    if not usable:
        log.warning(
            "%s: no utterance of %s has a recording or features there: none is drawn", data.path, scores.path
        )
    return list(wanted) or notable(scores, shown.kind, usable, worst, best)


def notable(scores: Scores, kind: str, usable: set[str], worst: int, best: int) -> list[str]:
    """Pick the utterances with the lowest means, the lowest first, and those with the highest."""
    means, enough = {}, {}
    for utt in c_sorted(usable):
        values = scores.columns[kind][scores.rows[utt]]
        values = values[np.isfinite(values)]
        if len(values):
            means[utt], enough[utt] = float(values.mean()), len(values) >= ENOUGH
    if any(enough.values()):
        means = {utt: mean for utt, mean in means.items() if enough[utt]}
    ranked = sorted(means, key=means.__getitem__)
    lowest = ranked[:worst]
    return lowest + [utt for utt in reversed(ranked) if utt not in lowest][:best]


def recording_of(data: DataDir, utt: str) -> tuple[str, Segment | None]:
    """Find an utterance's recording, its name in wav.scp, and the segment."""
    segment = data.segments.get(utt)
    return (segment.recording if segment else utt), segment


def open_sounds(data: DataDir, utts: list[str], frame_shift_s: float, allow_pipes: bool) -> Sounds:
    """Open what is drawn of these utterances."""
    if all(recording_of(data, utt)[0] in data.wav for utt in utts):
        return Sounds(data, None, allow_pipes)
    features = read_features(
        data.path, transform_config=TransformConfig(delta_order=0), allow_pipes=allow_pipes
    )
    return Sounds(data, (features, frame_shift_s or features.frame_shift_s()), allow_pipes)


def utterance_pictures(shown: ShownScores, utts: list[str], sounds: Sounds) -> list[Picture]:
    """Make a function for each utterance's picture."""
    from asrkit.plots.phones import score_range  # late: matplotlib is slow to import

    limits = score_range(shown.values())
    return [functools.partial(draw_utterance, shown, utt, sounds, limits) for utt in utts]


def draw_utterance(shown: ShownScores, utt: str, sounds: Sounds, limits: tuple[float, float]) -> str:
    from asrkit.plots.phones import plot_utterance, short  # late: matplotlib is slow to import

    columns, lines, kind = shown.scores.columns, shown.scores.rows[utt], shown.kind
    words = columns["word"][lines] if "word" in columns else [""] * len(lines)
    values = shown.values(lines)
    phones = list(zip(columns["phone"][lines], columns["start"][lines], columns["end"][lines], values, words))
    known = values[np.isfinite(values)]
    title = f"{utt}, speaker {shown.speaker_of[utt]}: " + (
        f"mean {kind} {short(known.mean())} over {len(known)} phones" if len(known) else ""
    )
    title += f", {len(values) - len(known)} without a score" if len(known) < len(values) else ""
    sound = sounds.read(utt)
    path = shown.out / f"utt_{file_name(utt)}_{kind}.png"
    with atomic_write(path, "wb") as stream:
        plot_utterance(sound, phones, limits, stream, kind, title)
    return str(path)
