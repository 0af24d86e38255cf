"""Train a mixture for each phone on typical speech -> final.npz, train.jsonl and train.json (MixGoP)."""

import functools
import hashlib
import json
import logging
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asrkit.config import PathLike, nearest
from asrkit.errors import DataError, SettingsError
from asrkit.features.kinds.ssl import SslConfig
from asrkit.features.transform import TransformConfig
from asrkit.io.alignment import read_alignment, unpaired
from asrkit.io.data_dir import DataDir
from asrkit.io.features import FeatureSet, ReadConfig, check_skipped, read_features, summary
from asrkit.io.files import atomic_write, c_sorted, remove
from asrkit.io.holds import holding
from asrkit.io.mixgop_file import write_mixgop
from asrkit.io.phone_features import fitting_frame_shift_s
from asrkit.io.places import as_path
from asrkit.io.ratings import Ratings, read_ratings
from asrkit.phones.baselines import MODELS, fit_baselines
from asrkit.phones.lda import Lda
from asrkit.phones.mixgop import MixgopConfig, PhoneModel, train_phone
from asrkit.phones.phone import POSITION, Phone, is_silence
from asrkit.phones.phone_set import IMPORT, PhoneSet
from asrkit.phones.tokens import REASONS, Reservoir, cut_tokens, phone_rng
from asrkit.runtime import one_thread, ordered_map

log = logging.getLogger("asrkit")


@dataclass(frozen=True)
class TrainedPhones:
    """A model of phones, and what became of the data.

    Attributes
    ----------
    phone_set : PhoneSet
        What final.npz holds.
    entries : list of dict
        What happened to each phone's mixture: the lines of train.jsonl.
    utts : int
        Utterances that were used.
    left_out : dict of str to int
        Phones of these utterances that were not used, by reason.
    skipped : dict of str to str
        Utterances that were not used, and why.
    """

    phone_set: PhoneSet
    entries: list[dict]
    utts: int
    left_out: dict[str, int]
    skipped: dict[str, str]

    def lines(self) -> list[str]:
        """What has no model, what was reduced, what was left out, and how much was used."""
        config, lines = self.phone_set.config, []
        poor = [
            f"{phone} {count}" for phone, count in self.phone_set.counts.items() if count < config.min_tokens
        ]
        if poor:
            lines.append(
                f"{len(poor)} phones have no model, fewer tokens than min_tokens={config.min_tokens}: {', '.join(poor)}"
            )
        if not config.num_gauss:
            numbers = sorted({entry["gaussians"] for entry in self.entries})
            lines.append(
                f"as many Gaussians as the tokens bear: {numbers[0]}"
                + (f" to {numbers[-1]}" if len(numbers) > 1 else "")
                + " a phone (num_gauss=0)"
            )
        fewer = [
            f"{entry['phone']} {entry['gaussians']}"
            for entry in self.entries
            if entry["gaussians"] < config.num_gauss
        ]
        if fewer:
            lines.append(
                f"{len(fewer)} phones have fewer Gaussians than {config.num_gauss}, too few different tokens for more: {', '.join(fewer)}"
            )
        if self.left_out:
            lines.append(f"left out: {counted(self.left_out)}")
        drawn, seen = (sum(entry[name] for entry in self.entries) for name in ("drawn", "tokens"))
        lines.append(f"trained {len(self.entries)} phones on {drawn} of {seen} tokens")
        return [*lines, summary("utterances used", self.utts, self.skipped)]


def counted(left_out: dict[str, int]) -> str:
    return ", ".join(f"{count} phones ({reason})" for reason, count in sorted(left_out.items()))


@dataclass(frozen=True)
class TypicalSpeech:
    """Which phones are typical: with ratings, those that listeners found good.

    Attributes
    ----------
    ali : path
        Of the alignment, for messages.
    ratings : Ratings or None
        None: every phone is typical.
    min_rating : float
        Least rating of a phone.
    min_speaker_rating : float
        Least mean rating of a speaker.
    """

    ali: PathLike
    ratings: Ratings | None
    min_rating: float
    min_speaker_rating: float

    def unrated(self, utt: str) -> str | None:
        """Say why an utterance can't be used, where it lacks ratings."""
        if self.ratings is None or utt in self.ratings.by_utt:
            return None
        return f"no ratings in {self.ratings.path}"

    def atypical_speakers(self, data: DataDir) -> set[str]:
        """Find the speakers of a data directory whose mean rating is too low."""
        by_speaker: dict[str, list[float]] = {}
        rated = {} if self.ratings is None else self.ratings.by_utt
        for utt in data.feats:
            by_speaker.setdefault(data.speaker(utt), []).extend(rated.get(utt, {}).values())
        return {
            speaker
            for speaker, values in by_speaker.items()
            if values and float(np.mean(values)) < self.min_speaker_rating
        }

    def well_rated(self, utt: str, labels: tuple[str, ...]) -> np.ndarray:
        """Tell which phones of an utterance are rated well enough, bool (P,); ratings of others are a
        DataError.
        """
        if self.ratings is None:
            return np.ones(len(labels), dtype=bool)
        rated = self.ratings.by_utt[utt]
        names = self.ratings.phones.get(utt, labels)
        if names != labels or max(rated, default=-1) >= len(labels):
            place = next(
                (i for i, pair in enumerate(zip(labels, names)) if pair[0] != pair[1]),
                min(len(labels), len(names)),
            )
            raise DataError(
                f"{self.ratings.path}: utterance '{utt}': the phones rated are not those of {self.ali}, from idx {place} on "
                f"({' '.join(names[place : place + 5]) or 'none'}, there {' '.join(labels[place : place + 5]) or 'none'}): the two must agree"
            )
        return np.array([rated.get(idx, np.nan) >= self.min_rating for idx in range(len(labels))])


@one_thread()
@holding("exp")
def mixgop_train(
    data_dir: PathLike,
    ali: PathLike,
    exp: PathLike,
    config: MixgopConfig | None = None,
    *,
    transform: TransformConfig | None = None,
    ratings: PathLike | None = None,
    min_rating: float = 2.0,
    min_speaker_rating: float = -math.inf,
    baselines: Sequence[str] = (),
    frame_shift_s: float = 0.0,
    read: ReadConfig | None = None,
    jobs: int = 1,
) -> TrainedPhones:
    """Train a mixture for each phone, and write the model into a folder.

    Parameters
    ----------
    data_dir : path
        Data directory with feats.scp.
    ali : path
        Folder with phones.ctm, or a CTM file.
    exp : path
        Folder for final.npz, train.jsonl and train.json.
    config : MixgopConfig, optional
    transform : TransformConfig, optional
        What to do with the stored features.
    ratings : path, optional
        Ratings of phones: train on those rated well.
    min_rating, min_speaker_rating : float
        Least rating of a phone, and least mean rating of a speaker, to train on.
    baselines : sequence of str
        What is trained beside the mixtures: names of `asrkit.phones.baselines.MODELS`.
    frame_shift_s : float
        Seconds from frame to frame; 0: as the data directory says, else 0.01.
    jobs : int
        Processes; equal data, settings and seed give a byte-equal model whatever their number.

    Returns
    -------
    TrainedPhones

    Raises
    ------
    DataError
        No phone can be trained, files contradict each other, or more utterances than allowed can't be used.
    SettingsError
        A baseline does not exist, or speakers are to be rated without ratings.
    """
    started = time.perf_counter()
    config, read, transform = config or MixgopConfig(), read or ReadConfig(), transform or TransformConfig()
    check_baselines(baselines)
    alignment = read_alignment(ali)
    check_names(ali, alignment)
    typical = TypicalSpeech(
        ali, read_phone_ratings(ratings) if ratings else None, min_rating, min_speaker_rating
    )
    if typical.ratings is None and min_speaker_rating > -math.inf:
        raise SettingsError(f"min_speaker_rating={min_speaker_rating:g} needs ratings=FILE")
    features = read_features(data_dir, transform_config=transform, allow_pipes=read.allow_pipes)
    shift_s = fitting_frame_shift_s(features, alignment, ali, frame_shift_s)
    if isinstance(features.frontend.kind, SslConfig) and transform.delta_order:
        log.warning(
            "deltas make features of a self-supervised model three times as wide, and such models know the context: delta_order=0"
        )
    skipped = unpaired(features.data, alignment)
    reservoirs, left_out, used, data_hash = draw_tokens(
        features, alignment, typical, config, shift_s, skipped
    )
    check_skipped(skipped, read.max_skipped, "trained on", used)
    counts = {phone: reservoirs[phone].seen for phone in c_sorted(reservoirs)}
    rich = [phone for phone, count in counts.items() if count >= config.min_tokens]
    if not rich:
        why = "; left out: " + counted(left_out) if left_out else ""
        raise DataError(
            f"{ali}: no phone has min_tokens={config.min_tokens} tokens, the most has {max(counts.values(), default=0)}{why}"
        )
    rich_counts = [counts[phone] for phone in rich]
    drawn, lda = [reservoirs.pop(phone).tokens() for phone in rich], None
    if config.lda_dim:
        try:
            lda = Lda.fit(drawn, rich_counts, config.lda_dim, config.added_dims)
        except ValueError as error:
            raise DataError(f"{data_dir}: lda_dim={config.lda_dim}: {error}") from None
    else:
        lda = Lda.units(drawn)
    if lda is not None:
        drawn = [lda.apply(tokens) for tokens in drawn]
    try:
        models, entries = train_mixtures(rich, drawn, rich_counts, config, jobs)
    except ValueError as error:
        raise DataError(f"{data_dir}: {error}") from None
    warn_of_few_tokens(entries, config, drawn[0].shape[1])
    fitted, converged = fit_baselines(baselines, drawn, rich_counts)
    if not converged:
        log.warning("the regression of baselines=logistic stopped before it converged")
    least = min_rating if typical.ratings is not None else None
    phone_set = PhoneSet(models, counts, config, least, features.frontend, shift_s, data_hash, fitted, lda)
    trained = TrainedPhones(phone_set, entries, used, dict(left_out), skipped)
    write_training(as_path(exp), trained, time.perf_counter() - started)
    return trained


def check_names(ali: PathLike, alignment: Mapping[str, Sequence[Phone]]) -> None:
    """Refuse phones that are all numbers, and warn of silences: what is imported has neither."""
    counts = Counter(phone.label for some in alignment.values() for phone in some)
    silences = [label for label in counts if is_silence(POSITION.sub("", label))]
    numbers = [label for label in counts if label.isascii() and label.isdecimal()]
    if numbers and len(numbers) + len(silences) == len(counts):
        raise DataError(
            f"{ali}: phones are numbers ({', '.join(sorted(numbers, key=int)[:5])}): {IMPORT} --phones phones.txt gives them names"
        )
    if silences:
        log.warning(
            "%s: %d of its phones are silences (%s), and are trained as phones: %s leaves them out",
            ali,
            sum(counts[label] for label in silences),
            ", ".join(silences[:5]),
            IMPORT,
        )


def check_baselines(names: Sequence[str]) -> None:
    for name in names:
        if name not in MODELS:
            raise SettingsError(
                f"baselines={','.join(names)}: no baseline '{name}'{nearest(name, MODELS)}: none, all, or some of {', '.join(MODELS)}"
            )


def read_phone_ratings(path: PathLike) -> Ratings:
    ratings = read_ratings(as_path(path))
    if ratings.form == "utterances":
        raise DataError(f"{path}: rates utterances; to choose what is trained on, phones must be rated")
    return ratings


def train_mixtures(
    phones: list[str], drawn: list[np.ndarray], counts: list[int], config: MixgopConfig, jobs: int
) -> tuple[dict[str, PhoneModel], list[dict]]:
    """Train the mixtures side by side: dict of phone to PhoneModel, and what happened, a dict each."""
    models, entries = {}, []
    items = list(zip(phones, drawn, counts))
    for model, entry in ordered_map(functools.partial(train_one, config), items, jobs=jobs, label="phones"):
        models[entry["phone"]] = model
        entries.append(entry)
        log.info(
            "%(phone)s: %(gaussians)d Gaussians, %(iterations)d iterations, %(per_token).3f a token over %(drawn)d, %(ending)s",
            entry,
        )
    return models, entries


def train_one(config: MixgopConfig, item: tuple[str, np.ndarray, int]) -> tuple[PhoneModel, dict]:
    return train_phone(*item, config)


def warn_of_few_tokens(entries: list[dict], config: MixgopConfig, dim: int) -> None:
    """Warn where a number of Gaussians that was asked for has more parameters than there are tokens."""
    starved = {
        entry["phone"]: (entry["drawn"], parameters)
        for entry in entries
        if entry["drawn"] < (parameters := config.parameters(entry["gaussians"], dim))
    }
    if not config.num_gauss or not starved:
        return
    some = ", ".join(f"{phone} {tokens} < {count}" for phone, (tokens, count) in list(starved.items())[:3])
    log.warning(
        "%d of %d phones have fewer tokens than their mixture has parameters (%s%s) and may be learned by heart "
        "(num_gauss=0 follows the tokens, covariance=diag has fewer parameters)",
        len(starved),
        len(entries),
        some,
        ", ..." if len(starved) > 3 else "",
    )


def write_training(exp: Path, trained: TrainedPhones, seconds: float) -> None:
    # of an earlier training: must not stand beside the new log if writing breaks off
    remove(exp / "final.npz")
    with atomic_write(exp / "train.jsonl") as stream:
        stream.writelines(json.dumps(entry, sort_keys=True) + "\n" for entry in trained.entries)
    with atomic_write(exp / "train.json") as stream:
        facts = {"seconds": round(seconds, 3), "utts": trained.utts, "skipped": trained.skipped}
        json.dump(facts, stream, sort_keys=True)
        stream.write("\n")
    write_mixgop(exp / "final.npz", trained.phone_set)


def draw_tokens(
    features: FeatureSet,
    alignment: dict[str, tuple[Phone, ...]],
    typical: TypicalSpeech,
    config: MixgopConfig,
    shift_s: float,
    skipped: dict[str, str],
) -> tuple[dict[str, Reservoir], Counter[str], int, str]:
    """Go through all utterances once: each phone's reservoir, what was left out, utterances used, hash of the
    data.

    Why an utterance can't be used goes to `skipped`.
    """
    reservoirs: dict[str, Reservoir] = {}
    left_out: Counter[str] = Counter()
    used, digest = 0, hashlib.sha256()
    atypical = typical.atypical_speakers(features.data)
    for utt, feats in ordered_map(unchanged, features, label="utterances"):
        if utt not in alignment:
            continue
        if without := typical.unrated(utt):
            skipped[utt] = without
            continue
        phones = tuple(phone.label for phone in alignment[utt])
        times = np.array([(phone.start_s, phone.end_s) for phone in alignment[utt]])
        good, reason = typical.well_rated(utt, phones), f"rated below {typical.min_rating:g}"
        if features.data.speaker(utt) in atypical:
            good[:], reason = False, f"of speakers rated below {typical.min_speaker_rating:g}"
        names = sorted(set(phones))
        labels = np.array([names.index(phone) for phone in phones])
        tokens = cut_tokens(feats, labels, times[:, 0], times[:, 1], shift_s, config.pooling)
        left_out.update(REASONS[fault] for fault in tokens.faults[tokens.faults > 0])
        left_out[reason] += int((~good & (tokens.faults == 0)).sum())
        owner = np.repeat(np.where(good, labels, -1), tokens.counts)
        for label, name in enumerate(names):
            if name not in reservoirs:
                reservoirs[name] = Reservoir(config.max_tokens, phone_rng(config.seed, name, 0))
            reservoirs[name].add(tokens.obs[owner == label])
        digest.update(f"{utt} {list(phones)} {feats.shape}\n".encode())
        for array in (times, good, feats):
            digest.update(np.ascontiguousarray(array).data)
        used += 1
    skipped.update(features.skipped)
    return reservoirs, +left_out, used, digest.hexdigest()


def unchanged(item: tuple) -> tuple:
    return item
