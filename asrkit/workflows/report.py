"""Lay out several scored decodings as one table with pictures."""

import functools
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from asrkit import families
from asrkit.characters import phrase
from asrkit.config import PathLike, parse_float
from asrkit.errors import DataError
from asrkit.evaluation.noise import count_by_noise, noise_lines
from asrkit.evaluation.scoring import compute_errors
from asrkit.features.kinds.given import GivenFeatures
from asrkit.features.kinds.mfcc import MfccConfig
from asrkit.features.spectrogram import mel_power_db, slaney_hz
from asrkit.io.audio import read_audio
from asrkit.io.decodings import hears_phrases, read_hyp
from asrkit.io.features import FeatureSet, ReadConfig, read_features
from asrkit.io.files import atomic_write, read_lines, read_table
from asrkit.io.json_file import checked, loads, read_object
from asrkit.io.model_file import read_model
from asrkit.io.names import file_name
from asrkit.io.places import as_path
from asrkit.io.reading import reading
from asrkit.io.recordings import cut
from asrkit.models.base import Block
from asrkit.runtime import one_thread
from asrkit.workflows.perturb import RECORD
from asrkit.workflows.report_html import HtmlConfig, Pages, write_html

log = logging.getLogger("asrkit")

# What is needed of report.json, and of a line of train.jsonl
REPORT = {
    "errors": int,
    "total": int,
    "wer": (float, type(None)),
    "interval": [float, float],
    "mode": str,
    "skipped": {str: str},
}
LOGGED = {"word": str, "iteration": int, "per_frame": float, "gaussians": (int, type(None))}


@dataclass(frozen=True)
class Reported:
    """A report on several decodings.

    Attributes
    ----------
    table : tuple of str
        The lines of table.txt.
    pictures : dict of str to str
        File names in the report's folder, to their captions.
    pages : Pages or None
        Where they were asked for.
    """

    table: tuple[str, ...]
    pictures: dict[str, str]
    pages: Pages | None = None

    def lines(self) -> list[str]:
        """The table of error rates, where noise was recorded that of noises, and what pages there are."""
        return [*self.table, *(self.pages.lines() if self.pages else [])]


@dataclass(frozen=True)
class System:
    """What a report says of one decode folder.

    Attributes
    ----------
    name : str
    decode : Path
        The decode folder.
    exp, heard : Path
        The folder of its model and the decode folder of that model; of a cross-validation those of the first
        fold.
    report, decoded : dict
        report.json and decode.json.
    train_s : float
        Seconds of the training.
    """

    name: str
    decode: Path
    exp: Path
    heard: Path
    report: dict[str, Any]
    decoded: dict[str, Any]
    train_s: float


@one_thread()
def report(
    out_dir: PathLike,
    data_dir: PathLike,
    decode_dirs: Sequence[PathLike],
    *,
    title: str = "",
    utt: str = "",
    allow_pipes: bool = False,
    html: HtmlConfig | None = None,
) -> Reported:
    """Write table.txt, report.md and the pictures of several decodings of one data directory.

    Parameters
    ----------
    out_dir : path
        Folder for the report.
    data_dir : path
        The data directory that was decoded.
    decode_dirs : sequence of path
        Scored decode folders, each within the folder of its model, or folders of a cross-validation.
    title : str
        A line above the table.
    utt : str
        The utterance of the alignment picture; by default the first that was recognised.
    allow_pipes : bool
        Run shell pipes found in the data directory's scp files.
    html : HtmlConfig, optional
        Whether report.html, errors.tsv and report.json are written, too, and what the page holds.

    Returns
    -------
    Reported

    Raises
    ------
    DataError
        A file is missing or broken, or `utt` can't be drawn.
    """
    from asrkit.plots.models import plot_training_curves  # late: matplotlib is slow to import
    from asrkit.plots.words import plot_noise

    out, data_path = as_path(out_dir), as_path(data_dir)
    systems = [read_system(as_path(decode)) for decode in decode_dirs]
    lines, pictures, curves_of = table(systems, title), {}, {}
    by_noise = noise_curves(systems, data_path)
    if by_noise:
        lines += ["", *noise_lines(by_noise)]
        pictures["noise.png"] = "word error rate against the signal-to-noise ratio, with 95 % intervals"
        heading = ": ".join(filter(None, (title, "errors in noise")))
        draw(functools.partial(plot_noise, by_noise, title=heading), out / "noise.png")
    for system in systems:
        confusion, training = f"confusion_{system.name}.png", f"training_{system.name}.png"
        pictures[confusion] = f"{system.name}: what was said (rows) and what was heard (columns)"
        copy(system.decode / "confusion.png", out / confusion)
        curves = read_curves(system.exp / "train.jsonl")
        curves_of[system.name] = curves
        if curves:
            pictures[training] = (
                f"{system.name}: the objective of every word's training, iteration by iteration"
            )
            heading = f"{system.name}: training"
            draw(functools.partial(plot_training_curves, curves, title=heading), out / training)
    caption = draw_alignment(systems, data_dir, utt, allow_pipes, out / "alignment.png")
    if caption:
        pictures["alignment.png"] = caption
    with atomic_write(out / "table.txt") as stream:
        stream.write("\n".join(lines) + "\n")
    with atomic_write(out / "report.md") as stream:
        stream.write("# Error rates\n\n```\n" + "\n".join(lines) + "\n```\n")
        for name, text in pictures.items():
            stream.write(f"\n![{text}]({name})\n\n{text}\n")
    pages = None
    if html is not None and html.html:
        check_names(systems)
        pages = write_html(
            out, data_path, systems, title, html, ReadConfig(allow_pipes=allow_pipes), curves_of
        )
    return Reported(tuple(lines), pictures, pages)


def check_names(systems: Sequence[System]) -> None:
    """Refuse, by a DataError, two systems of one name."""
    first: dict[str, System] = {}
    for system in systems:
        other = first.setdefault(system.name, system)
        if other is not system:
            raise DataError(
                f"{other.decode} and {system.decode}: both systems are called '{system.name}', after the folders of their models (rename one)"
            )


def read_system(decode: Path) -> System:
    """Read what the table says of one decode folder: a System."""
    folds, name = [decode], decode.parent.name
    if (decode / "crossval.json").exists():
        facts = read_object(decode / "crossval.json", {"folds": [dict]}, "asrkit crossval")
        if not facts["folds"]:
            raise DataError(f"{decode / 'crossval.json'}: no folds (asrkit crossval makes it anew)")
        for fold in facts["folds"]:
            checked(fold, {"name": str}, decode / "crossval.json", "asrkit crossval makes it anew")
        folds = [decode / f"fold_{file_name(fold['name'])}" / "decode_test" for fold in facts["folds"]]
        name = decode.resolve().name
    seconds = 0
    for exp in (fold.parent for fold in folds):
        seconds += read_object(exp / "train.json", {"seconds": float}, "asrkit train")["seconds"]
        if (exp / "codebook.json").exists():  # a codebook of its own is part of the training
            facts = read_object(exp / "codebook.json", {"seconds": float}, "asrkit train-codebook")
            seconds += facts["seconds"]
    return System(
        name=name,
        decode=decode,
        exp=folds[0].parent,
        heard=folds[0],
        report=read_object(decode / "report.json", REPORT, "asrkit score"),
        decoded=read_object(decode / "decode.json", {"seconds": float}, "asrkit decode"),
        train_s=seconds,
    )


def table(systems: list[System], title: str) -> list[str]:
    """Lay out the lines of the table: families by errors, rate, interval, seconds."""
    width = max(6, *(len(system.name) for system in systems))
    lines = [title] if title else []
    lines.append(f"{'system':<{width}}  errors   words    WER %    acc %  95 % interval   train s  decode s")
    for system in systems:
        found = system.report
        low, high = found["interval"]
        wer = 100 * (found["wer"] or 0)
        lines.append(
            f"{system.name:<{width}}  {found['errors']:6d}  {found['total']:6d}  {wer:7.2f}  {100 - wer:7.2f}"
            f"  [{100 * low:5.2f}, {100 * high:5.2f}]  {system.train_s:8.1f}  {system.decoded['seconds']:8.1f}"
        )
    return lines


def noise_curves(systems: list[System], data_path: Path) -> list[tuple[str, str, dict]]:
    """Count every system's errors by noise: list of (system, noise, dict of SNR in dB to Counts).

    Empty for a directory that names no SNR.
    """
    if not (data_path / RECORD).exists():
        return []
    refs = read_table(data_path / "text")
    conditions = read_conditions(data_path / RECORD, refs)
    if not conditions:
        return []
    curves = []
    for system in systems:
        scored, hyp = system.report, system.decode / "hyp"
        mode = "present" if scored["mode"] == "present" else "all"
        found = compute_errors(
            refs,
            read_hyp(system.decode)[0],
            {},
            mode,
            skipped=scored["skipped"],
            phrases=hears_phrases(system.decode),
        )
        if (found.errors, found.num_words) != (scored["errors"], scored["total"]):
            raise DataError(
                f"{hyp}: {found.errors} errors in {found.num_words} words of {data_path}/text, but report.json beside it has "
                f"{scored['errors']} in {scored['total']} (asrkit score {data_path} {system.decode} counts anew)"
            )
        kinds = count_by_noise({one: counted.counts for one, counted in found.utts.items()}, conditions)
        curves += [(system.name, noise, cells) for noise, cells in kinds.items()]
    return curves


def read_conditions(path: Path, utts: Collection[str]) -> dict[str, tuple[str, float | None]]:
    """Read which noise `asrkit perturb` has put into each utterance.

    Returns
    -------
    dict of str to (str, float or None)
        Utterance to (noise, SNR in dB, None without noise); {} where the file names no SNR.
    """
    (_, head), *lines = list(read_lines(path)) or [(1, "")]
    conditions = {}
    for number, line in lines:
        try:
            row = dict(zip(head.split("\t"), line.split("\t"), strict=True))
            snr = None if row["noise"] == "none" else parse_float(row["snr"])
            conditions[row["utt"]] = (row["noise"], snr)
        except (KeyError, ValueError):
            raise DataError(
                f"{path}:{number}: '{line}' does not tell utt, noise and snr (asrkit perturb makes it anew)"
            ) from None
    if all(snr is None for _, snr in conditions.values()):
        return {}
    lacking = [utt for utt in utts if utt not in conditions]
    if lacking:
        raise DataError(
            f"{path}: utterance '{lacking[0]}' of {path.parent}/text is not in it, {len(lacking)} of {len(utts)} in all "
            f"(asrkit perturb makes both anew; without {path.name} there is no table of noises)"
        )
    return conditions


def copy(source: Path, target: Path) -> None:
    try:
        data = source.read_bytes()
    except OSError as error:
        raise DataError(f"{source}: cannot be read: {error.strerror} (asrkit score makes it)") from None
    with atomic_write(target, "wb") as stream:
        stream.write(data)


def draw(plot: Callable[[IO[bytes]], Any], path: Path) -> None:
    """Let `plot(stream)` write one picture, whole or not at all."""
    with atomic_write(path, "wb") as stream:
        plot(stream)


def read_curves(path: Path) -> dict[str, list[tuple[int, float, int, bool]]]:
    """Read a training log: dict of word to list of (iteration, objective per frame, Gaussians, whether it is the finished model's).

    {} of a training without iterations, whose log has one line a word.
    """
    entries: dict[str, list[dict[str, Any]]] = {}
    with reading(path, "no training log", "asrkit train makes it"):
        for number, line in read_lines(path):
            entry = checked(loads(line), LOGGED, f"{path}:{number}", "asrkit train makes it anew")
            entries.setdefault(entry["word"], []).append(entry)
        if all(len(own) == 1 for own in entries.values()):
            return {}
        return {
            word: [
                (entry["iteration"], entry["per_frame"], entry["gaussians"], _ended(before, entry))
                for before, entry in zip([None, *own], own, strict=False)
            ]
            for word, own in entries.items()
        }


def _ended(before: dict[str, Any] | None, entry: dict[str, Any]) -> bool:
    """Whether the training had ended before this entry, which is of what all words share then."""
    return (
        before is not None and before.get("ending") is not None and before.get("phase") != entry.get("phase")
    )


def draw_alignment(
    systems: list[System], data_dir: PathLike, utt: str | None, allow_pipes: bool, path: Path
) -> str | None:
    """Draw one utterance's best state sequence, of the last system whose words are sequences of states.

    Returns
    -------
    str or None
        The caption; None where nothing can be drawn.
    """
    from asrkit.plots.models import plot_alignment  # late: matplotlib is slow to import

    for system in reversed(systems):
        vocabulary = read_model(system.exp)
        family = families.load(vocabulary.family)
        num_states = max(model.num_states for model in vocabulary.models.values())
        if family.has_states and family.can_align and num_states > 1:
            break
    else:
        if utt:
            log.warning("utt=%s: no alignment is drawn, because no system has states", utt)
        return None
    features = read_features(data_dir, frontend=vocabulary.frontend, allow_pipes=allow_pipes)
    hyps = read_hyp(system.heard)[0]
    right = [
        one
        for one, word in hyps.items()
        if phrase(features.data.text.get(one, "")) == word and one in features.data.feats
    ]
    utt = utt or next(iter(right), None)
    if utt is None:
        return None
    if utt not in features.data.feats:
        raise DataError(f"{data_dir}: no features of utt={utt}, whose alignment was to be drawn")
    word = hyps.get(utt)
    if word not in vocabulary.models:
        word = vocabulary.words[0]
    picture = spectrogram(features, utt, allow_pipes)
    if picture is None:
        log.warning(
            "utterance %s: no alignment is drawn, because it has neither a recording nor cepstra", utt
        )
        return None
    block, model = Block.from_items([(utt, vocabulary.observe(features.read(utt)))]), vocabulary.models[word]
    score, states = model.align(block)
    per_frame = model.emission.log_likelihood(block.obs)[np.arange(len(states)), states]
    spread = np.arange(len(states)) + (picture.power_db.shape[1] - len(states)) // 2
    power_db = picture.power_db[:, np.clip(spread, 0, picture.power_db.shape[1] - 1)]
    heading = f"{utt}: Viterbi alignment with '{word}' ({system.name}), log-likelihood {score[0]:.1f}"
    draw(
        lambda stream: plot_alignment(
            power_db, picture.centers_hz, features.frame_shift_s(), states, word, per_frame, stream, heading
        ),
        path,
    )
    return f"{system.name}: the best state sequence of {utt} over its {picture.name}"


@dataclass(frozen=True, eq=False)
class Spectrogram:
    """Power in dB (F, T), the centres of its F bands in Hz, and what it is."""

    power_db: np.ndarray
    centers_hz: np.ndarray
    name: str


def spectrogram(features: FeatureSet, utt: str, allow_pipes: bool = False) -> Spectrogram | None:
    """Compute the spectrogram of an utterance's recording or, where there is none, rebuild it from cepstra.

    Returns
    -------
    Spectrogram or None
        None where there are neither; T may differ a little from the frames of the features.
    """
    data, kind = features.data, features.frontend.kind
    segment = data.segments.get(utt)
    recording = segment.recording if segment else utt
    if recording in data.wav:
        heard_hz = kind.rate_hz if kind.hears else None  # no more than the model hears
        samples, own_hz = read_audio(
            data.wav[recording],
            rate=heard_hz,
            base=data.path,
            stated=segment.channel if segment else None,
            allow_pipes=allow_pipes,
        )
        rate_hz = heard_hz or own_hz
        if segment:
            samples = cut(samples, rate_hz, segment.start_s, segment.end_s)
        hop, num_fft = (
            round(features.frame_shift_s() * rate_hz),
            1 << (round(0.025 * rate_hz) - 1).bit_length(),
        )
        power_db = mel_power_db(samples, rate_hz, hop, num_fft, 32)
        return Spectrogram(power_db, slaney_hz(34, rate_hz / 2)[1:-1], "spectrogram")
    if not isinstance(kind, MfccConfig | GivenFeatures):
        return None
    from scipy.fft import idct

    # The smooth spectrum that the cepstra came from, on librosa's mel scale (Slaney's) up to 4 kHz.
    cepstra = features.read(utt)[:, :13]
    power_db = idct(np.pad(cepstra, ((0, 0), (0, 32 - cepstra.shape[1]))), norm="ortho", axis=1).T
    return Spectrogram(power_db, slaney_hz(34, 4000)[1:-1], "spectrum, rebuilt from its cepstra")
